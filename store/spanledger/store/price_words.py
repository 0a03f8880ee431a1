"""What people call prices on a command line: "active", "shipped", a name, an id, or several joined by "+"; and what they mean by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from spanledger.store.catalogs import (
    ACTIVE,
    PLUS,
    RESERVED,
    SHIPPED,
    Parts,
    Stored,
    UnknownCatalogError,
    active,
    get,
    has_tables,
    names_in,
    parts_of,
    shipped_file,
)
from spanledger.store.metastore import Metastore


class Lone(NamedTuple):
    """What a word names by itself: the name it has, and the ids of its parts."""

    name: str
    ids: tuple[str, ...]


def resolve(metastore: Metastore | None, text: str) -> Parts:
    """The book that a word means.

    "active" is the book in force; a catalog or book, by name or id, is that alone. An overlay or terms stand for the book in force with
    them in their place, as activating them would make it. "A+B+C" is A with the others put in their places: "active+litellm",
    "shipped+ours". Raises UnknownCatalogError.
    """
    first, *others = [word.strip() for word in text.split(PLUS)]
    parts = _book(metastore, first)
    for word in others:
        parts = on_top(metastore, parts, [_stored(metastore, word)])
    return parts


def _book(metastore: Metastore | None, text: str) -> Parts:
    if text == ACTIVE:
        return active(metastore).parts
    if text in (SHIPPED, shipped_file().id):
        return Parts(shipped_file().id)
    if metastore is None or not has_tables(metastore):
        return parts_of(metastore, text)
    if text.startswith("pb1-"):
        return parts_of(metastore, _book_begun(metastore, text))
    one = get(metastore, text)
    return Parts(one.catalog_id) if one.kind == "catalog" else on_top(metastore, active(metastore).parts, [one])


def _stored(metastore: Metastore | None, text: str) -> Stored:
    shipped = shipped_file()
    if text in (SHIPPED, shipped.id):
        return Stored(shipped.id, "catalog", SHIPPED, shipped.label, 0, 0)
    if metastore is None:
        raise UnknownCatalogError(f"no prices are stored as {text!r}")
    return get(metastore, text)


def _book_begun(metastore: Metastore, text: str) -> str:
    rows = metastore.connection.execute("SELECT book_id FROM price_books").fetchall()
    found = [book_id for (book_id,) in rows if book_id.startswith(text)]
    return str(found[0]) if len(found) == 1 else text


def on_top(metastore: Metastore | None, parts: Parts, wanted: Iterable[Stored]) -> Parts:
    """A book with these put in their places: a catalog as its base, terms as its terms, an overlay on top.

    An overlay takes the place of an earlier one of the same name: it is its next version.
    """
    names = names_in(metastore)
    for one in wanted:
        if one.kind == "terms":
            parts = parts._replace(terms=one.catalog_id)
        elif one.kind == "catalog":
            parts = parts._replace(base=one.catalog_id)
        else:
            kept = [each for each in parts.overlays if each != one.catalog_id and names.get(each) != one.name]
            parts = parts._replace(overlays=(*kept, one.catalog_id))
    return parts


def lone(metastore: Metastore | None, text: str) -> Lone:
    """What a word names, to be looked into by itself: one stored thing, the shipped catalog, or a book. Raises UnknownCatalogError."""
    if text not in RESERVED and PLUS not in text and not text.startswith("pb1-") and metastore is not None and has_tables(metastore):
        if text == shipped_file().id:
            return Lone(SHIPPED, (text,))
        one = get(metastore, text)
        return Lone(one.name, (one.catalog_id,))
    return Lone(text, resolve(metastore, text).ids)
