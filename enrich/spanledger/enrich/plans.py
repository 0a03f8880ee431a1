"""From the dated rates of a model to what a call is billed at: which of them hold at its time, in its tier and region, for its length.

The work is done once per (provider, models, tier, region) and kept; the hot path then only looks a plan up by time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from spanledger.enrich.catalog.match import narrowness
from spanledger.enrich.catalog.rows import MULTIPLIER, OVERLAY, RANKS, Entry, Rate, rate_id
from spanledger.enrich.catalog.units import PARTS, REQUESTS, rate_units
from spanledger.enrich.money import ATTO, product_text, rational_from_text

COMMON: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
"""The units of a usage without extras, in the order of its lines."""
EVER_NS: Final = (-(2**63), 2**63)
"""From before everything to after everything."""
ANY_REGION: Final = "*"
"""In a context: any region that a call names, but not "global"."""
_MINUTE_NS: Final = 60_000_000_000
_DAY_MINUTES: Final = 1440


class UnitRate(NamedTuple):
    """A rate ready for arithmetic: `quantity * atto_num / atto_den` is its cost in atto-USD.

    A rate that was made of several (a price and a regional multiplier, a discount, a markup) has their ids joined by "*", and their exact
    product as its amount.
    """

    unit: str
    rate_id: str
    amount: str
    per: int
    atto_num: int
    atto_den: int


class Level(NamedTuple):
    """The rates for requests of at least `total_input_min` input tokens: for each unit, the rate a count of it is billed at.

    `own` are the units that have a rate of their own, `rounding` says by how much a quantity is rounded up before it is billed: (least
    quantity, multiple of). A unit that has a price in the call's service tier, but not yet at the call's time, is in `not_yet`. `direct` is
    for the hot path: the rates of COMMON in its order, None where a count is not simply billed at a rate of its own;
    `reasoning_in_output` and `write_5m_in_write` say that these counts go into the other's line, which is the usual case. `plain` are the
    rates of plain input, cache reads (None where it has none of its own) and output, where reasoning is output and all three come to whole
    atto-USD a unit; so it is almost always.
    """

    total_input_min: int
    rates: Mapping[str, UnitRate]
    not_yet: frozenset[str]
    direct: tuple[UnitRate | None, ...]
    reasoning_in_output: bool
    write_5m_in_write: bool
    own: Mapping[str, UnitRate]
    rounding: Mapping[str, tuple[int, int]]
    plain: tuple[UnitRate, UnitRate | None, UnitRate] | None = None


class Plan(NamedTuple):
    """How a call is billed at a time: the levels by total input, or the reason it is not; and the units with a rate of its very tier."""

    levels: tuple[Level, ...]
    reason: str | None
    tiered: frozenset[str] = frozenset()


class Held(NamedTuple):
    """A rate of an entry with its dates as Unix nanoseconds, ready to be chosen."""

    entry: Entry
    rate: Rate
    from_ns: int
    to_ns: int


class Resolution:
    """What one (provider, models, tier, region) costs over time; plans are made when their time is first asked for."""

    def __init__(self, entries: list[Entry], tier: str, region: str | None) -> None:
        self._tier = tier
        self._region = (region or "").lower()
        held = [held for entry in entries for held in held_rates(entry) if fits(held.rate.context, self._tier, self._region)]
        self._held = [one for one in held if one.rate.unit != MULTIPLIER]
        self._multipliers = [one for one in held if one.rate.unit == MULTIPLIER]
        self._edges = edges_of((one.from_ns, one.to_ns) for one in held)
        self._plans: dict[object, Plan] = {}
        self._windows = tuple({one.rate.window for one in held if one.rate.window})
        self._known = any(entry.rates for entry in entries)
        self.latest: tuple[int, int, Plan] = (0, 0, Plan((), None))
        """The plan asked for last and its time, from and to, for the hot path."""

    def plan(self, at_ns: int) -> Plan:
        """The plan that holds at a time (Unix nanoseconds, UTC)."""
        index = bisect_right(self._edges, at_ns)
        key: object = index
        if self._windows:
            key = (index, tuple([window for window in self._windows if in_window(window, at_ns)]))
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = self._make(at_ns)
        self.latest = (*span_of(self._edges, index, self._windows, at_ns), found)
        return found

    def _make(self, at_ns: int) -> Plan:
        if not self._known:
            return Plan((), "unknown_model")
        active = [held for held in self._held if _holds(held, at_ns)]
        ever_tier = {held.rate.unit for held in self._held if _tiered(held.rate)}
        if self._tier and not ever_tier:
            return Plan((), f"no_rate_for_tier:{self._tier}")
        now_tier = frozenset(held.rate.unit for held in active if _tiered(held.rate))
        if not active or (self._tier and not now_tier):
            return Plan((), "not_effective_yet")
        chosen = {unit: choose(held for held in active if held.rate.unit == unit) for unit in sorted({held.rate.unit for held in active})}
        times = [held for held in self._multipliers if _holds(held, at_ns)]
        if self._multipliers and at_ns < min(held.from_ns for held in self._multipliers):
            return Plan((), "not_effective_yet")  # what the region cost before its surcharge is known is not known
        factor = next(iter(choose(times)), None) if times else None
        steps = steps_of(held.rate for some in chosen.values() for held in some)
        return Plan(tuple(_level(step, chosen, factor, frozenset(ever_tier - now_tier)) for step in steps), None, now_tier)


def fits(context: Iterable[tuple[str, str]], tier: str, region: str) -> bool:
    """Whether a call in a service tier ("" is standard) and region (lower case) is what a context asks for."""
    return all(
        (key == "service_tier" and value == tier)
        or (key == "region" and (value == region or (value == ANY_REGION and region not in ("", "global"))))
        for key, value in context
    )


def _holds(held: Held, at_ns: int) -> bool:
    return held.from_ns <= at_ns < held.to_ns and (not held.rate.window or in_window(held.rate.window, at_ns))


def _tiered(rate: Rate) -> bool:
    return any(key == "service_tier" for key, _ in rate.context)


def held_rates(entry: Entry) -> Iterator[Held]:
    """The rates of an entry with their dates made ready."""
    for rate in entry.rates:
        yield Held(entry, rate, unix_ns(rate.effective_from, EVER_NS[0]), unix_ns(rate.effective_to, EVER_NS[1]))


def unix_ns(text: str, absent: int) -> int:
    """Unix nanoseconds of an ISO date (its midnight, UTC) or UTC time; `absent` for "". Raises ValueError."""
    if not text:
        return absent
    moment = datetime.fromisoformat(text)
    whole = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(whole.timestamp()) * 1_000_000_000


# -- time ----------------------------------------------------------------------------------------------------------------


def edges_of(periods: Iterable[tuple[int, int]]) -> list[int]:
    """The moments at which something begins or ends, sorted, from the beginning of time."""
    return sorted({edge for period in periods for edge in period} | {EVER_NS[0]})


def span_of(edges: list[int], index: int, windows: Iterable[str], at_ns: int) -> tuple[int, int]:
    """The time around `at_ns` (which bisects `edges` at `index`) in which nothing begins or ends and no daily window opens or closes."""
    from_ns = edges[index - 1] if index else EVER_NS[0]
    to_ns = edges[index] if index < len(edges) else EVER_NS[1]
    if not windows:
        return from_ns, to_ns
    day, minute = divmod(at_ns // _MINUTE_NS, _DAY_MINUTES)
    turns = {0, _DAY_MINUTES} | {turn for window in windows for turn in _hours(window)}
    opened = max(turn for turn in turns if turn <= minute)
    closes = min(turn for turn in turns if turn > minute)
    midnight = day * _DAY_MINUTES
    return max(from_ns, (midnight + opened) * _MINUTE_NS), min(to_ns, (midnight + closes) * _MINUTE_NS)


def _hours(window: str) -> tuple[int, int]:
    start, end = (int(hour[:2]) * 60 + int(hour[3:]) for hour in window.partition(" ")[0].split("-"))
    return start, end


def in_window(window: str, at_ns: int) -> bool:
    """Whether a time is in a daily window in UTC ("22:00-04:00", "01:00-04:00 1-5"); the weekday is that of the time itself."""
    days = window.partition(" ")[2]
    minutes = at_ns // _MINUTE_NS
    weekday = (minutes // _DAY_MINUTES + 3) % 7 + 1  # 1970-01-01 was a Thursday
    if days and not int(days[0]) <= weekday <= int(days[-1]):
        return False
    start, end = _hours(window)
    minute = minutes % _DAY_MINUTES
    return start <= minute < end if start < end else minute >= start or minute < end


# -- choice --------------------------------------------------------------------------------------------------------------


def choose(candidates: Iterable[Held]) -> list[Held]:
    """Of the rates of one unit that hold now: those of the call's tier, of the topmost file, of an overlay in it (by a name before a
    pattern, by a longer one before a shorter), of the narrowest context, of a window of the day; for each long-context threshold then the
    latest, the base before what fills it."""
    held = list(candidates)
    best = max(map(standing, held))
    by_threshold: dict[tuple[int, str], Held] = {}
    for one in held:
        if standing(one) == best:
            key = (one.rate.threshold, one.rate.op)
            other = by_threshold.get(key)
            if other is None or (one.from_ns, one.entry.rank) > (other.from_ns, other.entry.rank):
                by_threshold[key] = one
    return list(by_threshold.values())


def standing(held: Held) -> tuple[bool, int, bool, int, int, bool]:
    """What decides between rates of one unit, before their dates; the greater wins.

    The tier comes first: a rate without one is the standard tier's, whoever's it is, and says nothing of what a batch costs.
    """
    layer, rank = divmod(held.entry.rank, RANKS)
    overlay = rank == OVERLAY
    named = narrowness(held.entry.match) if overlay else 0
    return _tiered(held.rate), layer, overlay, named, context_width(held.rate.context), bool(held.rate.window)


def context_width(context: Iterable[tuple[str, str]]) -> int:
    """How narrow a context is: by how many things it asks for, one region before any."""
    return sum(1 if value == ANY_REGION else 2 for _, value in context)


def least_input(rate: Rate) -> int:
    """The smallest total input a rate is for."""
    return rate.threshold + (rate.op == ">")


def steps_of(rates: Iterable[Rate]) -> list[int]:
    """The least total inputs at which other rates begin, from 0."""
    return sorted({0, *map(least_input, rates)})


def reached(step: int, some: Iterable[Held]) -> Held | None:
    """The rate for requests of at least `step` input tokens; None where there is none for so few."""
    return max((held for held in some if least_input(held.rate) <= step), key=lambda held: least_input(held.rate), default=None)


# -- levels --------------------------------------------------------------------------------------------------------------


def _level(step: int, chosen: Mapping[str, list[Held]], factor: Held | None, not_yet: frozenset[str]) -> Level:
    own: dict[str, UnitRate] = {}
    rounding: dict[str, tuple[int, int]] = {}
    for unit, some in chosen.items():
        held = reached(step, some)
        if held is None:
            continue
        own[unit] = _unit_rate(held)
        if factor is not None and unit in PARTS and not _regional(held.rate):
            own[unit] = multiplied(own[unit], factor.rate.amount, rate_id(factor.entry, factor.rate))
        if held.rate.minimum or held.rate.increment:
            rounding[unit] = (held.rate.minimum, held.rate.increment)
    return level_of(step, own, not_yet, rounding)


def _regional(rate: Rate) -> bool:
    return any(key == "region" for key, _ in rate.context)


def level_of(step: int, own: Mapping[str, UnitRate], not_yet: frozenset[str], rounding: Mapping[str, tuple[int, int]]) -> Level:
    """A level from the rates that units have of their own: the others are billed at the rate of what they are a part of."""
    priced = frozenset(own)
    rates = dict(own)
    for unit in PARTS:
        rate = next((own[other] for other in rate_units(unit, priced) if other in own), None)
        if rate is not None:
            rates[unit] = rate
    if REQUESTS in rates or any(unit in PARTS for unit in rounding):
        return Level(step, rates, not_yet, (None,) * len(COMMON), False, False, own, rounding)
    direct = tuple(rate if (rate := rates.get(unit)) is not None and rate.unit == unit and unit not in not_yet else None for unit in COMMON)
    reasoning_in_output = _goes_with(rates, "reasoning_tokens", "output_tokens")
    write_5m_in_write = _goes_with(rates, "cache_write_5m_tokens", "cache_write_tokens")
    plain = _plain(direct) if reasoning_in_output else None
    return Level(step, rates, not_yet, direct, reasoning_in_output, write_5m_in_write, own, rounding, plain)


def _plain(direct: tuple[UnitRate | None, ...]) -> tuple[UnitRate, UnitRate | None, UnitRate] | None:
    asked, read, said = direct[0], direct[1], direct[5]
    if asked is None or said is None or any(rate is not None and rate.atto_den != 1 for rate in (asked, read, said)):
        return None
    return asked, read, said


def _goes_with(rates: Mapping[str, UnitRate], unit: str, other: str) -> bool:
    return unit in rates and rates[unit].unit == other


def unit_rate(unit: str, identity: str, amount: str, per: int) -> UnitRate:
    """A rate of `amount` USD for `per` units, ready for arithmetic."""
    numerator, denominator = rational_from_text(amount)
    numerator, denominator = numerator * ATTO, denominator * per
    if numerator % denominator == 0:
        numerator, denominator = numerator // denominator, 1
    return UnitRate(unit, identity, amount, per, numerator, denominator)


def multiplied(rate: UnitRate, factor: str, identity: str) -> UnitRate:
    """A rate times a decimal, exactly; its id is joined of both."""
    return unit_rate(rate.unit, f"{rate.rate_id}*{identity}", product_text(rate.amount, factor), rate.per)


def _unit_rate(held: Held) -> UnitRate:
    return unit_rate(held.rate.unit, rate_id(held.entry, held.rate), held.rate.amount, held.rate.per)
