"""The rates of many calls at once, for SQL: what each distinct kind of call is billed at, resolved once by the price book itself.

A *context* is what decides the rates of a call but its time and counts: names, tier, region, and the tenant where it has terms of its own.
What does not fit the columnar way (a fee for a request, quantities rounded up, numbers too large) is left to the price of the single call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.enrich.plans import COMMON, Level, Plan, UnitRate
from spanledger.enrich.price import COUNT_MAX
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import Call

if TYPE_CHECKING:
    import pyarrow as pa

Context = tuple[str | None, ...]
CONTEXT: Final = ("provider", "request_model", "response_model", "service_tier", "region")
"""The columns of an event that make its context, with the tenant where that matters."""
LISTED, CONTRACTED, CUSTOMER = 0, 1, 2
SINGLE: Final = -1
"""The level of calls that are not priced by columns."""
SLOTS: Final = range(len(COMMON))
_CODES_MAX: Final = 4_000_000
_QUOTES_MAX: Final = 2_000
"""More times than these at which a kind of call changes its price, and its calls are priced one by one."""
_NUMERATOR_MAX: Final = 2**126 // COUNT_MAX
"""A count times a numerator stays below what a HUGEINT holds."""
_MAY_GO_WITH: Final = ((0,), (1, 0), (2, 0, 4), (3, 0), (4, 0, 2), (5,), (6, 5))
"""For each unit of COMMON the units whose line its count may be part of, in the columnar way."""


class RateTable(NamedTuple):
    """`rows` is what SQL joins calls with, a row for each context, role, time and least total input; the number of its level leads to the
    rates of the lines (by unit of COMMON), or to the reason why there is no price."""

    rows: pa.Table
    levels: list[tuple[UnitRate | None, ...]]
    reasons: dict[int, str]


class _Row(NamedTuple):
    context: int
    role: int
    from_ns: int
    to_ns: int
    least: int
    below: int
    level: int
    slots: tuple[int | None, ...] = (None,) * len(COMMON)
    rates: tuple[UnitRate | None, ...] = (None,) * len(COMMON)


def context_codes(table: pa.Table, tenants: frozenset[str]) -> tuple[np.ndarray, list[Context]]:
    """For each row the number of its context, and the contexts: the columns of CONTEXT and the tenant, None but for one of `tenants`."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow
    import pyarrow.compute as pc  # as above

    columns = [table.column(name) for name in CONTEXT]
    if tenants:
        tenant = table.column("tenant_id")
        columns.append(pc.if_else(pc.is_in(tenant, pa.array(sorted(tenants), pa.string())), tenant, pa.scalar(None, pa.string())))
    codes, size = np.zeros(table.num_rows, np.int64), 1
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        width = max(1, len(encoded.dictionary))
        if size * width > _CODES_MAX:
            codes, size = _dense(codes, size)
        codes, size = codes * width + encoded.indices.to_numpy(zero_copy_only=False), size * width
    codes, size = _dense(codes, size)
    first = np.zeros(size, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    kept = [column.take(first).to_pylist() for column in columns]
    return codes.astype(np.int32), [(*names, *([] if tenants else [None])) for names in zip(*kept, strict=True)]


def _dense(codes: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Codes below `size` as numbers without gaps, and how many there are."""
    if size > _CODES_MAX:
        used, found = np.unique(codes, return_inverse=True)
        return found, len(used)
    used = np.zeros(size, bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes], int(used.sum())


def call_in(context: Context) -> tuple[Call, str | None]:
    """A call of a context, without usage, and its tenant."""
    provider, request_model, response_model, tier, region, tenant = context
    return Call("", "", provider, request_model, response_model, service_tier=tier, region=region), tenant


def rate_table(book: PriceBook, contexts: Sequence[Context], from_ns: int, to_ns: int) -> RateTable:
    """The rates of calls of these contexts that start from `from_ns` to `to_ns`, both included."""
    import pyarrow as pa  # as above

    rows: list[_Row] = []
    levels: list[tuple[UnitRate | None, ...]] = []
    numbers: dict[int, int] = {}
    reasons: dict[int, str] = {}
    kept: list[object] = []
    for code, context in enumerate(contexts):
        for start, end, role, plan in _quoted(book, context, from_ns, to_ns):
            kept.append(plan)  # so that the ids of its levels stay theirs
            if plan is None or plan.reason is not None:
                reason = "" if plan is None else plan.reason or ""
                number = SINGLE
                if plan is not None:
                    number = numbers.setdefault(id(plan), len(levels))
                    if number == len(levels):
                        levels.append((None,) * len(COMMON))
                        reasons[number] = reason
                rows.append(_Row(code, role, start, end, 0, COUNT_MAX + 1, number))
                continue
            ends = [level.total_input_min for level in plan.levels[1:]] + [COUNT_MAX + 1]
            for level, below in zip(plan.levels, ends, strict=True):
                slots, rates = _slots(level)
                number = numbers.setdefault(id(level), len(levels)) if rates is not None else SINGLE
                if number == len(levels):
                    levels.append(rates or ())
                least = level.total_input_min
                rows.append(_Row(code, role, start, end, least, below, number, slots, rates or (None,) * len(COMMON)))
    return RateTable(pa.table(_columns(rows)), levels, reasons)


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


def _slots(level: Level) -> tuple[tuple[int | None, ...], tuple[UnitRate | None, ...] | None]:
    """For each unit of COMMON the number of the unit whose line its count goes into (None: it has no rate), and the rates of the lines.

    No rates where the level does more than the columnar way can.
    """
    slots: list[int | None] = []
    rates: list[UnitRate | None] = [None] * len(COMMON)
    for at, unit in enumerate(COMMON):
        rate = level.rates.get(unit)
        if rate is None or unit in level.not_yet:
            slots.append(None)
            continue
        slot = COMMON.index(rate.unit) if rate.unit in COMMON else -1
        if slot not in _MAY_GO_WITH[at] or _reduced(rate)[0] > _NUMERATOR_MAX:
            return (None,) * len(COMMON), None
        slots.append(slot)
        rates[slot] = rate
    # without any rate of its own for what is common, something else is billed: a request, an image, a minimum
    if level.direct == (None,) * len(COMMON):
        return (None,) * len(COMMON), None
    return tuple(slots), tuple(rates)


def _reduced(rate: UnitRate) -> tuple[int, int]:
    common = gcd(rate.atto_num, rate.atto_den)
    return rate.atto_num // common, rate.atto_den // common


def _columns(rows: Sequence[_Row]) -> dict[str, pa.Array]:
    import pyarrow as pa  # as above

    big = pa.decimal128(38, 0)
    found = {
        "context": pa.array([row.context for row in rows], pa.int32()),
        "role": pa.array([row.role for row in rows], pa.int8()),
        **{name: pa.array([_int64(getattr(row, name)) for row in rows], pa.int64()) for name in ("from_ns", "to_ns", "least", "below")},
        "level": pa.array([row.level for row in rows], pa.int32()),
    }
    for slot in SLOTS:
        reduced = [None if (rate := row.rates[slot]) is None else _reduced(rate) for row in rows]
        found[f"slot_{slot}"] = pa.array([row.slots[slot] for row in rows], pa.int8())
        found[f"num_{slot}"] = _decimals([None if pair is None else pair[0] for pair in reduced], big)
        found[f"den_{slot}"] = _decimals([None if pair is None else pair[1] for pair in reduced], big)
    return found


def _decimals(values: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    from decimal import Decimal

    import pyarrow as pa  # as above

    return pa.array([None if value is None else Decimal(value) for value in values], kind)


def _int64(value: int) -> int:
    return max(-(2**63), min(value, 2**63 - 1))
