"""From a catalog's dated rates to what one call is billed at: which entries its model names mean, and which rates held at its time.

The work is done once per (provider, models, tier, region) and kept; the hot path then only looks up a plan by time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import OVERLAY, Entry, Rate, rate_id
from spanledger.enrich.catalog.units import PARTS, REQUESTS, rate_units
from spanledger.enrich.money import ATTO, rational_from_text
from spanledger.enrich.provider_names import BEDROCK_MAKERS, SPOKEN_BY_OTHERS
from spanledger.enrich.providers import canonical_provider, known_provider, model_geography, plain_model, provider_of_model

SELLERS = {
    # a seller without a price of its own for a model charges what this other one lists for it, by its own word
    "azure.ai.openai": ("azure.ai.inference", "openai"),
    "azure.ai.inference": ("azure.ai.openai", "openai", "anthropic", "deepseek", "x_ai", "mistral_ai", "cohere", "moonshot_ai"),
    "gcp.vertex_ai": ("gcp.gemini", "anthropic"),
    "gcp.gen_ai": ("gcp.gemini", "gcp.vertex_ai", "anthropic"),
    "gcp.gemini": ("gcp.vertex_ai",),
}
"""Where else to look, in order, for the price of a model that a provider does not list itself. All others: nowhere."""

STANDARD_TIERS = frozenset(
    """
    default standard auto standard_only on_demand ondemand regular unspecified traffic_type_unspecified none null
    """.split()  # noqa: SIM905 - a list of words reads better as words
) | {""}
COMMON = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
"""The units of a usage without extras, in the order of its lines."""
_TIER_NAMES = {"batches": "batch", "on_demand_flex": "flex", "on_demand_priority": "priority"}
_NAMES_MAX = 256
_MAKERS = tuple(BEDROCK_MAKERS.split("|"))
_COMPACT_DATE = re.compile(r"-(20[0-9]{2})([01][0-9])([0-3][0-9])(?![0-9])")
"""Gateways write a snapshot's date together that its maker writes with dashes; the price list has one of the two."""
_FOREVER_NS = (-(2**63), 2**63)


class UnitRate(NamedTuple):
    """A rate ready for arithmetic: `quantity * atto_num / atto_den` is its cost in atto-USD."""

    unit: str
    rate_id: str
    amount: str
    per: int
    atto_num: int
    atto_den: int


class Level(NamedTuple):
    """The rates for requests of at least `total_input_min` input tokens: for each unit, the rate a count of it is billed at.

    A unit that has a price in the call's service tier, but not yet at the call's time, is in `not_yet`. `direct` is for the hot path:
    the rates of COMMON in its order, None where a count is not simply billed at a rate of its own; `reasoning_in_output` and
    `write_5m_in_write` say that these counts go into the other's line, which is the usual case.
    """

    total_input_min: int
    rates: Mapping[str, UnitRate]
    not_yet: frozenset[str]
    direct: tuple[UnitRate | None, ...]
    reasoning_in_output: bool
    write_5m_in_write: bool


class Plan(NamedTuple):
    """How a call is billed at a time: the levels by total input, or the reason it is not."""

    levels: tuple[Level, ...]
    reason: str | None


class Held(NamedTuple):
    """A rate of an entry with its dates as Unix nanoseconds, ready to be chosen."""

    entry: Entry
    rate: Rate
    from_ns: int
    to_ns: int


def service_tier(text: str | None) -> str:
    """The name a tier has in the catalog: "" for standard, else "batch", "flex", "priority", … as the provider calls it."""
    lower = (text or "").strip().lower()[:64].removeprefix("service_tier_") if text else ""
    return "" if lower in STANDARD_TIERS else _TIER_NAMES.get(lower, lower)


def find_entries(catalog: CatalogFile, provider: str | None, models: Iterable[str | None]) -> list[Entry]:
    """The entries for the first of `models` (names as sent, the served one first) that the catalog knows; empty where it knows none.

    Looked up at the provider, then at those it sells for (SELLERS). Where the label may be wrong (a protocol others speak too, a
    label nobody knows, none at all), at last at the provider the model's name stands for.
    """
    provider = canonical_provider(provider)
    names = [model for model in models if model]
    for seller in (provider, *SELLERS.get(provider or "", ())):
        if found := _entries_at(catalog, seller, names):
            return found
    if provider is None or provider in SPOKEN_BY_OTHERS or not known_provider(provider):
        for name in names:
            maker = provider_of_model(name)
            for seller in (maker, *SELLERS.get(maker or "", ())):
                if maker != provider and (found := _entries_at(catalog, seller, [name])):
                    return found
    return []


def _entries_at(catalog: CatalogFile, provider: str | None, models: list[str]) -> list[Entry]:
    shelf = catalog.shelf(provider) if provider else None
    if shelf is not None:
        for model in models:
            for name in lookup_names(provider or "", model):
                if found := shelf.find(name):
                    return found
    return []


def lookup_names(provider: str, model: str) -> list[str]:
    """The spellings under which a provider's price list may have a model, from as it was sent to its bare name.

    A Bedrock profile of a geography has prices of its own: it is never looked up without it. A Bedrock name without its maker is what some
    instrumentations leave of it.
    """
    name = model.strip().lower()[:_NAMES_MAX]
    names = [name]
    rest = name
    while "/" in rest:
        rest = rest.split("/", 1)[1]
        names.append(rest)
    if model_geography(name) is None:
        if provider == "aws.bedrock" and not any(part in _MAKERS for part in rest.split(".")):
            names += [f"{maker}.{rest}" for maker in _MAKERS]
        names.append(plain_model(name))
    if name.startswith("ft:"):
        names.append(":".join(name.split(":")[:2]))
    names += [other.replace("@", "-") for other in names if "@" in other]
    names += [dashed for other in names if (dashed := _COMPACT_DATE.sub(r"-\1-\2-\3", other)) != other]
    return list(dict.fromkeys(names))


class Resolution:
    """What one (provider, models, tier, region) costs over time; plans are made when their time is first asked for."""

    def __init__(self, entries: list[Entry], tier: str, region: str | None) -> None:
        self._tier = tier
        self._region = (region or "").lower()
        self._held = [held for entry in entries for held in held_rates(entry) if self._fits(held.rate)]
        edges = {edge for held in self._held for edge in (held.from_ns, held.to_ns)} | {_FOREVER_NS[0]}
        self._edges = sorted(edges)
        self._plans: dict[object, Plan] = {}
        self._windows = tuple({held.rate.window for held in self._held if held.rate.window})
        self._known = bool(entries)
        self.latest: tuple[int, int, Plan] = (0, 0, Plan((), None))  # the plan asked for last and its time, for the hot path

    def plan(self, at_ns: int) -> Plan:
        """The plan that holds at a time (Unix nanoseconds, UTC)."""
        index = bisect_right(self._edges, at_ns)
        key: object = index
        if self._windows:
            key = (index, tuple(window for window in self._windows if in_window(window, at_ns)))
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = self._make(at_ns)
        if not self._windows and index:
            self.latest = (self._edges[index - 1], self._edges[index] if index < len(self._edges) else _FOREVER_NS[1], found)
        return found

    def _fits(self, rate: Rate) -> bool:
        return all(
            (key == "service_tier" and value == self._tier) or (key == "region" and value == self._region) for key, value in rate.context
        )

    def _make(self, at_ns: int) -> Plan:
        if not self._known:
            return Plan((), "unknown_model")
        now = [held for held in self._held if held.from_ns <= at_ns < held.to_ns]
        active = [held for held in now if not held.rate.window or in_window(held.rate.window, at_ns)]
        ever_tier = {held.rate.unit for held in self._held if _tiered(held.rate)}
        if self._tier and not ever_tier:
            return Plan((), f"no_rate_for_tier:{self._tier}")
        now_tier = {held.rate.unit for held in active if _tiered(held.rate)}
        if not active or (self._tier and not now_tier):
            return Plan((), "not_effective_yet")
        not_yet = frozenset(ever_tier - now_tier)
        held_units = {held.rate.unit for held in active}
        chosen = {unit: choose(held for held in active if held.rate.unit == unit) for unit in sorted(held_units)}
        steps = sorted({_least(held.rate) for some in chosen.values() for held in some})
        levels = tuple(_level(step, chosen, not_yet) for step in ([0, *steps] if steps[:1] != [0] else steps))
        return Plan(levels, None)


def _tiered(rate: Rate) -> bool:
    return any(key == "service_tier" for key, _ in rate.context)


def held_rates(entry: Entry) -> Iterator[Held]:
    """The rates of an entry with their dates made ready."""
    for rate in entry.rates:
        yield Held(entry, rate, _ns(rate.effective_from, _FOREVER_NS[0]), _ns(rate.effective_to, _FOREVER_NS[1]))


def _ns(text: str, absent: int) -> int:
    """Unix nanoseconds of an ISO date (its midnight, UTC) or UTC time."""
    if not text:
        return absent
    moment = datetime.fromisoformat(text)
    whole = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(whole.timestamp()) * 1_000_000_000


def in_window(window: str, at_ns: int) -> bool:
    """Whether a time is in a daily window in UTC ("22:00-04:00", "01:00-04:00 1-5"); the weekday is that of the time itself."""
    hours, _, days = window.partition(" ")
    minutes = at_ns // 60_000_000_000
    weekday = (minutes // 1440 + 3) % 7 + 1  # 1970-01-01 was a Thursday
    if days and not int(days[0]) <= weekday <= int(days[-1]):
        return False
    start, end = (int(hour[:2]) * 60 + int(hour[3:]) for hour in hours.split("-"))
    minute = minutes % 1440
    return start <= minute < end if start < end else minute >= start or minute < end


def choose(candidates: Iterable[Held]) -> list[Held]:
    """Of the rates of one unit that hold now: those of our overlay before others, of the narrowest context, of a window of the day; for
    each long-context threshold then the latest, the base before what fills it."""
    held = list(candidates)
    best = max(map(_standing, held))
    by_threshold: dict[tuple[int, str], Held] = {}
    for one in held:
        if _standing(one) == best:
            key = (one.rate.threshold, one.rate.op)
            other = by_threshold.get(key)
            if other is None or (one.from_ns, one.entry.rank) > (other.from_ns, other.entry.rank):
                by_threshold[key] = one
    return list(by_threshold.values())


def _standing(held: Held) -> tuple[bool, int, bool, bool]:
    return held.entry.rank == OVERLAY, len(held.rate.context), _tiered(held.rate), bool(held.rate.window)


def _least(rate: Rate) -> int:
    """The smallest total input a rate is for."""
    return rate.threshold + (rate.op == ">")


def _level(step: int, chosen: Mapping[str, list[Held]], not_yet: frozenset[str]) -> Level:
    own: dict[str, UnitRate] = {}
    for unit, some in chosen.items():
        reached = [held for held in some if _least(held.rate) <= step]
        if reached:
            own[unit] = _unit_rate(max(reached, key=lambda held: _least(held.rate)))
    priced = frozenset(own)
    rates = dict(own)
    for unit in PARTS:
        rate = next((own[other] for other in rate_units(unit, priced) if other in own), None)
        if rate is not None:
            rates[unit] = rate
    direct = tuple(rate if (rate := rates.get(unit)) is not None and rate.unit == unit and unit not in not_yet else None for unit in COMMON)
    if REQUESTS in rates:
        return Level(step, rates, not_yet, (None,) * len(COMMON), False, False)
    return Level(
        step,
        rates,
        not_yet,
        direct,
        _goes_with(rates, "reasoning_tokens", "output_tokens"),
        _goes_with(rates, "cache_write_5m_tokens", "cache_write_tokens"),
    )


def _goes_with(rates: Mapping[str, UnitRate], unit: str, other: str) -> bool:
    return unit in rates and rates[unit].unit == other


def _unit_rate(held: Held) -> UnitRate:
    rate = held.rate
    numerator, denominator = rational_from_text(rate.amount)
    numerator, denominator = numerator * ATTO, denominator * rate.per
    if numerator % denominator == 0:
        numerator, denominator = numerator // denominator, 1
    return UnitRate(rate.unit, rate_id(held.entry, rate), rate.amount, rate.per, numerator, denominator)
