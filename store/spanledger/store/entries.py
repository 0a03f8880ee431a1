"""Ledger entries one by one: the net current events or every entry, and all there is to say of one id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from string import hexdigits
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.enrich.events import COLUMNS
from spanledger.store.conditions import NO_FILTERS, Conditions, Filters, conditions
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range, snapshot
from spanledger.store.schema import SPAN_FIELDS
from spanledger.store.times import rfc3339

NET: Final = (
    "SELECT * FROM {source} AS entry WHERE kind <> 'reversal'"
    " AND NOT EXISTS (SELECT 1 FROM {source} AS undone WHERE undone.kind = 'reversal' AND undone.ref_event_id = entry.event_id)"
)
"""The current entries: charges and adjustments that no reversal has undone. Their sums are those of all entries."""

_ADJUSTED: Final = ("list_cost_usd", "contracted_cost_usd", "cost_usd", "customer_price_usd")
_FOLDED: Final = (
    "WITH standing AS ({net}), repriced AS (SELECT ref_event_id AS charge_id, "  # noqa: S608 - our own names
    + ", ".join(f"sum({name}) AS {name}" for name in _ADJUSTED)
    + ", flatten(list(lines ORDER BY entry_number)) AS lines, arg_max(catalog_id, entry_number) AS catalog_id,"
    " arg_max(run_id, entry_number) AS run_id FROM standing WHERE kind = 'adjustment' GROUP BY ref_event_id)"
    " SELECT charge.* REPLACE ("
    + ", ".join(
        f"CASE WHEN repriced.{name} IS NULL THEN charge.{name} ELSE coalesce(charge.{name}, 0) + repriced.{name} END AS {name}"
        for name in _ADJUSTED
    )
    + ", list_concat(charge.lines, repriced.lines) AS lines, coalesce(repriced.catalog_id, charge.catalog_id) AS catalog_id,"
    " coalesce(repriced.run_id, charge.run_id) AS run_id)"
    " FROM standing AS charge LEFT JOIN repriced ON repriced.charge_id = charge.event_id WHERE charge.kind = 'charge'"
    " UNION ALL SELECT * FROM standing AS lone WHERE kind = 'adjustment'"
    " AND NOT EXISTS (SELECT 1 FROM standing AS base WHERE base.kind = 'charge' AND base.event_id = lone.ref_event_id)"
    # those of a charge that was reversed are closed by one more, and say nothing together
    " AND NOT EXISTS (SELECT 1 FROM repriced AS closed WHERE closed.charge_id = lone.ref_event_id AND "
    + " AND ".join(f"coalesce(closed.{name}, 0) = 0" for name in _ADJUSTED)
    + ")"
)


def standing(connection: duckdb.DuckDBPyConnection, source: str) -> str:
    """The SQL of the calls of `source` as they stand: one row a charge that no reversal has undone, with what re-pricing added.

    An adjustment is a row of its own only where its charge is not in `source`. The sums are those of all entries.
    """
    net = NET.format(source=source)
    has_adjustments = connection.execute("SELECT 1 FROM entries WHERE kind = 'adjustment' LIMIT 1").fetchone()
    return _FOLDED.format(net=net) if has_adjustments else net  # without any, the joins would be for nothing


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
    """The events of calls that started in the window, in booking order: the current ones (`standing`), or every entry if `every`.

    Ids are hex, money is plain decimal text, `usage` and `lines` are lists of objects, `start_time` and `end_time` are RFC 3339.
    """
    where = conditions(window, filters, as_of_ns=as_of_ns)
    chosen = f"(SELECT * FROM entries WHERE {where.sql})"  # noqa: S608 - allow-listed names, bound values
    with snapshot(ledger, window) as connection:
        net = f"SELECT * FROM {chosen}" if every else f"SELECT * FROM ({standing(connection, chosen)})"  # noqa: S608 - as above
        found = read_rows(connection.execute(f"{net} ORDER BY entry_number", where.values))
        yield from found if every else ({**row, "lines": net_lines(row["lines"])} for row in found)


def net_lines(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of a call and of its adjustments taken together: what was taken back is gone, the rest adds up as before."""
    if all(line["quantity"] >= 0 for line in lines):
        return list(lines)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    with localcontext(prec=76):
        for line in lines:
            key = (line["unit"], line["rate_id"], line["amount"], line["per"])
            known = found.setdefault(key, {**line, "quantity": 0, "cost_usd": "0"})
            known["quantity"] += line["quantity"]
            known["cost_usd"] = decimal_text(Decimal(known["cost_usd"]) + Decimal(line["cost_usd"]))
    return [line for line in found.values() if line["quantity"] or line["cost_usd"] != "0"]


class Found(NamedTuple):
    """What an id leads to: the entries of the span it names, in booking order, and the spans of its traces by time."""

    entries: list[dict[str, Any]]
    spans: list[dict[str, Any]]


def find(ledger: Ledger, text: str, *, as_of_ns: int | None = None) -> Found:
    """All entries and spans behind an event id, span id, trace id (hex, or how one begins) or response id; empty where there is none.

    The id of a suppressed span leads to the entries of the call that stands for it. With `as_of_ns`, only what had been booked and
    received by then. Raises QueryError if several ids begin so.
    """
    with snapshot(ledger, spans=True) as connection:
        return _gather(connection, _span_keys(connection, text.strip()), as_of_ns)


def find_calls(ledger: Ledger, keys: Iterable[tuple[str, str, str]], *, as_of_ns: int | None = None) -> Found:
    """All entries of these charged spans (authority, trace and span id in hex), and the spans of their traces."""
    with snapshot(ledger, spans=True) as connection:
        return _gather(connection, [(authority, bytes.fromhex(trace), bytes.fromhex(span)) for authority, trace, span in keys], as_of_ns)


def _gather(connection: duckdb.DuckDBPyConnection, keys: Sequence[tuple[str, bytes, bytes]], as_of_ns: int | None) -> Found:
    if not keys:
        return Found([], [])
    where = Conditions()
    where.add("(authority, trace_id, span_id) IN (SELECT (a, t, s) FROM wanted)")
    where.add("($as_of IS NULL OR booked_ns <= $as_of)", as_of=as_of_ns)
    connection.execute("CREATE TEMP TABLE wanted (a VARCHAR, t BLOB, s BLOB)")
    connection.executemany("INSERT INTO wanted VALUES (?, ?, ?)", keys)
    chosen = f"SELECT * FROM entries WHERE {where.sql} ORDER BY entry_number"  # noqa: S608 - our own text
    entries = list(read_rows(connection.execute(chosen, where.values)))
    whole = (
        "SELECT * FROM spans WHERE (authority, trace_id) IN (SELECT (a, t) FROM wanted)"
        " AND ($as_of IS NULL OR received_ns <= $as_of) ORDER BY start_ns, end_ns DESC, span_id"
    )
    spans = list(read_rows(connection.execute(whole, where.values)))
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
        or _beginning(connection, text)
    )


_SHORTEST: Final = 4
"""Fewer digits than this are no id."""


def _beginning(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[str, bytes, bytes]]:
    """The charged spans of the one event, span or trace whose id begins with these hex digits."""
    if not _SHORTEST <= len(text) < 32 or not set(text) <= set(hexdigits):
        return []
    bound = {
        "first": bytes.fromhex(text.ljust(32, "0")),
        "last": bytes.fromhex(text.ljust(32, "f")),
        "half": bytes.fromhex(text[:16].ljust(16, "0")),
    }
    names = ["event_id", "trace_id"] + (["span_id"] if len(text) < 16 else [])
    found: dict[bytes, set[tuple[str, bytes, bytes]]] = {}
    for name in names:
        least = "$half" if name == "span_id" else "$first"  # a shorter blob sorts before a longer one that it begins
        rows = connection.execute(
            f"SELECT {name}, authority, trace_id, span_id FROM entries WHERE {name} BETWEEN {least} AND $last",  # noqa: S608 - our own names
            {key: bound[key] for key in (least[1:], "last")},
        ).fetchall()
        for identifier, *key in rows:
            found.setdefault(identifier, set()).add(tuple(key))
    if len(found) > 1:
        raise QueryError(
            f"{text} is how {len(found)} ids begin ({', '.join(sorted(each.hex() for each in found)[:3])}, …): give more digits"
        )
    return sorted({key for keys in found.values() for key in keys})


def _unhex(text: str) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) in (8, 16) else None


def read_rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Rows of `entries` or `spans` as `events` gives them."""
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
