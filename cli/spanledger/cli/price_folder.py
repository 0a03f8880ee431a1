"""The price catalogs and terms of a data folder: which there are, which are in force, and putting them in or out of force."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spanledger.cli.access import sees_folder
from spanledger.cli.errors import UserError
from spanledger.cli.folder import DataFolder
from spanledger.cli.options import DEFAULT_DATA, existing_data
from spanledger.cli.person import person
from spanledger.cli.times import utc_text
from spanledger.enrich.price_lint import AmbiguousRateError, refuse_ties
from spanledger.store.catalogs import (
    SHIPPED,
    Active,
    Parts,
    Stored,
    activate,
    activations,
    active,
    file_of,
    get,
    names_in,
    shipped_file,
    stored,
    use_shipped,
)
from spanledger.store.errors import LedgerNotFoundError
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import on_top

Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]

LIST_COLUMNS = ("name", "kind", "id", "in_force_since", "added", "source")
ACTIVATION_COLUMNS = ("since", "book", "base", "overlays", "terms", "by", "reason")


@contextmanager
def reading(data: Path) -> Iterator[Metastore | None]:
    """The metastore of a folder, to be read; None where there is no ledger yet: then the shipped prices are all there is.

    They are also all that the bearer of a key sees who is no admin: lists and agreements of a company are of all its customers.
    """
    if data != DEFAULT_DATA:
        existing_data(data)
    if not sees_folder():
        yield None
        return
    try:
        metastore = Metastore.open(data, read_only=True)
    except LedgerNotFoundError:
        yield None
        return
    try:
        yield metastore
    finally:
        metastore.close()


@contextmanager
def changing(data: Path) -> Iterator[Metastore]:
    """The metastore of a folder, to be changed; the folder is made if it is not there yet. A running server may go on meanwhile."""
    DataFolder(data).create()
    metastore = Metastore.open(data)
    try:
        use_shipped(metastore, time.time_ns())
        yield metastore
    finally:
        metastore.close()


def list_rows(data: Path) -> Rows:
    """Everything stored, and the shipped catalog, with the time since when each is in force (empty: it is not)."""
    with reading(data) as metastore:
        kept = stored(metastore) if metastore is not None else []
        since = _in_force(activations(metastore) if metastore is not None else [])
        shipped = shipped_file()
        rows = [[one.name, one.kind, one.catalog_id, since.get(one.catalog_id), moment(one.added_ns), one.source] for one in kept]
        if shipped.id not in {one.catalog_id for one in kept}:
            rows.append([SHIPPED, "catalog", shipped.id, None, None, shipped.label])
        now = active(metastore)
        for row in rows:
            if row[2] == shipped.id and row[3] is None and now.follows_shipped:
                row[3] = "now" if now.parts.base == shipped.id else "with the next span"
    return LIST_COLUMNS, rows


def moment(ns: int) -> str:
    """When a person did something: to the millisecond."""
    return utc_text(ns // 1_000_000 * 1_000_000)


def counted(number: int, one: str, many: str) -> str:
    """A number with what it counts."""
    return f"{number:,} {one if number == 1 else many}"


def _in_force(history: Sequence[Active]) -> dict[str, str]:
    """Since when each part of the book in force has been so without a break."""
    since: dict[str, int] = {}
    for one in history:
        since = {part: since.get(part, one.since_ns) for part in one.parts.ids}
    return {part: moment(ns) for part, ns in since.items()}


def activation_rows(data: Path) -> Rows:
    """Every book that was ever in force, the present one first."""
    with reading(data) as metastore:
        names = names_in(metastore)
        history = activations(metastore) if metastore is not None else []
    rows = [
        [
            moment(one.since_ns),
            one.book_id,
            _named(names, one.parts.base),
            ", ".join(_named(names, each) for each in one.parts.overlays) or None,
            _named(names, one.parts.terms) if one.parts.terms else None,
            one.actor,
            one.reason,
        ]
        for one in reversed(history)
    ]
    return ACTIVATION_COLUMNS, rows


def _named(names: dict[str, str], catalog_id: str) -> str:
    return f"{names[catalog_id]} {catalog_id}" if catalog_id in names else catalog_id


def put_in_force(data: Path, names: Sequence[str]) -> str:
    """Activate catalogs, overlays and terms, all together; what to tell of it."""
    with changing(data) as metastore:
        return put_in_force_in(metastore, data, names)


def put_in_force_in(metastore: Metastore, data: Path, names: Sequence[str]) -> str:
    """The same in an open folder. UserError where they cannot go together; then nothing has changed."""
    before = active(metastore)
    parts, follows, called = before.parts, before.follows_shipped, []
    for name in names:
        if name == SHIPPED:
            parts, follows = parts._replace(base=shipped_file().id), True
            called.append(name)
            continue
        one = get(metastore, name)
        parts = on_top(metastore, parts, [one])
        follows = follows and one.kind != "catalog"
        called.append(one.name)
    reason = f"activated {', '.join(called)}"
    try:
        if parts.base != before.parts.base:
            refuse_ties(file_of(metastore, parts.base))
        now = activate(metastore, parts, time.time_ns(), follows_shipped=follows, actor=person(), reason=reason)
    except AmbiguousRateError as error:
        raise UserError(f"these prices cannot go together: {error}") from error
    return _told(before, now, data)


def take_out_of_force(data: Path, names: Sequence[str]) -> str:
    """Deactivate overlays and terms; what to tell of it. A base is never missing: another is activated in its place."""
    with changing(data) as metastore:
        before = active(metastore)
        parts = before.parts
        for name in names:
            parts = _without(parts, _in(metastore, parts, name))
        reason = f"deactivated {', '.join(names)}"
        now = activate(metastore, parts, time.time_ns(), follows_shipped=before.follows_shipped, actor=person(), reason=reason)
        return _told(before, now, data)


def _in(metastore: Metastore, parts: Parts, name: str) -> Stored:
    """The part of a book that a name means: of several stored with it, the one in force."""
    for one in stored(metastore):
        if one.name == name and one.catalog_id in parts.ids:
            return one
    return get(metastore, name)


def _without(parts: Parts, one: Stored) -> Parts:
    if one.catalog_id == parts.base:
        raise UserError(f"{one.name} is the base of all prices: put another in its place, as `spanledger prices activate NAME` does")
    if one.catalog_id not in parts.ids:
        raise UserError(f"{one.name} ({one.catalog_id}) is not in force: `spanledger prices list` shows what is")
    if one.catalog_id == parts.terms:
        return parts._replace(terms=None)
    return parts._replace(overlays=tuple(each for each in parts.overlays if each != one.catalog_id))


def _told(before: Active, now: Active, data: Path) -> str:
    if now.revision == before.revision:
        return f"nothing changes: {now.book_id} is in force since {moment(now.since_ns)}"
    running = DataFolder(data).server() is not None
    when = "the running server takes it within 5 seconds" if running else "the next span is priced by it"
    return f"{now.book_id} is in force; {when}, and what is booked keeps its price"
