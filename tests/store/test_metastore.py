from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from spanledger.store.errors import LedgerFencedError, LedgerNotFoundError, LedgerVersionError
from spanledger.store.files import DataFile
from spanledger.store.leases import take_lease
from spanledger.store.metastore import BEFORE_ALL, FILE_NAME, Commit, Metastore, connect

SECOND = 1_000_000_000


def commit(number: int) -> Commit:
    return Commit(number, position=number * 10, open_position=0, booked_ns=number, event_rows=1, span_rows=0, entries_total=number)


def data_file(path: str, day: int = 20_778, start: int = 0, end: int = 9) -> DataFile:
    return DataFile(path, "events", day, 1, 100, 5, 6, start, end, 7)


@pytest.fixture
def store(tmp_path: Path) -> Metastore:
    return Metastore.open(tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
def test_every_connection_is_durable_and_checks_references(tmp_path: Path, read_only: bool) -> None:
    Metastore.open(tmp_path).close()
    store = Metastore.open(tmp_path, read_only=read_only)
    pragmas = {name: store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "foreign_keys")}
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


def test_the_file_is_private_to_its_owner(tmp_path: Path, store: Metastore) -> None:
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_reader_cannot_write_and_needs_a_ledger(tmp_path: Path, store: Metastore) -> None:
    reader = Metastore.open(tmp_path, read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.set_setting("a", "b")
    with pytest.raises(LedgerNotFoundError):
        Metastore.open(tmp_path / "nowhere", read_only=True)
    (tmp_path / "empty").mkdir()
    connect(tmp_path / "empty" / FILE_NAME).close()
    with pytest.raises(LedgerNotFoundError):
        Metastore.open(tmp_path / "empty", read_only=True)


def test_a_newer_ledger_is_refused(tmp_path: Path, store: Metastore) -> None:
    store.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerVersionError, match="newer"):
        Metastore.open(tmp_path)


def test_commits_follow_one_another_and_a_stale_writer_is_fenced(store: Metastore) -> None:
    assert store.last_commit() == BEFORE_ALL
    store.add_commit(commit(1), [data_file("a")], 1)
    with pytest.raises(LedgerFencedError):
        store.add_commit(commit(1), [data_file("b")], 1)
    with pytest.raises(LedgerFencedError):
        store.add_commit(commit(3), [data_file("b")], 1)
    assert store.last_commit() == commit(1)
    assert [file.path for file in store.live_files("events")] == ["a"]


def test_a_commit_that_fails_half_way_leaves_nothing(store: Metastore) -> None:
    store.add_commit(commit(1), [data_file("a")], 1)
    with pytest.raises(sqlite3.IntegrityError):
        store.add_commit(commit(2), [data_file("b"), data_file("a")], 1)  # the path is taken
    assert store.last_commit() == commit(1)
    assert store.known_paths() == {"a"}


def test_live_files_by_day_time_and_position(store: Metastore) -> None:
    store.add_commit(commit(1), [data_file("a", 1, 0, 10), data_file("b", 2, 10, 20)], 1)
    assert [file.path for file in store.live_files("events", days=[2, 3, -(10**9)])] == ["b"]
    assert [file.path for file in store.live_files("events", start_ns=(11, None))] == ["b"]
    assert [file.path for file in store.live_files("events", start_ns=(10, 11))] == ["a", "b"]
    assert [file.path for file in store.live_files("events", start_ns=(None, 10))] == ["a"]
    assert store.live_files("events", position_min=7) == []
    assert store.live_files("spans") == []


def test_a_swap_is_whole_or_nothing_and_needs_the_lease(store: Metastore) -> None:
    store.add_commit(commit(1), [data_file("a"), data_file("b")], 1)
    take_lease(store, "compaction", "me", 10, now_ns=0)
    lease = ("compaction", "me")
    assert not store.swap_files(["a", "gone"], [data_file("c")], 1, 5, lease)
    assert [file.path for file in store.live_files("events")] == ["a", "b"]
    assert not store.swap_files(["a", "b"], [data_file("c")], 1, 11 * SECOND, lease), "the lease has ended"
    assert store.swap_files(["a", "b"], [data_file("c")], 1, 5, lease)
    assert [file.path for file in store.live_files("events")] == ["c"]
    assert store.removed_files(5) == []
    assert store.removed_files(6) == ["a", "b"]
    store.forget_files(["a", "b", "c"])
    assert store.known_paths() == {"c"}, "a live file is never forgotten"


def test_settings(store: Metastore) -> None:
    assert store.setting("a") is None
    store.set_setting("a", "1")
    store.set_setting("a", "2")
    assert store.setting("a") == "2"
