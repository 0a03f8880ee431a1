"""One keeps the ledger, another corrects it beside: neither loses nor doubles what the other booked, whoever sleeps or dies."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from spanledger.store import beside
from spanledger.store.beside import LEASE
from spanledger.store.entries import events
from spanledger.store.errors import LedgerBusyError, LedgerFencedError, LedgerNotFoundError
from spanledger.store.files import data_files
from spanledger.store.leases import end_lease, take_lease
from spanledger.store.ledger import Ledger
from spanledger.store.runs import list_runs, run_of
from tests.store.samples import DAY_NS, NOON, event, reading
from tests.store.test_crash import run

TODAY = NOON // DAY_NS

CORRECTS = """
import sys
from pathlib import Path
from spanledger.store.event_rows import to_table
from spanledger.store.ledger import Ledger
from spanledger.store.runs import run_of
from tests.store.samples import NOON, DAY_NS, event

with Ledger.open_beside(Path(sys.argv[1])) as ledger:
    rows = to_table([event(500), event(501)], [0, 0]).drop_columns("entry_number")
    ledger.commit_outside([event(100), event(101, start_ns=NOON - DAY_NS)], run=run_of("reprice", {}), booked_ns=NOON,
                          rows=[(NOON // DAY_NS, rows)])
"""
POINTS = ["parquet_written", "parquet_synced", "parquet_renamed", "folders_synced", "metastore_written", "metastore_committed"]


def commit(ledger: Ledger, number: int) -> None:
    ledger.commit([event(number)], [reading(number)], position=number, open_position=0, booked_ns=NOON)


def numbers(ledger: Ledger) -> list[int]:
    """The entries by their order of booking."""
    return [int(entry["event_id"], 16) for entry in events(ledger, every=True)]


def test_the_keeper_waits_for_the_outsider_and_goes_on_after_taking_in_what_it_booked(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as keeper:
        commit(keeper, 1)
        keeper.traces({("default", event(1).trace_id): {TODAY}})  # its files are remembered now
        with Ledger.open_beside(tmp_path) as outsider:
            assert keeper.turn() == "waiting"
            with pytest.raises(LedgerBusyError):
                commit(keeper, 2)
            outsider.commit_outside([event(7)], [reading(7)], run=run_of("replay", {}), booked_ns=NOON)
            assert (outsider.position, outsider.open_position, outsider.entries_total) == (1, 0, 2)
        assert keeper.turn() == "moved"
        with pytest.raises(LedgerFencedError):
            commit(keeper, 2)
        keeper.reload()
        assert keeper.turn() == "ours"
        commit(keeper, 2)
        assert numbers(keeper) == [1, 7, 2]
        assert keeper.traces({("default", event(7).trace_id): {TODAY}})[("default", event(7).trace_id)].booked == (event(7),)
        assert set(data_files(tmp_path)) == keeper.metastore.known_paths()


def test_rows_by_the_million_are_numbered_after_the_others_and_counted(tmp_path: Path) -> None:
    from spanledger.store.event_rows import to_table

    Ledger.open(tmp_path).close()
    parts = [(TODAY, to_table([event(n), event(n + 1)], [0, 0]).drop_columns("entry_number")) for n in (10, 20)]
    written: list[int] = []
    with Ledger.open_beside(tmp_path) as outsider:
        outsider.commit_outside([event(1)], run=run_of("reprice", {}), booked_ns=NOON, rows=parts, progress=written.append)
        assert numbers(outsider) == [1, 10, 11, 20, 21]
        assert [entry["entry_number"] for entry in events(outsider, every=True)] == [1, 2, 3, 4, 5]
        assert written == [1, 2, 2]
        (booked,) = list_runs(outsider.metastore)
        assert (booked.entries, booked.total_usd) == (5, 5 * event(1).cost_usd)  # type: ignore[operator]  # it is priced


def test_one_outsider_at_a_time(tmp_path: Path) -> None:
    Ledger.open(tmp_path).close()
    with Ledger.open_beside(tmp_path), pytest.raises(LedgerBusyError, match="another process is correcting this ledger"):
        Ledger.open_beside(tmp_path, wait_seconds=0)
    Ledger.open_beside(tmp_path, wait_seconds=0).close()
    with pytest.raises(LedgerNotFoundError):
        Ledger.open_beside(tmp_path / "none")
    with Ledger.open(tmp_path) as keeper, pytest.raises(ValueError, match="open_beside"):
        keeper.commit_outside(run=run_of("reprice", {}), booked_ns=NOON)


def test_the_lease_is_kept_alive_for_as_long_as_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RENEW_SECONDS", 0.01)
    Ledger.open(tmp_path).close()
    expiry = "SELECT expires_ns FROM leases WHERE name = ?"
    with Ledger.open_beside(tmp_path) as outsider:
        before = after = outsider.metastore.connection.execute(expiry, (LEASE,)).fetchone()
        while after == before:
            after = outsider.metastore.connection.execute(expiry, (LEASE,)).fetchone()
        assert after > before


@pytest.mark.parametrize("taken_meanwhile", [False, True])
def test_an_outsider_that_slept_through_its_lease_books_nothing(tmp_path: Path, taken_meanwhile: bool) -> None:
    with Ledger.open(tmp_path) as keeper:
        commit(keeper, 1)
        with Ledger.open_beside(tmp_path) as sleeper:
            keeper.metastore.connection.execute("UPDATE leases SET expires_ns = 0")
            if taken_meanwhile:
                with Ledger.open_beside(tmp_path, wait_seconds=0):
                    pass
                take_lease(keeper.metastore, LEASE, sleeper._lease.hold.holder, 60)  # type: ignore[union-attr]  # woken up, it renews
            with pytest.raises(LedgerFencedError, match="nothing was booked"):
                sleeper.commit_outside([event(7)], run=run_of("reprice", {}), booked_ns=NOON)
        end_lease(keeper.metastore, LEASE, keeper.metastore.connection.execute("SELECT holder FROM leases").fetchone()[0])
        commit(keeper, 2)
        assert numbers(keeper) == [1, 2]


def test_a_keeper_that_starts_meanwhile_does_not_clean_up_after_the_living(tmp_path: Path) -> None:
    Ledger.open(tmp_path).close()
    with Ledger.open_beside(tmp_path) as outsider:

        def start_a_keeper(_rows: int) -> None:
            with Ledger.open(tmp_path) as keeper:
                assert keeper.turn() == "waiting"

        outsider.commit_outside([event(1)], run=run_of("reprice", {}), booked_ns=NOON, progress=start_a_keeper)
        assert numbers(outsider) == [1]


@pytest.mark.parametrize("point", POINTS)
def test_an_outsider_is_whole_or_nothing_wherever_it_dies(tmp_path: Path, point: str) -> None:
    with Ledger.open(tmp_path) as keeper:
        commit(keeper, 1)
        died = run(CORRECTS, tmp_path, crash_at=f"{point}:{3 if point.startswith('parquet') else 1}")
        assert died.returncode == -signal.SIGKILL, died.stderr
        survived = [100, 101, 500, 501] if point == "metastore_committed" else []
        assert keeper.turn() == "waiting", "its lease is still in force"
        keeper.metastore.connection.execute("UPDATE leases SET expires_ns = 0")  # as if the lease of the dead had run out
        assert keeper.turn() == ("moved" if survived else "ours")
        keeper.reload()
        commit(keeper, 2)
        assert numbers(keeper) == [1, *survived, 2]
        assert len(list_runs(keeper.metastore)) == bool(survived)
        done = run(CORRECTS, tmp_path)
        assert (done.returncode == 0) == (not survived), "the same run is not booked twice"
        keeper.reload()
        assert sorted(numbers(keeper)) == [1, 2, 100, 101, 500, 501]
    with Ledger.open_beside(tmp_path) as outsider:
        assert set(data_files(tmp_path)) == outsider.metastore.known_paths(), "what the dead left is removed by the next"
