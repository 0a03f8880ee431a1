"""How sure a report is: the shares of calls and cost that are measured, partial, estimated or restated, the gaps, and bounds.

The lower bound is what providers have measured and bill. The upper bound is the cost booked plus, for each call of which cost or a part of
the usage is not known, as much as brings it to the costliest measured call of its model in the window (of any model, where its own has
none). It holds as long as no unknown call was larger than the largest known one; where there is nothing to go by it is unknown (NULL).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, Final

import duckdb

from spanledger.store.conditions import DIMENSIONS, NO_FILTERS, Conditions, Filters, dimension
from spanledger.store.entries import NET
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range
from spanledger.store.reports import Table, grouping, sorted_rows

_NET_CALLS: Final = "count(*) FILTER (WHERE kind = 'charge'{also}) - count(*) FILTER (WHERE kind = 'reversal'{also})"
STATES: Final = ("measured", "partial", "estimated", "aggregate")
_MODEL: Final = DIMENSIONS["model"]
_SIGNED: Final = "CASE WHEN kind = 'reversal' THEN -({0}) ELSE {0} END"
_UNSURE: Final = (
    "(price_state = 'unpriced' OR usage_state IN ('missing', 'partial')) AND provider_billing <> 'not_billed' AND kind <> 'adjustment'"
)
_LARGEST: Final = "coalesce(reference.ref_cost, (SELECT max(ref_cost) FROM reference))"
_OWN: Final = f"coalesce({_SIGNED.format('cost_usd')}, 0)"
_UPPER: Final = f"CASE WHEN {_UNSURE} THEN greatest({_OWN}, {_LARGEST}) ELSE {_OWN} END"

_MEASURES: Final[Mapping[str, str]] = {
    "calls": _NET_CALLS.format(also=""),
    **{f"{state}_calls": _NET_CALLS.format(also=f" AND usage_state = '{state}' AND price_state = 'priced'") for state in STATES},
    "unpriced_calls": _NET_CALLS.format(also=" AND price_state = 'unpriced' AND usage_state <> 'missing'"),
    "unmetered_calls": _NET_CALLS.format(also=" AND usage_state = 'missing'"),
    **{f"{state}_cost": f"coalesce(sum(cost_usd) FILTER (WHERE usage_state = '{state}'), 0)" for state in STATES},
    "boundless": _NET_CALLS.format(also=f" AND {_UNSURE} AND {_LARGEST} IS NULL"),
    "low": "coalesce(sum(cost_usd) FILTER (WHERE usage_state IN ('measured', 'partial') AND provider_billing = 'billed'), 0)",
    "high": f"sum({_SIGNED.format(_UPPER)})",
    "cost": "sum(cost_usd)",
}

COLUMNS: Final = (
    "calls",
    *(f"{state}_calls_pct" for state in STATES),
    "unpriced_calls_pct",
    "unmetered_calls_pct",
    *(f"{state}_cost_pct" for state in STATES),
    "cost_low_usd",
    "cost_high_usd",
    "cost_usd",
)
"""The figures, after the dimensions. Percentages have one decimal; the money columns are exact."""


def confidence(
    ledger: Ledger,
    by: Sequence[str] = ("tenant",),
    *,
    window: Range = EVERYTHING,
    tz: str = "UTC",
    filters: Filters = NO_FILTERS,
    as_of_ns: int | None = None,
) -> Table:
    """A report as `report` gives it, with shares and bounds instead of tokens. Raises QueryError for names it does not know."""
    by = [dimension(name) for name in by]
    with grouping(ledger, by, window=window, tz=tz, filters=filters, as_of_ns=as_of_ns, prepare=_largest_known) as asked:
        selected = ", ".join((*asked.dimensions, *(f"{text} AS {name}" for name, text in _MEASURES.items())))
        found = asked.connection.execute(f"SELECT {selected} FROM {asked.source} GROUP BY ALL", asked.values).fetchall()  # noqa: S608 - allow-listed names, bound values
    count = len(by)
    found = sorted_rows(by, [row for row in found if any(row[count:])])
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        figures = [dict(zip(_MEASURES, row[count:], strict=True)) for row in found]
        rows = [(*row[:count], *_shown(figure)) for row, figure in zip(found, figures, strict=True)]
        totals = _shown({name: _total([figure[name] for figure in figures]) for name in _MEASURES})
    return Table((*by, *COLUMNS), rows, (*([None] * count), *totals), count)


def _largest_known(connection: duckdb.DuckDBPyConnection, where: Conditions) -> str:
    """The costliest measured call of each model in the window, among those that stand."""
    current = NET.format(source=f"(SELECT * FROM entries WHERE {where.sql})")  # noqa: S608 - allow-listed names, bound values
    connection.execute(
        f"CREATE TEMP TABLE reference AS SELECT {_MODEL} AS ref_model, max(cost_usd) AS ref_cost FROM ({current})"  # noqa: S608 - as above
        " WHERE usage_state = 'measured' AND price_state = 'priced' GROUP BY ALL",
        where.values,
    )
    return f" LEFT JOIN reference ON reference.ref_model IS NOT DISTINCT FROM {_MODEL}"


def _total(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _shown(figure: Mapping[str, Any]) -> tuple[Any, ...]:
    calls, cost = figure["calls"] or 0, figure["cost"]
    counted = [_percent(figure[f"{name}_calls"] or 0, calls) for name in (*STATES, "unpriced", "unmetered")]
    costly = [_percent(figure[f"{state}_cost"] or 0, cost or 0) for state in STATES]
    high = None if figure["boundless"] else figure["high"]
    return calls, *counted, *costly, figure["low"], high, cost


def _percent(part: Any, whole: Any) -> Decimal | None:
    """The share with one decimal; None where there is no whole to have a share of."""
    return (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.1")) if whole else None
