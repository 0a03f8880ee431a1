from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.events import COLUMNS, CostEvent, Line
from spanledger.store import event_rows
from spanledger.store.errors import RowError
from spanledger.store.parquet import options
from tests.store.samples import event

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MONEY = st.integers(-(10**38) + 1, 10**38 - 1)
LINES = st.lists(st.builds(Line, TEXT, INT64, TEXT, TEXT, INT64, MONEY), max_size=3).map(tuple)
BY_TYPE = {
    "id16": st.binary(min_size=16, max_size=16),
    "id8": st.binary(min_size=8, max_size=8),
    "text": TEXT,
    "int": INT64,
    "ns": INT64,
    "money": MONEY,
    "bool": st.booleans(),
    "texts": st.lists(TEXT, max_size=3).map(tuple),
    "usage": st.lists(st.tuples(TEXT, INT64), max_size=3).map(tuple),
    "lines": LINES,
}
EVENTS = st.builds(CostEvent, *(st.none() | BY_TYPE[c.type] if c.nullable else BY_TYPE[c.type] for c in COLUMNS))


@given(st.lists(EVENTS, max_size=5))
def test_any_event_comes_back_from_arrow_as_it_was(events: list[CostEvent]) -> None:
    assert event_rows.from_table(event_rows.to_table(events, range(1, len(events) + 1))) == events


def test_parquet_keeps_every_digit_and_duckdb_reads_it(tmp_path: Path) -> None:
    largest = 10**38 - 1
    events = [event(1, cost_usd=largest), event(2, cost_usd=-largest), event(3, cost_usd=1), event(4, cost_usd=None)]
    path = tmp_path / "e.parquet"
    pq.write_table(event_rows.to_table(events, [1, 2, 3, 4]), path, **options("events"))
    assert event_rows.from_table(pq.read_table(path)) == events
    read = duckdb.sql(f"SELECT CAST(cost_usd AS VARCHAR) FROM '{path}' ORDER BY entry_number").fetchall()
    digits = "99999999999999999999.999999999999999999"
    assert read == [(digits,), ("-" + digits,), ("0.000000000000000001",), (None,)]


def test_rows_come_back_in_booking_order() -> None:
    events = [event(1), event(2), event(3)]
    assert event_rows.from_table(event_rows.to_table(events, [30, 10, 20])) == [events[1], events[2], events[0]]


@pytest.mark.parametrize(
    "bad", [{"input_tokens": 2**63}, {"trace_id": b"short"}, {"cost_usd": 10**38}, {"start_ns": 2**64}, {"customer_billable": "yes"}]
)
def test_what_does_not_fit_is_refused_by_column_name(bad: dict[str, object]) -> None:
    with pytest.raises(RowError, match=next(iter(bad))):
        event_rows.to_table([event(1), event(2, **bad)], [1, 2])
