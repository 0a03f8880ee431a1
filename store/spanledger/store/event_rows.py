"""Cost events as rows of the `events` table, and back, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spanledger.enrich.events import CostEvent, Line
from spanledger.store import encode
from spanledger.store.schema import EVENT_FIELDS

SCHEMA = encode.arrow_schema(EVENT_FIELDS)


def to_table(events: Sequence[CostEvent], entry_numbers: Sequence[int]) -> pa.Table:
    """The rows of these events, in their order. Raises RowError if one does not fit the schema."""
    columns = [*zip(*events, strict=True), entry_numbers] if events else [()] * len(EVENT_FIELDS)
    return pa.Table.from_arrays([encode.column(field, values) for field, values in zip(EVENT_FIELDS, columns, strict=True)], schema=SCHEMA)


def from_table(table: pa.Table) -> list[CostEvent]:
    """The events of these rows, in the order in which they were booked."""
    table = table.sort_by("entry_number")
    columns = [_values(field.type, table.column(field.name)) for field in EVENT_FIELDS[:-1]]
    return [CostEvent._make(row) for row in zip(*columns, strict=True)]


def _values(kind: str, array: pa.ChunkedArray) -> list[Any]:
    if kind == "money":
        return encode.atto(array)
    if kind == "texts":
        return [tuple(value) for value in array.to_pylist()]
    if kind == "usage":
        return [tuple((item["unit"], item["quantity"]) for item in value) for value in array.to_pylist()]
    if kind == "lines":
        return _lines(array.combine_chunks())
    values: list[Any] = array.to_pylist()
    return values


def _lines(array: pa.ListArray) -> list[tuple[Line, ...]]:
    flat = array.flatten()
    columns = [flat.field(i).to_pylist() for i in range(5)]
    made = [Line._make(row) for row in zip(*columns, encode.atto(flat.field(5)), strict=True)]
    found, at = [], 0
    for length in array.value_lengths().to_pylist():
        found.append(tuple(made[at : at + length]))
        at += length
    return found
