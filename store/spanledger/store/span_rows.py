"""Readings as rows of the `spans` table, and back, exactly: what settlement needs to put a trace right months later.

Payers and resources repeat from span to span, so each is made into text once a commit. They are JSON objects of what is set, so a
field that comes later is absent from old rows and nothing else. A call's fields are columns: most spans have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from spanledger.enrich.records import NOBODY, Call, Payers, Reading, Resource, Usage
from spanledger.store import encode, rereads
from spanledger.store.schema import SPAN_FIELDS

SCHEMA = encode.arrow_schema(SPAN_FIELDS)
_FIELDS = {field.name: field for field in SPAN_FIELDS}
_CALL_COLUMNS = tuple(field.name for field in SPAN_FIELDS[16:40])
_COUNT_COLUMNS = Usage._fields[:7]

LinkKeys = Callable[[Reading], tuple[int, ...]]


def to_table(readings: Sequence[Reading], link_keys: LinkKeys) -> pa.Table:
    """The rows of these readings, in their order. Raises RowError if one does not fit the schema."""
    if not readings:
        return SCHEMA.empty_table()
    values: dict[str, Sequence[Any]] = dict(zip(Reading._fields, zip(*readings, strict=True), strict=True))
    resources, calls = values["resource"], values["call"]
    values["parent_span_id"] = [each or None for each in values["parent_span_id"]]
    values["service"] = [each.service for each in resources]
    values["resource_payers"] = _payer_texts([each.payers for each in resources])
    values["payers"] = _payer_texts(values["payers"])
    columns: dict[str, pa.Array | pa.ChunkedArray] = {field.name: encode.column(field, values[field.name]) for field in SPAN_FIELDS[:16]}
    columns.update(_call_columns(calls))
    columns.update(_link_columns(readings, calls, link_keys))
    columns["links"] = _links(values["links"])
    columns.update({name: pa.nulls(len(readings), pa.int64()) for name in rereads.COLUMNS})
    return pa.Table.from_arrays([columns[field.name] for field in SPAN_FIELDS], schema=SCHEMA)


def _payer_texts(payers: Sequence[Payers]) -> list[str | None]:
    """One text for each object and one for each value: the readings keep their payers alive, so an id stands for one object."""
    by_id: dict[int, str | None] = {id(NOBODY): None}
    by_value: dict[Payers, str | None] = {NOBODY: None}
    keys = list(map(id, payers))
    for key, each in dict(zip(keys, payers, strict=True)).items():
        if key not in by_id:
            if each not in by_value:
                by_value[each] = payers_text(each)
            by_id[key] = by_value[each]
    return [by_id[key] for key in keys]


_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def payers_text(payers: Payers) -> str | None:
    """Payers as JSON of what is set; None for nobody."""
    if payers == NOBODY:
        return None
    return _to_json({name: value for name, value in zip(Payers._fields, payers, strict=True) if value not in (None, ())})


@lru_cache(maxsize=4096)
def payers_from_text(text: str | None) -> Payers:
    """The payers of a stored text."""
    if text is None:
        return NOBODY
    fields = json.loads(text)
    for name in ("allocation", "sources"):
        if name in fields:
            fields[name] = tuple(tuple(pair) for pair in fields[name])
    return Payers(**fields)


def _call_columns(calls: Sequence[Call | None]) -> dict[str, pa.Array | pa.ChunkedArray]:
    """The call's columns: made for the spans that have one, then spread out over all rows."""
    present = [call for call in calls if call is not None]
    if not present:
        return {name: pa.nulls(len(calls), encode.ARROW_TYPES[_FIELDS[name].type]) for name in _CALL_COLUMNS}
    columns = dict(zip(Call._fields, zip(*present, strict=True), strict=True))
    usages = columns.pop("usage")
    if None in usages:
        none = Usage(extra=None)  # type: ignore[arg-type]  # a NULL list stands for "no usage", an empty one for "no further quantities"
        usages = tuple(usage or none for usage in usages)
    counts = dict(zip((*_COUNT_COLUMNS, "usage"), zip(*usages, strict=True), strict=True))
    columns |= counts
    dense = pa.Table.from_arrays([encode.column(_FIELDS[name], columns[name]) for name in _CALL_COLUMNS], names=list(_CALL_COLUMNS))
    if len(present) == len(calls):
        return dict(zip(_CALL_COLUMNS, dense.columns, strict=True))
    has_call = np.fromiter((call is not None for call in calls), np.bool_, len(calls))
    rows = pa.array(np.cumsum(has_call) - 1, mask=~has_call)
    return dict(zip(_CALL_COLUMNS, dense.take(rows).columns, strict=True))


def _link_columns(readings: Sequence[Reading], calls: Sequence[Call | None], link_keys: LinkKeys) -> dict[str, pa.Array]:
    rows = [row for row, call in enumerate(calls) if call is not None and readings[row].kind == "inference"]
    found = [link_keys(readings[row]) for row in rows]
    columns = {}
    for number, name in enumerate(("link_key_1", "link_key_2")):
        values = np.zeros(len(readings), np.uint64)
        absent = np.ones(len(readings), np.bool_)
        some = [row for row, keys in zip(rows, found, strict=True) if len(keys) > number]
        values[some] = np.array([keys[number] for keys in found if len(keys) > number], np.uint64)
        absent[some] = False
        columns[name] = pa.array(values, mask=absent)
    return columns


def _links(links: Sequence[tuple[tuple[bytes, bytes], ...]]) -> pa.Array:
    """The links as text; nearly all spans have none."""
    field = _FIELDS["links"]
    if not any(links):
        return pa.nulls(len(links), encode.ARROW_TYPES[field.type])
    return encode.column(field, [tuple(f"{trace.hex()}:{span.hex()}" for trace, span in each) or None for each in links])


def _links_from(texts: Sequence[str] | None) -> tuple[tuple[bytes, bytes], ...]:
    pairs = [text.partition(":") for text in texts or ()]
    return tuple((bytes.fromhex(trace), bytes.fromhex(span)) for trace, _, span in pairs)


def from_table(table: pa.Table) -> list[Reading]:
    """The readings of these rows, in the order of the rows."""
    data = {name: table.column(name).to_pylist() for name in table.column_names}
    resources = [_resource(service, payers) for service, payers in zip(data["service"], data["resource_payers"], strict=True)]
    calls = _calls(data)
    rows = zip(
        data["authority"],
        data["trace_id"],
        data["span_id"],
        [parent or b"" for parent in data["parent_span_id"]],
        data["start_ns"],
        data["end_ns"],
        data["kind"],
        data["operation"],
        data["scope"],
        resources,
        map(payers_from_text, data["payers"]),
        calls,
        data["failed"],
        data["position"],
        data["received_ns"],
        data["key_tenant"],
        map(_links_from, data["links"]) if "links" in data else repeat((), len(calls)),
        strict=True,
    )
    return [Reading._make(row) for row in rows]


@lru_cache(maxsize=4096)
def _resource(service: str | None, payers: str | None) -> Resource:
    return Resource(service, payers_from_text(payers))


def _calls(data: dict[str, list[Any]]) -> list[Call | None]:
    extras = [None if items is None else tuple((item["unit"], item["quantity"]) for item in items) for items in data["usage"]]
    usages = [None if row[-1] is None else Usage._make(row) for row in zip(*(data[name] for name in _COUNT_COLUMNS), extras, strict=True)]
    flags = [tuple(each or ()) for each in data["flags"]]
    columns = {**data, "usage": usages, "flags": flags}
    rows = zip(*(columns[name] for name in Call._fields), strict=True)
    return [None if row[0] is None else Call._make(row) for row in rows]
