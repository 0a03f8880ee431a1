"""Catalogs in the data folder: immutable, found by id or name; books that can always be rebuilt; activations that are only added."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from spanledger.enrich.catalog import load
from spanledger.enrich.catalog.load import CatalogFile, pack
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.enrich.records import Call, Usage
from spanledger.store import catalogs
from spanledger.store.catalogs import Active, Kind, Parts, UnknownCatalogError
from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore
from spanledger.store.migrations import MIGRATIONS
from spanledger.store.price_words import on_top

SECOND = 1_000_000_000
CALL = Call("test", provider="acme_ai", request_model="m1", usage=Usage(1_000_000, 0))


def prices(amount: str, model: str = "m1") -> tuple[str, bytes]:
    """A catalog of one model of one provider: (id, body)."""
    rates = (Rate("input_tokens", amount, 1_000_000), Rate("output_tokens", amount, 1_000_000))
    text = catalog_text([Entry("acme_ai", model, BASE, 0, ["equals", model], "a price list", "", rates)])
    return CatalogFile(text, "test").id, pack(text, f"test {amount}")


@pytest.fixture
def store(tmp_path: Path) -> Metastore:
    return Metastore.open(tmp_path)


def ship(monkeypatch: pytest.MonkeyPatch, folder: Path, amount: str) -> str:
    """Let this release ship another catalog."""
    catalog_id, body = prices(amount)
    path = folder / f"shipped-{amount}.jsonl.gz"
    path.write_bytes(body)
    monkeypatch.setattr(load, "SHIPPED", path)
    return catalog_id


def keep(store: Metastore, amount: str, name: str, kind: Kind = "catalog", now_ns: int = 1) -> str:
    catalog_id, body = prices(amount)
    catalogs.add(store, catalog_id, kind, name, f"{name}.csv", body, now_ns)
    return catalog_id


def put(store: Metastore, name: str, now_ns: int, *, follows: bool = False) -> Active:
    parts = on_top(store, catalogs.active(store).parts, [catalogs.get(store, name)])
    return catalogs.activate(store, parts, now_ns, follows_shipped=follows, actor="ann", reason="test")


def cost(store: Metastore, book_id: str) -> int | None:
    return catalogs.book_of(store, book_id).price(CALL, SECOND).cost_usd


def test_what_is_added_is_found_by_id_beginning_and_name_and_never_changes(store: Metastore) -> None:
    one, body = prices("1")
    assert catalogs.add(store, one, "catalog", "ours", "ours.csv", body, 5)
    assert not catalogs.add(store, one, "catalog", "renamed", "elsewhere.csv", b"other", 6)
    assert catalogs.body_of(store, one) == body
    found = catalogs.get(store, one)
    assert found == catalogs.Stored(one, "catalog", "renamed", "ours.csv", 5, len(body))
    assert catalogs.get(store, one[:8]) == catalogs.get(store, "renamed") == found
    for unknown in ("ours", one[4:], "rc1-0000", ""):
        with pytest.raises(UnknownCatalogError, match="prices list"):
            catalogs.get(store, unknown)


def test_a_beginning_that_two_have_is_told(store: Metastore) -> None:
    keep(store, "1", "one")
    keep(store, "2", "two")
    with pytest.raises(UnknownCatalogError, match="the beginning of 2 ids"):
        catalogs.get(store, "rc1-")


def test_a_name_means_the_latest_that_has_it(store: Metastore) -> None:
    first, second = keep(store, "1", "ours", now_ns=1), keep(store, "2", "ours", now_ns=2)
    assert catalogs.get(store, "ours").catalog_id == second
    assert catalogs.get(store, first).catalog_id == first


@pytest.mark.parametrize("name", ["", "shipped", "active", "rc1-abc", "pb1-1", "tm1-1", " x", "a\nb", "x" * 65])
def test_names_that_could_be_something_else_are_refused(store: Metastore, name: str) -> None:
    with pytest.raises(StoreError):
        catalogs.add(store, prices("1")[0], "catalog", name, "", prices("1")[1], 1)
    assert catalogs.stored(store) == []


def test_an_empty_folder_has_the_shipped_catalog_in_force(store: Metastore) -> None:
    now = catalogs.active(store)
    assert (now.revision, now.book_id, now.follows_shipped) == (0, load.load().id, True)
    assert catalogs.active(None).book_id == now.book_id
    assert catalogs.book_of(None, now.book_id).catalog_id == now.book_id


def test_every_activation_stays_and_its_prices_with_it(store: Metastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = ship(monkeypatch, tmp_path, "1")
    catalogs.use_shipped(store, 10)
    two, three = keep(store, "2", "two"), keep(store, "3", "three")
    assert catalogs.revision(store) == 1
    assert put(store, "two", 20).book_id == two
    assert put(store, "three", 30).book_id == three
    assert put(store, "three", 40).since_ns == 30  # in force already: nothing is added
    history = catalogs.activations(store)
    assert [(one.revision, one.book_id, one.since_ns) for one in history] == [(1, shipped, 10), (2, two, 20), (3, three, 30)]
    assert catalogs.active(store) == history[-1]
    assert [cost(store, one.book_id) for one in history] == [amount * 10**18 for amount in (1, 2, 3)]


def test_a_release_that_ships_other_prices_puts_them_in_force_and_keeps_the_old(
    store: Metastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ship(monkeypatch, tmp_path, "1")
    catalogs.use_shipped(store, 10)
    new = ship(monkeypatch, tmp_path, "2")
    assert catalogs.active(store).book_id == old  # until a writer opens the folder
    now = catalogs.use_shipped(store, 20)
    assert (now.book_id, now.follows_shipped, now.reason) == (new, True, "spanledger comes with test 2")
    assert (cost(store, old), cost(store, new)) == (10**18, 2 * 10**18)
    assert catalogs.use_shipped(store, 30) == now


def test_a_base_that_was_chosen_stays_when_a_release_ships_another(
    store: Metastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(monkeypatch, tmp_path, "1")
    catalogs.use_shipped(store, 10)
    keep(store, "5", "five")
    chosen = put(store, "five", 20)
    ship(monkeypatch, tmp_path, "2")
    assert catalogs.use_shipped(store, 30) == chosen


def test_a_pinned_release_stays_too(store: Metastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ship(monkeypatch, tmp_path, "1")
    catalogs.use_shipped(store, 10)
    pinned = catalogs.activate(store, Parts(old), 20, follows_shipped=False, actor="ann", reason="pinned")
    assert pinned.revision == 2
    ship(monkeypatch, tmp_path, "2")
    assert catalogs.use_shipped(store, 30) == pinned


def test_a_book_that_cannot_be_built_is_not_put_in_force(store: Metastore) -> None:
    catalogs.use_shipped(store, 10)
    with pytest.raises(UnknownCatalogError):
        catalogs.activate(store, Parts("rc1-0000000000000000"), 20, follows_shipped=False, actor="ann", reason="")
    with pytest.raises(UnknownCatalogError):
        catalogs.register(store, Parts("rc1-0000000000000000"), 20)
    assert catalogs.revision(store) == 1


def test_a_book_nobody_kept_is_said_to_be_lost(store: Metastore) -> None:
    with pytest.raises(UnknownCatalogError, match="rc1-00 is not among the prices of this data folder"):
        catalogs.book_of(store, "rc1-00")


def test_a_folder_of_before_can_be_read(tmp_path: Path) -> None:
    """Its metastore has no such tables, and reading does not make them."""
    path = tmp_path / "meta.sqlite"
    connection = sqlite3.connect(path)
    before = next(n for n, sql in enumerate(MIGRATIONS) if "TABLE activations" in sql)
    for step in MIGRATIONS[:before]:
        connection.executescript(step)
    connection.execute("INSERT INTO catalogs VALUES ('rc1-1', 'old', 'old.csv', x'00', 3)")
    connection.execute(f"PRAGMA user_version = {before}")
    connection.commit()
    connection.close()
    reader = Metastore.open(tmp_path, read_only=True)
    assert (catalogs.stored(reader), catalogs.activations(reader), catalogs.active(reader).revision) == ([], [], 0)
    reader.close()
    writer = Metastore.open(tmp_path)
    assert [(one.catalog_id, one.kind) for one in catalogs.stored(writer)] == [("rc1-1", "catalog")]
    writer.close()
