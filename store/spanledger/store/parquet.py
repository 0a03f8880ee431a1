"""How the tables are laid out in Parquet: what was measured to be smallest among the encodings that DuckDB and Arrow both read.

Random ids and amounts are plain (a dictionary of values that hardly repeat is ballast), times and counts are deltas, near-unique texts
lie end to end with their lengths apart, everything else has a dictionary; zstd over all. BYTE_STREAM_SPLIT would gain a little more
on amounts, but DuckDB reads it for numbers of up to 8 bytes only.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.store.files import Table
from spanledger.store.schema import FIELDS, Field

ROW_GROUP_ROWS: Final = 65_536
"""Small enough that a look-up of single traces reads little, large enough that columns compress."""

_STATISTICS: Final = {"trace_id", "start_ns", "booked_ns", "tenant_id", "position", "entry_number"}
_DELTA: Final = {"start_ns", "end_ns", "received_ns", "booked_ns", "wall_clock_ms", "position", "entry_number"}
_TEXT_ENCODINGS: Final = {
    "response_id": "DELTA_BYTE_ARRAY",
    "prompt_hmac": "DELTA_LENGTH_BYTE_ARRAY",
    "user_id": "DELTA_BYTE_ARRAY",
    "session_id": "DELTA_BYTE_ARRAY",
    "suppressed_span_ids": "DELTA_LENGTH_BYTE_ARRAY",
}
_ITEMS: Final = {
    "usage": {"unit": None, "quantity": "DELTA_BINARY_PACKED"},
    "lines": {
        "unit": None,
        "quantity": "DELTA_BINARY_PACKED",
        "rate_id": None,
        "amount": None,
        "per": None,
        "cost_usd": "PLAIN",
    },
}


COMMIT_LEVEL: Final = 3
KEPT_LEVEL: Final = 9
"""zstd levels: a commit's file lives for minutes, a compacted one for years and is written by a thread that nobody waits for."""


def options(table: Table, level: int = COMMIT_LEVEL) -> dict[str, Any]:
    """What `pyarrow.parquet.write_table` needs to be told."""
    encodings = {path: encoding for field in FIELDS[table] for path, encoding in _leaves(field).items()}
    return {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": [path for path, encoding in encodings.items() if encoding is None],
        "column_encoding": {path: encoding for path, encoding in encodings.items() if encoding is not None},
        "row_group_size": ROW_GROUP_ROWS,
        "store_schema": False,  # the Arrow schema in base64 is a quarter of a small file, and says nothing that Parquet does not
        "write_statistics": [field.name for field in FIELDS[table] if field.name in _STATISTICS],
    }


def dictionary_texts(table: Table) -> list[str]:
    """The text columns that are kept as a dictionary, and can be read as one."""
    return [field.name for field in FIELDS[table] if field.type == "text" and _encoding(field) is None]


def _leaves(field: Field) -> dict[str, str | None]:
    """The Parquet paths of a column's leaves with their encoding; None is a dictionary."""
    if field.type in _ITEMS:
        return {f"{field.name}.list.element.{item}": encoding for item, encoding in _ITEMS[field.type].items()}
    path = f"{field.name}.list.element" if field.type == "texts" else field.name
    return {path: _encoding(field)}


def _encoding(field: Field) -> str | None:
    if field.name in _TEXT_ENCODINGS:
        return _TEXT_ENCODINGS[field.name]
    if field.name in _DELTA or field.name.endswith("_tokens"):
        return "DELTA_BINARY_PACKED"
    return "PLAIN" if field.type in ("id8", "id16", "key", "money", "bool") else None
