"""The shapes an export can have: which columns, what each means, and the SQL that makes them of the ledger's entries.

A shape is *additive*: an entry gives rows once and for ever, corrections give rows of their own, and the sum over everything that was
ever exported is the ledger. That is what lets a warehouse load increments without ever changing a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from spanledger.enrich.events import COLUMNS, ColumnType

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from spanledger.store.ledger import Ledger

ExportType = Literal["text", "int", "money", "decimal", "bool", "timestamp", "texts", "usage", "lines", "json"]


class ExportColumn(NamedTuple):
    """A column of a shape: its type, what it means, and the expression over `source` that gives it.

    `timestamp` is UTC in microseconds; `money` and `decimal` are DECIMAL(38,18); `json` is text that holds JSON.
    """

    name: str
    type: ExportType
    nullable: bool
    doc: str
    sql: str


Prepare = Callable[["duckdb.DuckDBPyConnection", "Ledger", str, Mapping[str, Any]], None]
"""Makes the tables that a shape's source joins, given the entries as a sub-query with its bound values."""


class Shape(NamedTuple):
    """Rows of one kind. `source` is a FROM clause over `{entries}`; `order` makes two exports of the same entries the same bytes."""

    name: str
    version: int
    doc: str
    columns: tuple[ExportColumn, ...]
    source: str
    order: str
    is_grouped: bool = False
    prepare: Prepare | None = None

    def select(self, entries: str) -> str:
        """The query of this shape over a view of entries."""
        columns = ", ".join(f'{column.sql} AS "{column.name}"' for column in self.columns)
        group = " GROUP BY ALL" if self.is_grouped else ""
        return f"SELECT {columns} FROM {self.source.format(entries=entries)}{group} ORDER BY {self.order}"  # noqa: S608 - our own text


_TYPES: Final[Mapping[ColumnType, ExportType]] = {
    "id16": "text",
    "id8": "text",
    "text": "text",
    "int": "int",
    "money": "money",
    "bool": "bool",
    "texts": "texts",
    "usage": "usage",
    "lines": "lines",
}


def time_of(name: str) -> str:
    """The expression of a timestamp from a column of nanoseconds."""
    return f"make_timestamp({name} // 1000)"


def _event_columns() -> tuple[ExportColumn, ...]:
    found = [
        ExportColumn("entry_number", "int", False, "The entry's place in the ledger: 1, 2, 3, … in the order of booking.", "entry_number")
    ]
    for column in COLUMNS:
        if column.type == "ns":
            name = column.name.removesuffix("_ns")
            found.append(ExportColumn(f"{name}_time", "timestamp", column.nullable, column.doc, time_of(column.name)))
            if name in ("start", "end"):
                exact = f"{column.doc} Nanoseconds since 1970."
                found.append(ExportColumn(column.name, "int", column.nullable, exact, column.name))
            continue
        sql = f"lower(hex({column.name}))" if column.type in ("id16", "id8") else column.name
        found.append(ExportColumn(column.name, _TYPES[column.type], column.nullable, column.doc, sql))
    return tuple(found)


EVENTS: Final = Shape(
    "events",
    1,
    "One row an entry of the ledger: charges, reversals and adjustments, with every column.",
    _event_columns(),
    "{entries}",
    "entry_number",
)

_OF_EVENT: Final = (
    "entry_number", "event_id", "kind", "ref_event_id", "reason", "start_time", "end_time", "booked_time", "authority", "tenant_id",
    "user_id", "session_id", "cost_surface", "operation", "provider", "request_model", "response_model", "service_tier", "region",
    "tool_name", "trace_id", "span_id", "workflow", "agent", "feature", "environment", "service", "currency", "price_state",
    "provider_billing", "customer_billable", "catalog_id", "run_id",
)  # fmt: skip
"""What a line repeats of its entry."""

_LINE: Final = "lines[line_index]"

LINES: Final = Shape(
    "lines",
    1,
    "One row a priced line of an entry: a unit, its quantity, its rate and what it comes to. An entry without lines (unpriced) is one row "
    "with unit NULL, so that no entry is lost.",
    (
        *(column for column in EVENTS.columns if column.name in _OF_EVENT),
        ExportColumn("line_id", "text", False, "Deterministic id of the line: the entry's id and the line's number.",
                     "lower(hex(event_id)) || '-' || line_index"),
        ExportColumn("line_number", "int", False, "The line's number in its entry, from 1.", "line_index"),
        ExportColumn("unit", "text", True, "What is counted: input_tokens, cache_read_tokens, web_searches, …", f"{_LINE}.unit"),
        ExportColumn("quantity", "int", True, "How many; negative where the line undoes another.", f"{_LINE}.quantity"),
        ExportColumn("rate_id", "text", True, "The rate that was applied; `prices show` and `explain` say all of it.", f"{_LINE}.rate_id"),
        ExportColumn("rate_amount", "text", True, "USD for `rate_per` units, as published.", f"{_LINE}.amount"),
        ExportColumn("rate_per", "int", True, "How many units `rate_amount` is for.", f"{_LINE}.per"),
        ExportColumn("cost_usd", "money", True, "quantity * rate_amount / rate_per, rounded once to 1e-18 USD.", f"{_LINE}.cost_usd"),
    ),
    "(SELECT *, unnest(range(1, greatest(len(lines), 1) + 1)) AS line_index FROM {entries})",
    "entry_number, line_index",
)  # fmt: skip

_HOURLY_KEYS: Final[tuple[tuple[str, str, str], ...]] = (
    ("kind", "kind", "charge, reversal or adjustment: corrections are rows of their own, and the sum over all kinds is what stands."),
    ("authority", "authority", "The account whose key sent the spans."),
    ("tenant_id", "tenant_id", "The payer. NULL is unattributed."),
    ("cost_surface", "cost_surface", "inference, tool_execution, memory_retrieval, remote_agent, compute or other."),
    ("operation", "operation", "OpenTelemetry GenAI operation."),
    ("provider", "provider", "OpenTelemetry GenAI provider name."),
    ("model", "coalesce(response_model, request_model)", "The model that answered, else the one asked for."),
    ("service_tier", "service_tier", "Service tier."),
    ("tool_name", "tool_name", "Name of the tool, for tool execution."),
    ("workflow", "workflow", "Workflow name."),
    ("agent", "agent", "Agent name."),
    ("feature", "feature", "Product feature."),
    ("environment", "environment", "Deployment environment."),
    ("service", "service", "service.name of the resource."),
    ("price_state", "price_state", "priced or unpriced."),
    ("provider_billing", "provider_billing", "Whether the provider bills it: billed, not_billed, assumed or unknown."),
    ("currency", "currency", "Currency of the money columns: USD."),
)
_ALWAYS_SET: Final = ("kind", "authority", "cost_surface", "price_state", "provider_billing", "currency")
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "wall_clock_ms")
_MONEY: Final = ("list_cost_usd", "contracted_cost_usd", "cost_usd", "customer_price_usd")
_NET: Final = "CASE kind WHEN 'charge' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END"


def _doc(name: str) -> str:
    return next(column.doc for column in COLUMNS if column.name == name)


HOURLY: Final = Shape(
    "hourly",
    1,
    "Sums an hour (of the calls' start, UTC), a payer, a model and who did the work. An increment adds rows for the same hour: sum them.",
    (
        ExportColumn("hour_start_time", "timestamp", False, "The hour in which the calls started, UTC.",
                     "make_timestamp((start_ns // 3600000000000) * 3600000000)"),
        *(ExportColumn(name, "text", name not in _ALWAYS_SET, doc, sql) for name, sql, doc in _HOURLY_KEYS),
        ExportColumn("customer_billable", "bool", False, _doc("customer_billable"), "customer_billable"),
        ExportColumn("entries", "int", False, "How many entries of the ledger are in the row.", "count(*)"),
        ExportColumn("charges", "int", False, "Charges less reversals; each part of a shared call is one.", f"CAST(sum({_NET}) AS BIGINT)"),
        ExportColumn("unpriced_charges", "int", False, "Those of `charges` without a price: their cost is unknown, not zero.",
                     f"CAST(coalesce(sum({_NET}) FILTER (price_state = 'unpriced'), 0) AS BIGINT)"),
        *(ExportColumn(name, "int", True, f"Sum: {_doc(name)}", f"CAST(sum({name}) AS BIGINT)") for name in _COUNTS),
        *(ExportColumn(name, "money", True, f"Sum: {_doc(name)}", f"sum({name})") for name in _MONEY),
        ExportColumn("booked_time_max", "timestamp", False, "When the last of these entries was booked, UTC.", time_of("max(booked_ns)")),
    ),
    "{entries}",
    "ALL",
    is_grouped=True,
)  # fmt: skip


def arrow_schema(shape: Shape) -> pa.Schema:
    """The Arrow schema of a shape's Parquet files."""
    import pyarrow as pa  # reports import this package and must not wait for Arrow

    from spanledger.store.encode import LINE_ITEM, MONEY, USAGE_ITEM  # as above

    types: dict[ExportType, pa.DataType] = {
        "text": pa.string(),
        "int": pa.int64(),
        "money": MONEY,
        "decimal": MONEY,
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
        "usage": pa.list_(USAGE_ITEM),
        "lines": pa.list_(LINE_ITEM),
        "json": pa.string(),
    }
    return pa.schema([pa.field(column.name, types[column.type], column.nullable) for column in shape.columns])
