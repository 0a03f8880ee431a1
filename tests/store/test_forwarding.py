"""Cursor and totals of what is sent on: exact, together, and never behind a reset's back; entries are read by number."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.forwarding import EntryReader, ForwardState, Totals, advance, note, read_state, read_totals, reset
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Metastore
from tests.store.samples import DAY_NS, NOON, event

EAGER = StoreConfig(compact_files_min=2, compact_grace_seconds=0, chargeless_days=0)


def fill(ledger: Ledger, commits: int, rows: int = 3) -> None:
    """Commits of some rows each, of which every other lies on the day before."""
    for _ in range(commits):
        first = ledger.entries_total + 1
        some = [event(number, start_ns=NOON - (number % 2) * DAY_NS) for number in range(first, first + rows)]
        ledger.commit(some, [], position=ledger.position + 1, open_position=0, booked_ns=NOON)


def numbers(reader: EntryReader, after: int, up_to: int) -> list[int]:
    found = reader.read(after, up_to)
    assert [number for number, _ in found] == [int.from_bytes(entry.event_id, "big") for _, entry in found]
    return [number for number, _ in found]


@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_entries_come_by_number_over_files_days_and_compaction(tmp_path: Path, after: int) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 4)
        reader = EntryReader(tmp_path, ledger.metastore)
        assert reader.head() == 12
        assert numbers(reader, after, 12) == list(range(after + 1, 13))
        assert Compactor(tmp_path, EAGER).run(NOON).files_merged == 8
        fill(ledger, 1)
        for each in (reader, EntryReader(tmp_path, ledger.metastore)):
            assert numbers(each, after, 14) == list(range(after + 1, 15))
            assert numbers(each, 12, 13) == [13]


def test_an_entry_that_is_missing_is_never_passed_over(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 1)
        with pytest.raises(LookupError, match="3 of the 4"):
            EntryReader(tmp_path, ledger.metastore).read(0, 4)


def test_cursor_and_totals_move_together_and_are_there_after_a_restart(tmp_path: Path) -> None:
    huge: Totals = {"cost": 10**30 + 1, "calls": -3}  # beyond 64 bits, and beyond what a double can tell apart
    with closing(Metastore.open(tmp_path)) as store:
        assert read_state(store) is None
        reset(store, 0, 100)
        assert advance(store, ForwardState(7, 100, 200), 0, {("acme", None): huge})
        assert note(store, ForwardState(7, 100, 200, "away", 300))
    with closing(Metastore.open(tmp_path)) as store:
        assert read_state(store) == ForwardState(7, 100, 200, "away", 300)
        assert read_totals(store) == (ForwardState(7, 100, 200, "away", 300), {("acme", None): huge})


def test_what_was_under_way_at_a_reset_changes_nothing(tmp_path: Path) -> None:
    with closing(Metastore.open(tmp_path)) as store:
        reset(store, 0, 100)
        reset(store, 4, 101)
        assert not advance(store, ForwardState(9, 100, 200), 0, {("acme",): {"cost": 1}})
        assert not note(store, ForwardState(0, 100, error="away"))
        assert not advance(store, ForwardState(9, 101, 200), 3, {("acme",): {"cost": 1}}), "another was quicker"
        assert read_totals(store) == (ForwardState(4, 101), {})
