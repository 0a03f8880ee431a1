"""Reports with shared costs allotted: every part is a whole number of atto-USD, and the parts of a month sum exactly to its whole.

All of it is one query on one snapshot: for each row of the report and each month its cost, and for each shared cost the usage that
decides and the pooled cost. The arithmetic is `enrich.shared`'s, in integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

from spanledger.enrich.meters import METERED, MeterRate
from spanledger.enrich.shared import SharedCost, allot, graduated_cost, months_between
from spanledger.store.calls import FirstSums, Row, calls
from spanledger.store.conditions import TIME_UNITS, Basis, Conditions, conditions, dimension
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range
from spanledger.store.reports import Table, grouping, sorted_rows
from spanledger.store.times import moment_at, nanoseconds, zone

_OF_UNIT: Final = "sum(list_sum(list_transform(list_filter({0}, lambda each: each.unit = ${1}), lambda each: each.{2}))) FILTER (WHERE {3})"
_WEIGHTS: Final[Mapping[str, str]] = {
    "cost": "sum(cost_usd) FILTER (WHERE {0})",
    "tokens": "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) FILTER (WHERE {0})",
    "wall_clock_ms": "sum(wall_clock_ms) FILTER (WHERE {0})",
}
_ATTO: Final = 10**18

Key = tuple[Row, str]
"""A row's dimensions, and a month."""


class _Share(NamedTuple):
    """What the ledger has of one shared cost: by row and month the deciding usage, the pooled cost, and the booked tier cost."""

    weights: dict[Key, int]
    pooled: dict[Key, int]


def allotted_report(
    ledger: Ledger,
    by: Sequence[str],
    shared: Sequence[SharedCost],
    *,
    window: Range = EVERYTHING,
    tz: str = "UTC",
    now_ns: int,
    as_of_ns: int | None = None,
    basis: Basis = "start",
) -> Table:
    """Calls and cost by the dimensions, a column for each shared cost, and their total. The window is made of whole months.

    A month in which nobody used what decides leaves its cost with nobody. Raises QueryError for unknown names and parts of months.
    """
    local = zone(tz)
    _check_whole_months(window, local)
    wanted = _wanted(shared)
    by = [dimension(name) for name in by]
    dimensions = list(by) if "month" in by else [*by, "month"]
    with grouping(ledger, dimensions, window=window, tz=tz, filters={}, as_of_ns=as_of_ns, basis=basis) as asked:
        sums = FirstSums(asked, wanted.among, {"cost_usd": "sum(cost_usd)", **wanted.sums}, wanted.values)
        found = sums.rows([calls(), "sum(cost_usd)", *wanted.measures])
        [all_calls] = sums.counts([calls()])
    month = dimensions.index("month")
    keyed = {
        ((row[: len(by)]), row[month]): row[len(dimensions) :] for row in sorted(found, key=lambda row: _order(row[: len(dimensions)]))
    }
    months = _months(window, local, [key[1] for key in keyed], now_ns)
    columns = [_parts(each, _share(keyed, number), months, by, local) for number, each in enumerate(shared)]
    return _table(tuple(by), keyed, shared, columns, all_calls)


class _Wanted(NamedTuple):
    """What to ask of the first sums: columns that tell apart which calls decide, sums, and of these two measures for each shared cost."""

    among: dict[str, str]
    sums: dict[str, str]
    measures: list[str]
    values: dict[str, Any]


def _wanted(shared: Sequence[SharedCost]) -> _Wanted:
    """The measures are the usage that decides, and what is pooled (or was booked for the tiers)."""
    found = _Wanted({}, {}, [], {})
    for number, each in enumerate(shared):
        among, pool = _named(each.among, f"among_{number}"), _named(each.pool, f"pool_{number}")
        found.values.update(among.values | pool.values)
        weight, pooled = f"weight_{number}", f"pooled_{number}"
        if each.meter:
            found.values.update({f"meter_{number}": METERED + each.meter, f"unit_{number}": each.unit})
            metered = f"usage_basis = $meter_{number} AND price_state = 'priced' AND ({among.sql})"
            found.sums[weight] = _OF_UNIT.format("usage", f"unit_{number}", "quantity", metered)
            found.sums[pooled] = _OF_UNIT.format("lines", f"unit_{number}", "cost_usd", metered)
        else:
            deciding = f"({among.sql})" + (f" AND ({pool.sql}) IS NOT TRUE" if each.pool else "")
            if each.by == "calls":
                found.among[weight] = f"coalesce({deciding}, false)"
            else:
                found.sums[weight] = _WEIGHTS[each.by].format(deciding)
            found.sums[pooled] = f"sum(cost_usd) FILTER (WHERE {pool.sql})" if each.pool else "NULL::HUGEINT"
        found.measures.append(calls(weight) if weight in found.among else f"sum({weight})")
        found.measures.append(f"sum({pooled})")
    return found


def _named(filters: Mapping[str, tuple[str | None, ...]], bound: str) -> Conditions:
    return conditions(EVERYTHING, filters, bound=bound)


def _share(keyed: Mapping[Key, Row], number: int) -> _Share:
    weights, pooled = {}, {}
    for key, figures in keyed.items():
        weight, pool = figures[2 + 2 * number : 4 + 2 * number]
        weights[key] = _atto(weight) if isinstance(weight, Decimal) else int(weight or 0)
        pooled[key] = _atto(pool)
    return _Share(weights, pooled)


def _atto(usd: Decimal | None) -> int:
    if usd is None:
        return 0
    numerator, denominator = usd.as_integer_ratio()  # exact, whatever the precision of the context
    return numerator * _ATTO // denominator


def _parts(each: SharedCost, share: _Share, months: Sequence[str], by: Sequence[str], local: tzinfo) -> dict[Row, int]:
    """What each row of the report bears of a shared cost, in atto-USD."""
    borne: dict[Row, int] = {}
    for month in months:
        weights = {key[0]: weight for key, weight in share.weights.items() if key[1] == month}
        pooled = {key[0]: cost for key, cost in share.pooled.items() if key[1] == month and cost}
        if each.meter:
            whole = _tiered(each, sum(weights.values()), month, local) - sum(pooled.values())
        elif each.pool:
            whole = sum(pooled.values())
        else:
            whole = each.amount_usd(month)
        parts = allot(whole, weights)
        if not parts:
            if whole and not each.pool:  # a pool that nobody can take stays where it is
                parts = {tuple(month if name in TIME_UNITS else None for name in by): whole}
        elif each.pool:
            for row, cost in pooled.items():
                borne[row] = borne.get(row, 0) - cost
        for row, part in parts.items():
            borne[row] = borne.get(row, 0) + part
    return borne


def _tiered(each: SharedCost, quantity: int, month: str, local: tzinfo) -> int:
    start_ns = nanoseconds(datetime(int(month[:4]), int(month[5:]), 1, tzinfo=local))
    rate: MeterRate | None = next((rate for rate in reversed(each.rates) if rate.from_ns <= start_ns < rate.to_ns), None)
    if rate is None:
        raise QueryError(f"{each.name}: the meter {each.meter} has no rate on the first of {month}")
    return graduated_cost(quantity, rate)


def _check_whole_months(window: Range, local: tzinfo) -> None:
    for name, ns in zip(("--since", "--until"), window, strict=True):
        if ns is None:
            continue
        moment = moment_at(ns, local)
        if ns % 1_000_000_000 or (moment.day, moment.hour, moment.minute, moment.second, moment.microsecond) != (1, 0, 0, 0, 0):
            raise QueryError(f"shared costs are allotted by whole months: {name} is not the start of one (write 2026-11)")


def _months(window: Range, local: tzinfo, found: Sequence[str], now_ns: int) -> Sequence[str]:
    """The months of the window up to now; without its ends, those that have calls."""
    since, until = window
    first = _label(since, local) if since is not None else min(found, default="")
    last = max([_label(now_ns, local), *found])
    if until is not None:
        last = min(last, _label(until - 1, local))
    elif since is None:
        last = max(found, default="")
    return months_between(first, last) if first and last else ()


def _label(ns: int, local: tzinfo) -> str:
    return f"{moment_at(ns, local):%Y-%m}"


def _order(row: Row) -> tuple[tuple[bool, str], ...]:
    """An order of rows that does not depend on the query's: it decides who takes the last atto of a tie."""
    return tuple((value is None, "" if value is None else str(value)) for value in row)


def _table(
    by: tuple[str, ...], keyed: Mapping[Key, Row], shared: Sequence[SharedCost], columns: Sequence[Mapping[Row, int]], all_calls: int
) -> Table:
    counted: dict[Row, int] = {}
    cost: dict[Row, int | None] = {}
    for (row, _), figures in keyed.items():
        counted[row] = counted.get(row, 0) + figures[0]
        cost[row] = _plus(cost.get(row), None if figures[1] is None else _atto(figures[1]))
    rows = []
    for row in {**counted, **{row: 0 for borne in columns for row, part in borne.items() if part}}:
        parts = [borne.get(row, 0) for borne in columns]
        own = cost.get(row) if row in counted else 0
        rows.append((*row, counted.get(row, 0), own, *parts, _plus(own, sum(parts) if any(parts) or own is not None else None)))
    count = len(by)
    totals = [_total([row[at] for row in rows]) for at in range(count + 1, count + 3 + len(columns))]
    usd = [_usd_row(row, count) for row in rows]
    names = (*by, "calls", "cost_usd", *(f"{each.name}_usd" for each in shared), "total_usd")
    return Table(names, sorted_rows(by, usd), _usd_row((*([None] * count), all_calls, *totals), count), count)


def _plus(one: int | None, other: int | None) -> int | None:
    """The sum of what is known; None is unknown, which is not zero."""
    return other if one is None else one if other is None else one + other


def _total(figures: Sequence[int | None]) -> int | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known or not figures else None


def _usd_row(row: Row, count: int) -> Row:
    return (*row[: count + 1], *(None if figure is None else Decimal(f"{figure}e-18") for figure in row[count + 1 :]))
