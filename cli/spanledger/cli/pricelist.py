"""What catalogs say, as rows: the models they know, and every rate of one with its conditions, dates and source."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.errors import UserError
from spanledger.cli.explaining import Entry, FindRate, RateInfo
from spanledger.cli.price_folder import moment, reading
from spanledger.enrich.agreements import RateSource
from spanledger.enrich.price import ShownModel, ShownRate
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.providers import canonical_provider
from spanledger.enrich.terms import Terms
from spanledger.store.catalogs import (
    ACTIVE,
    SHIPPED,
    Parts,
    UnknownCatalogError,
    build,
    content_of,
    file_of,
    names_in,
    parts_of,
    shipped_file,
    stored,
)
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import lone, resolve
from spanledger.store.times import parse_time

Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]

RATE_OPTIONAL = ("verified_on", "window", "effective_kind", "rate_id", "tier", "effective_to", "listed_in", "provider", "source")
"""What a table of rates does without on a narrow terminal, or where nothing is in it."""
HISTORY_OPTIONAL = ("verified_on", "window", "effective_kind", "rate_id", "first_kept", "tier", "provider", "source", "catalogs")

_NEAR_MAX = 5
_RATE_COLUMNS = (*ShownRate._fields, "listed_in")


class Layer(NamedTuple):
    """One catalog of a book, by the name people know it by."""

    name: str
    catalog: PriceBook


def layers(metastore: Metastore | None, parts: Parts) -> list[Layer]:
    """The catalogs of a book, the uppermost overlay first and the base last."""
    names = names_in(metastore)
    return [Layer(names.get(each, each), PriceBook(file_of(metastore, each))) for each in (*reversed(parts.overlays), parts.base)]


# -- models and rates ----------------------------------------------------------------------------------------------------


def model_rows(data: Path, catalog: str, search: str | None, provider: str | None) -> Rows:
    """Every model with prices whose name contains `search`, of a book, the base or overlay that `catalog` names."""
    wanted = (search or "").lower()
    with reading(data) as metastore:
        known = _named_layers(metastore, catalog)[1]
    found = [model for layer in known for model in layer.catalog.models(_canonical(provider)) if wanted in model.model.lower()]
    if not found:
        raise UserError(
            f"no model {f'with {search!r} in its name ' if search else ''}{f'of provider {provider} ' if provider else ''}has a price"
        )
    return ShownModel._fields, sorted(set(found)) if len(known) > 1 else found


def show_rows(data: Path, names: Sequence[str], provider: str | None, at: str | None) -> Rows:
    """The rates of a model in a book (default: the one in force), or what a book is made of."""
    with reading(data) as metastore:
        if len(names) == 2:
            title, known = _named_layers(metastore, names[0])
            return _rate_rows(known, names[1], provider, at, title)
        if len(names) > 2:
            raise UserError(f"give a catalog, a model, or both: {' '.join(names)!r} are {len(names)} words")
        name = names[0] if names else ACTIVE
        try:
            ids = lone(metastore, name).ids
        except UnknownCatalogError:
            return _rate_rows(layers(metastore, resolve(metastore, ACTIVE)), name, provider, at, ACTIVE)
        return part_rows(metastore, ids)


def _named_layers(metastore: Metastore | None, text: str) -> tuple[str, list[Layer]]:
    """What a word of the command line names, alone: an overlay is looked into by itself and not as a part of the book in force."""
    name, ids = lone(metastore, text)
    files = [each for each in ids if not each.startswith("tm1-")]
    if not files:
        raise UserError(f"{name} are terms, which have no models of their own: `spanledger prices export {text} --format toml` shows them")
    return name, layers(metastore, Parts(files[0], tuple(files[1:])))


def part_rows(metastore: Metastore | None, ids: Sequence[str]) -> Rows:
    """What a book or one of its parts is: one row a part, the base first."""
    known = {one.catalog_id: one for one in stored(metastore)} if metastore is not None else {}
    rows = []
    for catalog_id in ids:
        one, content = known.get(catalog_id), content_of(metastore, catalog_id)
        models = None if isinstance(content, Terms) else sum(1 for _ in content.entries())
        if one is not None:
            rows.append([one.kind, one.name, catalog_id, models, moment(one.added_ns), one.source])
        else:
            rows.append(["catalog", SHIPPED, catalog_id, models, None, content.label])
    return ("kind", "name", "id", "models", "added", "source"), rows


def _rate_rows(known: Sequence[Layer], model: str, provider: str | None, at: str | None, title: str) -> Rows:
    at_ns = None if at == "ever" else parse_time(at or "now", time.time_ns())
    rates = [(layer, rate) for layer in known for rate in layer.catalog.rates_for(_canonical(provider), model, at_ns)]
    if not rates:
        raise UserError(_no_rates(known, model, provider, at, title))
    return _RATE_COLUMNS, [[*_shown_rate(rate), layer.name] for layer, rate in rates]


def _shown_rate(rate: ShownRate) -> list[Any]:
    return [_shown(name, value) for name, value in zip(ShownRate._fields, rate, strict=True)]


def _shown(name: str, value: Any) -> Any:
    return Decimal(value) if name == "amount" else (None if value == "" else value)


def _no_rates(known: Sequence[Layer], model: str, provider: str | None, at: str | None, title: str) -> str:
    if at != "ever" and any(layer.catalog.rates_for(_canonical(provider), model, None) for layer in known):
        return f"{model} has prices, but none in force {f'on {at}' if at else 'now'}: see --at ever"
    each_model = (each.model for layer in known for each in layer.catalog.models(_canonical(provider)))
    near = list(dict.fromkeys(each for each in each_model if model.lower() in each.lower()))[:_NEAR_MAX]
    hint = f"; there {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else "; `spanledger prices models` shows what there is"
    where = "" if title == ACTIVE else f" in {title}"
    return f"no prices for {model}{f' of {provider}' if provider else ''}{where}{hint}"


def _canonical(provider: str | None) -> str | None:
    return None if provider is None else (canonical_provider(provider) or provider)


# -- over all catalogs ---------------------------------------------------------------------------------------------------


def history_rows(data: Path, model: str, provider: str | None) -> Rows:
    """Every rate a model has in any catalog of the folder or the shipped one, by unit and date, with the catalogs that have it."""
    with reading(data) as metastore:
        known = list(_every_layer(metastore))
    found: dict[str, tuple[ShownRate, list[str], int | None]] = {}
    for layer, added_ns in known:
        for rate in layer.catalog.rates_for(_canonical(provider), model, None):
            _, names, first = found.get(rate.rate_id, (rate, [], added_ns))
            found[rate.rate_id] = (rate, [*names, layer.name], first)
    if not found:
        raise UserError(_no_rates([layer for layer, _ in known], model, provider, "ever", ACTIVE))
    ranked = sorted(found.values(), key=_by_unit_and_time)
    rows = [
        [*_shown_rate(rate), None if first is None else moment(first), ", ".join(dict.fromkeys(names))] for rate, names, first in ranked
    ]
    return (*ShownRate._fields, "first_kept", "catalogs"), rows


def _by_unit_and_time(found: tuple[ShownRate, list[str], int | None]) -> tuple[Any, ...]:
    rate, _, first_ns = found
    return rate.provider, rate.unit, rate.context, rate.tier, rate.effective_from, first_ns or 0


def _every_layer(metastore: Metastore | None) -> Iterator[tuple[Layer, int | None]]:
    """Every catalog and overlay there is, oldest first, with when it was kept."""
    kept = [one for one in stored(metastore) if one.kind != "terms"] if metastore is not None else []
    for one in kept:
        yield Layer(one.name, PriceBook(file_of(metastore, one.catalog_id))), one.added_ns
    if shipped_file().id not in {one.catalog_id for one in kept}:
        yield Layer(SHIPPED, PriceBook(shipped_file())), None


# -- for explanations ----------------------------------------------------------------------------------------------------


def rate_finder(metastore: Metastore | None = None) -> FindRate:
    """Looks rates up in the book that priced the entry, whatever is in force now. The metastore must stay open meanwhile.

    A rate that an agreement makes of a published one is told with both. A rate of a book that this folder never kept is not found.
    """
    books: dict[str, _Book | None] = {}
    known: dict[tuple[Any, ...], Mapping[str, RateInfo]] = {}

    def find(rate_id: str, entry: Entry) -> RateInfo | None:
        book_id = entry["catalog_id"]
        if book_id not in books:
            books[book_id] = _book_kept(metastore, book_id)
        book = books[book_id]
        if book is None:
            return None
        key = (book_id, entry["provider"], entry["response_model"], entry["request_model"])
        if key not in known:
            known[key] = _rates_named(book.layers, *key[1:])
        return _joined([known[key].get(part) or book.rate(part) for part in rate_id.split("*")])

    return find


class _Book:
    """A book on record with the names of its parts."""

    def __init__(self, prices: PriceBook, known: list[Layer], terms: str) -> None:
        self.prices, self.layers, self._terms = prices, known, terms
        self._every: dict[str, RateInfo] | None = None

    def rate(self, rate_id: str) -> RateInfo | None:
        """A rate by its id alone: of a call whose names lead to it only through an alias or another file's names, or an agreement's."""
        if self._every is None:
            self._every = _every_rate(self.layers)
        if rate_id in self._every:
            return self._every[rate_id]
        agreed = self.prices.sources(rate_id) if self._terms else []
        return _agreed(agreed[0], self._terms) if agreed else None


def _book_kept(metastore: Metastore | None, book_id: str) -> _Book | None:
    try:
        parts = parts_of(metastore, book_id)
    except UnknownCatalogError:
        return None
    return _Book(
        build(metastore, parts), layers(metastore, parts), names_in(metastore).get(parts.terms, parts.terms) if parts.terms else ""
    )


def _agreed(source: RateSource, terms: str) -> RateInfo:
    return RateInfo(f"{source.kind} {source.name}: {source.text}", source.effective_from or None, source.effective_to or None, terms)


def _joined(parts: Sequence[RateInfo | None]) -> RateInfo | None:
    """What is known of a rate that several make together: it holds while all of them do."""
    found = [part for part in parts if part is not None]
    if len(found) < 2:
        return found[0] if found else None
    starts, ends = (
        [each.effective_from for each in found if each.effective_from],
        [each.effective_to for each in found if each.effective_to],
    )
    lists = dict.fromkeys(each.listed_in for each in found if each.listed_in)
    return RateInfo("; ".join(each.source or "" for each in found), max(starts, default=None), min(ends, default=None), " and ".join(lists))


def _rates_named(known: Sequence[Layer], provider: str | None, *models: str | None) -> dict[str, RateInfo]:
    return {
        rate.rate_id: RateInfo(rate.source, rate.effective_from or None, rate.effective_to or None, layer.name)
        for layer in known
        for model in models
        if model
        for rate in layer.catalog.rates_for(provider, model)
    }


def _every_rate(known: Sequence[Layer]) -> dict[str, RateInfo]:
    """All rates of a book: for a call whose names lead to its rates only through an alias, or through another file's names."""
    return {
        rate_id: RateInfo(entry.source, rate.effective_from or None, rate.effective_to or None, layer.name)
        for layer in known
        for entry, rate, rate_id in layer.catalog.rows()
    }
