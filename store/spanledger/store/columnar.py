"""Many calls priced at once, on arrays of integers: disjoint quantities times rates, rounded half-even once a line, as price.py does.

A cost that fits 64 bits and is whole (nearly all are) is a product of numpy's; every other one is multiplied and divided by DuckDB, whose
`//` and `%` on HUGEINT are exact. What is out of the ordinary (classes of tokens by modality, counts that do not add up, lines whose order
is not the usual one) is not priced here but marked, and left to the price of the single call, which a differential test holds this one to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.enrich.catalog.units import CHARGED_EXTRAS
from spanledger.enrich.plans import COMMON
from spanledger.enrich.price import COUNT_MAX
from spanledger.store.line_arrays import Lines, in_order
from spanledger.store.rate_table import CONTRACTED, CUSTOMER, LISTED, MAY_GO_WITH, NO_RATE, TOKENS, RateTable
from spanledger.store.wide_integers import Wide, divided, of_int64, summed, zeros

if TYPE_CHECKING:
    import duckdb

_OPEN_ORDER: Final = (3, 2, 1, 4, 6, 0, 5)
"""In which order the tokens of a usage with further units are billed: see `catalog.units.disjoint`."""


class Calls(NamedTuple):
    """Calls ready to be priced. `quantities` are disjoint, by unit: COMMON, then what is counted beside them, then nothing for the fee.

    `whole` is the total input that decides the level. `sound` says that the counts add up. Of `open` calls something is counted beside
    tokens. `missing` are calls without usage, `spared` failed calls that cost nothing, `free` those that cost the customer nothing.
    """

    contexts: np.ndarray
    start_ns: np.ndarray
    quantities: Sequence[np.ndarray]
    whole: np.ndarray
    sound: np.ndarray
    open: np.ndarray
    missing: np.ndarray
    spared: np.ndarray
    free: np.ndarray


class Bills(NamedTuple):
    """What calls are billed: which must be priced by themselves after all, which have a price, the four amounts in the order of AMOUNTS
    (zero where there is none) and where there is one, and the lines of what is paid, whose `ref` is a number of the rates."""

    single: np.ndarray
    priced: np.ndarray
    values: list[Wide]
    present: list[np.ndarray]
    lines: Lines


class _Sums(NamedTuple):
    """What calls cost by some rates: their kinds, the sums, and which of the calls are priced, and which must be by themselves."""

    total: Wide
    priced: np.ndarray
    single: np.ndarray


def bills(connection: duckdb.DuckDBPyConnection, calls: Calls, rates: RateTable) -> Bills:
    """What calls are billed by list, by contract and for the customer."""
    listed, contracted, customer = (
        rates.kinds_of(role, calls.contexts, calls.start_ns, calls.whole) for role in (LISTED, CONTRACTED, CUSTOMER)
    )
    agreed, charged = contracted >= 0, customer >= 0
    lines: list[Lines] = []
    paid = _sums(connection, calls, rates, np.where(agreed, contracted, listed), lines)
    list_sums = paid if not agreed.any() else _sums(connection, calls, rates, listed, None)
    customer_sums = _sums(connection, calls, rates, customer, None) if charged.any() else None
    nothing, none = zeros(len(listed)), np.zeros(len(listed), bool)
    values = [list_sums.total, np.where((agreed & paid.priced)[:, None], paid.total, 0) if agreed.any() else nothing, paid.total]
    present = [list_sums.priced | calls.spared, agreed & paid.priced, paid.priced | calls.spared]
    single = paid.single | list_sums.single
    if customer_sums is None:
        values.append(nothing)
        present.append(none)
    else:
        values.append(np.where(calls.free[:, None], 0, customer_sums.total) if calls.free.any() else customer_sums.total)
        present.append(customer_sums.priced)
        single |= charged & customer_sums.single
    if calls.spared.any():
        values[:3] = [np.where(calls.spared[:, None], 0, value) for value in values[:3]]
    return Bills(single, present[2], values, present, lines[0])


def _sums(connection: duckdb.DuckDBPyConnection, calls: Calls, rates: RateTable, kinds: np.ndarray, lines: list[Lines] | None) -> _Sums:
    """The costs of calls by their kinds (-1: none), and if asked for the lines of those that are priced and not spared."""
    billed = _billed(calls, rates, kinds)
    known = kinds >= 0
    single = known & (rates.single[kinds] | ~(rates.unpriced[kinds] | (calls.sound & _is_usual(calls, rates, kinds, billed))))
    single &= ~calls.missing
    refused = _refused(calls, rates, kinds) | calls.missing
    priced = known & ~single & ~rates.unpriced[kinds] & ~refused
    ones: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
    for slot, quantity in billed.items():
        at = np.flatnonzero((quantity != 0) & priced)
        if len(at):
            ones.append((slot, at, quantity[at], _cost(connection, quantity[at], rates, kinds[at], slot)))
    if lines is not None:
        lines.append(_lines(calls, rates, kinds, ones))
    return _Sums(summed(len(kinds), [(at, cost) for _, at, _, cost in ones]), priced, single)


def _billed(calls: Calls, rates: RateTable, kinds: np.ndarray) -> dict[int, np.ndarray]:
    """What goes into the line of each slot."""
    found: dict[int, np.ndarray] = {}

    def add(slot: int, quantity: np.ndarray) -> None:
        found[slot] = found[slot] + quantity if slot in found else quantity

    for unit, quantity in enumerate(calls.quantities):
        if not quantity.any():
            continue
        slots = rates.slots[:, unit][kinds]
        possible = MAY_GO_WITH[unit] if unit in TOKENS else (unit,)
        for slot in possible:
            into = slots == slot
            if into.all():
                add(slot, quantity)
            elif into.any():
                add(slot, np.where(into, quantity, 0))
    if rates.has_fee.any():
        asked = calls.open | np.logical_or.reduce([quantity != 0 for quantity in calls.quantities])
        found[len(rates.units) - 1] = (asked & rates.has_fee[kinds]).astype(np.int64)
    if rates.least.any() or rates.multiple.any():
        found = {
            slot: _rounded_up(quantity, rates.least[:, slot][kinds], rates.multiple[:, slot][kinds]) for slot, quantity in found.items()
        }
    return found


def _rounded_up(quantity: np.ndarray, least: np.ndarray, multiple: np.ndarray) -> np.ndarray:
    """As `price.rounded_up`; what is not there stays so."""
    raised = np.maximum(quantity, least)
    up = np.maximum(multiple, 1)
    return np.where(quantity != 0, -(-raised // up) * up, 0)


def _is_usual(calls: Calls, rates: RateTable, kinds: np.ndarray, billed: dict[int, np.ndarray]) -> np.ndarray:
    """Whether every count has a rate, and the lines come in the order of the units."""
    usual = np.ones(len(kinds), bool)
    for unit, quantity in enumerate(calls.quantities):
        if quantity.any():
            usual &= (quantity == 0) | (rates.slots[:, unit][kinds] != NO_RATE)
    plain, _, short, long, other = calls.quantities[:5]
    cached = [billed[slot] for slot in (1, 2, 3, 4) if slot in billed]
    if 0 in billed and cached:
        usual &= calls.open | ~((plain == 0) & (billed[0] > 0) & (sum(cached) > 0))
    if long.any():
        behind = (short > 0) & (rates.slots[:, 2][kinds] == 4)
        behind |= (short == 0) & (other > 0) & (rates.slots[:, 4][kinds] == 2)
        usual &= calls.open | ~((long > 0) & behind)
    return usual


def _refused(calls: Calls, rates: RateTable, kinds: np.ndarray) -> np.ndarray:
    """Calls with something beside their tokens that surely costs and has no rate."""
    refused = np.zeros(len(kinds), bool)
    if not calls.open.any():
        return refused
    has_tokens = np.logical_or.reduce([calls.quantities[unit] != 0 for unit in TOKENS])
    for unit in range(len(COMMON), len(calls.quantities)):
        name, quantity = rates.units[unit], calls.quantities[unit]
        unknown = rates.slots[:, unit][kinds] < 0
        refused |= (quantity > 0) & unknown & ((name in CHARGED_EXTRAS) | ~has_tokens)
    return refused


def _cost(connection: duckdb.DuckDBPyConnection, quantity: np.ndarray, rates: RateTable, kinds: np.ndarray, slot: int) -> np.ndarray:
    """The cost of lines of one slot in atto-USD, wide only where it must be: exact, and where it is not whole, to the nearest, a tie to
    the even one."""
    most, numerator = rates.most[:, slot][kinds], rates.numerator[:, slot][kinds]
    beyond = quantity > most
    product: np.ndarray = np.where(beyond, 0, quantity) * numerator if beyond.any() else quantity * numerator
    if not beyond.any():
        return product
    cost = of_int64(product)
    wide = np.flatnonzero(beyond)
    used, which = np.unique(kinds[wide], return_inverse=True)
    held = [rates.rates[kind * len(rates.units) + slot] for kind in used.tolist()]
    pairs = [(1, 1) if rate is None else (rate.atto_num, rate.atto_den) for rate in held]
    cost[wide] = divided(connection, quantity[wide], which, pairs)
    return cost


def _lines(calls: Calls, rates: RateTable, kinds: np.ndarray, ones: Sequence[tuple[int, np.ndarray, np.ndarray, np.ndarray]]) -> Lines:
    """The lines of calls, in the order in which their units are billed."""
    width = len(rates.units)
    found = in_order(
        len(kinds), [(at, kinds[at] * width + slot, quantity, cost) for slot, at, quantity, cost in sorted(ones, key=lambda one: one[0])]
    )
    if calls.spared.any():
        found = found.without(calls.spared)
    odd = np.flatnonzero(calls.open & (found.counts > 1))
    if not len(odd):
        return found
    ranks = np.full((len(odd), width), width, np.int64)
    order = (*_OPEN_ORDER, *sorted(range(len(COMMON), width - 1), key=lambda unit: rates.units[unit]), width - 1)
    for rank, unit in reversed([*enumerate(order)]):
        if unit == width - 1:
            ranks[:, unit] = rank
            continue
        slots = rates.slots[:, unit][kinds[odd]].astype(np.int64)
        has = np.flatnonzero((calls.quantities[unit][odd] != 0) & (slots >= 0))
        ranks[has, slots[has]] = rank
    return found.sorted_within(odd, lambda owner, ref: ranks[owner, ref % width])


def disjoint(
    counts: Sequence[np.ndarray], present: Sequence[np.ndarray], is_open: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The disjoint quantities of calls by COMMON, the total input that decides their level, and whether the counts add up.

    `counts` are the columns TOKEN_COUNTS, 0 where there is none, each 0 to COUNT_MAX; `present` says where there is one.
    """
    total, output, read, write, short, long, thought = counts
    written = np.where(present[3], write, short + long)
    plain = np.where(present[0], total - read - written, 0)
    said = np.where(present[1], output - thought, 0)
    other = written - short - long
    whole = plain + read + written
    sound = (plain >= 0) & (said >= 0) & (other >= 0) & (whole + said + thought <= COUNT_MAX)
    return [plain, read, short, long, other, said, thought], np.where(is_open, total, whole), sound
