"""Taking a run back by columns gives the very entries that going charge by charge gives, and leaves every charge as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.adjust import AMOUNTS, net_of, same_price
from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent
from spanledger.store.event_rows import from_table, to_table
from spanledger.store.tally import CHANGED, UNCHANGED, Tally
from spanledger.store.undo_run import Undoer
from tests.store.pricing import BOOKS, BY, charges
from tests.store.samples import event
from tests.store.test_adjustments import first, reprice

RUN = BY._replace(run_id="rp1-run")
UNDO = BY._replace(run_id="rp1-undo")


def undo(entries: list[CostEvent], *, by_columns: bool = True) -> tuple[dict[bytes, CostEvent], Tally, int]:
    """The entries that take RUN back, by id; the tally; and how many were made by columns."""
    undoer = Undoer(RUN.run_id, UNDO, first)
    made = undoer.undo(to_table(entries, range(1, len(entries) + 1)), by_columns=by_columns)
    undoer.close()
    columns: list[CostEvent] = []
    if made.table is not None:
        columns = from_table(made.table.append_column("entry_number", [list(range(made.table.num_rows))]))
    found = {each.event_id: each for each in (*columns, *made.events)}
    assert len(found) == len(columns) + len(made.events)
    return found, undoer.tally, len(columns)


def run(entries: list[CostEvent], book: Any, run_id: str) -> list[CostEvent]:
    """The entries of a run, in the order of booking."""
    found, _, _ = reprice(entries, book)
    renamed = [each._replace(run_id=run_id, event_id=(run_id.encode() + each.event_id)[-16:]) for each in found.values()]
    return sorted(renamed, key=lambda each: (each.kind == "charge", each.event_id))


def live(entries: list[CostEvent]) -> dict[tuple[bytes, int], CostEvent]:
    """Every charge that stands, net."""
    gone = {entry.ref_event_id for entry in entries if entry.kind == "reversal"}
    standing = [entry for entry in entries if entry.kind == "charge" and entry.event_id not in gone]
    return {
        (charge.span_id, charge.split_index): net_of(
            [charge, *(e for e in entries if e.kind == "adjustment" and e.ref_event_id == charge.event_id)]
        )
        for charge in standing
    }


calls = st.integers(1, 25).flatmap(lambda count: st.tuples(*(charges(number) for number in range(1, count + 1))))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(calls, st.sampled_from(BOOKS), st.sampled_from((None, *BOOKS)), st.sets(st.integers(0, 7)))
def test_columns_and_single_charges_give_the_same_entries(
    booked: tuple[list[CostEvent], ...], book: Any, later: Any, reversed_since: set[int]
) -> None:
    entries = [entry for call in booked for entry in call]
    before = live(entries)
    entries += run(entries, book, RUN.run_id)
    if later is not None:  # another run since: what it changed stays
        entries += run(entries, later, "rp1-later")
    entries += [reversal(call[0], "revised", 9) for n, call in enumerate(booked) if n in reversed_since and len(call) == 1]
    columns, tally, _ = undo(entries)
    single, other, none = undo(entries, by_columns=False)
    assert none == 0
    assert columns == single
    assert (tally.counts, tally.booked, tally.difference) == (other.counts, other.booked, other.difference)
    if later is None and not reversed_since:
        after = live([*entries, *columns.values()])
        assert after.keys() == before.keys()
        assert all(same_price(after[at], before[at]) for at in before)


def test_back_to_the_last_digit_by_columns() -> None:
    """Four calls of other models at twice their price, and back: each adjustment is taken back by one, and every amount nets to zero."""
    entries = [
        event(n, request_model=model, response_model=None, lines=()) for n, model in enumerate(("plain", "full", "long", "thirds"), 1)
    ]
    booked = run(entries, BOOKS[1], RUN.run_id)
    back, tally, by_columns = undo([*entries, *booked])
    assert (by_columns, len(booked), tally.total(CHANGED)) == (4, 4, 4)
    for name in AMOUNTS:
        assert sum(getattr(entry, name) or 0 for entry in (*booked, *back.values())) == 0
    assert {entry.catalog_id for entry in back.values()} == {entries[0].catalog_id}


def test_what_has_changed_since_is_left_alone() -> None:
    charge = event(1, request_model="plain", response_model=None)
    entries = [charge, *run([charge], BOOKS[0], RUN.run_id)]
    entries += run(entries, BOOKS[1], "rp1-later")
    assert len(entries) == 3
    back, tally, _ = undo(entries)
    assert back == {}
    assert (tally.total(CHANGED), tally.total(UNCHANGED)) == (0, 1)
