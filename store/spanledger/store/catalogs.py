"""Price catalogs, overlays and terms kept in the data folder, and which of them are in force since when.

What is stored is immutable and named by its content. A *book* is a base catalog with overlays and terms on top; every book that may have
priced an event is on record with its parts, and activations are only ever added, so that any event's prices can be looked up again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from spanledger.enrich.catalog import load
from spanledger.enrich.catalog.load import CatalogFile, unpack
from spanledger.enrich.meters import Meter
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.terms import Terms
from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore
from spanledger.store.migrations import MIGRATIONS

Kind = Literal["catalog", "overlay", "terms"]
"""A catalog is a whole price list, an overlay goes on top of one, terms are what a company has agreed."""

SHIPPED: Final = "shipped"
"""The name of the catalogs that come with spanledger; as the base of a book it follows the release."""
ACTIVE: Final = "active"
RESERVED: Final = (SHIPPED, ACTIVE)
PLUS: Final = "+"
"""What joins names to a book, so that no name has it."""
_ID_PREFIXES: Final = ("rc1-", "tm1-", "pb1-")
_NAME_MAX: Final = 64
_SINCE: Final = next(number for number, sql in enumerate(MIGRATIONS, 1) if "TABLE activations" in sql)
"""The metastore's version that brought the tables."""
_COLUMNS: Final = "catalog_id, kind, name, source, added_ns, length(body)"


class UnknownCatalogError(StoreError):
    """Nothing stored has this id or name."""


class Stored(NamedTuple):
    """A stored catalog, overlay or set of terms, without its content."""

    catalog_id: str
    kind: str
    name: str
    source: str
    added_ns: int
    size_bytes: int


class Parts(NamedTuple):
    """What a book is made of, by id; later overlays go before earlier ones."""

    base: str
    overlays: tuple[str, ...] = ()
    terms: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return (self.base, *self.overlays, *([self.terms] if self.terms else []))


class Active(NamedTuple):
    """The book in force since a time. `follows_shipped`: its base becomes the next release's shipped catalog by itself."""

    revision: int
    book_id: str
    parts: Parts
    follows_shipped: bool
    actor: str
    reason: str
    since_ns: int


def has_tables(metastore: Metastore) -> bool:
    """False for an older ledger that is opened to be read only."""
    return metastore.schema_version >= _SINCE


# -- what is stored ------------------------------------------------------------------------------------------------------


def add(metastore: Metastore, catalog_id: str, kind: Kind, name: str, source: str, body: bytes, now_ns: int) -> bool:
    """Store something under its content's id; False if it is there already, then only its name and kind are as given now.

    Raises StoreError for a name that could be taken for something else.
    """
    check_name(name)
    with metastore.transaction():
        return _add(metastore, catalog_id, kind, name, source, body, now_ns)


def _add(metastore: Metastore, catalog_id: str, kind: Kind, name: str, source: str, body: bytes, now_ns: int) -> bool:
    known = metastore.connection.execute("SELECT 1 FROM catalogs WHERE catalog_id = ?", (catalog_id,)).fetchone()
    if known is not None:
        metastore.connection.execute("UPDATE catalogs SET name = ?, kind = ? WHERE catalog_id = ?", (name, kind, catalog_id))
        return False
    metastore.connection.execute(
        "INSERT INTO catalogs (catalog_id, kind, name, source, body, added_ns) VALUES (?, ?, ?, ?, ?, ?)",
        (catalog_id, kind, name, source, body, now_ns),
    )
    return True


def check_name(name: str) -> None:
    """Raises StoreError for a name that is none, or could be taken for an id or one of our words."""
    if not 0 < len(name) <= _NAME_MAX or not name.isprintable() or name != name.strip():
        raise StoreError(f"a name of prices has 1 to {_NAME_MAX} printable characters; {name[:_NAME_MAX]!r} has not")
    if name in RESERVED or name.startswith(_ID_PREFIXES) or PLUS in name:
        raise StoreError(f"prices cannot be named {name!r}: choose a name that is no id, without {PLUS}, and none of {', '.join(RESERVED)}")


def stored(metastore: Metastore) -> list[Stored]:
    """Everything that is stored, oldest first."""
    if not has_tables(metastore):
        return []
    rows = metastore.connection.execute(f"SELECT {_COLUMNS} FROM catalogs ORDER BY added_ns, rowid")  # noqa: S608 - our own names
    return [Stored(*row) for row in rows]


def names_in(metastore: Metastore | None) -> dict[str, str]:
    """The name of everything stored, and of the shipped catalog, by id."""
    kept = {one.catalog_id: one.name for one in stored(metastore)} if metastore is not None else {}
    return {shipped_file().id: SHIPPED} | kept


def get(metastore: Metastore, text: str) -> Stored:
    """The stored thing of an id, a beginning of an id that only one has, or a name (of several with it, the latest).

    Raises UnknownCatalogError.
    """
    everything = stored(metastore)
    exact = [one for one in everything if text in (one.catalog_id, one.name)]
    if exact:
        return exact[-1]
    begun = [one for one in everything if one.catalog_id.startswith(text)] if text.startswith(_ID_PREFIXES) else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UnknownCatalogError(f"{text!r} is the beginning of {len(begun)} ids: {', '.join(one.catalog_id for one in begun)}")
    raise UnknownCatalogError(f"no prices are stored as {text!r}: `spanledger prices list` shows what there is")


def body_of(metastore: Metastore, catalog_id: str) -> bytes:
    """The content of a stored thing, as it was added. Raises UnknownCatalogError."""
    row = metastore.connection.execute("SELECT body FROM catalogs WHERE catalog_id = ?", (catalog_id,)).fetchone()
    if row is None:
        raise UnknownCatalogError(f"no prices are stored as {catalog_id!r}")
    return bytes(row[0])


def file_of(metastore: Metastore | None, catalog_id: str) -> CatalogFile:
    """A stored catalog or overlay; the shipped one is there without being stored. Raises UnknownCatalogError."""
    shipped = shipped_file()
    if catalog_id == shipped.id:
        return shipped
    if metastore is None or not has_tables(metastore):
        raise UnknownCatalogError(f"no prices are stored as {catalog_id!r}")
    return unpack(body_of(metastore, catalog_id))


def terms_of(metastore: Metastore | None, terms_id: str) -> Terms:
    """Stored terms. Raises UnknownCatalogError."""
    if metastore is None or not has_tables(metastore):
        raise UnknownCatalogError(f"no terms are stored as {terms_id!r}")
    return Terms.from_bytes(body_of(metastore, terms_id))


def content_of(metastore: Metastore | None, catalog_id: str) -> CatalogFile | Terms:
    """What is stored under an id, terms or a catalog. Raises UnknownCatalogError."""
    return terms_of(metastore, catalog_id) if catalog_id.startswith("tm1-") else file_of(metastore, catalog_id)


_shipped: dict[str, CatalogFile] = {}


def shipped_file() -> CatalogFile:
    """The catalog of this release, read once."""
    path = load.SHIPPED
    found = _shipped.get(str(path))
    if found is None:
        found = _shipped[str(path)] = load.load(path)
    return found


# -- books ---------------------------------------------------------------------------------------------------------------


def build(metastore: Metastore | None, parts: Parts, meters: Sequence[Meter] = ()) -> PriceBook:
    """The book of these parts. Raises UnknownCatalogError, and enrich's errors where they cannot go together."""
    overlays = [file_of(metastore, each) for each in parts.overlays]
    terms = terms_of(metastore, parts.terms) if parts.terms is not None else None
    return PriceBook(file_of(metastore, parts.base), overlays, terms, meters)


def parts_of(metastore: Metastore | None, book_id: str) -> Parts:
    """What a book on record is made of. Raises UnknownCatalogError."""
    if metastore is not None and has_tables(metastore):
        row = metastore.connection.execute("SELECT base, overlays, terms FROM price_books WHERE book_id = ?", (book_id,)).fetchone()
        if row is not None:
            return Parts(row[0], tuple(json.loads(row[1])), row[2])
        if metastore.connection.execute("SELECT 1 FROM catalogs WHERE catalog_id = ? AND kind <> 'terms'", (book_id,)).fetchone():
            return Parts(book_id)
    if book_id == shipped_file().id:
        return Parts(book_id)
    raise UnknownCatalogError(f"{book_id} is not among the prices of this data folder: it was booked by a release that did not keep them")


def book_of(metastore: Metastore | None, catalog_id: str) -> PriceBook:
    """The prices behind the `catalog_id` of an event: a catalog alone, or a book on record. Raises UnknownCatalogError."""
    return build(metastore, parts_of(metastore, catalog_id))


def register(metastore: Metastore, parts: Parts, now_ns: int) -> str:
    """Put a book on record before it prices anything; its id. Raises as `build` does."""
    book_id = build(metastore, parts).catalog_id
    with metastore.transaction():
        _register(metastore, parts, book_id, now_ns)
    return book_id


def _register(metastore: Metastore, parts: Parts, book_id: str, now_ns: int) -> None:
    shipped = shipped_file()
    if shipped.id in parts.ids:
        _add_shipped(metastore, now_ns)
    metastore.connection.execute(
        "INSERT OR IGNORE INTO price_books VALUES (?, ?, ?, ?)", (book_id, parts.base, json.dumps(parts.overlays), parts.terms)
    )


def _add_shipped(metastore: Metastore, now_ns: int) -> None:
    shipped = shipped_file()
    _add(metastore, shipped.id, "catalog", SHIPPED, shipped.label, load.SHIPPED.read_bytes(), now_ns)


# -- activations ---------------------------------------------------------------------------------------------------------


def activations(metastore: Metastore) -> list[Active]:
    """Every activation ever, oldest first."""
    return _activations(metastore, "") if has_tables(metastore) else []


def active(metastore: Metastore | None) -> Active:
    """The book in force. Where nothing was ever activated, that is the shipped catalog alone: revision 0."""
    found = _activations(metastore, "DESC LIMIT 1") if metastore is not None and has_tables(metastore) else []
    shipped = shipped_file().id
    return found[0] if found else Active(0, shipped, Parts(shipped), True, SHIPPED, "", 0)


def _activations(metastore: Metastore, order: Literal["", "DESC LIMIT 1"]) -> list[Active]:
    rows = metastore.connection.execute(
        "SELECT revision, book_id, base, overlays, terms, follows_shipped, actor, reason, since_ns"  # noqa: S608 - our own text
        f" FROM activations JOIN price_books USING (book_id) ORDER BY revision {order}"
    )
    return [
        Active(number, book_id, Parts(base, tuple(json.loads(overlays)), terms), bool(follows), *rest)
        for number, book_id, base, overlays, terms, follows, *rest in rows
    ]


def revision(metastore: Metastore) -> int:
    """The number of the last activation: when it grows, prices have changed. One look at an index."""
    return int(metastore.connection.execute("SELECT coalesce(max(revision), 0) FROM activations").fetchone()[0])


def activate(metastore: Metastore, parts: Parts, now_ns: int, *, follows_shipped: bool, actor: str, reason: str) -> Active:
    """Put a book in force from now on; nothing happens if it is already. Raises as `build` does, and then nothing has changed."""
    book_id = build(metastore, parts).catalog_id
    with metastore.transaction():
        now = active(metastore)
        if now.revision and (now.book_id, now.follows_shipped) == (book_id, follows_shipped):
            return now
        _register(metastore, parts, book_id, now_ns)
        metastore.connection.execute(
            "INSERT INTO activations (book_id, follows_shipped, actor, reason, since_ns) VALUES (?, ?, ?, ?, ?)",
            (book_id, int(follows_shipped), actor, reason, now_ns),
        )
    return active(metastore)


def use_shipped(metastore: Metastore, now_ns: int) -> Active:
    """The book in force for a writer: the release's shipped catalog is stored, and takes the place of an older one if that was followed.

    A base that was chosen by name or id stays. Raises as `build` does where the new catalog does not go with the overlays or terms.
    """
    now, shipped = active(metastore), shipped_file()
    if now.revision and (not now.follows_shipped or now.parts.base == shipped.id):
        return now
    reason = f"spanledger comes with {shipped.label}" if now.revision else "first use"
    return activate(metastore, now.parts._replace(base=shipped.id), now_ns, follows_shipped=True, actor=SHIPPED, reason=reason)
