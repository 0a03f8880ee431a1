"""Asks the store for reports, events and queries, and writes the rows in the format asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.access import open_ledger
from spanledger.cli.errors import complain
from spanledger.cli.options import Basis, Chosen, Format
from spanledger.cli.render import write_rows
from spanledger.store import conditions as store
from spanledger.store.confidence import confidence
from spanledger.store.entries import EVENT_KEYS, events
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range
from spanledger.store.reports import Table, report
from spanledger.store.times import parse_moment, parse_window, rfc3339, zone

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

ENTRY_TABLE = (
    *(
        "booked_time",
        "kind",
        "reason",
        "run_id",
        "start_time",
        "tenant_id",
        "model",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "event_id",
    ),
)
"""What the table of entries shows, where it matters what was corrected, when and why."""

OPTIONAL_OF_EVENTS = (*("run_id", "kind", "usage_state", "provider", "start_time", "output_tokens", "input_tokens"),)
"""What a table of events or entries does without first on a narrow terminal."""

OPTIONAL = (
    *("reasoning_tokens", "cache_write_tokens", "cache_read_tokens", "unmetered_calls", "failed_calls"),
    *(
        "silent_failed_calls_pct",
        "aggregate_cost_pct",
        "estimated_cost_pct",
        "partial_cost_pct",
        "aggregate_calls_pct",
        "estimated_calls_pct",
        "partial_calls_pct",
    ),
)
"""What a report does without first on a narrow terminal."""

SELDOM = ("unpriced_metered",)
"""Columns that a table for people has only where they are not zero throughout."""

UNATTRIBUTED = "(unattributed)"


class Question(NamedTuple):
    """What a report is asked for on the command line; `limit` keeps the first rows, the totals are of all."""

    data: Path
    by: Sequence[str]
    since: str | None
    until: str | None
    tz: str
    chosen: Chosen
    limit: int | None
    output: Format
    as_of: str | None = None
    basis: Basis = Basis.start


class When(NamedTuple):
    """The times of a question, read: the window and whose time it goes by, as of when the ledger is seen, and now."""

    window: Range
    as_of_ns: int | None
    basis: store.Basis
    now_ns: int


def read_times(since: str | None, until: str | None, tz: str = "UTC", as_of: str | None = None, basis: Basis = Basis.start) -> When:
    """What the options about time say; raises QueryError."""
    zone(tz)  # a name that is none is a mistake also where no time is asked for
    now_ns = time.time_ns()
    return When(parse_window(since, until, now_ns, tz), parse_moment(as_of, now_ns, tz), basis.value, now_ns)


def store_filters(chosen: Chosen) -> dict[str, list[str | None]]:
    """Filters as the store takes them: an empty name on the command line is «has none»."""
    return {name: [value or None for value in values] for name, values in chosen.items()}


def print_report(asked: Question, *, sureness: bool = False) -> None:
    """Write a report, or how sure it is."""
    ask = confidence if sureness else report
    filters = store_filters(asked.chosen)
    print_answer(
        asked,
        lambda ledger, by, when: ask(
            ledger, by, window=when.window, tz=asked.tz, filters=filters, as_of_ns=when.as_of_ns, basis=when.basis
        ),
    )


def print_answer(asked: Question, ask: Callable[[Ledger, Sequence[str], When], Table]) -> None:
    """Write the table that `ask` makes of the ledger, the dimensions and the times."""
    when = read_times(asked.since, asked.until, asked.tz, asked.as_of, asked.basis)
    with open_ledger(asked.data) as ledger:
        table = ask(ledger, [name.strip() for name in asked.by], when)
    print_table(table, asked.limit, asked.output)


def print_table(table: Table, limit: int | None, output: Format, title: str | None = None) -> None:
    """Write a store's table; in tables for people an absent payer reads as unattributed."""
    rows: list[tuple[Any, ...]] = table.rows[:limit]
    totals: tuple[Any, ...] = table.totals
    if output in (Format.table, Format.markdown):
        table = _without_seldom(table)
        rows, totals = table.rows[:limit], table.totals
        rows = [
            (*(_named(name, value) for name, value in zip(table.columns[: table.by], row, strict=False)), *row[table.by :]) for row in rows
        ]
        totals = ("total", *totals[1:]) if table.by else totals
    optional = [name for name in OPTIONAL if name in table.columns]
    write_rows(table.columns, rows, output, totals=totals, title=title, optional=optional)


def _without_seldom(table: Table) -> Table:
    kept = [at for at, name in enumerate(table.columns) if name not in SELDOM or table.totals[at]]
    columns, *rows, totals = ([row[at] for at in kept] for row in (table.columns, *table.rows, table.totals))
    return Table(tuple(columns), [tuple(row) for row in rows], tuple(totals), table.by)


def _named(dimension: str, value: Any) -> Any:
    return UNATTRIBUTED if value is None and dimension in {"tenant", "user", "session"} else value


def print_top(data: Path, by: Sequence[str], when: When, limit: int, output: Format) -> None:
    """Write the costliest rows of a window, whatever they are grouped by."""
    with open_ledger(data) as ledger:
        table = report(ledger, [name.strip() for name in by], window=when.window, as_of_ns=when.as_of_ns)
    ranked = sorted(table.rows, key=lambda row: (row[-1] is None, -(row[-1] or 0)))
    print_table(table._replace(rows=ranked), limit, output)


def print_events(data: Path, when: When, chosen: Chosen, every: bool, limit: int | None, output: Format) -> None:
    """Write events, one at a time where the format allows it."""
    with open_ledger(data) as ledger:
        found = events(ledger, window=when.window, filters=store_filters(chosen), every=every, as_of_ns=when.as_of_ns)
        write_events(islice(found, limit), ENTRY_TABLE if every else EVENT_TABLE, output)


def write_events(found: Iterable[Mapping[str, Any]], shown: Sequence[str], output: Format) -> None:
    """Write events or entries: in tables for people the columns `shown`, else all."""
    if output in (Format.table, Format.markdown):
        rows = [[_shown(event, name) for name in shown] for event in found]
        write_rows(shown, rows, output, optional=[name for name in OPTIONAL_OF_EVENTS if name in shown])
    else:
        write_rows(EVENT_KEYS, ([event[name] for name in EVENT_KEYS] for event in found), output)


def _shown(event: Mapping[str, Any], name: str) -> Any:
    if name == "model":
        return event["response_model"] or event["request_model"]
    if name == "booked_time":
        return rfc3339(event["booked_ns"])[:23] + "Z"
    if name == "start_time":
        return event["start_time"][:23] + "Z"
    if name == "cost_usd" and event[name] is not None:
        return Decimal(event[name])
    return event[name]


def print_query(data: Path, text: str, output: Format) -> None:
    """Write the rows of a read-only query of the user's, and say so if there were more than are shown."""
    from spanledger.store.sql import sql

    with open_ledger(data) as ledger:
        answer = sql(ledger, text)
    write_rows(answer.columns, answer.rows, output)
    if answer.is_cut:
        complain(f"only the first {len(answer.rows):,} rows are shown: add a LIMIT or a condition, or raise store.sql_rows_max")
