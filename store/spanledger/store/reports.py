"""Cost reports: sums over the ledger by who, what and when. Reversals carry negated numbers, so every figure is a plain sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.store.calls import FirstSums, Grouping, Row, calls, charges
from spanledger.store.conditions import (
    BASIS_TIME,
    DIMENSIONS,
    NO_FILTERS,
    TIME_UNITS,
    Basis,
    Conditions,
    Filters,
    conditions,
    dimension,
)
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range, snapshot
from spanledger.store.tenant_columns import PREFIX, attribute_dimensions, attribute_expression, join_attributes
from spanledger.store.times import QUARTER_NS, bucket, zone

TOKENS: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

_COUNTED: Final = {
    "calls": calls(),
    "failed_calls": calls("status = 'error'"),
    "unpriced_calls": calls("price_state = 'unpriced' AND usage_state <> 'missing'"),
    "unmetered_calls": calls("usage_state = 'missing' AND status = 'ok'"),
    "unpriced_metered": charges("metered AND price_state = 'unpriced'"),
}
_SUMMED: Final = {**{name: f"coalesce(sum({name}), 0)" for name in TOKENS}, "cost_usd": "sum(cost_usd)"}
_APART: Final = {name: name for name in ("status", "price_state", "usage_state")}
_SUMS: Final = {name: f"sum({name})" for name in (*TOKENS, "cost_usd")}

MEASURES: Final = {**_COUNTED, **_SUMMED}
"""A report's figures. Cache and reasoning tokens are parts of input and output. `cost_usd` is NULL where nothing is priced: unknown,
which is not zero.

Calls are provider calls. A call shared by several payers counts once in every row that has a part of it, and once in the totals, so the
rows can add up to more than the total. What a meter charges (tools, compute, …) adds to the cost and is no call.
`unpriced_calls` are those whose usage is known; `unmetered_calls` those that succeeded and whose usage is not known; `unpriced_metered`
the charges of meters that have no price.
"""

Prepare = Callable[[duckdb.DuckDBPyConnection, Conditions], str]
"""Makes tables for a report's question and gives the SQL that joins them to `entries`."""


class Table(NamedTuple):
    """A report: the names of its columns, its rows (dimensions first, None for unattributed), and the sums over all rows.

    Counts are ints, money is Decimal or None. `by` says how many of the columns are dimensions.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    totals: Row
    by: int


def report(
    ledger: Ledger,
    by: Sequence[str] = ("tenant",),
    *,
    window: Range = EVERYTHING,
    tz: str = "UTC",
    filters: Filters = NO_FILTERS,
    as_of_ns: int | None = None,
    basis: Basis = "start",
) -> Table:
    """Net cost and usage of the calls that started in the window, a row for each combination of the dimensions in `by`.

    By the `booked` basis: of what was booked in the window, corrections of earlier calls included, so that a period that is over
    stays as it is.

    Rows come by time if that is the first dimension, else the most expensive first. `tz` is where hours, days, weeks and months
    begin. Rows whose payer is unknown are rows of their own (None). Raises QueryError for names it does not know.
    """
    by = [dimension(name) for name in by]
    with grouping(ledger, by, window=window, tz=tz, filters=filters, as_of_ns=as_of_ns, basis=basis) as asked:
        sums = FirstSums(asked, _APART, _SUMS)
        return _table(tuple(by), sums.rows(list(MEASURES.values())), sums.counts(list(_COUNTED.values())))


@contextmanager
def grouping(
    ledger: Ledger,
    by: Sequence[str],
    *,
    window: Range,
    tz: str,
    filters: Filters,
    as_of_ns: int | None,
    basis: Basis = "start",
    prepare: Prepare | None = None,
) -> Iterator[Grouping]:
    """What a report over these dimensions is asked of. `prepare` may add tables and what joins them. Raises QueryError."""
    attributes = _check_names(by, ledger)
    where = conditions(window, filters, as_of_ns=as_of_ns, basis=basis)
    units = [name for name in by if name in TIME_UNITS]
    with snapshot(ledger, window if basis == "start" else EVERYTHING) as connection:
        join = _join_buckets(connection, units, tz, where, BASIS_TIME[basis]) if units else ""
        join += join_attributes(connection, ledger, attributes)
        join += prepare(connection, where) if prepare is not None else ""
        names = [f"bucket.{name}" if name in TIME_UNITS else DIMENSIONS.get(name) or attribute_expression(attributes, name) for name in by]
        dimensions = tuple(f'{expression} AS "by_{name}"' for name, expression in zip(by, names, strict=True))
        yield Grouping(connection, dimensions, tuple(f'"by_{name}"' for name in by), f"entries {join} WHERE {where.sql}", where.values)


def top(ledger: Ledger, *, window: Range, by: str = "tenant", count: int = 10, filters: Filters = NO_FILTERS) -> Table:
    """The `count` rows of a report with the highest cost; the totals are those of all rows."""
    by = dimension(by)
    table = report(ledger, (by,), window=window, filters=filters)
    return table._replace(rows=sorted_rows((by,) if by not in TIME_UNITS else (), table.rows)[:count])


def _check_names(by: Sequence[str], ledger: Ledger) -> list[str]:
    """The tenants' attributes among the dimensions; QueryError for a name that is neither ours nor theirs."""
    attributes = [name for name in by if name.startswith(PREFIX)]
    known = attribute_dimensions(ledger) if attributes else []
    for name in by:
        if name not in DIMENSIONS and name not in TIME_UNITS and name not in known:
            raise QueryError(f"cannot report by {name!r}; there are {', '.join((*DIMENSIONS, *TIME_UNITS, *known))}")
    if len(set(by)) != len(by):
        raise QueryError(f"a dimension is named twice in {','.join(by)}")
    return attributes


def _join_buckets(connection: duckdb.DuckDBPyConnection, units: Sequence[str], tz: str, where: Conditions, time: str) -> str:
    """A table of the quarter hours of the column `time` with their labels in the time zone, and the SQL that joins it.

    The calendar is Python's, so a report does not depend on what time zone data DuckDB was built with.
    """
    local = zone(tz)
    distinct = f"SELECT DISTINCT {time} // {QUARTER_NS} FROM entries WHERE {where.sql}"  # noqa: S608 - our own text, bound values
    found = connection.execute(distinct, where.values).fetchall()
    quarters = [quarter for (quarter,) in found]
    columns = ", ".join(f'unnest(${unit}) AS "{unit}"' for unit in units)
    labels = {unit: [bucket(quarter, unit, local) for quarter in quarters] for unit in units}
    kinds = ", ".join(f'"{unit}" VARCHAR' for unit in units)
    connection.execute(f"CREATE TEMP TABLE bucket (quarter BIGINT, {kinds})")
    if quarters:
        connection.execute(f"INSERT INTO bucket SELECT unnest($quarters), {columns}", {"quarters": quarters, **labels})
    return f"JOIN bucket ON bucket.quarter = {time} // {QUARTER_NS}"


def _table(by: tuple[str, ...], rows: list[Row], counted: Row) -> Table:
    count, summed = len(by), len(by) + len(_COUNTED)
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        tokens = [sum(row[at] for row in rows) for at in range(summed, summed + len(TOKENS))]
        costs = [row[-1] for row in rows if row[-1] is not None]
        total = sum(costs, Decimal()) if costs else None
    return Table((*by, *MEASURES), sorted_rows(by, rows), (*([None] * count), *counted, *tokens, total), count)


def sorted_rows(by: Sequence[str], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows by time if that is the first dimension, else the most expensive (their last column) first."""

    def by_cost(row: tuple[Any, ...]) -> tuple[Any, ...]:
        cost = row[-1]
        names = tuple("" if value is None else str(value) for value in row[: len(by)])
        return (cost is None, Decimal() if cost is None else cost.copy_negate(), names)

    return sorted(rows, key=lambda row: (row[0], by_cost(row)) if by and by[0] in TIME_UNITS else by_cost(row))
