"""Cost reports: sums over the ledger by who, what and when. Reversals carry negated numbers, so every figure is a plain sum."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.store.conditions import DIMENSIONS, NO_FILTERS, TIME_UNITS, Filters, conditions
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range, snapshot
from spanledger.store.times import QUARTER_NS, bucket, zone

_NET: Final = "count(*) FILTER (WHERE kind = 'charge'{also}) - count(*) FILTER (WHERE kind = 'reversal'{also})"

MEASURES: Final = {
    "calls": _NET.format(also=""),
    "failed_calls": _NET.format(also=" AND status = 'error'"),
    "unpriced_calls": _NET.format(also=" AND price_state = 'unpriced' AND usage_state <> 'missing'"),
    "unmetered_calls": _NET.format(also=" AND usage_state = 'missing' AND status = 'ok'"),
    "input_tokens": "coalesce(sum(input_tokens), 0)",
    "cache_read_tokens": "coalesce(sum(cache_read_tokens), 0)",
    "cache_write_tokens": "coalesce(sum(cache_write_tokens), 0)",
    "output_tokens": "coalesce(sum(output_tokens), 0)",
    "reasoning_tokens": "coalesce(sum(reasoning_tokens), 0)",
    "cost_usd": "sum(cost_usd)",
}
"""A report's figures. Cache and reasoning tokens are parts of input and output. A call shared by several payers is one call of
each. `cost_usd` is NULL where nothing is priced: unknown, which is not zero."""


class Table(NamedTuple):
    """A report: the names of its columns, its rows (dimensions first, None for unattributed), and the sums over all rows.

    Counts are ints, money is Decimal or None. `by` says how many of the columns are dimensions.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    totals: tuple[Any, ...]
    by: int


def report(
    ledger: Ledger,
    by: Sequence[str] = ("tenant",),
    *,
    window: Range = EVERYTHING,
    tz: str = "UTC",
    filters: Filters = NO_FILTERS,
    as_of_ns: int | None = None,
) -> Table:
    """Net cost and usage of the calls that started in the window, a row for each combination of the dimensions in `by`.

    Rows come by time if that is the first dimension, else the most expensive first. `tz` is where hours, days, weeks and months
    begin. Rows whose payer is unknown are rows of their own (None). Raises QueryError for names it does not know.
    """
    _check_names(by)
    where = conditions(window, filters, as_of_ns=as_of_ns)
    units = [name for name in by if name in TIME_UNITS]
    with snapshot(ledger, window) as connection:
        join = _join_buckets(connection, units, tz, where.sql, where.values) if units else ""
        names = [f"bucket.{name}" if name in TIME_UNITS else DIMENSIONS[name] for name in by]
        selected = [f'{expression} AS "{name}"' for name, expression in (*zip(by, names, strict=True), *MEASURES.items())]
        groups = ", ".join(str(number + 1) for number in range(len(by)))
        rows = connection.execute(
            f"SELECT {', '.join(selected)} FROM entries {join} WHERE {where.sql}"  # noqa: S608 - allow-listed names, bound values
            + (f" GROUP BY {groups}" if by else ""),
            where.values,
        ).fetchall()
    return _table(tuple(by), rows)


def top(ledger: Ledger, *, window: Range, by: str = "tenant", count: int = 10, filters: Filters = NO_FILTERS) -> Table:
    """The `count` rows of a report with the highest cost; the totals are those of all rows."""
    table = report(ledger, (by,), window=window, filters=filters)
    return table._replace(rows=sorted(table.rows, key=_by_cost)[:count])


def _check_names(by: Sequence[str]) -> None:
    for name in by:
        if name not in DIMENSIONS and name not in TIME_UNITS:
            raise QueryError(f"cannot report by {name!r}; there are {', '.join((*DIMENSIONS, *TIME_UNITS))}")
    if len(set(by)) != len(by):
        raise QueryError(f"a dimension is named twice in {','.join(by)}")


def _join_buckets(connection: duckdb.DuckDBPyConnection, units: Sequence[str], tz: str, where: str, values: dict[str, Any]) -> str:
    """A table of the quarter hours that occur with their labels in the time zone, and the SQL that joins it.

    The calendar is Python's, so a report does not depend on what time zone data DuckDB was built with.
    """
    local = zone(tz)
    distinct = f"SELECT DISTINCT start_ns // {QUARTER_NS} FROM entries WHERE {where}"  # noqa: S608 - our own text, bound values
    found = connection.execute(distinct, values).fetchall()
    quarters = [quarter for (quarter,) in found]
    columns = ", ".join(f'unnest(${unit}) AS "{unit}"' for unit in units)
    labels = {unit: [bucket(quarter, unit, local) for quarter in quarters] for unit in units}
    kinds = ", ".join(f'"{unit}" VARCHAR' for unit in units)
    connection.execute(f"CREATE TEMP TABLE bucket (quarter BIGINT, {kinds})")
    if quarters:
        connection.execute(f"INSERT INTO bucket SELECT unnest($quarters), {columns}", {"quarters": quarters, **labels})
    return f"JOIN bucket ON bucket.quarter = start_ns // {QUARTER_NS}"


def _table(by: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    count = len(by)
    columns = (*by, *MEASURES)
    # A reversed call whose charge was moved elsewhere leaves a row of zeros, which says nothing.
    rows = [row for row in rows if any(row[count:])]
    if by and by[0] in TIME_UNITS:
        rows.sort(key=lambda row: (row[0], _by_cost(row)))
    else:
        rows.sort(key=_by_cost)
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        sums = [sum(row[i] for row in rows) for i in range(count, len(columns) - 1)]
        costs = [row[-1] for row in rows if row[-1] is not None]
        total = sum(costs, Decimal()) if costs else None
    return Table(columns, rows, (*([None] * count), *sums, total), count)


def _by_cost(row: tuple[Any, ...]) -> tuple[Any, ...]:
    cost = row[-1]
    names = tuple("" if value is None else str(value) for value in row[: -len(MEASURES)])
    return (cost is None, Decimal() if cost is None else cost.copy_negate(), names)
