"""Prices that are put in force reach a running server; what was booked keeps its own, and is explained by it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from spanledger.cli.parts import prices_for
from spanledger.cli.price_watch import PriceWatch, follow_release
from spanledger.enrich.catalog import load
from spanledger.enrich.catalog.load import CatalogFile, pack
from spanledger.enrich.catalog.rows import BASE, OVERLAY, Entry, Rate, catalog_text
from spanledger.enrich.config import EnrichConfig, rules_from
from spanledger.enrich.records import Call, Usage
from spanledger.store import catalogs
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import on_top
from tests.cli.otlp import CHAT_USD, as_protobuf, chat
from tests.cli.runner import events, server, spanledger
from tests.cli.test_server import post

RULES = rules_from(EnrichConfig())
CALL = Call("test", provider="openai", request_model="gpt-4o-mini", usage=Usage(1_000_000, 0))


def body(amount: str, rank: int = OVERLAY) -> tuple[str, bytes]:
    """A price list with gpt-4o-mini at one amount for a million tokens of either kind."""
    rates = (Rate("input_tokens", amount, 1_000_000), Rate("output_tokens", amount, 1_000_000))
    text = catalog_text([Entry("openai", "gpt-4o-mini", rank, 0, ["equals", "gpt-4o-mini"], "our own list", "", rates)])
    return CatalogFile(text, "").id, pack(text, f"at {amount}")


def keep(data: Path, amount: str, name: str) -> None:
    """Store an overlay beside whoever uses the folder."""
    store = Metastore.open(data)
    catalog_id, content = body(amount)
    catalogs.add(store, catalog_id, "overlay", name, f"{name}.csv", content, time.time_ns())
    store.close()


def until_booked_at(data: Path, endpoint: str, usd: str) -> None:
    """Send calls until one is booked at this price; 10 seconds are twice what is promised."""
    deadline = time.monotonic() + 10
    number = 100
    while usd not in {event["cost_usd"] for event in events(data)}:
        assert time.monotonic() < deadline
        number += 1
        assert post(endpoint, as_protobuf(chat(number, number))) == 200
        time.sleep(0.3)


def test_a_running_server_prices_by_what_is_activated_and_old_calls_keep_their_prices(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        assert post(running.http, as_protobuf(chat(1, 1))) == 200
        running.wait_for(data, 1)
        keep(data, "1", "ours")
        told = spanledger("prices", "activate", "--data", data, "ours")
        assert told.code == 0, told.err
        assert "the running server takes it within 5 seconds" in told.err
        # 1,000 tokens in and 100 out at 1 USD a million: 0.001 + 0.0001
        until_booked_at(data, running.http, "0.0011")
        book = told.err.split()[0]
        assert spanledger("prices", "deactivate", "--data", data, "ours").code == 0
        until_booked_at(data, running.http, CHAT_USD)
        running.stop()
    found = events(data)
    by_book = {event["catalog_id"]: event for event in found}
    assert set(by_book) == {load.load().id, book}
    assert by_book[book]["cost_usd"] == "0.0011"
    lists = {}
    for catalog_id, event in by_book.items():
        explained = json.loads(spanledger("explain", "--data", data, event["event_id"], "--format", "json").out)
        lists[catalog_id] = {line["source"] for part in explained["price"]["parts"] for line in part["lines"]}
    assert lists == {load.load().id: {"genai-prices 0.2.3"}, book: {"our own list"}}
    report = spanledger("report", "--data", data, "--by", "catalog", "--format", "jsonl").rows()
    assert {row["catalog"] for row in report} == {load.load().id, book}


def test_the_watch_tells_once_of_each_change(tmp_path: Path) -> None:
    keep(tmp_path, "1", "one")
    store, other = Metastore.open(tmp_path), Metastore.open(tmp_path)
    follow_release(store)
    watch = PriceWatch(store, RULES)
    assert watch.changed() is None
    parts = on_top(other, catalogs.active(other).parts, [catalogs.get(other, "one")])
    catalogs.activate(other, parts, 5, follows_shipped=True, actor="ann", reason="test")
    assert watch.changed() is None  # it looks once a second
    time.sleep(1.05)
    now = watch.changed()
    assert now is watch.prices is not None
    assert now.price(CALL, 1).cost_usd == 10**18
    time.sleep(1.05)
    assert watch.changed() is None
    store.close()
    other.close()


def test_prices_that_cannot_be_read_leave_the_former_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Metastore.open(tmp_path)
    follow_release(store)
    watch = PriceWatch(store, RULES)
    before = watch.prices
    keep(tmp_path, "1", "one")
    parts = on_top(store, catalogs.active(store).parts, [catalogs.get(store, "one")])
    catalogs.activate(store, parts, 5, follows_shipped=True, actor="ann", reason="test")
    store.connection.execute("UPDATE catalogs SET body = x'00' WHERE name = 'one'")  # as no command can
    assert watch.changed() is None
    assert "cannot be used" in caplog.text
    assert watch.prices is before
    store.close()


def test_a_release_that_ships_other_prices_is_followed_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1)))
    (tmp_path / "b.pb").write_bytes(as_protobuf(chat(2, 2)))
    assert spanledger("ingest", "--data", data, tmp_path / "a.pb").code == 0
    shipped = load.load().id
    newer, content = body("2", BASE)
    (tmp_path / "newer.jsonl.gz").write_bytes(content)
    monkeypatch.setattr(load, "SHIPPED", tmp_path / "newer.jsonl.gz")
    rows = spanledger("prices", "list", "--data", data, "--format", "jsonl").rows()
    assert [(row["id"], row["in_force_since"] == "with the next span") for row in rows] == [(shipped, False), (newer, True)]
    with caplog.at_level("INFO"):
        assert spanledger("ingest", "--data", data, tmp_path / "b.pb").code == 0
    assert f"prices: {newer} (spanledger comes with at 2)" in caplog.text
    # 1,000 tokens in and 100 out at 2 USD a million: 0.0022
    assert {event["catalog_id"]: event["cost_usd"] for event in events(data)} == {shipped: CHAT_USD, newer: "0.0022"}
    old = next(event for event in events(data) if event["catalog_id"] == shipped)
    assert "genai-prices" in spanledger("explain", "--data", data, old["event_id"]).out  # kept, though no longer shipped


def test_without_a_folder_the_shipped_prices_are_in_force() -> None:
    assert prices_for(RULES).catalog_id == load.load().id
