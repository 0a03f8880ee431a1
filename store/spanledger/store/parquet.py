"""How the tables are laid out in Parquet: what was measured to be smallest among the encodings that every reader knows.

Random ids are stored plain (a dictionary of them is only ballast), integers that grow or cluster as deltas, the rest as dictionaries;
zstd over all. BYTE_STREAM_SPLIT would pay for decimals, but DuckDB reads it for numbers of up to 8 bytes only.
"""

from __future__ import annotations

from typing import Any

from spanledger.store.files import Table
from spanledger.store.schema import FIELDS

ROW_GROUP_ROWS = 65_536
"""Small enough that a look-up of single traces reads little, large enough that columns compress."""

_PLAIN = {"event_id", "ref_event_id", "trace_id", "span_id", "parent_span_id", "response_id", "prompt_hmac"}
_STATISTICS = {"trace_id", "start_ns", "booked_ns", "tenant_id", "position", "entry_number"}
_DELTA = {"start_ns", "end_ns", "received_ns", "booked_ns", "wall_clock_ms", "position", "entry_number"}


def options(table: Table) -> dict[str, Any]:
    """What `pyarrow.parquet.write_table` needs to be told."""
    fields = FIELDS[table]
    delta = {field.name: "DELTA_BINARY_PACKED" for field in fields if field.name in _DELTA}
    plain = [field.name for field in fields if field.name in _PLAIN or field.type == "key"]
    others = [field for field in fields if field.name not in delta and field.name not in plain and field.type != "bool"]
    dictionary = [path for field in others for path in _leaves(field.name, field.type)]
    return {
        "compression": "zstd",
        "compression_level": 3,
        "use_dictionary": dictionary,
        "column_encoding": delta,
        "row_group_size": ROW_GROUP_ROWS,
        "store_schema": False,  # the Arrow schema in base64 is a quarter of a small file, and says nothing that Parquet does not
        "write_statistics": [field.name for field in fields if field.name in _STATISTICS],
    }


def _leaves(name: str, kind: str) -> list[str]:
    """The Parquet paths of a column's leaves."""
    items = {"usage": ("unit", "quantity"), "lines": ("unit", "quantity", "rate_id", "amount", "per", "cost_usd")}.get(kind)
    if items:
        return [f"{name}.list.element.{item}" for item in items]
    return [f"{name}.list.element"] if kind == "texts" else [name]
