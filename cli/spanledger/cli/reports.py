"""Asks the store for reports, events and queries, and writes the rows in the format asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from spanledger.cli.errors import complain
from spanledger.cli.options import Format
from spanledger.cli.render import write_rows
from spanledger.store.confidence import confidence
from spanledger.store.entries import EVENT_KEYS, events
from spanledger.store.ledger import Ledger
from spanledger.store.reports import Table, report
from spanledger.store.times import parse_window, zone

EVENT_TABLE = (
    "start_time",
    "kind",
    "tenant_id",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "usage_state",
    "span_id",
)
"""What the table of events shows: what people look at; the other formats have every column."""

OPTIONAL = (
    *("reasoning_tokens", "cache_write_tokens", "cache_read_tokens", "unmetered_calls", "failed_calls"),
    *("aggregate_cost_pct", "estimated_cost_pct", "partial_cost_pct", "aggregate_calls_pct", "estimated_calls_pct", "partial_calls_pct"),
)
"""What a report does without first on a narrow terminal."""

UNATTRIBUTED = "(unattributed)"

Chosen = Mapping[str, Sequence[str]]


def store_filters(chosen: Chosen) -> dict[str, list[str | None]]:
    """Filters as the store takes them: an empty name on the command line is «has none»."""
    return {name: [value or None for value in values] for name, values in chosen.items()}


def print_report(
    data: Path,
    by: Sequence[str],
    since: str | None,
    until: str | None,
    tz: str,
    chosen: Chosen,
    limit: int | None,
    output: Format,
    *,
    sureness: bool = False,
) -> None:
    """Write a report, or how sure it is; `limit` keeps the first rows, the totals are of all."""
    ask = confidence if sureness else report
    zone(tz)  # a name that is none is a mistake also where no time is asked for
    with Ledger.open(data, read_only=True) as ledger:
        window = parse_window(since, until, time.time_ns(), tz)
        table = ask(ledger, [name.strip() for name in by], window=window, tz=tz, filters=store_filters(chosen))
    print_table(table, limit, output)


def print_table(table: Table, limit: int | None, output: Format, title: str | None = None) -> None:
    """Write a store's table; in tables for people an absent payer reads as unattributed."""
    rows: list[tuple[Any, ...]] = table.rows[:limit]
    totals: tuple[Any, ...] = table.totals
    if output in (Format.table, Format.markdown):
        rows = [
            (*(_named(name, value) for name, value in zip(table.columns[: table.by], row, strict=False)), *row[table.by :]) for row in rows
        ]
        totals = ("total", *totals[1:]) if table.by else totals
    optional = [name for name in OPTIONAL if name in table.columns]
    write_rows(table.columns, rows, output, totals=totals, title=title, optional=optional)


def _named(dimension: str, value: Any) -> Any:
    return UNATTRIBUTED if value is None and dimension in {"tenant", "user", "session"} else value


def print_top(data: Path, by: Sequence[str], since: str | None, until: str | None, limit: int, output: Format) -> None:
    """Write the costliest rows of a window, whatever they are grouped by."""
    with Ledger.open(data, read_only=True) as ledger:
        table = report(ledger, [name.strip() for name in by], window=parse_window(since, until, time.time_ns()))
    ranked = sorted(table.rows, key=lambda row: (row[-1] is None, -(row[-1] or 0)))
    print_table(table._replace(rows=ranked), limit, output)


def print_events(data: Path, since: str | None, until: str | None, chosen: Chosen, every: bool, limit: int | None, output: Format) -> None:
    """Write events, one at a time where the format allows it."""
    with Ledger.open(data, read_only=True) as ledger:
        window = parse_window(since, until, time.time_ns())
        found = islice(events(ledger, window=window, filters=store_filters(chosen), every=every), limit)
        if output in (Format.table, Format.markdown):
            rows = [[_shown(event, name) for name in EVENT_TABLE] for event in found]
            write_rows(EVENT_TABLE, rows, output, optional=("kind", "usage_state", "provider", "start_time"))
        else:
            write_rows(EVENT_KEYS, ([event[name] for name in EVENT_KEYS] for event in found), output)


def _shown(event: Mapping[str, Any], name: str) -> Any:
    if name == "model":
        return event["response_model"] or event["request_model"]
    if name == "start_time":
        return event["start_time"][:23] + "Z"
    if name == "cost_usd" and event[name] is not None:
        return Decimal(event[name])
    return event[name]


def print_query(data: Path, text: str, output: Format) -> None:
    """Write the rows of a read-only query of the user's, and say so if there were more than are shown."""
    from spanledger.store.sql import sql

    with Ledger.open(data, read_only=True) as ledger:
        answer = sql(ledger, text)
    write_rows(answer.columns, answer.rows, output)
    if answer.is_cut:
        complain(f"only the first {len(answer.rows):,} rows are shown: add a LIMIT or a condition, or raise store.sql_rows_max")
