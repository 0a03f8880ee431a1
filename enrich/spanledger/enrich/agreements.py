"""A company's terms made ready to be applied: which of them are for a call, and what each says of a unit.

Currencies are gone here: a rate in euros has become one rate in USD for every period of its exchange rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple

from spanledger.enrich.catalog.rows import Rate, canonical_json
from spanledger.enrich.money import product_text, share_text
from spanledger.enrich.plans import EVER_NS, UnitRate, fits, unit_rate, unix_ns
from spanledger.enrich.providers import canonical_provider
from spanledger.enrich.records import Call
from spanledger.enrich.terms_config import AliasTerms, CommitmentTerms, ContractTerms, CurrencyTerms, CustomerTerms, RateTerms, TermsConfig

_EXACT: Final = 1 << 16
"""How narrow a whole name is: narrower than any beginning of one."""


class RateSource(NamedTuple):
    """Where a rate comes from, for people: kind "catalog", "contract" or "customer", whose it is, what it says, and its dates."""

    kind: str
    name: str
    text: str
    effective_from: str
    effective_to: str


class Fixed(NamedTuple):
    """A fixed rate: `rate` says when it holds (unit, context, threshold, window), `priced` is what it is in USD."""

    rate: Rate
    priced: UnitRate
    from_ns: int
    to_ns: int


class Item(NamedTuple):
    """One agreement: for whom and which calls, and either fixed rates or a `factor` on the rates below it, or both.

    Empty `tenants`, `provider`, `models`, `units`: for all. `basis` is what a factor is on: "list" or "cost".
    """

    identity: str
    tenants: frozenset[str]
    provider: str
    models: tuple[str, ...]
    context: tuple[tuple[str, str], ...]
    meters: tuple[str, ...]
    units: frozenset[str]
    factor: str
    basis: str
    fixed: tuple[Fixed, ...]
    from_ns: int
    to_ns: int

    def covers(self, unit: str) -> bool:
        """Whether the factor is for a unit."""
        return bool(self.factor) and (not self.units or unit in self.units)


Standing = tuple[bool, int, bool, int]
"""How narrow an agreement is for a call: by tenant, by model, by provider, by context; the greater wins."""


class CallNames(NamedTuple):
    """What agreements are compared with: the provider, every name the model goes by, tier and region."""

    provider: str | None
    models: tuple[str, ...]
    tier: str
    region: str


def standing(item: Item, names: CallNames) -> Standing | None:
    """How narrow an agreement is for a call; None where it is not for it. The tenant has been looked at."""
    if item.meters or (item.provider and item.provider != names.provider) or not fits(item.context, names.tier, names.region):
        return None
    model = 0
    if item.models:
        last = len(names.models) - 1  # a name as it was sent is narrower than what it stands for, which comes later
        found = ((narrowness(pattern, name), last - n) for pattern in item.models for n, name in enumerate(names.models))
        model = max((width + before if width == _EXACT else width for width, before in found), default=0)
        if not model:
            return None
    return bool(item.tenants), model, bool(item.provider), len(item.context)


def narrowness(pattern: str, name: str) -> int:
    """How narrowly a pattern names something: 0 for not at all, else by its length, a whole name above all."""
    if pattern.endswith("*"):
        return len(pattern) if name.startswith(pattern[:-1]) else 0
    return _EXACT if name == pattern else 0


class Agreements:
    """All of a company's terms, ready. `tenants` are those that have something of their own."""

    def __init__(self, config: TermsConfig) -> None:
        self.sources: dict[str, RateSource] = {}
        self._rates_of = exchange(config.currencies)
        self.contracts = [self._contract(each) for each in config.contracts]
        self.customers = [self._customer(each) for each in config.customers]
        self.aliases = [_alias(each) for each in config.aliases]
        named = {tenant for item in (*self.contracts, *self.customers) for tenant in item.tenants}
        self.tenants = frozenset(named | {alias.tenant for alias in self.aliases if alias.tenant})

    def _contract(self, said: ContractTerms) -> Item:
        item = self._item(said, "contract")
        factor = share_text(said.discount, -1) if said.discount is not None else ""
        self._told(item.identity, "contract", said, f"{said.discount} % off list" if factor else "fixed rates")
        if said.commitment is not None:
            self._told(commitment_identity(said), "commitment", said, commitment_text(said.commitment))
        return item._replace(tenants=frozenset([said.tenant] if said.tenant else []), factor=factor, basis="list")

    def _customer(self, said: CustomerTerms) -> Item:
        item = self._item(said, "customer")
        factor = share_text(said.markup, 1) if said.markup is not None else ""
        self._told(item.identity, "customer", said, f"{said.markup} % on {said.basis}" if factor else "fixed rates")
        return item._replace(tenants=frozenset(said.tenants), factor=factor, basis=said.basis, meters=tuple(said.meters))

    def _item(self, said: ContractTerms | CustomerTerms, kind: str) -> Item:
        identity = identity_of([kind, said.model_dump(mode="json", by_alias=True, exclude={"name", "rates", "commitment"})])
        from_ns, to_ns = unix_ns(said.start, EVER_NS[0]), unix_ns(said.end, EVER_NS[1])
        fixed = tuple(one for rate in said.rates for one in self._fixed(rate, said, kind, identity))
        provider = canonical_provider(said.provider) or said.provider
        context = tuple(sorted(said.context.items()))
        units = frozenset(said.units)
        return Item(identity, frozenset(), provider, tuple(said.models), context, (), units, "", "cost", fixed, from_ns, to_ns)

    def _fixed(self, said: RateTerms, of: ContractTerms | CustomerTerms, kind: str, identity: str) -> Iterator[Fixed]:
        """A rate in USD, once for every exchange rate of its time."""
        from_ns = max(unix_ns(said.start, EVER_NS[0]), unix_ns(of.start, EVER_NS[0]))
        to_ns = min(unix_ns(said.end, EVER_NS[1]), unix_ns(of.end, EVER_NS[1]))
        rate = Rate(said.unit, said.amount, said.per, tuple(sorted(said.context.items())), said.threshold, said.op, said.window)
        for since_ns, until_ns, usd in self._rates_of.get(of.currency, [(*EVER_NS, "1")]):
            if max(from_ns, since_ns) < min(to_ns, until_ns):
                own = identity_of([identity, said.model_dump(mode="json", by_alias=True), of.currency, usd])
                amount = said.amount if of.currency == "USD" else product_text(said.amount, usd)
                exchanged = "" if of.currency == "USD" else f" at {usd} USD"
                text = f"{said.unit} {said.amount} {of.currency}{exchanged} per {said.per}"
                self.sources[own] = RateSource(kind, of.name, text, said.start or of.start, said.end or of.end)
                priced = unit_rate(said.unit, own, amount, said.per)
                yield Fixed(rate, priced, max(from_ns, since_ns), min(to_ns, until_ns))

    def _told(self, identity: str, kind: str, said: ContractTerms | CustomerTerms, text: str) -> None:
        self.sources[identity] = RateSource(kind, said.name, text, said.start, said.end)


def for_tenant(items: Iterable[Item], tenant: str | None) -> list[Item]:
    """The agreements that are for everybody or for this payer."""
    return [item for item in items if not item.tenants or tenant in item.tenants]


def identity_of(said: object) -> str:
    """The id of something agreed, by its content."""
    return "k-" + sha256(canonical_json(said).encode()).hexdigest()[:16]


def commitment_identity(said: ContractTerms) -> str:
    """The rate id of a commitment's lines: made of what was promised and by which contract."""
    promised = said.commitment.model_dump(mode="json", exclude_defaults=True) if said.commitment else None
    return identity_of(["commitment", said.name, said.start, said.end, promised])


def commitment_text(said: CommitmentTerms) -> str:
    """What was promised, for people."""
    each = "over the contract" if said.period == "contract" else f"a {said.period}"
    more = f", use beyond it {said.overage} % dearer" if said.overage is not None else ""
    return f"{said.amount} {said.currency} {each} ({said.tz}){more}"


def exchange(currencies: Sequence[CurrencyTerms]) -> dict[str, list[tuple[int, int, str]]]:
    """Exchange rates by currency: (from, to, USD for one of it) in order; a rate holds until the next."""
    by_code: dict[str, list[CurrencyTerms]] = {}
    for one in sorted(currencies, key=lambda each: unix_ns(each.start, EVER_NS[0])):
        by_code.setdefault(one.code, []).append(one)
    found = {}
    for code, held in by_code.items():
        starts = [unix_ns(one.start, EVER_NS[0]) for one in held]
        found[code] = [(start, end, one.usd) for one, start, end in zip(held, starts, [*starts[1:], EVER_NS[1]], strict=True)]
    return found


# -- names of the company's own ------------------------------------------------------------------------------------------


class Alias(NamedTuple):
    """A name of the company's own for a model, from a time to another."""

    name: str
    provider: str
    tenant: str
    model: str
    to_provider: str
    region: str
    service_tier: str
    from_ns: int
    to_ns: int


def _alias(said: AliasTerms) -> Alias:
    provider = canonical_provider(said.provider) or said.provider
    from_ns, to_ns = unix_ns(said.start, EVER_NS[0]), unix_ns(said.end, EVER_NS[1])
    return Alias(said.name, provider, said.tenant, said.model, said.to_provider, said.region, said.service_tier, from_ns, to_ns)


def aliased(aliases: Sequence[Alias], call: Call, tenant: str | None) -> list[tuple[int, int, Call]]:
    """(from, to, the call with the models it means) for all time.

    The served model's name is looked at first: what it stands for tells provider, region and tier; the requested one's where it stands for
    nothing.
    """
    provider = canonical_provider(call.provider)
    mine = [
        alias
        for alias in aliases
        if alias.tenant in ("", tenant or "") and alias.provider in ("", provider) and (_named(alias, call[4]) or _named(alias, call[3]))
    ]
    if not mine:
        return [(*EVER_NS, call)]
    edges = sorted({edge for alias in mine for edge in (alias.from_ns, alias.to_ns)} | set(EVER_NS))
    return [(start, end, _meant([one for one in mine if one.from_ns <= start < one.to_ns], call)) for start, end in pairwise(edges)]


def _meant(aliases: Sequence[Alias], call: Call) -> Call:
    served, asked = _best(aliases, call.response_model), _best(aliases, call.request_model)
    said = served or asked
    if said is None:
        return call
    return call._replace(
        provider=said.to_provider or call.provider,
        response_model=served.model if served else call.response_model,
        request_model=asked.model if asked else call.request_model,
        region=said.region or call.region,
        service_tier=call.service_tier or said.service_tier or None,
    )


def _best(aliases: Iterable[Alias], model: str | None) -> Alias | None:
    named = [alias for alias in aliases if _named(alias, model)]
    return max(named, key=lambda one: (bool(one.tenant), _named(one, model), bool(one.provider), one.from_ns), default=None)


def _named(alias: Alias, model: str | None) -> int:
    """How narrowly an alias names a model as sent, with or without a gateway's route before it ("azure/prod-chat")."""
    name = (model or "").strip().lower()
    return (narrowness(alias.name, name) or narrowness(alias.name, name.partition("/")[2])) if name else 0
