"""The physical schema of the two tables, derived from the records of enrichment so that it is written down only once.

A *field* is (name, type, nullable). `sql_schema` is what DuckDB must call an empty ledger's columns; `encode.py` makes Arrow of the
same fields. Times stay integers of nanoseconds: readers differ in what they do to nanosecond timestamps, none in what an INT64 is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from spanledger.enrich.events import COLUMNS

SCHEMA_VERSION = 1
"""Version of the files' columns; a file keeps the one it was written with (`files.schema_version`)."""

FieldType = Literal["id16", "id8", "text", "int", "ns", "money", "bool", "texts", "usage", "lines", "key"]

SQL_TYPES: dict[FieldType, str] = {
    "id16": "BLOB",
    "id8": "BLOB",
    "text": "VARCHAR",
    "int": "BIGINT",
    "ns": "BIGINT",
    "money": "DECIMAL(38,18)",
    "bool": "BOOLEAN",
    "texts": "VARCHAR[]",
    "usage": "STRUCT(unit VARCHAR, quantity BIGINT)[]",
    "lines": "STRUCT(unit VARCHAR, quantity BIGINT, rate_id VARCHAR, amount VARCHAR, per BIGINT, cost_usd DECIMAL(38,18))[]",
    "key": "UBIGINT",
}


class Field(NamedTuple):
    """A column of a Parquet file."""

    name: str
    type: FieldType
    nullable: bool


def _event_fields() -> tuple[Field, ...]:
    fields = []
    for column in COLUMNS:
        if column.type == "date":  # the partition is the only date, and it is the folder's name
            raise TypeError(f"a cost event has no date column, but {column.name} is one")
        fields.append(Field(column.name, column.type, column.nullable))
    return (*fields, Field("entry_number", "int", False))


EVENT_FIELDS: tuple[Field, ...] = _event_fields()
"""The columns of a cost event and `entry_number`: the entry's place in the ledger, 1, 2, 3, … in the order of booking. It is the
order of everything that must not depend on files: a trace's history, the hash chain, exports, `changes`."""

SPAN_FIELDS: tuple[Field, ...] = (
    Field("authority", "text", False),
    Field("trace_id", "id16", False),
    Field("span_id", "id8", False),
    Field("parent_span_id", "id8", True),
    Field("start_ns", "ns", False),
    Field("end_ns", "ns", False),
    Field("kind", "text", False),
    Field("operation", "text", True),
    Field("scope", "text", False),
    Field("service", "text", True),
    Field("resource_payers", "text", True),
    Field("payers", "text", True),
    Field("failed", "bool", False),
    Field("position", "int", False),
    Field("received_ns", "ns", False),
    Field("key_tenant", "text", True),
    Field("dialect", "text", True),
    Field("usage_basis", "text", True),
    Field("provider", "text", True),
    Field("request_model", "text", True),
    Field("response_model", "text", True),
    Field("response_id", "text", True),
    Field("response_id_unique", "bool", True),
    Field("service_tier", "text", True),
    Field("region", "text", True),
    Field("usage_state", "text", True),
    Field("emitter_cost_usd", "text", True),
    Field("error_type", "text", True),
    Field("attempt", "int", True),
    Field("tool_name", "text", True),
    Field("prompt_hmac", "text", True),
    Field("flags", "texts", True),
    Field("input_tokens", "int", True),
    Field("output_tokens", "int", True),
    Field("cache_read_tokens", "int", True),
    Field("cache_write_tokens", "int", True),
    Field("cache_write_5m_tokens", "int", True),
    Field("cache_write_1h_tokens", "int", True),
    Field("reasoning_tokens", "int", True),
    Field("usage", "usage", True),
    Field("link_key_1", "key", True),
    Field("link_key_2", "key", True),
    Field("reread_in", "int", True),
    Field("reread_to", "int", True),
    Field("links", "texts", True),
)
"""A reading, flat. `dialect` is NULL for a span without a call, `usage` for a call without usage; payers are JSON of what is set;
`reread_in` and `reread_to` are set of what a replay read again (rereads.py);
`links` are "trace id:span id" in hex. A file from before there were links has none of that column."""

FIELDS = {"events": EVENT_FIELDS, "spans": SPAN_FIELDS}


def sql_schema(fields: tuple[Field, ...]) -> str:
    """The columns as a CREATE TABLE lists them."""
    return ", ".join(f"{field.name} {SQL_TYPES[field.type]}" for field in fields)
