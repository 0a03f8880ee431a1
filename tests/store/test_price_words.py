"""Words for prices mean one thing each, and joined by + they mean what activating the one on the other would make."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.catalog import load
from spanledger.enrich.terms import Terms
from spanledger.store import catalogs
from spanledger.store.catalogs import Kind, Parts, UnknownCatalogError
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import Lone, lone, on_top, resolve
from tests.store.test_catalogs import prices

SHIPPED = load.load().id


@pytest.fixture
def store(tmp_path: Path) -> Metastore:
    """A folder with a base, two versions of an overlay, another overlay, and terms; nothing of it in force."""
    store = Metastore.open(tmp_path)
    kept: list[tuple[str, str, Kind]] = [
        ("1", "base", "catalog"), ("2", "ours", "overlay"), ("3", "ours", "overlay"), ("4", "theirs", "overlay")
    ]  # fmt: skip
    for now_ns, (amount, name, kind) in enumerate(kept):
        catalog_id, body = prices(amount)
        catalogs.add(store, catalog_id, kind, name, "", body, now_ns)
    terms = Terms.from_toml('[[contracts]]\nname = "c"\ndiscount = "10"')
    catalogs.add(store, terms.terms_id, "terms", "deal", "", terms.to_bytes(), 9)
    return store


def ids(store: Metastore) -> tuple[str, ...]:
    return tuple(one.catalog_id for one in catalogs.stored(store))


def test_a_catalog_is_that_alone_and_an_overlay_is_put_on_what_is_in_force(store: Metastore) -> None:
    base, _, ours, theirs, deal = ids(store)
    assert resolve(store, "active") == resolve(store, "shipped") == resolve(store, SHIPPED) == resolve(None, "shipped") == Parts(SHIPPED)
    assert resolve(store, "base") == resolve(store, base) == resolve(store, base[:9]) == Parts(base)
    assert resolve(store, "ours") == resolve(store, ours) == Parts(SHIPPED, (ours,))
    assert resolve(store, "deal") == Parts(SHIPPED, (), deal)
    assert resolve(store, "active+base") == Parts(base)
    assert resolve(store, "base + ours+theirs+deal") == Parts(base, (ours, theirs), deal)
    assert resolve(store, "base+shipped") == Parts(SHIPPED)


def test_what_is_in_force_is_what_the_rest_is_put_on(store: Metastore) -> None:
    base, old, ours, theirs, deal = ids(store)
    catalogs.activate(store, Parts(SHIPPED, (old, theirs), deal), 20, follows_shipped=True, actor="ann", reason="")
    book = catalogs.active(store).book_id
    assert resolve(store, "active") == resolve(store, book) == resolve(store, book[:8]) == Parts(SHIPPED, (old, theirs), deal)
    assert resolve(store, "ours") == Parts(SHIPPED, (theirs, ours), deal)  # the next version of an overlay takes the place of the former
    assert resolve(store, "active+base") == Parts(base, (old, theirs), deal)
    assert resolve(store, "shipped") == Parts(SHIPPED)
    assert catalogs.book_of(store, book).catalog_id == book


def test_an_overlay_goes_on_top_of_others_and_is_there_once(store: Metastore) -> None:
    _, _, ours, theirs, _ = ids(store)
    both = [catalogs.get(store, "theirs"), catalogs.get(store, "ours")]
    assert on_top(store, Parts(SHIPPED, (ours,)), both) == Parts(SHIPPED, (theirs, ours))


def test_a_word_by_itself_is_one_stored_thing_or_a_book(store: Metastore) -> None:
    base, old, ours, _, deal = ids(store)
    assert lone(store, "ours") == lone(store, ours) == Lone("ours", (ours,))
    assert lone(store, old) == Lone("ours", (old,))
    assert lone(store, "deal") == Lone("deal", (deal,))
    assert lone(store, "shipped") == lone(None, "shipped") == lone(store, SHIPPED) == Lone("shipped", (SHIPPED,))
    assert lone(store, "active") == lone(None, "active") == Lone("active", (SHIPPED,))
    assert lone(store, "base+ours").ids == (base, ours)


@pytest.mark.parametrize("text", ["", "nothing", "pb1-00", "rc1-00", "active+nothing", "+", "ours+", "tm1-00"])
def test_unknown_words_are_errors(store: Metastore, text: str) -> None:
    for metastore in (store, None):
        for meaning in (resolve, lone):
            with pytest.raises(UnknownCatalogError):
                meaning(metastore, text)
