"""A price book: a base catalog, overlays on top, a company's terms and meters over all; what every call is priced by.

In order: what was agreed for the tenant, what was agreed at all, overlays (the last first), the base. A book is immutable; its id names
all its parts, so that a booked price can be looked up again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import Entry, Rate, canonical_json
from spanledger.enrich.catalog.stack import Stack
from spanledger.enrich.meters import Meter, MeteredPrices
from spanledger.enrich.price import Catalog, Priced, ShownModel, ShownRate
from spanledger.enrich.records import Call
from spanledger.enrich.terms import Terms


class Part(NamedTuple):
    """A part of a book: kind "base", "overlay" or "terms"."""

    kind: str
    id: str
    label: str


class PriceBook:
    """What calls cost under all that is agreed. Pure and thread-safe, as a Catalog is. Raises AmbiguousRateError when made."""

    def __init__(
        self, base: CatalogFile, overlays: Sequence[CatalogFile] = (), terms: Terms | None = None, meters: Sequence[Meter] = ()
    ) -> None:
        self.parts = (
            Part("base", base.id, base.label),
            *(Part("overlay", file.id, file.label) for file in overlays),
            *([Part("terms", terms.terms_id, terms.label)] if terms is not None else []),
        )
        self.catalog_id = base.id if len(self.parts) == 1 else _book_id(self.parts)
        self.label = " + ".join(part.label or part.id for part in self.parts)
        self.terms = terms
        self._catalog = Catalog(Stack(base, overlays, self.catalog_id, self.label) if overlays else base)
        self._listed = MeteredPrices(self._catalog, meters) if meters else self._catalog

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        """What a call that started then costs, and is charged the tenant."""
        return self._listed.price(call, start_ns, tenant)

    def models(self, provider: str | None = None) -> Iterator[ShownModel]:
        """Every model with list prices, see Catalog.models."""
        return self._catalog.models(provider)

    def rates_for(self, provider: str | None, model: str, at_ns: int | None = None) -> list[ShownRate]:
        """The list prices of a model, see Catalog.rates_for."""
        return self._catalog.rates_for(provider, model, at_ns)

    def rows(self) -> Iterator[tuple[Entry, Rate, str]]:
        """Every list price as (entry, rate, rate id)."""
        return self._catalog.rows()


def _book_id(parts: Sequence[Part]) -> str:
    """The id of a book: "pb1-" and 16 hex digits of the SHA-256 of its parts' kinds and ids, in order."""
    text = canonical_json([[part.kind, part.id] for part in parts])
    return "pb1-" + sha256(text.encode()).hexdigest()[:16]
