"""What is wrong or odd in a price list or a company's terms, found before anything is priced by it.

Two rates tie where both could win for the same call: the same unit for the same model, equally narrow, from the same day. Then nothing
says which one holds, and a book with such a part is not made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.match import EXACT, exact_names, narrowness, overlap
from spanledger.enrich.catalog.rows import MULTIPLIER, OVERLAY, RANKS, Entry, Rate, rate_fields
from spanledger.enrich.catalog.units import CHARGED_EXTRAS, INSTEAD_OF_TOKENS, PARTS, REQUESTS
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.plans import EVER_NS, in_window, unix_ns
from spanledger.enrich.providers import canonical_provider
from spanledger.enrich.terms import Terms
from spanledger.enrich.terms_config import AliasTerms, ContractTerms, CustomerTerms, RateTerms

KNOWN_UNITS = frozenset({*PARTS, *INSTEAD_OF_TOKENS, *CHARGED_EXTRAS, REQUESTS})


class AmbiguousRateError(ValueError):
    """Two rates of a price list or of terms tie: nothing says which of them holds."""


class Finding(NamedTuple):
    """Something wrong ("error": it cannot be used) or odd ("warning") and where it is. `code` is stable."""

    severity: str
    code: str
    where: str
    message: str


def lint(part: CatalogFile | Terms) -> list[Finding]:
    """Everything that is wrong or odd in a catalog file or in terms, errors first."""
    odd = _odd_terms(part) if isinstance(part, Terms) else _odd_rates(part)
    return [*ambiguities(part), *sorted(odd)]


def refuse_ties(part: CatalogFile | Terms) -> None:
    """Raises AmbiguousRateError with one line that names two rates of which nothing says which holds."""
    if ties := ambiguities(part):
        more = f" (and {len(ties) - 1} more: `spanledger prices lint` lists them)" if len(ties) > 1 else ""
        raise AmbiguousRateError(f"{ties[0].where}: {ties[0].message}{more}")


def ambiguities(part: CatalogFile | Terms) -> list[Finding]:
    """Where nothing says which of two rates holds."""
    return sorted(set(_term_ties(part) if isinstance(part, Terms) else _rate_ties(part)))


# -- catalogs ------------------------------------------------------------------------------------------------------------


def _rate_ties(file: CatalogFile) -> Iterator[Finding]:
    for provider in file.providers():
        shelf = file.shelf(provider)
        if shelf is None:
            continue
        by_name: dict[str, list[Entry]] = defaultdict(list)
        for entry in shelf.entries:
            yield from _ties_of([(entry, rate) for rate in entry.rates])
            if entry.rank % RANKS == OVERLAY:
                for name in exact_names(entry.match):
                    by_name[name].append(entry)
            elif not entry.match:
                by_name[f"fills {entry.model}"].append(entry)
        for entries in by_name.values():
            if len(entries) > 1:
                yield from _ties_of([(entry, rate) for entry in entries for rate in entry.rates])
        patterns = [entry for entry in shelf.entries if entry.rank % RANKS == OVERLAY and narrowness(entry.match) < EXACT]
        for one, other in combinations(patterns, 2):
            if narrowness(one.match) == narrowness(other.match) and overlap(one.match, other.match):
                yield from _ties_of([(entry, rate) for entry in (one, other) for rate in entry.rates])


def _ties_of(rates: Iterable[tuple[Entry, Rate]]) -> Iterator[Finding]:
    groups: dict[Hashable, list[tuple[Entry, Rate]]] = defaultdict(list)
    for entry, rate in rates:
        groups[rate.unit, rate.context, rate.threshold, rate.op, unix_ns(rate.effective_from, EVER_NS[0])].append((entry, rate))
    for group in groups.values():
        for (entry, one), (second, other) in combinations(group, 2):
            if (one.amount, one.per, one.minimum, one.increment) == (other.amount, other.per, other.minimum, other.increment):
                continue
            if bool(one.window) == bool(other.window) and _windows_meet(one.window, other.window):
                since = one.effective_from or "the beginning"
                where = f" ({second.source})" if second.source != entry.source else ""
                whose = f" of {second.model}" if second.model != entry.model else ""
                costs = f"{one.amount} per {one.per} and {other.amount} per {other.per}{whose}{where}"
                yield Finding("error", "ambiguous", f"{entry.provider} {entry.model}", f"{one.unit} costs {costs}, both from {since} on")


def _windows_meet(one: str, other: str) -> bool:
    """Whether two daily windows share a minute of some weekday."""
    if one == other:
        return True
    week = range(7 * 1440)
    starts = {minute for minute in week if any(minute % 1440 == int(w[:2]) * 60 + int(w[3:5]) for w in (one, other))}
    return any(in_window(one, minute * 60_000_000_000) and in_window(other, minute * 60_000_000_000) for minute in starts)


def _odd_rates(file: CatalogFile) -> Iterator[Finding]:
    for entry in file.entries():
        where = f"{entry.provider} {entry.model}"
        if canonical_provider(entry.provider) != entry.provider:
            said = f"no call has this provider: spanledger calls it {canonical_provider(entry.provider)}"
            yield Finding("warning", "provider_name", where, said)
        for rate in entry.rates:
            yield from (Finding(severity, code, where, said) for severity, code, said in _odd_rate(rate))


def _odd_rate(rate: Rate) -> Iterator[tuple[str, str, str]]:
    shown = " ".join(str(field) for field in rate_fields(rate)[:3])
    try:
        numerator, _ = rational_from_text(rate.amount)
    except ValueError as error:
        yield "error", "amount", f"{rate.unit}: {error}"
        return
    if numerator < 0 or rate.per <= 0:
        yield "error", "amount", f"{shown}: negative amount, or for no units"
    if rate.effective_from and rate.effective_to and unix_ns(rate.effective_to, 0) <= unix_ns(rate.effective_from, 0):
        yield "error", "dates", f"{shown}: ends before it begins"
    if bool(rate.threshold) != bool(rate.op):
        yield "error", "threshold", f"{shown}: a threshold needs its operator"
    for key, _ in rate.context:
        if key not in ("service_tier", "region"):
            yield "warning", "context", f"{shown}: no call says its {key}, so this rate never holds"
    if rate.unit == MULTIPLIER and (rate.threshold or not any(key == "region" for key, _ in rate.context)):
        yield "error", "multiplier", f"{shown}: a multiplier is for a region, and has no threshold"
    elif rate.unit.endswith("_tokens") and rate.unit not in PARTS:
        yield "warning", "unit", f"{shown}: not a unit of tokens that calls are charged for"


# -- terms ---------------------------------------------------------------------------------------------------------------


def _term_ties(terms: Terms) -> Iterator[Finding]:
    config = terms.config
    kinds: tuple[Sequence[ContractTerms | CustomerTerms], ...] = (config.contracts, config.customers)
    for agreements in kinds:
        for said in agreements:
            yield from _own_ties(said)
        for one, other in combinations(agreements, 2):
            shared = _both_for(one, other)
            if shared:
                message = f"{shared} is agreed in {one.name!r} and in {other.name!r}, equally narrow and from the same day on"
                yield Finding("error", "ambiguous", one.name, message)
    for alias, second in combinations(config.aliases, 2):
        if _same_alias(alias, second):
            yield Finding("error", "ambiguous", alias.name, f"it stands for {alias.model} and for {second.model} from the same day on")


def _own_ties(said: ContractTerms | CustomerTerms) -> Iterator[Finding]:
    for one, other in combinations(said.rates, 2):
        meet = bool(one.window) == bool(other.window) and _windows_meet(one.window, other.window)
        if meet and _key(one) == _key(other) and _from(one, said) == _from(other, said):
            yield Finding("error", "ambiguous", said.name, f"{one.unit} costs {one.amount} and {other.amount} from the same day on")


def _key(rate: RateTerms) -> tuple[object, ...]:
    return rate.unit, tuple(sorted(rate.context.items())), rate.threshold, rate.op


def _from(rate: RateTerms, said: ContractTerms | CustomerTerms) -> int:
    return max(unix_ns(rate.start, EVER_NS[0]), unix_ns(said.start, EVER_NS[0]))


def _both_for(one: ContractTerms | CustomerTerms, other: ContractTerms | CustomerTerms) -> str:
    """A unit that two agreements speak of with nothing to choose between them; "" where there is none, "everything" for all units."""
    same = (
        _tenants(one) & _tenants(other)
        and (canonical_provider(one.provider) or one.provider) == (canonical_provider(other.provider) or other.provider)
        and len(one.context) == len(other.context)
        and all(other.context.get(key, value) == value for key, value in one.context.items())
        and one.start == other.start
        and (set(one.models) & set(other.models) or not (one.models or other.models))
        and _meters(one) == _meters(other)
    )
    if not same:
        return ""
    units, others = _units(one), _units(other)
    if units is None or others is None:
        return next(iter(sorted(units or others or {"everything"})))
    return next(iter(sorted(units & others)), "")


def _units(said: ContractTerms | CustomerTerms) -> set[str] | None:
    """The units an agreement speaks of; None: all."""
    if said.percent is not None and not said.units:
        return None
    return {*said.units, *(rate.unit for rate in said.rates)}


def _tenants(said: ContractTerms | CustomerTerms) -> set[str]:
    return {said.tenant} if isinstance(said, ContractTerms) else set(said.tenants) or {""}


def _meters(said: ContractTerms | CustomerTerms) -> set[str]:
    return set(said.meters) if isinstance(said, CustomerTerms) else set()


def _same_alias(one: AliasTerms, other: AliasTerms) -> bool:
    key = (one.name, one.tenant, canonical_provider(one.provider), one.start)
    return key == (other.name, other.tenant, canonical_provider(other.provider), other.start)


def _odd_terms(terms: Terms) -> Iterator[Finding]:
    for said in terms.config.agreements():
        if said.provider and canonical_provider(said.provider) is None:
            yield Finding("warning", "provider_name", said.name, f"{said.provider!r} is no provider")
        for unit in sorted({*said.units, *(rate.unit for rate in said.rates)} - KNOWN_UNITS):
            if not getattr(said, "meters", []):
                yield Finding("warning", "unit", said.name, f"{unit} is no unit that spanledger knows of")
    used = {said.currency for said in terms.config.agreements()}
    for code in sorted({one.code for one in terms.config.currencies} - used):
        yield Finding("warning", "currency", code, "no rate is in this currency")
