"""Ledger entries one by one: the net current events or every entry, and all there is to say of one id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.enrich.events import COLUMNS
from spanledger.store.conditions import NO_FILTERS, Conditions, Filters, conditions
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range, snapshot
from spanledger.store.schema import SPAN_FIELDS
from spanledger.store.times import rfc3339

NET: Final = (
    "SELECT * FROM {source} AS entry WHERE kind <> 'reversal'"
    " AND NOT EXISTS (SELECT 1 FROM {source} AS undone WHERE undone.kind = 'reversal' AND undone.ref_event_id = entry.event_id)"
)
"""The current entries: charges and adjustments that no reversal has undone. Their sums are those of all entries."""

EVENT_KEYS: Final = (*(column.name for column in COLUMNS), "entry_number", "event_date", "start_time", "end_time")
"""The keys of an event as `events` gives it, in this order."""

_BATCH: Final = 2_000


def events(
    ledger: Ledger,
    *,
    window: Range = EVERYTHING,
    filters: Filters = NO_FILTERS,
    every: bool = False,
    as_of_ns: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The events of calls that started in the window, in booking order: the net current ones, or every entry if `every`.

    Ids are hex, money is plain decimal text, `usage` and `lines` are lists of objects, `start_time` and `end_time` are RFC 3339.
    """
    where = conditions(window, filters, as_of_ns=as_of_ns)
    chosen = f"(SELECT * FROM entries WHERE {where.sql})"  # noqa: S608 - allow-listed names, bound values
    net = f"SELECT * FROM {chosen}" if every else NET.format(source=chosen)  # noqa: S608 - as above
    with snapshot(ledger, window) as connection:
        cursor = connection.execute(f"{net} ORDER BY entry_number", where.values)
        yield from _rows(cursor)


class Found(NamedTuple):
    """What an id leads to: the entries of the span it names, in booking order, and the spans of its traces by time."""

    entries: list[dict[str, Any]]
    spans: list[dict[str, Any]]


def find(ledger: Ledger, text: str) -> Found:
    """All entries and spans behind an event id, span id, trace id (hex) or response id; empty where there is none.

    The id of a suppressed span leads to the entries of the call that stands for it.
    """
    with snapshot(ledger, spans=True) as connection:
        keys = _span_keys(connection, text.strip())
        if not keys:
            return Found([], [])
        where = Conditions()
        where.add("(authority, trace_id, span_id) IN (SELECT (a, t, s) FROM wanted)")
        connection.execute("CREATE TEMP TABLE wanted (a VARCHAR, t BLOB, s BLOB)")
        connection.executemany("INSERT INTO wanted VALUES (?, ?, ?)", keys)
        entries = list(_rows(connection.execute(f"SELECT * FROM entries WHERE {where.sql} ORDER BY entry_number")))  # noqa: S608 - our own text
        whole = "SELECT * FROM spans WHERE (authority, trace_id) IN (SELECT (a, t) FROM wanted) ORDER BY start_ns, end_ns DESC, span_id"
        spans = list(_rows(connection.execute(whole)))
        return Found(entries, spans)


def _span_keys(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[str, bytes, bytes]]:
    """(authority, trace, span) of the charged spans that an id leads to, or of the spans it names if they are not charged."""
    raw = _unhex(text)
    bound: Mapping[str, Any] = {"raw": raw, "text": text, "hex": text.lower()}
    charged = connection.execute(
        "SELECT DISTINCT authority, trace_id, span_id FROM entries WHERE event_id = $raw OR span_id = $raw OR trace_id = $raw"
        " OR response_id = $text OR list_contains(suppressed_span_ids, $hex)"
        " OR len(list_filter(suppressed_span_ids, lambda id: ends_with(id, ':' || $hex))) > 0",
        dict(bound),
    ).fetchall()
    return (
        charged
        or connection.execute(
            "SELECT DISTINCT authority, trace_id, span_id FROM spans WHERE span_id = $raw OR trace_id = $raw OR response_id = $text",
            {"raw": raw, "text": text},
        ).fetchall()
    )


def _unhex(text: str) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) in (8, 16) else None


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description or ()]
    while batch := cursor.fetchmany(_BATCH):
        for row in batch:
            yield _readable(dict(zip(names, row, strict=True)))


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can carry it, in the order of the schema."""
    row["start_time"], row["end_time"] = rfc3339(row["start_ns"]), rfc3339(row["end_ns"])
    keys = EVENT_KEYS if "event_id" in row else (*(field.name for field in SPAN_FIELDS), "event_date", "start_time", "end_time")
    return {key: plain(row[key]) for key in keys}


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes as hex, decimals as plain text without trailing zeros, dates as ISO 8601."""
    match value:
        case bytes():
            return value.hex()
        case Decimal():
            return decimal_text(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros: "0.0000212", "0"."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
