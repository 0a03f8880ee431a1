"""Records become rows by partition, those of a trace beside each other, each entry under the number of its place in the order."""

from __future__ import annotations

import pytest

from spanledger.store.batches import event_tables, numbered, span_tables, sum_atto, tellers_of
from spanledger.store.config import StoreConfig
from spanledger.store.days import FAR_PAST
from spanledger.store.errors import RowError
from tests.store.samples import DAY_NS, NOON, event, plain, reading

TODAY = NOON // DAY_NS
CONFIG = StoreConfig()


def test_entries_are_numbered_in_their_order_and_lie_by_day_and_trace() -> None:
    one, other = event(1), event(2)
    entries = [
        event(5, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS + 1),
        one,
        other,
        event(8, trace_id=one.trace_id),
        event(9, start_ns=0, end_ns=1),
        event(7, trace_id=other.trace_id),
    ]
    tables = list(event_tables(entries, CONFIG, 100))
    assert [(table, day) for table, day, _ in tables] == [("events", FAR_PAST), ("events", TODAY), ("events", TODAY + 1)]
    numbers = [rows.column("entry_number").to_pylist() for *_, rows in tables]
    assert numbers[0] == [104]
    assert numbers[2] == [100]
    assert sorted([numbers[1][:2], numbers[1][2:]]) == [[101, 103], [102, 105]], "a trace's own in their order, whichever trace is first"


def test_rows_without_numbers_get_them() -> None:
    [(_, _, rows)] = event_tables([event(1), event(2, trace_id=event(1).trace_id)], CONFIG, 7)
    assert numbered(rows.drop_columns("entry_number"), 7) == rows
    assert sum_atto(rows) == 2 * 12_500_000_000_000_000, "2 * 0.0125 USD"
    assert sum_atto(rows.slice(0, 0)) == 0


def test_spans_and_who_tells_of_calls() -> None:
    spans = [reading(1), plain(2), reading(3, start_ns=NOON + DAY_NS)]
    assert [(table, day, rows.num_rows) for table, day, rows in span_tables(spans, CONFIG)] == [
        ("spans", TODAY, 2),
        ("spans", TODAY + 1, 1),
    ]
    call = reading(1).call
    assert call is not None
    assert tellers_of(spans) == {(reading(1).authority, reading(1).resource.service, (reading(1).scope, call.dialect))}
    assert tellers_of([plain(2)]) == set()


@pytest.mark.parametrize(("bad", "complaint"), [({"trace_id": b"x"}, "16 bytes"), ({"start_ns": 2**64}, "64 bits")])
def test_what_fits_no_row_is_refused(bad: dict[str, object], complaint: str) -> None:
    with pytest.raises(RowError, match=complaint):
        list(event_tables([event(1), event(2, **bad)], CONFIG, 1))
    assert list(event_tables([], CONFIG, 1)) == []
