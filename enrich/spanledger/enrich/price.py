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

        `model` is a name as a call would have it, or the catalog's own name of an entry (`models`). Without a provider, a name that only
        patterns fit is looked for at every one.
        """
        entries = find_entries(self._prices, provider, (model,)) or [
            entry for entry in self._prices.entries() if entry.model.lower() == model.lower() and provider in (None, entry.provider)
        ]
        if not entries and provider is None:
            sellers = dict.fromkeys(entry.provider for entry in self._prices.entries())
            entries = [entry for each in sellers for entry in find_entries(self._prices, each, (model,)) if entry.provider == each]
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


Flat = tuple[int, int, int, int, int, int]
"""Atto-USD a unit of plain input, cache reads and output: at list prices, then for the customer."""


def flat_of(listed: Plan, contracted: Plan | None, customer: Plan | None) -> Flat | None:
    """The list and customer rates as plain numbers, where all that is agreed has one price whatever the length of the request."""
    found = []
    for plan in (listed, contracted or listed, customer or listed):
        rates = plan.levels[0].plain if len(plan.levels) == 1 and plan.reason is None else None
        if rates is None or rates[1] is None:
            return None
        found.append((rates[0].atto_num, rates[1].atto_num, rates[2].atto_num))
    return (*found[0], *found[2])


def price_agreed(usage: Usage, listed: Plan, contracted: Plan | None, customer: Plan | None, flat: Flat | None) -> Priced:
    """What a usage costs by list prices and, where they are agreed, by contract and for the customer; the lines are what is paid.

    `flat` is `flat_of` these: then what was priced once needs no second look for the other sums.
    """
    levels, reason, _ = listed if contracted is None else contracted
    lines, cost, state, reason, _, _, _ = price_usage(usage, levels) if reason is None else unpriced(reason)
    total_input, total_output, read, write, write_5m, write_1h, _, extra = usage
    common = not (write or write_5m or write_1h or extra or total_input is None or total_output is None)
    if flat is None or cost is None or not common:
        at_list = cost if contracted is None else _cost_by(listed, usage)
        charged = None if customer is None else _cost_by(customer, usage)
    else:
        asked, cached, said, asked_of, cached_of, said_of = flat
        read = read or 0
        plain = (total_input or 0) - read
        total_output = total_output or 0
        at_list = plain * asked + read * cached + total_output * said
        charged = None if customer is None else plain * asked_of + read * cached_of + total_output * said_of
    return _new(Priced, (lines, cost, state, reason, at_list, None if contracted is None else cost, charged))


def _cost_by(plan: Plan, usage: Usage) -> int | None:
    """The cost in `price_by`, without making its lines where these are the usual ones."""
    levels, reason, _ = plan
    if reason is not None:
        return None
    total_input, total_output, read, write, write_5m, write_1h, reasoning, extra = usage
    if extra:
        return _price_open(usage, levels)[1]
    if write or write_5m or write_1h or total_input is None or total_output is None:
        return _cost_of_classes(usage, levels)
    plain_rates = (levels[0] if len(levels) == 1 else _level(levels, total_input))[8]
    read = read or 0
    plain = total_input - read
    if plain_rates is None or (plain | read | total_output) < 0 or total_input + total_output > COUNT_MAX:
        return _cost_of_classes(usage, levels)
    if reasoning and not 0 <= reasoning <= total_output:
        return _cost_of_classes(usage, levels)
    asked, cached, said = plain_rates
    cost = plain * asked[4] + total_output * said[4]
    if read:
        if cached is None:
            return _cost_of_classes(usage, levels)
        cost += read * cached[4]
    return cost


def price_usage(usage: Usage, levels: tuple[Level, ...]) -> Priced:
    """The lines of a usage at the rates of a plan.

    Most calls have input, perhaps some of it cached, and output: they take the short way here, and it must say what the long ways say.
    """
    total_input, total_output, read, write, write_5m, write_1h, reasoning, extra = usage
    if extra:
        return _price_open(usage, levels)
    if write or write_5m or write_1h or total_input is None or total_output is None:
        return _price_classes(usage, levels)
    plain_rates = (levels[0] if len(levels) == 1 else _level(levels, total_input))[8]
    read = read or 0
    plain = total_input - read
    if plain_rates is None or (plain | read | total_output) < 0 or total_input + total_output > COUNT_MAX:
        return _price_classes(usage, levels)
    if reasoning and not 0 <= reasoning <= total_output:
        return _price_classes(usage, levels)
    (unit, identity, amount, per, atto, _), cached, (said_unit, said_identity, said_amount, said_per, said_atto, _) = plain_rates
    cost = plain * atto
    lines = (_new(Line, (unit, plain, identity, amount, per, cost)),) if plain else ()
    if read:
        if cached is None:
            return _price_classes(usage, levels)
        unit, identity, amount, per, atto, _ = cached
        cost += (own := read * atto)
        lines = (*lines, _new(Line, (unit, read, identity, amount, per, own)))
    if total_output:
        cost += (own := total_output * said_atto)
        lines = (*lines, _new(Line, (said_unit, total_output, said_identity, said_amount, said_per, own)))
    return _new(Priced, (lines, cost, "priced", None, cost, None, None))


def _price_classes(usage: Usage, levels: tuple[Level, ...]) -> Priced:
    """The same, for every class of tokens a usage may have."""
    found = _classes(usage, levels)
    if len(found) != 2:
        return found
    level, quantities = found
    lines = []
    total = 0
    for rate, quantity in zip(level[3], quantities):  # noqa: B905 - both have the length of COMMON, and this is the hot path
        if quantity:
            if rate is None:
                return _lines(level, zip(COMMON, quantities, strict=True))
            unit, identity, amount, per, numerator, denominator = rate
            cost = quantity * numerator if denominator == 1 else divide_half_even(quantity * numerator, denominator)
            total += cost
            lines.append(_new(Line, (unit, quantity, identity, amount, per, cost)))
    return _new(Priced, (tuple(lines), total, "priced", None, total, None, None))


def _cost_of_classes(usage: Usage, levels: tuple[Level, ...]) -> int | None:
    """The cost in `_price_classes`."""
    found = _classes(usage, levels)
    if len(found) != 2:
        return None
    level, quantities = found
    total = 0
    for rate, quantity in zip(level[3], quantities):  # noqa: B905 - as there
        if quantity:
            if rate is None:
                return _lines(level, zip(COMMON, quantities, strict=True))[1]
            total += quantity * rate[4] if rate[5] == 1 else divide_half_even(quantity * rate[4], rate[5])
    return total


def _classes(usage: Usage, levels: tuple[Level, ...]) -> tuple[Level, tuple[int, ...]] | Priced:
    """The level of a usage without extras and its disjoint counts in the order of COMMON; or why it has no price."""
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
    if level[4]:  # reasoning goes with output
        said, thought = said + thought, 0
    if level[5]:  # 5-minute writes go with writes of unknown TTL
        other_write, write_5m = other_write + write_5m, 0
    return level, (plain, read, write_5m, write_1h, other_write, said, thought)


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
