"""How sure a report is: the shares of calls and cost that are measured, partial, estimated or restated, the gaps, and bounds.

The lower bound is what providers have measured and bill. The upper bound is the cost booked plus, for each call of which cost or a part of
the usage is not known, as much as brings it to the costliest measured call of its model in the window (of any model, where its own has
none); a part of a shared call to its part of that; what a meter charges without a price to the costliest charge of the same meter. It holds
as long as no unknown call was larger than the largest known one; where there is nothing to go by it is unknown (NULL).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.store.calls import CALL_KEY, METERED, NET, FirstSums, Grouping, Row, calls
from spanledger.store.conditions import DIMENSIONS, NO_FILTERS, Basis, Conditions, Filters, dimension
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range
from spanledger.store.reports import Table, grouping, sorted_rows

STATES: Final = ("measured", "partial", "estimated", "aggregate")

_COUNTED: Final[Mapping[str, str]] = {
    "calls": calls(),
    **{f"{state}_calls": calls(f"usage_state = '{state}' AND price_state = 'priced'") for state in STATES},
    "unpriced_calls": calls("price_state = 'unpriced' AND usage_state <> 'missing'"),
    "unmetered_calls": calls("usage_state = 'missing' AND status = 'ok'"),
    "silent_failed_calls": calls("usage_state = 'missing' AND status <> 'ok'"),
}
_SUMMED: Final[Mapping[str, str]] = {
    **{f"{state}_cost": f"coalesce(sum(cost_usd) FILTER (WHERE usage_state = '{state}'), 0)" for state in STATES},
    "low": "coalesce(sum(cost_usd) FILTER (WHERE usage_state IN ('measured', 'partial') AND provider_billing = 'billed'), 0)",
    "cost": "sum(cost_usd)",
}
_APART: Final = {name: name for name in ("status", "price_state", "usage_state", "provider_billing")}

_SHARES: Final = tuple(name for name in _COUNTED if name != "calls")
COLUMNS: Final = (
    "calls",
    *(f"{name}_pct" for name in _SHARES),
    *(f"{state}_cost_pct" for state in STATES),
    "cost_low_usd",
    "cost_high_usd",
    "cost_usd",
)
"""The figures, after the dimensions. Percentages have one decimal; those of calls sum to the whole. The money columns are exact."""

_LIKE: Final = f"CASE WHEN {METERED} THEN usage_basis ELSE {DIMENSIONS['model']} END"
"""What a charge of unknown cost is like: others of its model, or of its meter."""
_UNSURE: Final = "(price_state = 'unpriced' OR usage_state IN ('missing', 'partial')) AND provider_billing <> 'not_billed'"
_ATTO: Final = "CAST(replace(CAST({} AS VARCHAR), '.', '') AS HUGEINT)"
"""A DECIMAL(38,18) as the integer it is made of."""
_WEIGHT, _WEIGHTS = (f"CAST(split_part(split_weight, '/', {at}) AS HUGEINT)" for at in (1, 2))
_LARGEST: Final = "coalesce(ref_cost, CASE WHEN NOT metered THEN (SELECT max(ref_cost) FROM reference WHERE NOT ref_metered) END)"
_PART: Final = f"CASE WHEN split_weight IS NULL THEN largest ELSE (largest * {_WEIGHT} + {_WEIGHTS} - 1) // {_WEIGHTS} END"


class _Gap(NamedTuple):
    """What the charges of unknown cost of a row may add at most, in atto-USD, and how many there are with nothing to go by."""

    most_usd: int
    boundless: int


def confidence(
    ledger: Ledger,
    by: Sequence[str] = ("tenant",),
    *,
    window: Range = EVERYTHING,
    tz: str = "UTC",
    filters: Filters = NO_FILTERS,
    as_of_ns: int | None = None,
    basis: Basis = "start",
) -> Table:
    """A report as `report` gives it, with shares and bounds instead of tokens. Raises QueryError for names it does not know."""
    by = [dimension(name) for name in by]
    with grouping(ledger, by, window=window, tz=tz, filters=filters, as_of_ns=as_of_ns, basis=basis, prepare=_largest_known) as asked:
        sums = FirstSums(asked, _APART, {"cost_usd": "sum(cost_usd)"})
        found = sums.rows([*_COUNTED.values(), *_SUMMED.values()])
        counts = dict(zip(_COUNTED, sums.counts(list(_COUNTED.values())), strict=True))
        gaps = _gaps(asked)
    count = len(by)
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        found = sorted_rows(by, found)
        figures = [dict(zip((*_COUNTED, *_SUMMED), row[count:], strict=True)) for row in found]
        known = [gaps.get(row[:count], _Gap(0, 0)) for row in found]
        rows = [(*row[:count], *_shown(figure, gap)) for row, figure, gap in zip(found, figures, known, strict=True)]
        totals = counts | {name: _total([figure[name] for figure in figures]) for name in _SUMMED}
        gap = _Gap(sum(each.most_usd for each in known), sum(each.boundless for each in known))
        return Table((*by, *COLUMNS), rows, (*([None] * count), *_shown(totals, gap)), count)


def _largest_known(connection: duckdb.DuckDBPyConnection, where: Conditions) -> str:
    """Makes the table of the costliest measured call of each model in the window, and charge of each meter, among those that stand."""
    whole = (
        f"SELECT {METERED} AS metered, {_LIKE} AS alike, sum(cost_usd) AS cost FROM entries"  # noqa: S608 - allow-listed names, bound values
        f" WHERE {where.sql} AND usage_state = 'measured' AND price_state = 'priced'"
        f" GROUP BY metered, alike, authority, trace_id, span_id HAVING sum({NET}) > 0"
    )
    connection.execute(
        f"CREATE TEMP TABLE reference AS SELECT metered AS ref_metered, alike AS ref_alike, {_ATTO.format('max(cost)')} AS ref_cost"  # noqa: S608 - as above
        f" FROM ({whole}) GROUP BY ALL",
        where.values,
    )
    return ""


def _gaps(asked: Grouping) -> dict[Row, _Gap]:
    """The gaps of each combination of the dimensions that has any."""
    standing = (
        f"SELECT {', '.join((*asked.dimensions, _LIKE))} AS alike, {METERED} AS metered, {CALL_KEY} AS call, split_index, split_weight,"  # noqa: S608 - allow-listed names, bound values
        f" coalesce(sum(cost_usd), 0) AS cost FROM {asked.source} AND {_UNSURE} GROUP BY ALL HAVING sum({NET}) > 0"
    )
    bounded = (
        f"SELECT *, {_LARGEST} AS largest FROM ({standing})"  # noqa: S608 - as above
        " LEFT JOIN reference ON ref_metered = metered AND ref_alike IS NOT DISTINCT FROM alike"
    )
    listed = (*asked.names, f"sum(greatest({_PART} - {_ATTO.format('cost')}, 0))", "count(*) FILTER (WHERE largest IS NULL)")
    found = asked.connection.execute(f"SELECT {', '.join(listed)} FROM ({bounded}) GROUP BY ALL", asked.values).fetchall()  # noqa: S608 - as above
    return {row[:-2]: _Gap(row[-2] or 0, row[-1]) for row in found}


def _total(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _shown(figure: Mapping[str, Any], gap: _Gap) -> Row:
    all_calls, cost = figure["calls"], figure["cost"]
    counted = [_percent(figure[name], all_calls) for name in _SHARES]
    costly = [_percent(figure[f"{state}_cost"] or 0, cost or 0) for state in STATES]
    high = None if gap.boundless else (cost or Decimal()) + Decimal(f"{gap.most_usd}e-18")
    return all_calls, *counted, *costly, figure["low"] or Decimal(), high, cost


def _percent(part: Any, whole: Any) -> Decimal | None:
    """The share with one decimal; None where there is no whole to have a share of."""
    return (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.1")) if whole else None
