"""Meters: prices for what is no provider inference (tools, retrieval, remote agents, own compute, bytes), as rules of the user's.

A meter is matched when a span is read, since only then are its attributes at hand; what it counts travels on the reading as units of
the form `meter:SURFACE:STATE:NAME:UNIT`, so that a trace settles the same whatever the configuration has become since. Its rates are
looked up by name when the charge is booked. Spans of inference are never metered: the catalog prices them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, Protocol

from spanledger.enrich.events import Line
from spanledger.enrich.money import divide_half_even, line_cost, rational_from_text
from spanledger.enrich.price import Priced, priced, unpriced
from spanledger.enrich.records import Call, Kind, Usage
from spanledger.enrich.refs import look_up, parse_object, split_ref

METERED: Final = "meter:"
"""What the unit of a metered quantity and the usage basis of a metered charge begin with."""
METERED_SPLIT: Final = 1_000_000
"""Metered charges count their split index from here, so that a span may have one beside the charge of its usage."""
CALLS: Final = "calls"
WALL_CLOCK: Final = "wall_clock_ms"
TOKENS: Final = ("input_tokens", "output_tokens")
QUANTITY_MAX: Final = 10**18
"""A larger number is no quantity; it also fits the 64 bits of the ledger."""
_ENDLESS_NS: Final = 1 << 63
_SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRate:
    """What one unit costs: `amount` USD per `per` units, for spans that start from `from_ns` up to `to_ns`.

    `unit` is "calls", "wall_clock_ms", "input_tokens" or "output_tokens" (of the span's own usage), or a name for the number at
    `attribute` (a reference as in dialects), which is multiplied by `scale` and rounded half-even to whole units. `tiers` are
    (units a month already used, amount from then on); see docs/metering.md for when they are reckoned.
    """

    unit: str
    amount: str
    per: int = 1
    attribute: str = ""
    scale: int = 1
    from_ns: int = 0
    to_ns: int = _ENDLESS_NS
    tiers: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A cost surface: which spans it meters (every condition given must hold, an empty one always does) and at what rates.

    `scopes` may end in "*". `attributes`: reference -> the texts of which it must have one (numbers and booleans as text).
    `estimated` marks its charges as estimates. `charge_failed`: whether failed spans cost too.
    """

    name: str
    surface: str
    rates: tuple[MeterRate, ...]
    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    span_kinds: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    estimated: bool = False
    charge_failed: bool = True

    def unit_of(self, unit: str) -> str:
        """The unit as readings carry it."""
        return f"{METERED}{self.surface}:{'estimated' if self.estimated else 'measured'}:{self.name}:{unit}"


def number_refs_of(meters: Sequence[Meter]) -> Iterator[str]:
    """The references meters count."""
    return (rate.attribute for meter in meters for rate in meter.rates if rate.attribute)


def text_refs_of(meters: Sequence[Meter]) -> Iterator[str]:
    """The references meters compare with texts."""
    return (ref for meter in meters for ref in meter.attributes)


# -- reading -------------------------------------------------------------------------------------------------------------


class SpanFacts(NamedTuple):
    """What a meter looks at of a span that has been read; `span` is its protobuf message."""

    facts: Mapping[Any, Any]
    kind: Kind
    operation: str | None
    call: Call | None
    failed: bool
    span: Any


def meters_for(meters: Sequence[Meter], scope: str, service: str | None) -> tuple[Meter, ...]:
    """The meters that can match spans of an instrumentation scope (by name) and a service."""
    return tuple(
        meter
        for meter in meters
        if (not meter.scopes or any(_is_like(scope, pattern) for pattern in meter.scopes))
        and (not meter.services or service in meter.services)
    )


def metered_call(meters: Sequence[Meter], said: SpanFacts) -> Call | None:
    """The span's call with what the first meter that matches counts of it; the call as it was where none does."""
    if said.kind == "inference":
        return said.call
    for meter in meters:
        if _matches(meter, said):
            return _counted(meter, said)
    return said.call


def _is_like(text: str, pattern: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _matches(meter: Meter, said: SpanFacts) -> bool:
    tool = said.call.tool_name if said.call is not None else None
    return (
        (not meter.kinds or said.kind in meter.kinds)
        and (not meter.operations or said.operation in meter.operations)
        and (not meter.tools or tool in meter.tools)
        and (not meter.span_kinds or _span_kind(said.span) in meter.span_kinds)
        and (meter.charge_failed or not said.failed)
        and all(_text(_at(said.facts, ref)) in texts for ref, texts in meter.attributes.items())
    )


def _span_kind(span: Any) -> str:
    return _SPAN_KINDS[span.kind] if 0 <= span.kind < len(_SPAN_KINDS) else ""


def _at(facts: Mapping[Any, Any], ref: str) -> object:
    key, path = split_ref(ref)
    value = facts.get(key)
    if not path or value is None:
        return value
    return look_up(parse_object(value), path) if isinstance(value, str) else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _counted(meter: Meter, said: SpanFacts) -> Call:
    """The call with the meter's units on it; a quantity that the span does not tell is left out, and the charge will be unpriced."""
    call = said.call or Call("meter")
    usage = call.usage or Usage()
    found = {CALLS: 1}
    for rate in meter.rates:
        quantity = _quantity(rate, said, usage)
        if quantity is not None:
            found[rate.unit] = quantity
    units = {**dict(usage.extra), **{meter.unit_of(unit): quantity for unit, quantity in found.items()}}
    return call._replace(usage=usage._replace(extra=tuple(sorted(units.items()))))


def _quantity(rate: MeterRate, said: SpanFacts, usage: Usage) -> int | None:
    if rate.attribute:
        return whole_quantity(_at(said.facts, rate.attribute), rate.scale)
    if rate.unit == CALLS:
        return 1
    if rate.unit == WALL_CLOCK:
        span = said.span
        return max(0, span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000 if span.end_time_unix_nano else None
    return usage.input_tokens if rate.unit == "input_tokens" else usage.output_tokens


def whole_quantity(value: object, scale: int) -> int | None:
    """`value` (a number, or its text) times `scale`, rounded half-even; None for anything else, a negative or an absurd one.

    A float counts as the decimal it is written as, so 0.1 seconds at scale 1000 are 100 and not 100.00000000000001.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    if not exact.is_finite() or exact < 0 or exact > QUANTITY_MAX or exact.adjusted() < -40:
        return 0 if exact.is_finite() and exact == 0 else None
    numerator, denominator = exact.as_integer_ratio()
    quantity = divide_half_even(numerator * scale, denominator)
    return quantity if quantity <= QUANTITY_MAX else None


# -- settling ------------------------------------------------------------------------------------------------------------


def parted(call: Call) -> tuple[Call | None, Call] | None:
    """(the call without what was metered, the metered call) of a reading's call; None where nothing was metered.

    A meter that counts the span's tokens is charged for them, so they do not stand in for the silent calls below any more.
    """
    usage = call.usage
    if usage is None or not any(unit.startswith(METERED) for unit, _ in usage.extra):
        return None
    name, state, units = "", "measured", []
    for unit, quantity in usage.extra:
        if unit.startswith(METERED):
            _, _, state, name, own = unit.split(":", 4)
            units.append((own, quantity))
    metered = Call(
        call.dialect,
        f"{METERED}{name}",
        call.provider,
        tool_name=call.tool_name,
        error_type=call.error_type,
        attempt=call.attempt,
        usage=Usage(extra=tuple(units)),
        usage_state="estimated" if state == "estimated" else "measured",
    )
    rest = usage._replace(extra=tuple((unit, quantity) for unit, quantity in usage.extra if not unit.startswith(METERED)))
    if rest == Usage() or any(unit in TOKENS for unit, _ in units):
        return (None if call.dialect == "meter" else call._replace(usage=None, usage_state="missing")), metered
    return call._replace(usage=rest), metered


def surface_of(call: Call) -> str:
    """The cost surface that a reading's call was metered for."""
    units = call.usage.extra if call.usage is not None else ()
    return next((unit.split(":", 2)[1] for unit, _ in units if unit.startswith(METERED)), "other")


# -- pricing -------------------------------------------------------------------------------------------------------------


class _Prices(Protocol):
    @property
    def catalog_id(self) -> str: ...

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced: ...


class MeteredPrices:
    """The catalog for what providers charge, the meters' rates for what was metered. Only made where meters are configured."""

    def __init__(self, catalog: _Prices, meters: Sequence[Meter]) -> None:
        self._catalog = catalog
        self._meters = {f"{METERED}{meter.name}": meter for meter in meters}

    @property
    def catalog_id(self) -> str:
        """Content id of the catalog; the meters are part of the ruleset."""
        return self._catalog.catalog_id

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        """What a call costs: by its meter where it was metered, else by the catalog."""
        if not call.usage_basis.startswith(METERED):
            return self._catalog.price(call, start_ns, tenant)
        meter = self._meters.get(call.usage_basis)
        if meter is None:
            return unpriced("unknown_meter")
        return price_metered(meter, dict(call.usage.extra) if call.usage is not None else {}, start_ns)


def price_metered(meter: Meter, quantities: Mapping[str, int], start_ns: int) -> Priced:
    """The lines of a metered span, each rounded once; unpriced as a whole where one of its quantities is not known.

    Monthly tiers play no part here: every unit is at the base rate, so that a charge depends on its own span alone.
    """
    lines = []
    for unit in dict.fromkeys(rate.unit for rate in meter.rates):
        if unit not in quantities:
            return unpriced(f"no_quantity:{unit}")
        rate = rate_at(meter, unit, start_ns)
        if rate is None:
            return unpriced("not_effective_yet")
        if quantities[unit]:
            lines.append(_line(meter, rate, quantities[unit]))
    return priced(lines)


def rate_at(meter: Meter, unit: str, start_ns: int) -> MeterRate | None:
    """The rate of a unit in force then; the last that is listed where several are."""
    return next((rate for rate in reversed(meter.rates) if rate.unit == unit and rate.from_ns <= start_ns < rate.to_ns), None)


def _line(meter: Meter, rate: MeterRate, quantity: int) -> Line:
    numerator, denominator = rational_from_text(rate.amount)
    cost = line_cost(quantity, numerator, denominator * rate.per)
    return Line(rate.unit, quantity, f"{METERED}{meter.name}:{rate.unit}", rate.amount, rate.per, cost)
