"""The rates of many calls at once: what each distinct kind of call is billed at, resolved once by the price book itself.

A *context* is what decides the rates of a call but its time and counts: names, tier, region, and the tenant where it has terms of its own.
What does not fit the columnar way (numbers too large, one class of tokens billed as an unusual other) is left to the price of the single
call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.enrich.catalog.units import REQUESTS
from spanledger.enrich.plans import COMMON, Level, Plan, UnitRate
from spanledger.enrich.price import COUNT_MAX
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import Call
from spanledger.store.coded_texts import encoded, joint_codes

if TYPE_CHECKING:
    import pyarrow as pa

Context = tuple[str | None, ...]
CONTEXT: Final = ("provider", "request_model", "response_model", "service_tier", "region")
"""The columns of an event that make its context, with the tenant where that matters."""
LISTED, CONTRACTED, CUSTOMER = 0, 1, 2
TOKENS: Final = range(len(COMMON))
NO_RATE: Final = -1
"""The slot of a unit that has no rate, or none that holds yet: calls with some are priced by themselves, to be told why."""
UNKNOWN: Final = -2
"""The slot of a unit beside the tokens that has no rate there at all."""
_QUOTES_MAX: Final = 2_000
"""More times than these at which a kind of call changes its price, and its calls are priced one by one."""
_NUMERATOR_MAX: Final = 2**124 // COUNT_MAX
"""A count (also one that is rounded up) times a numerator stays below what a HUGEINT holds."""
_INT64_MAX: Final = 2**63 - 1
UNPRICED, ONE_BY_ONE = 0, 1
"""The kinds of calls that have no price, and of those whose price changes too often."""
MAY_GO_WITH: Final = ((0,), (1, 0), (2, 0, 4), (3, 0), (4, 0, 2), (5,), (6, 5))
"""For each unit of COMMON the units whose line its count may be part of, in the columnar way."""


class Rates(NamedTuple):
    """The rates of a level by slot: those of COMMON, of the further units asked for, and at last the fee for a request.

    `slots` says for each unit in which slot's line its count goes. `rounding` is (least quantity, multiple of), (0, 0) for as it is.
    """

    slots: tuple[int, ...]
    rates: tuple[UnitRate | None, ...]
    rounding: tuple[tuple[int, int], ...]


class RateTable:
    """What calls are billed at by context, role, time and least total input: the number of a *kind*, of which there are few.

    Arrays of kinds: `single` (to be priced one by one), `unpriced`, `slots` by unit, and by slot `numerator`, `most` (the largest count
    whose cost is numerator times count and fits 64 bits; -1 where the cost is no whole number or too large), `least` and `multiple` of
    what is rounded up, and `has_fee`.
    """

    def __init__(self, rows: Sequence[_Row], kinds: Sequence[Rates | None], contexts: int, units: Sequence[str]) -> None:
        rows = sorted(rows, key=lambda row: (row.role, row.context, row.from_ns, row.least))
        self.units = (*COMMON, *units, REQUESTS)
        none = Rates((NO_RATE,) * len(self.units), (None,) * len(self.units), ((0, 0),) * len(self.units))
        held = [kind or none for kind in kinds]
        self.rates: list[UnitRate | None] = [rate for one in held for rate in one.rates]
        """The rate of a kind's slot is number `kind * len(units) + slot`."""
        self._contexts = contexts
        self._keys = np.array([row.role * contexts + row.context for row in rows], np.int64)
        self._kinds = np.array([row.kind for row in rows], np.int64)
        self._from, self._to, self._least = (
            np.array([_int64(getattr(row, name)) for row in rows], np.int64) for name in ("from_ns", "to_ns", "least")
        )
        shape = len(held), len(self.units)
        self.unpriced = np.arange(len(held)) == UNPRICED
        self.single = np.array([kind is None for kind in kinds], bool) & ~self.unpriced
        self.slots = np.array([one.slots for one in held], np.int8).reshape(shape)
        pairs = [[None if rate is None else _reduced(rate) for rate in one.rates] for one in held]
        self.numerator = np.array([[_small(pair) for pair in some] for some in pairs], np.int64).reshape(shape)
        self.most = np.array([[_most(pair) for pair in some] for some in pairs], np.int64).reshape(shape)
        rounding = np.array([one.rounding for one in held], np.int64).reshape(*shape, 2)
        self.least, self.multiple = rounding[..., 0], rounding[..., 1]
        self.has_fee = np.array([one.rates[-1] is not None for one in held], bool)

    def kinds_of(self, role: int, contexts: np.ndarray, start_ns: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """For each call its kind in a role by its context, time and total input; -1 where it has none."""
        keys = role * self._contexts + np.arange(self._contexts)
        first, end = np.searchsorted(self._keys, keys), np.searchsorted(self._keys, keys, "right")
        if not (end > first).any():
            return np.full(len(contexts), -1, np.int64)
        found = np.where(end > first, first, -1)[contexts]
        several = np.flatnonzero(end - first > 1)
        if len(several):
            calls = np.flatnonzero((end - first > 1)[contexts])
            calls = calls[np.argsort(contexts[calls], kind="stable")]
            bounds = np.searchsorted(contexts[calls], several), np.searchsorted(contexts[calls], several, "right")
            for context, a, b in zip(several.tolist(), *(bound.tolist() for bound in bounds), strict=True):
                at = calls[a:b]
                found[at] = self._within(int(first[context]), int(end[context]), start_ns[at], whole[at])
        holds = (start_ns >= self._from[found]) & (start_ns < self._to[found])
        return np.where((found >= 0) & holds, self._kinds[found], -1)

    def _within(self, first: int, end: int, start_ns: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """The row of each call among those of its context, which are in the order of their times and least inputs."""
        begins = np.flatnonzero(np.append(True, self._from[first + 1 : end] != self._from[first : end - 1])) + first
        ends = np.append(begins[1:], end)
        period = np.searchsorted(self._from[begins], start_ns, "right") - 1
        found = begins[period]
        for step in range(1, int((ends - begins).max())):
            following = np.minimum(begins[period] + step, end - 1)
            found = np.where((begins[period] + step < ends[period]) & (whole >= self._least[following]), following, found)
        return np.where(period >= 0, found, -1)


class _Row(NamedTuple):
    context: int
    role: int
    from_ns: int
    to_ns: int
    least: int
    kind: int


def context_codes(table: pa.Table, tenants: frozenset[str]) -> tuple[np.ndarray, list[Context]]:
    """For each row the number of its context, and the contexts: the columns of CONTEXT and the tenant, None but for one of `tenants`."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow
    import pyarrow.compute as pc  # as above

    columns = [encoded(table.column(name)) for name in CONTEXT]
    if tenants:
        tenant = encoded(table.column("tenant_id"))
        known = pc.is_in(tenant.dictionary, pa.array(sorted(tenants), pa.string()))
        kept = pc.if_else(known, tenant.dictionary, pa.scalar(None, pa.string())).dictionary_encode(null_encoding="encode")
        columns.append(pa.DictionaryArray.from_arrays(kept.indices.take(tenant.indices), kept.dictionary))
    codes, size = joint_codes(columns, table.num_rows)
    first = np.zeros(size, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    kept = [column.take(pa.array(first)).to_pylist() for column in columns]
    return codes, [(*names, *([] if tenants else [None])) for names in zip(*kept, strict=True)]


def call_in(context: Context) -> tuple[Call, str | None]:
    """A call of a context, without usage, and its tenant."""
    provider, request_model, response_model, tier, region, tenant = context
    return Call("", "", provider, request_model, response_model, service_tier=tier, region=region), tenant


def rate_table(book: PriceBook, contexts: Sequence[Context], from_ns: int, to_ns: int, units: Sequence[str] = ()) -> RateTable:
    """The rates of calls of these contexts that start from `from_ns` to `to_ns`, both included; `units` are those that are counted
    beside tokens."""
    rows: list[_Row] = []
    kinds: list[Rates | None] = [None, None]
    known: dict[int, tuple[Level, int]] = {}
    for code, context in enumerate(contexts):
        for start, end, role, plan in _quoted(book, context, from_ns, to_ns):
            if plan is None or plan.reason is not None:
                rows.append(_Row(code, role, start, end, 0, ONE_BY_ONE if plan is None else UNPRICED))
                continue
            for level in plan.levels:
                if id(level) not in known:  # the level is kept, so that its id stays its own
                    known[id(level)] = level, len(kinds)
                    kinds.append(rates_of(level, units))
                rows.append(_Row(code, role, start, end, level.total_input_min, known[id(level)][1]))
    return RateTable(rows, kinds, len(contexts), units)


def _quoted(book: PriceBook, context: Context, from_ns: int, to_ns: int) -> Iterator[tuple[int, int, int, Plan | None]]:
    """(from, to, role, plan) of a context's calls; a plan None where there are too many."""
    call, tenant = call_in(context)
    found: list[tuple[int, int, int, Plan | None]] = []
    at_ns = from_ns
    while at_ns <= to_ns:
        quote = book.quote(call, at_ns, tenant)
        plans = ((LISTED, quote.listed), (CONTRACTED, quote.contracted), (CUSTOMER, quote.customer))
        found += [(quote.from_ns, quote.to_ns, role, plan) for role, plan in plans if plan is not None]
        if len(found) > _QUOTES_MAX:
            return iter([(-(2**63), 2**63 - 1, LISTED, None)])
        at_ns = quote.to_ns
    return iter(found)


def rates_of(level: Level, units: Sequence[str] = ()) -> Rates | None:
    """The rates of a level by slot; None where it does more than the columnar way can."""
    width = len(COMMON) + len(units) + 1
    slots = [NO_RATE] * width
    rates: list[UnitRate | None] = [None] * width
    for at, unit in enumerate((*COMMON, *units, REQUESTS)):
        rate = level.rates.get(unit)
        if rate is None:
            slots[at] = NO_RATE if at in TOKENS else UNKNOWN
            continue
        if unit in level.not_yet:
            continue
        slot = at if at not in TOKENS else COMMON.index(rate.unit) if rate.unit in COMMON else -1
        if (at in TOKENS and slot not in MAY_GO_WITH[at]) or (at not in TOKENS and rate.unit != unit):
            return None
        if not 0 <= _reduced(rate)[0] <= _NUMERATOR_MAX:
            return None
        slots[at], rates[slot] = slot, rate
    rounding = [(0, 0) if rate is None else level.rounding.get(rate.unit, (0, 0)) for rate in rates]
    if any(max(pair) > COUNT_MAX for pair in rounding) or level.not_yet & {REQUESTS}:
        return None
    return Rates(tuple(slots), tuple(rates), tuple(rounding))


def _reduced(rate: UnitRate) -> tuple[int, int]:
    common = gcd(rate.atto_num, rate.atto_den)
    return rate.atto_num // common, rate.atto_den // common


def _small(pair: tuple[int, int] | None) -> int:
    """The numerator, where a product with it may be made in 64 bits."""
    return pair[0] if pair is not None and pair[1] == 1 and pair[0] <= _INT64_MAX else 0


def _most(pair: tuple[int, int] | None) -> int:
    if pair is None:
        return _INT64_MAX
    if pair[1] != 1 or pair[0] > _INT64_MAX:
        return -1
    return _INT64_MAX // pair[0] if pair[0] else _INT64_MAX


def _int64(value: int) -> int:
    return max(-(2**63), min(value, _INT64_MAX))
