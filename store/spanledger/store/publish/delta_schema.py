"""What the Delta table says of itself: the ledger's columns in Delta's types, with their meanings, and how long its files stay."""

from __future__ import annotations

import json
from typing import Any, Final

from spanledger.enrich.events import COLUMNS
from spanledger.store.schema import EVENT_FIELDS, FieldType

PARTITION: Final = "event_date"
PROTOCOL: Final[dict[str, Any]] = {"minReaderVersion": 1, "minWriterVersion": 2}
"""The oldest that has append-only tables: every reader of Delta tables knows it."""

_KEEP: Final = "delta.deletedFileRetentionDuration"
_MONEY: Final = "decimal(38,18)"


def _struct(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "struct", "fields": fields}


def _field(name: str, kind: Any, doc: str | None = None) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {} if doc is None else {"comment": doc}}


def _array(kind: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": kind, "containsNull": True}


_USAGE: Final = [_field("unit", "string"), _field("quantity", "long")]
_LINE: Final = [
    *_USAGE,
    _field("rate_id", "string"),
    _field("amount", "string"),
    _field("per", "long"),
    _field("cost_usd", _MONEY),
]
_TYPES: Final[dict[FieldType, Any]] = {
    "id16": "binary",
    "id8": "binary",
    "text": "string",
    "int": "long",
    "ns": "long",
    "money": _MONEY,
    "bool": "boolean",
    "texts": _array("string"),
    "usage": _array(_struct(_USAGE)),
    "lines": _array(_struct(_LINE)),
}


def schema_text() -> str:
    """The schema of the events table as Delta writes it. Every column may be NULL: older files lack the columns that came later."""
    docs = {column.name: column.doc for column in COLUMNS} | {"entry_number": "The entry's place in the ledger, in the order of booking."}
    fields = [_field(field.name, _TYPES[field.type], docs.get(field.name)) for field in EVENT_FIELDS]
    date = _field(PARTITION, "date", "The day the call started, UTC; what starts far from its receipt is in 1970-01-01 or 9999-12-31.")
    return json.dumps(_struct([*fields, date]), separators=(",", ":"), ensure_ascii=False)


def metadata(table_id: str, created_ms: int, keep_seconds: int) -> dict[str, Any]:
    """The table's metaData action: append-only, its removed files and its log kept for so long."""
    kept = f"interval {keep_seconds} seconds"
    return {
        "id": table_id,
        "name": "spanledger_events",
        "description": "The entries of a spanledger ledger: charges, reversals and adjustments. Their sum is what stands.",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema_text(),
        "partitionColumns": [PARTITION],
        "configuration": {"delta.appendOnly": "true", _KEEP: kept, "delta.logRetentionDuration": kept},
        "createdTime": created_ms,
    }


def keep_seconds_of(told: dict[str, Any]) -> int:
    """How long the table's removed files stay, as its metaData says."""
    return int(told["configuration"][_KEEP].split()[1])
