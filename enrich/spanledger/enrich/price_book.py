"""A price book: a base catalog, overlays on top, a company's terms and meters over all; what every call is priced by.

In order: what was agreed for the tenant, what was agreed at all, overlays (the last first), the base. A book is immutable; its id names
all its parts, so that a booked price can be looked up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from hashlib import sha256
from typing import Final, NamedTuple

from spanledger.enrich.agreed import Agreed, Below, Matched, plan_at
from spanledger.enrich.agreements import Agreements, CallNames, Item, RateSource, aliased, for_tenant, standing
from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import Entry, Rate, canonical_json
from spanledger.enrich.catalog.stack import Stack
from spanledger.enrich.commitments import Commitment, commitments_of
from spanledger.enrich.metered_terms import customer_price
from spanledger.enrich.meters import METERED, Meter, MeteredPrices
from spanledger.enrich.plans import Plan, Resolution
from spanledger.enrich.price import NO_USAGE, Catalog, Flat, Priced, ShownModel, ShownRate, flat_of, price_agreed, price_by
from spanledger.enrich.price_lint import refuse_ties
from spanledger.enrich.rates import Found, find, lookup_names, service_tier
from spanledger.enrich.records import Call
from spanledger.enrich.terms import Terms

_KEPT_MAX: Final = 8192
"""Deals kept in memory; hostile model names must not fill it."""


class Part(NamedTuple):
    """A part of a book: kind "base", "overlay" or "terms"."""

    kind: str
    id: str
    label: str


class Quote(NamedTuple):
    """How a call is billed at a time: at list, under contract (None where none is in force), to the customer (None likewise).

    It is the same for every usage, and from `from_ns` up to `to_ns`. `flat` is for the hot path, see `price_agreed`.
    """

    listed: Plan
    contracted: Plan | None
    customer: Plan | None
    from_ns: int
    to_ns: int
    flat: Flat | None


class CustomerLine(NamedTuple):
    """A line of what a customer is charged, as he may see it. `published` and `factor` make its amount, where the agreement is a percentage
    on the published price; else both are empty, for what the amount is made of is the company's own business."""

    unit: str
    quantity: int
    amount: str
    per: int
    price_usd: int
    published: str
    factor: str
    effective_from: str
    effective_to: str


class _Deal(NamedTuple):
    """What one call key costs from a time to another; what is agreed is None where no agreement is for it."""

    from_ns: int
    to_ns: int
    listed: Below
    contracted: Below | None
    customer: Below | None


class PriceBook:
    """What calls cost under all that is agreed. Pure and thread-safe: what it keeps are only results of its own content.

    Raises AmbiguousRateError when made, where two rates of its overlays or terms tie. A base is looked at when it is imported or put in
    force (`refuse_ties`), for that takes longer than all the rest.
    """

    def __init__(
        self, base: CatalogFile, overlays: Sequence[CatalogFile] = (), terms: Terms | None = None, meters: Sequence[Meter] = ()
    ) -> None:
        self.parts = (
            Part("base", base.id, base.label),
            *(Part("overlay", file.id, file.label) for file in overlays),
            *([Part("terms", terms.terms_id, terms.label)] if terms is not None else []),
        )
        for part in (*overlays, terms):
            if part is not None:
                refuse_ties(part)
        self.catalog_id = base.id if len(self.parts) == 1 else _book_id(self.parts)
        self.label = " + ".join(part.label or part.id for part in self.parts)
        self.terms = terms
        self._prices = Stack(base, overlays, self.catalog_id, self.label) if overlays else base
        self._catalog = Catalog(self._prices)
        self._metered = MeteredPrices(self._catalog, meters)
        self._agreements = Agreements(terms.config) if terms is not None else None
        self._deals: dict[tuple[str | None, ...], tuple[_Deal, ...]] = {}
        self._quotes: dict[tuple[str | None, ...], Quote] = {}

    @property
    def own_tenants(self) -> frozenset[str]:
        """The tenants that have something of their own: the calls of all others are priced alike."""
        return self._agreements.tenants if self._agreements is not None else frozenset()

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        """What a call that started then costs, and is charged the tenant."""
        agreements, usage = self._agreements, call[9]
        if (usage is None or usage[7]) and call[1].startswith(METERED):
            return self._metered_price(call, start_ns, tenant)
        if agreements is None:
            return self._catalog.price(call, start_ns)
        if usage is None:
            return NO_USAGE
        # what is agreed for one key holds for a time: most calls find it here, without a look at any rule
        key = (tenant if tenant in agreements.tenants else None, call[2], call[4], call[3], call[7], call[8])
        quote = self._quotes.get(key)
        if quote is None or not quote[3] <= start_ns < quote[4]:
            quote = self._quotes[key] = self.quote(call, start_ns, tenant)
        return price_agreed(usage, quote[0], quote[1], quote[2], quote[5])

    def _metered_price(self, call: Call, start_ns: int, tenant: str | None) -> Priced:
        """What a meter's quantities cost; no price where there is no meter of that name."""
        listed = self._metered.price(call, start_ns)
        if self._agreements is None:
            return listed
        return listed._replace(customer_price_usd=customer_price(self._agreements.customers, call, listed.lines, tenant, start_ns))

    def quote(self, call: Call, start_ns: int, tenant: str | None = None) -> Quote:
        """The rates behind `price`, for a call that no meter counted: for pricing many calls at once, and for explaining one."""
        deal = self._deal(self._agreements, call, start_ns, tenant)
        ways = [deal.listed, *(way for way in (deal.contracted, deal.customer) if way is not None)]
        listing = plan_at(deal.listed, start_ns)
        contracted = plan_at(deal.contracted, start_ns) if deal.contracted is not None else listing
        customer = plan_at(deal.customer, start_ns) if deal.customer is not None else None
        paid = None if contracted is listing else contracted
        return Quote(
            listing,
            paid,
            customer,
            max(deal.from_ns, *(way.latest[0] for way in ways)),
            min(deal.to_ns, *(way.latest[1] for way in ways)),
            flat_of(listing, paid, customer),
        )

    def customer_lines(self, call: Call, start_ns: int, tenant: str | None = None) -> tuple[CustomerLine, ...]:
        """The lines of the customer price in `price`, which they sum to; none where it has none, and for what a meter counted."""
        agreements, usage = self._agreements, call.usage
        if agreements is None or usage is None or call.usage_basis.startswith(METERED):
            return ()
        quote = self.quote(call, start_ns, tenant)
        charged = price_by(quote.customer, usage) if quote.customer is not None else None
        if charged is None or charged.cost_usd is None:
            return ()
        items = {item.identity: item for item in agreements.customers}
        listed = {line.unit: line.amount for line in price_by(quote.listed, usage).lines}
        found = []
        for unit, quantity, rate_id, amount, per, cost_usd in charged.lines:
            agreed = rate_id.rpartition("*")[2]
            item, source = items.get(agreed), agreements.sources[agreed]
            on_list = item is not None and item.basis == "list" and unit in listed
            published, factor = (listed[unit], item.factor) if on_list and item is not None else ("", "")
            found.append(CustomerLine(unit, quantity, amount, per, cost_usd, published, factor, source.effective_from, source.effective_to))
        return tuple(found)

    def contracts_for(self, call: Call, at_ns: int, tenant: str | None = None) -> list[Matched]:
        """The contracts that are for a call, whenever they hold; the names of models are those of that time."""
        agreements = self._agreements
        if agreements is None:
            return []
        aliases = aliased(agreements.aliases, call, tenant)
        meant = next(each for from_ns, to_ns, each in aliases if from_ns <= at_ns < to_ns)
        return _matched(agreements.contracts, self._named(meant)[1], tenant)

    def commitments(self, zone: Callable[[str], tzinfo]) -> list[Commitment]:
        """What was promised to be used; `zone` gives a time zone by its name."""
        return commitments_of(self.terms.config, self._agreements.contracts, zone) if self.terms and self._agreements else []

    def alias_edges(self) -> list[int]:
        """The moments (Unix ns) at which a name begins or ceases to mean a model."""
        return sorted({edge for alias in (self._agreements.aliases if self._agreements else ()) for edge in (alias.from_ns, alias.to_ns)})

    def _deal(self, agreements: Agreements | None, call: Call, start_ns: int, tenant: str | None) -> _Deal:
        own = tenant if agreements is not None and tenant in agreements.tenants else None
        key = (own, call[2], call[4], call[3], call[7], call[8])
        deals = self._deals.get(key)
        if deals is None:
            if len(self._deals) >= _KEPT_MAX:
                self._deals.clear()
                self._quotes.clear()
            deals = self._deals[key] = self._make(agreements, call, own)
        first = deals[0]
        return first if first[0] <= start_ns < first[1] else next(deal for deal in deals if deal[0] <= start_ns < deal[1])

    def _make(self, agreements: Agreements | None, call: Call, tenant: str | None) -> tuple[_Deal, ...]:
        meant = aliased(agreements.aliases if agreements else (), call, tenant)
        return tuple(self._deal_of(agreements, each, tenant, from_ns, to_ns) for from_ns, to_ns, each in meant)

    def _deal_of(self, agreements: Agreements | None, call: Call, tenant: str | None, from_ns: int, to_ns: int) -> _Deal:
        found, names = self._named(call)
        tier, region = names.tier, names.region
        listed = Resolution(found.entries, tier, region)
        if agreements is None:
            return _Deal(from_ns, to_ns, listed, None, None)
        contracts = _matched(agreements.contracts, names, tenant)
        contracted = Agreed(listed, listed, contracts, tier, region, whole=True, any_tier=False) if contracts else None
        customers = _matched(agreements.customers, names, tenant)
        customer = Agreed(listed, contracted or listed, customers, tier, region, whole=False, any_tier=True) if customers else None
        return _Deal(from_ns, to_ns, listed, contracted, customer)

    def _named(self, call: Call) -> tuple[Found, CallNames]:
        """What the price list has for a call, and the names by which agreements may mean it."""
        models = (call.response_model, call.request_model)
        found = find(self._prices, call.provider, models)
        known = [found.model] if found.entries else [model for model in models if model]
        spelled = [name for model in known for name in lookup_names(found.provider or "", model)]
        names = (*spelled, *(entry.model.lower() for entry in found.entries if entry.match))
        return found, CallNames(found.provider, names, service_tier(call.service_tier), (call.region or "").lower())

    # -- for people ----------------------------------------------------------------------------------------------------------

    def models(self, provider: str | None = None) -> Iterator[ShownModel]:
        """Every model with list prices, see Catalog.models."""
        return self._catalog.models(provider)

    def rates_for(self, provider: str | None, model: str, at_ns: int | None = None) -> list[ShownRate]:
        """The list prices of a model, see Catalog.rates_for."""
        return self._catalog.rates_for(provider, model, at_ns)

    def rows(self) -> Iterator[tuple[Entry, Rate, str]]:
        """Every list price as (entry, rate, rate id)."""
        return self._catalog.rows()

    def sources(self, rate_id: str) -> list[RateSource]:
        """What a line's rate is made of, the published price first; empty for an id that is not of this book.

        Looks through the whole catalog where it must.
        """
        found = []
        for part in rate_id.split("*"):
            agreed = self._agreements.sources.get(part) if self._agreements else None
            held = agreed or next((_listed_source(entry, rate) for entry, rate, own in self.rows() if own == part), None)
            found += [held] if held else []
        return found


def _listed_source(entry: Entry, rate: Rate) -> RateSource:
    text = f"{entry.provider} {entry.model}: {rate.unit} {rate.amount} per {rate.per}"
    return RateSource("catalog", entry.source, text, rate.effective_from, rate.effective_to)


def _matched(items: Sequence[Item], names: CallNames, tenant: str | None) -> list[Matched]:
    return [Matched(found, item) for item in for_tenant(items, tenant) if (found := standing(item, names)) is not None]


def _book_id(parts: Sequence[Part]) -> str:
    """The id of a book: "pb1-" and 16 hex digits of the SHA-256 of its parts' kinds and ids, in order."""
    text = canonical_json([[part.kind, part.id] for part in parts])
    return "pb1-" + sha256(text.encode()).hexdigest()[:16]
