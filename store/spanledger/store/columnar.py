"""Many calls priced at once, in SQL on integers: disjoint quantities times rates, rounded half-even once a line, as `enrich/price.py` does.

DuckDB multiplies and divides HUGEINT exactly (`//` and `%`; never `/`, which gives a DOUBLE). Whatever is out of the ordinary (more kinds
of usage, counts that do not add up, lines whose order is not the usual one) is not priced here but marked, and left to the price of the
single call, which a differential test holds this one to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.enrich.price import COUNT_MAX
from spanledger.store.rate_table import CONTRACTED, CUSTOMER, LISTED, SINGLE, SLOTS, RateTable
from spanledger.store.wide_integers import Wide, from_arrow, zeros

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
)
ABSENT: Final = -2
"""The level of a role that a call has no price in: nothing is agreed."""


class Billed(NamedTuple):
    """What calls are billed in one role, row by row: the level (a number of the rate table, SINGLE or ABSENT), whether there is a price,
    quantities and costs by unit of COMMON, and the sum."""

    level: np.ndarray
    priced: np.ndarray
    quantities: np.ndarray
    costs: Wide
    total: Wide


_PARTS: Final = f"""
    SELECT i, context, start_ns, input_tokens IS NULL AND output_tokens IS NULL AS untold,
        coalesce(cache_read_tokens, 0) AS q_1, coalesce(cache_write_5m_tokens, 0) AS q_2, coalesce(cache_write_1h_tokens, 0) AS q_3,
        coalesce(reasoning_tokens, 0) AS q_6, coalesce(cache_write_tokens, q_2 + q_3) AS written, written - q_2 - q_3 AS q_4,
        CASE WHEN input_tokens IS NULL THEN 0 ELSE input_tokens - q_1 - written END AS q_0,
        CASE WHEN output_tokens IS NULL THEN 0 ELSE output_tokens - q_6 END AS q_5,
        q_0 + q_1 + written AS whole,
        least(q_0, q_4, q_5) >= 0 AND whole + q_5 + q_6 <= {COUNT_MAX} AND NOT (untold AND whole = 0 AND q_6 = 0) AS sound
    FROM calls
"""  # noqa: S608 - our own text
_INTO: Final = {
    0: "q_0 + CASE WHEN slot_1 = 0 THEN q_1 ELSE 0 END + CASE WHEN slot_2 = 0 THEN q_2 ELSE 0 END"
    " + CASE WHEN slot_3 = 0 THEN q_3 ELSE 0 END + CASE WHEN slot_4 = 0 THEN q_4 ELSE 0 END",
    1: "CASE WHEN slot_1 = 1 THEN q_1 ELSE 0 END",
    2: "CASE WHEN slot_2 = 2 THEN q_2 ELSE 0 END + CASE WHEN slot_4 = 2 THEN q_4 ELSE 0 END",
    3: "CASE WHEN slot_3 = 3 THEN q_3 ELSE 0 END",
    4: "CASE WHEN slot_4 = 4 THEN q_4 ELSE 0 END + CASE WHEN slot_2 = 4 THEN q_2 ELSE 0 END",
    5: "q_5 + CASE WHEN slot_6 = 5 THEN q_6 ELSE 0 END",
    6: "CASE WHEN slot_6 = 6 THEN q_6 ELSE 0 END",
}
"""What goes into the line of each unit."""
_USUAL: Final = (
    # every count has a rate, and the lines come in the order of the units
    " AND ".join(f"(q_{slot} = 0 OR slot_{slot} IS NOT NULL)" for slot in SLOTS)
    + " AND NOT (q_0 = 0 AND b_0 > 0 AND b_1 + b_2 + b_3 + b_4 > 0)"
    " AND NOT (q_3 > 0 AND q_2 > 0 AND slot_2 = 4) AND NOT (q_3 > 0 AND q_2 = 0 AND q_4 > 0 AND slot_4 = 2)"
)


def price_calls(connection: duckdb.DuckDBPyConnection, calls: pa.Table, rates: RateTable) -> dict[int, Billed]:
    """What calls are billed, by role. `calls`: the columns COUNTS (each NULL or 0 to COUNT_MAX), `start_ns`, and `context`, a number of the
    rate table's contexts. A level is SINGLE where the call must be priced by itself."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    numbered = calls.append_column("i", pa.array(np.arange(calls.num_rows)))
    used = [slot for slot in SLOTS if rates.rows.column(f"num_{slot}").null_count < rates.rows.num_rows]
    connection.register("calls", numbered)
    connection.register("rates", rates.rows)
    try:
        found = connection.sql(_question(rates, used)).to_arrow_table().combine_chunks()
    finally:
        connection.unregister("calls")
        connection.unregister("rates")
    roles = found.column("role").to_numpy()
    return {role: _billed(found, roles == role, calls.num_rows, rates, used) for role in (LISTED, CONTRACTED, CUSTOMER) if role in roles}


def _question(rates: RateTable, used: list[int]) -> str:
    lines = ", ".join(f"{_INTO[slot] if slot in used else 0} AS b_{slot}" for slot in SLOTS)
    selected = ", ".join(f"b_{slot}, {_cost(slot, rates)} AS c_{slot}" for slot in used)
    total = " + ".join(f"c_{slot}" for slot in used) or "0::HUGEINT"
    return (
        f"WITH parts AS ({_PARTS}), joined AS ("  # noqa: S608 - our own text
        f" SELECT parts.* EXCLUDE (context, start_ns), rates.* EXCLUDE (context, from_ns, to_ns, least, below), {lines}"
        "  FROM parts JOIN rates ON parts.context = rates.context"
        "  AND start_ns >= from_ns AND start_ns < to_ns AND whole >= least AND whole < below)"
        f" SELECT i, role, level, sound AND ({_USUAL}) AS usual{', ' if selected else ''}{selected}, {total} AS total FROM joined"
    )


def _cost(slot: int, rates: RateTable) -> str:
    """The cost of a line in atto-USD: exact, and where it is not whole, to the nearest, a tie to the even one."""
    product = f"coalesce(b_{slot}::HUGEINT * num_{slot}::HUGEINT, 0)"
    if all(value in (None, 1) for value in rates.rows.column(f"den_{slot}").to_pylist()):
        return product
    by = f"den_{slot}::HUGEINT"
    up = f"2 * ({product} % {by}) > {by} OR (2 * ({product} % {by}) = {by} AND ({product} // {by}) % 2 = 1)"
    return f"CASE WHEN coalesce(den_{slot}, 1) = 1 THEN {product} ELSE {product} // {by} + CASE WHEN {up} THEN 1 ELSE 0 END END"


def _billed(found: pa.Table, mine: np.ndarray, count: int, rates: RateTable, used: list[int]) -> Billed:
    """One role's rows, put where their calls are."""
    at = found.column("i").to_numpy()
    levels = found.column("level").to_numpy().copy()
    usual = found.column("usual").to_numpy()
    columns = {slot: (found.column(f"b_{slot}").to_numpy(), from_arrow(found.column(f"c_{slot}"))) for slot in used}
    sums = from_arrow(found.column("total"))
    if not mine.all():
        at, levels, usual, sums = at[mine], levels[mine], usual[mine], sums[mine]
        columns = {slot: (b[mine], c[mine]) for slot, (b, c) in columns.items()}
    reasoned = np.isin(levels, np.fromiter(rates.reasons, np.int32, len(rates.reasons)))
    levels[~(usual | reasoned)] = SINGLE
    is_priced = (levels != SINGLE) & ~reasoned
    where: np.ndarray | slice = slice(None) if len(at) == count and (at[1:] > at[:-1]).all() else at  # the usual case: all, in their order
    level, priced, total = np.full(count, ABSENT, np.int32), np.zeros(count, bool), zeros(count)
    level[where], priced[where], total[where] = levels, is_priced, sums
    quantities, costs = np.zeros((count, len(SLOTS)), np.int64), zeros(count, len(SLOTS))
    for slot, (counts, amounts) in columns.items():
        quantities[where, slot] = np.where(is_priced, counts, 0)
        costs[where, slot] = amounts
    return Billed(level, priced, quantities, costs, total)
