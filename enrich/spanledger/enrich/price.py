"""What a call costs: disjoint lines out of its inclusive counts, each at a rate of the catalog, exact and rounded once.

A call is priced wholly or not at all: what cannot be priced says why and costs None, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from spanledger.enrich.catalog.load import SHIPPED, load, unpack
from spanledger.enrich.catalog.rows import Entry, Rate, rate_id
from spanledger.enrich.catalog.stack import PriceList
from spanledger.enrich.catalog.units import CHARGED_EXTRAS, INSTEAD_OF_TOKENS, PARTS, REQUESTS, PartsExceedTotalError, disjoint
from spanledger.enrich.events import Line
from spanledger.enrich.money import divide_half_even
from spanledger.enrich.plans import COMMON, Level, Plan, Resolution, UnitRate, held_rates
from spanledger.enrich.rates import find_entries, service_tier
from spanledger.enrich.records import Call, Usage

COUNT_MAX = 10**12
"""More tokens than any request can have: a count beyond is nonsense, and no price is made of it."""
_KEPT_MAX = 8192
"""Resolutions kept in memory; hostile model names must not fill it."""
_new = tuple.__new__
"""Makes a NamedTuple in half the time its own constructor takes; only for the lines of a call."""


class Priced(NamedTuple):
    """What a call costs, in atto-USD: `state` is "priced", or "unpriced" with a `reason` and no cost.

    `lines` are those of `cost_usd`, what the company pays: the contracted cost where a contract is in force (`contracted_cost_usd`, else
    None), or else the list cost. `customer_price_usd` is what the customer is charged, None where nothing says so.
    """

    lines: tuple[Line, ...]
    cost_usd: int | None
    state: str
    reason: str | None
    list_cost_usd: int | None
    contracted_cost_usd: int | None
    customer_price_usd: int | None


class ShownRate(NamedTuple):
    """A rate for people to read."""

    provider: str
    model: str
    unit: str
    amount: str
    per: int
    context: str
    tier: str
    window: str
    effective_from: str
    effective_to: str
    effective_kind: str
    source: str
    verified_on: str
    rate_id: str


class ShownModel(NamedTuple):
    """A model the catalog has rates of."""

    provider: str
    model: str
    units: str
    source: str


def unpriced(reason: str) -> Priced:
    """No price, and why."""
    return Priced((), None, "unpriced", reason, None, None, None)


def priced(lines: Iterable[Line]) -> Priced:
    """A call at the list price of these lines."""
    held = tuple(lines)
    cost = sum(line.cost_usd for line in held)
    return Priced(held, cost, "priced", None, cost, None, None)


NO_USAGE = unpriced("no_usage")


class Catalog:
    """An immutable price catalog. Pricing is pure and thread-safe: what it keeps are only results of its own content."""

    def __init__(self, prices: PriceList) -> None:
        self.catalog_id = prices.id
        self.label = prices.label
        self._prices = prices
        self._resolutions: dict[tuple[str | None, ...], Resolution] = {}

    @classmethod
    def shipped(cls) -> Catalog:
        """The catalog that comes with the package."""
        return cls(load(SHIPPED))

    @classmethod
    def from_file(cls, path: Path) -> Catalog:
        """A catalog file that `scripts/build_catalog.py` wrote. Raises CatalogError, OSError."""
        return cls(unpack(path.read_bytes()))

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:  # noqa: ARG002 - list prices are everybody's
        """What a call that started then costs at list prices."""
        usage = call.usage
        if usage is None:
            return NO_USAGE
        key = (call[2], call[4], call[3], call[7], call[8])  # provider, response model, request model, service tier, region
        resolution = self._resolutions.get(key)
        if resolution is None:
            resolution = self._resolve(key, call)
        from_ns, to_ns, plan = resolution.latest
        levels, reason, _ = plan if from_ns <= start_ns < to_ns else resolution.plan(start_ns)
        if reason is not None:
            return unpriced(reason)
        return price_usage(usage, levels)

    def _resolve(self, key: tuple[str | None, ...], call: Call) -> Resolution:
        entries = find_entries(self._prices, call.provider, (call.response_model, call.request_model))
        resolution = Resolution(entries, service_tier(call.service_tier), call.region)
        if len(self._resolutions) >= _KEPT_MAX:
            self._resolutions.clear()
        self._resolutions[key] = resolution
        return resolution

    def models(self, provider: str | None = None) -> Iterator[ShownModel]:
        """Every model with rates, of one provider (canonical name) or all, sorted."""
        for entry in self._prices.entries():
            if provider is None or entry.provider == provider:
                yield ShownModel(entry.provider, entry.model, " ".join(sorted({rate.unit for rate in entry.rates})), entry.source)

    def rates_for(self, provider: str | None, model: str, at_ns: int | None = None) -> list[ShownRate]:
        """The rates a model has at a time (or ever), whatever their tier and context; an overlay's, which win, come first.

        `model` is a name as a call would have it, or the catalog's own name of an entry (`models`).
        """
        entries = find_entries(self._prices, provider, (model,)) or [
            entry for entry in self._prices.entries() if entry.model.lower() == model.lower() and provider in (None, entry.provider)
        ]
        held = [one for entry in entries for one in held_rates(entry)]
        now = [one for one in held if at_ns is None or one.from_ns <= at_ns < one.to_ns]
        return [_shown(one.entry, one.rate) for one in now]

    def rows(self) -> Iterator[tuple[Entry, Rate, str]]:
        """Every rate as (entry, rate, rate id), for export and for pricing in SQL."""
        for entry in self._prices.entries():
            for rate in entry.rates:
                yield entry, rate, rate_id(entry, rate)


def _shown(entry: Entry, rate: Rate) -> ShownRate:
    context = " ".join(f"{key}={value}" for key, value in rate.context)
    tier = f"input {rate.op} {rate.threshold:,}" if rate.threshold else ""
    return ShownRate(
        entry.provider, entry.model, rate.unit, rate.amount, rate.per, context, tier, rate.window,
        rate.effective_from, rate.effective_to, rate.effective_kind, entry.source, entry.verified_on, rate_id(entry, rate),
    )  # fmt: skip


def price_by(plan: Plan, usage: Usage) -> Priced:
    """What a usage costs by a plan."""
    return price_usage(usage, plan.levels) if plan.reason is None else unpriced(plan.reason)


def price_usage(usage: Usage, levels: tuple[Level, ...]) -> Priced:
    """The lines of a usage at the rates of a plan.

    Most calls have input, perhaps some of it cached, and output: they take the short way here, and it must say what the long ways say.
    """
    total_input, total_output, read, write, write_5m, write_1h, reasoning, extra = usage
    if extra:
        return _price_open(usage, levels)
    if write or write_5m or write_1h or total_input is None or total_output is None:
        return _price_classes(usage, levels)
    level = levels[0] if len(levels) == 1 else _level(levels, total_input)
    _, _, _, (input_rate, read_rate, _, _, _, output_rate, _), reasoning_in_output, _, _, _ = level
    read = read or 0
    plain = total_input - read
    if input_rate is None or output_rate is None or (read and read_rate is None) or (plain | read | total_output) < 0:
        return _price_classes(usage, levels)
    if total_input + total_output > COUNT_MAX or (reasoning and not (reasoning_in_output and 0 <= reasoning <= total_output)):
        return _price_classes(usage, levels)
    lines = []
    cost = 0
    if plain:
        lines.append(line := _line(input_rate, plain))
        cost = line[5]
    if read and read_rate is not None:
        lines.append(line := _line(read_rate, read))
        cost += line[5]
    if total_output:
        lines.append(line := _line(output_rate, total_output))
        cost += line[5]
    return _new(Priced, (tuple(lines), cost, "priced", None, cost, None, None))


def _price_classes(usage: Usage, levels: tuple[Level, ...]) -> Priced:
    """The same, for every class of tokens a usage may have."""
    total_input, total_output, read, write, write_5m, write_1h, reasoning, _ = usage
    read = read or 0
    write_5m = write_5m or 0
    write_1h = write_1h or 0
    thought = reasoning or 0
    if write is None:
        write = write_5m + write_1h
    plain = total_input - read - write if total_input is not None else 0
    said = total_output - thought if total_output is not None else 0
    other_write = write - write_5m - write_1h
    if (plain | said | other_write | read | write_5m | write_1h | thought) < 0:
        return _refused(usage)
    whole = plain + read + write
    if whole + said + thought > COUNT_MAX:
        return unpriced("count_out_of_range")
    if total_input is None and total_output is None and not (whole or thought):
        return NO_USAGE
    level = levels[0] if len(levels) == 1 else _level(levels, whole)
    _, _, _, direct, reasoning_in_output, write_5m_in_write, _, _ = level
    if reasoning_in_output:
        said, thought = said + thought, 0
    if write_5m_in_write:
        other_write, write_5m = other_write + write_5m, 0
    quantities = (plain, read, write_5m, write_1h, other_write, said, thought)
    lines = []
    cost = 0
    for rate, quantity in zip(direct, quantities):  # noqa: B905 - both have the length of COMMON, and this is the hot path
        if quantity:
            if rate is None:
                return _lines(level, zip(COMMON, quantities, strict=True))
            lines.append(line := _line(rate, quantity))
            cost += line.cost_usd
    return _new(Priced, (tuple(lines), cost, "priced", None, cost, None, None))


def _refused(usage: Usage) -> Priced:
    """Counts that are negative, or parts that exceed their total; nothing is clamped."""
    counts = [count for count in usage[:7] if count is not None]
    return unpriced("count_out_of_range" if min(counts) < 0 else "parts_exceed_total")


def _level(levels: tuple[Level, ...], total_input: int) -> Level:
    """The level of the whole request: the last whose least total input it reaches."""
    found = levels[0]
    for level in levels[1:]:
        if total_input < level.total_input_min:
            break
        found = level
    return found


def _lines(level: Level, quantities: Iterable[tuple[str, int]]) -> Priced:
    """Lines for disjoint quantities: those billed at one rate are one line, under that rate's unit. Every call is one request."""
    billed: dict[str, int] = {}
    for unit, quantity in quantities:
        if not quantity:
            continue
        if unit in level.not_yet:
            return unpriced("not_effective_yet")
        rate = level.rates.get(unit)
        if rate is None:
            return unpriced(f"no_rate:{unit}")
        billed[rate.unit] = billed.get(rate.unit, 0) + quantity
    if REQUESTS in level.rates:
        billed[REQUESTS] = 1
    if level.rounding:
        billed = {unit: rounded_up(quantity, *level.rounding.get(unit, (0, 0))) for unit, quantity in billed.items()}
    return priced(_line(level.rates[unit], quantity) for unit, quantity in billed.items())


def rounded_up(quantity: int, minimum: int, increment: int) -> int:
    """The quantity that is billed: at least `minimum`, and a whole number of `increment`s where that is not 0."""
    least = max(quantity, minimum)
    return -(-least // increment) * increment if increment else least


def _line(rate: UnitRate, quantity: int) -> Line:
    unit, identity, amount, per, numerator, denominator = rate
    product = quantity * numerator
    return _new(Line, (unit, quantity, identity, amount, per, product if denominator == 1 else divide_half_even(product, denominator)))


def _price_open(usage: Usage, levels: tuple[Level, ...]) -> Priced:
    """As `price_usage`, for a usage with further quantities: parts of the totals by modality, and counts beside them."""
    counts = {
        unit: count
        for unit, count in (*zip(Usage._fields[:7], usage[:7], strict=True), *usage.extra)
        if count is not None and (unit in PARTS or not unit.endswith("_tokens"))
    }
    if any(not 0 <= count <= COUNT_MAX for count in counts.values()):
        return unpriced("count_out_of_range")
    if not counts:
        return NO_USAGE
    tokens = {unit: count for unit, count in counts.items() if unit in PARTS}
    beside = {unit: count for unit, count in counts.items() if unit not in PARTS}
    if "cache_write_tokens" not in tokens:
        written = sum(count for unit, count in tokens.items() if any(dimension == "ttl" for dimension, _ in PARTS[unit]))
        tokens["cache_write_tokens"] = written
    try:
        leaves = disjoint(tokens)
    except PartsExceedTotalError:
        return unpriced("parts_exceed_total")
    level = _level(levels, tokens.get("input_tokens", 0))
    has_tokens = any(tokens.values())
    charged = {unit: count for unit, count in beside.items() if unit in level.rates and not (unit in INSTEAD_OF_TOKENS and has_tokens)}
    missing = [unit for unit, count in beside.items() if count and unit not in charged and (unit in CHARGED_EXTRAS or not has_tokens)]
    if missing:
        return unpriced(f"no_rate:{missing[0]}")
    return _lines(level, (*leaves.items(), *sorted(charged.items())))
