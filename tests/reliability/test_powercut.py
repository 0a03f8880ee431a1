import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.ledgers import small_ledger
from tests.cli.runner import spanledger
from tests.reliability.bar_powercut import BAR
from tests.reliability.bars import BrokenBarError, line

ROOT = Path(__file__).parents[2]
PARTS = ("receiver", "enrich", "store", "cli")


def test_the_short_form(tmp_path: Path) -> None:
    print(line(BAR, 1, long=False, figures=BAR.run(1, False, tmp_path)))


@pytest.mark.parametrize("guard", BAR.controls)
def test_without_a_guard_it_goes_red(tmp_path: Path, guard: str) -> None:
    with pytest.raises(BrokenBarError, match=r"cut at operation|was acknowledged before"):
        BAR.controls[guard](1, tmp_path)


def watch_connections(monkeypatch: pytest.MonkeyPatch, spoiled: str = "") -> list[tuple[int, str]]:
    """How every connection of this process to SQLite is set whenever it begins to write: (synchronous, journal mode)."""
    seen: list[tuple[int, str]] = []
    real = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                ask = super().execute
                seen.append((ask("PRAGMA synchronous").fetchone()[0], ask("PRAGMA journal_mode").fetchone()[0]))
            return super().execute(spoiled if sql == "PRAGMA synchronous = FULL" and spoiled else sql, *args)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: real(*args, factory=Watched, **more))
    return seen


def use_everything_that_writes(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    for command in (
        ["keys", "create", "--data", data, "--tenant", "acme"],
        ["compact", "--data", data],
        ["checkpoint", "--data", data],
        ["reprice", "--data", data, "--since", "7d", "--commit", "--yes"],
        ["backup", "--data", data, tmp_path / "copy"],
        ["restore", tmp_path / "copy", "--data", tmp_path / "restored"],
    ):
        answer = spanledger(*command)
        assert answer.code == 0, (command, answer.err)


def test_sqlite_waits_for_the_disk_on_every_connection_that_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch_connections(monkeypatch)
    use_everything_that_writes(tmp_path)
    assert len(seen) > 10
    assert set(seen) == {(2, "wal")}, "2 is FULL"


def test_a_connection_set_otherwise_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch_connections(monkeypatch, "PRAGMA synchronous = NORMAL")
    small_ledger(tmp_path)
    assert set(seen) == {(1, "wal")}


def test_nothing_writes_through_sqlite_but_the_metastore_and_a_backups_copy() -> None:
    """`connect` of the metastore sets the connection, and a backup's copy is synced as a file; all others open it read-only."""
    texts = {path.name: path.read_text() for part in PARTS for path in (ROOT / part).rglob("*.py")}
    opening = {name for name, text in texts.items() if "sqlite3.connect(" in text}
    assert {name for name in opening if not ("mode=ro" in texts[name] or 'connect(":memory:")' in texts[name])} == {
        "metastore.py",
        "snapshots.py",
    }
