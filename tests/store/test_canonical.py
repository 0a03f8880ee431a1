"""A row's bytes: the fast way is held to the plain one, whatever the values and wherever the row comes from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.events import CostEvent, Line
from spanledger.store import event_rows
from spanledger.store.canonical import leaf_hashes
from spanledger.store.errors import RowError
from spanledger.store.parquet import options
from spanledger.store.plain_row import row_bytes
from spanledger.store.proofs import plain_row
from spanledger.store.row_versions import ROW_VERSION, ROW_VERSIONS
from spanledger.store.schema import EVENT_FIELDS
from tests.store.samples import event

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INT = st.integers(-(2**63), 2**63 - 1)
MONEY = st.integers(-(10**38) + 1, 10**38 - 1)


@st.composite
def events(draw: st.DrawFn) -> CostEvent:
    """An event with anything in it that the schema allows."""
    lines = st.builds(Line, TEXT, INT, TEXT, TEXT, INT, MONEY)
    changes: dict[str, Any] = {
        "tenant_id": draw(st.none() | TEXT),
        "reason": draw(st.none() | TEXT),
        "response_id": draw(st.none() | TEXT),
        "attempt": draw(st.none() | INT),
        "cost_usd": draw(st.none() | MONEY),
        "customer_price_usd": draw(st.none() | MONEY),
        "usage": tuple(draw(st.lists(st.tuples(TEXT, INT), max_size=3))),
        "lines": tuple(draw(st.lists(lines, max_size=3))),
        "flags": tuple(draw(st.lists(TEXT, max_size=3))),
        "customer_billable": draw(st.booleans()),
        "parent_span_id": draw(st.none() | st.binary(min_size=8, max_size=8)),
        "ref_event_id": draw(st.none() | st.binary(min_size=16, max_size=16)),
    }
    return event(draw(st.integers(1, 10**6)), **changes)


def hashes(table: pa.Table) -> list[bytes]:
    return [each for batch in leaf_hashes(table, ROW_VERSION) for each in batch]


def plainly(table: pa.Table) -> list[bytes]:
    """The same by the plain way: one row at a time, from what JSON would show."""
    rows = [plain_row(row, ROW_VERSION) for row in table.to_pylist()]
    return [hashlib.sha256(b"\x00" + row_bytes(row, ROW_VERSION)).digest() for row in rows]


@given(st.lists(events(), min_size=1, max_size=5))
def test_the_fast_way_is_the_plain_one(found: list[CostEvent]) -> None:
    table = event_rows.to_table(found, range(1, len(found) + 1))
    assert hashes(table) == plainly(table)


def test_files_batches_and_slices_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [event(number, tenant_id=None if number % 3 else "b", flags=("x",) * (number % 3)) for number in range(1, 50)]
    table = event_rows.to_table(found, range(1, 50))
    pq.write_table(table, tmp_path / "a.parquet", **options("events"))
    expected = hashes(table)
    monkeypatch.setattr("spanledger.store.canonical.BATCH_ROWS", 7)
    assert hashes(pq.read_table(tmp_path / "a.parquet")) == expected == hashes(table)
    assert hashes(pa.concat_tables([table.slice(0, 20), table.slice(20)])) == expected
    assert hashes(table.slice(11, 5)) == expected[11:16]


def test_null_and_empty_and_every_column_are_told_apart() -> None:
    base = event_rows.to_table([event()], [1])
    seen = {hashes(base)[0]}
    others: dict[str, Any] = {"region": "", "error_type": "x", "attempt": 0, "contracted_cost_usd": 0, "flags": ("",), "usage": (("", 0),)}
    for name, value in others.items():
        seen.add(hashes(event_rows.to_table([event(**{name: value})], [1]))[0])
    seen.add(hashes(event_rows.to_table([event()], [2]))[0])
    assert len(seen) == len(others) + 2


def test_every_column_of_the_schema_is_in_the_newest_version() -> None:
    """A column that is new needs a new row version: see row_versions.py."""
    assert set(ROW_VERSIONS[ROW_VERSION].columns) == {(field.name, field.type) for field in EVENT_FIELDS}


def test_a_released_version_is_never_changed() -> None:
    row = plain_row(event_rows.to_table([event()], [1]).to_pylist()[0], 1)
    assert hashlib.sha256(row_bytes(row, 1)).hexdigest() == KNOWN


KNOWN = "9744a21a47ef769cd9169ec58ddd64a11b5b96f94495e6021042ba894fa57a01"
"""SHA-256 of the sample's bytes as version 1 was released."""


def test_what_is_no_row_is_refused() -> None:
    row = plain_row(event_rows.to_table([event()], [1]).to_pylist()[0], 1)
    for wrong in ({"cost_usd": 1.5}, {"attempt": 2**63}, {"event_id": "zz"}, {"customer_billable": 1}, {"flags": [None]}, {"more": 1}):
        with pytest.raises(RowError):
            row_bytes({**row, **wrong}, 1)
    with pytest.raises(RowError, match="row version 99"):
        row_bytes(row, 99)
