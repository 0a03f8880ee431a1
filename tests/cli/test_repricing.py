"""Re-pricing on the command line: shown first, booked once, taken back, the same elsewhere, and safe beside a running server."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spanledger.enrich.catalog.load import CatalogFile, pack
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.store.catalogs import add
from spanledger.store.metastore import Metastore
from tests.cli.otlp import CHAT_USD, as_protobuf, chat, span
from tests.cli.runner import Answer, events, server, spanledger
from tests.cli.test_server import post

M = 1_000_000


class Prices(NamedTuple):
    """A price list as it is stored."""

    id: str
    body: bytes


def catalog(*models: tuple[str, str, str]) -> Prices:
    """A price list of (model, USD per million tokens in, and out)."""
    text = catalog_text(
        [
            Entry("openai", model, BASE, 0, ["equals", model], "test", "", (Rate("input_tokens", a, M), Rate("output_tokens", b, M)))
            for model, a, b in models
        ]
    )
    return Prices(CatalogFile(text, "test").id, pack(text, "test"))


NEW = catalog(("gpt-4o-mini", "0.30", "0.60"), ("odd-7b", "1", "2"))
"""Twice the price of input: 1,000 x 0.30 + 100 x 0.60 = 0.00036 USD. And a first price: 1,000 x 1 + 100 x 2 = 0.0012 USD."""


def ledger(folder: Path, name: str = "data") -> Path:
    """Two calls of acme and one of globex with a price, one without; and one whose payer comes late."""
    spans = [chat(1, 1), chat(2, 2), chat(3, 3, "globex"), chat(4, 4, "globex", model="odd-7b"), chat(5, 6, None, parent=5)]
    (folder / f"{name}.pb").write_bytes(as_protobuf(*spans))
    data = folder / name
    assert spanledger("ingest", "--data", data, folder / f"{name}.pb").code == 0
    with_catalog(data)
    return data


def with_catalog(data: Path, name: str = "new", file: Prices = NEW) -> None:
    store = Metastore.open(data)
    add(store, file.id, "catalog", name, "test", file.body, 0)
    store.close()


def reprice(data: Path, *more: object) -> Answer:
    return spanledger("reprice", "--data", data, "--catalog", NEW.id, "--format", "jsonl", *more)


def cost(data: Path) -> dict[str | None, Decimal]:
    """What every tenant pays."""
    rows = spanledger("report", "--data", data, "--format", "jsonl").rows()
    return {row["tenant"]: Decimal(row["cost_usd"] or 0) for row in rows}


BEFORE = {"acme": Decimal("0.00042"), "globex": Decimal("0.00021"), None: Decimal("0.00021")}
AFTER = {"acme": Decimal("0.00072"), "globex": Decimal("0.00156"), None: Decimal("0.00036")}


def test_a_dry_run_shows_the_difference_and_books_nothing(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    answer = reprice(data)
    assert answer.code == 0, answer.err
    found = {(row["tenant"], row["model"]): row for row in answer.rows()}
    mini, odd = found["acme", "gpt-4o-mini"], found["globex", "odd-7b"]
    assert (mini["charges"], mini["changed"], mini["booked_usd"], mini["repriced_usd"]) == (2, 2, "0.00042", "0.00072")
    assert (mini["difference_usd"], mini["list_difference_usd"], mini["customer_difference_usd"]) == ("0.0003", "0.0003", "0")
    assert (odd["newly_priced"], odd["difference_usd"]) == (1, "0.0012")
    assert "4 charges changed, 0 unchanged, 1 priced for the first time; nothing was booked: --commit books it" in answer.err
    assert cost(data) == BEFORE
    assert len(events(data, "--all")) == 5


def test_a_commit_appends_linked_entries_once(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    answer = reprice(data, "--commit", "--yes", "--reason", "new list", "--actor", "kim")
    assert answer.code == 0, answer.err
    assert len(answer.rows()) == 4
    assert "booked 6 entries as run rp1-" in answer.err
    assert cost(data) == AFTER
    entries = events(data, "--all")
    booked = [entry for entry in entries if entry["run_id"]]
    assert sorted(entry["kind"] for entry in booked) == ["adjustment"] * 4 + ["charge", "reversal"]
    assert {entry["reason"] for entry in booked} == {"repriced"}
    by_id = {entry["event_id"]: entry for entry in entries}
    assert all(by_id[entry["ref_event_id"]]["span_id"] == entry["span_id"] for entry in booked)
    again = reprice(data, "--commit", "--yes")
    assert (again.code, "there is nothing to do: 0 charges changed, 5 unchanged" in again.err) == (0, True)
    assert len(events(data, "--all")) == len(entries)
    calls = spanledger("report", "--data", data, "--format", "json").out
    assert '"calls": 5' in calls, "adjustments are no calls"
    assert '"unpriced_calls": 0' in calls


def test_a_run_is_recorded_shown_and_taken_back_by_another(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    reprice(data, "--commit", "--yes", "--reason", "new list", "--actor", "kim")
    (run,) = spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()
    assert (run["kind"], run["actor"], run["reason"], run["entries"], run["total_usd"]) == ("reprice", "kim", "new list", 6, "0.0018")
    shown = spanledger("runs", "show", "--data", data, run["run_id"][:9], "--format", "jsonl").rows()
    assert {(row["tenant"], row["model"]): row["cost_usd"] for row in shown}["acme", "gpt-4o-mini"] == "0.0003"
    undo = ("reprice", "--data", data, "--undo", run["run_id"])
    dry = spanledger(*undo)
    assert dry.code == 0, dry.err
    assert "4 charges changed, 0 unchanged, 1 unpriced again; nothing was booked" in dry.err
    assert cost(data) == AFTER
    done = spanledger(*undo, "--commit", "--yes", "--format", "jsonl")
    assert (done.code, "booked 6 entries as run rp1-" in done.err) == (0, True)
    assert [(row["no_price"], row["unpriced_again"]) for row in done.rows() if row["model"] == "odd-7b"] == [(0, 1)]
    assert [row["entries"] for row in spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()] == [6, 6]
    assert cost(data) == BEFORE
    assert '"unpriced_calls": 1' in spanledger("report", "--data", data, "--format", "json").out
    assert "there is nothing to do" in spanledger(*undo, "--commit", "--yes").err
    (back, *_) = spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()
    assert spanledger("reprice", "--data", data, "--undo", back["run_id"], "--commit", "--yes").code == 0, (
        "an undo is taken back like any run"
    )
    assert cost(data) == AFTER
    ids = [entry["event_id"] for entry in events(data, "--all")]
    assert len(ids) == len(set(ids)), "a charge that gets its price back is a new one"
    (forth, *_) = spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()
    assert spanledger("reprice", "--data", data, "--undo", forth["run_id"], "--commit", "--yes").code == 0
    assert cost(data) == BEFORE
    assert reprice(data, "--commit", "--yes").code == 0, "and there again"
    assert cost(data) == AFTER
    ids = [entry["event_id"] for entry in events(data, "--all")]
    assert len(ids) == len(set(ids))
    assert spanledger("reprice", "--data", data, "--undo", "rp1-none").code == 1


def test_the_same_inputs_give_the_same_entries_on_another_machine(tmp_path: Path) -> None:
    one, two = ledger(tmp_path, "one"), ledger(tmp_path, "two")
    for data in (one, two):
        assert reprice(data, "--commit", "--yes").code == 0
    times = ("booked_ns", "received_ns", "entry_number", "position")

    def entries(data: Path) -> list[dict[str, Any]]:
        found = [{key: value for key, value in entry.items() if key not in times} for entry in events(data, "--all")]
        return sorted(found, key=lambda entry: str(entry["event_id"]))

    assert entries(one) == entries(two)
    runs = [spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()[0]["run_id"] for data in (one, two)]
    assert runs[0] == runs[1]


def test_a_late_payer_keeps_the_repriced_amount(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    reprice(data, "--commit", "--yes")
    (tmp_path / "late.pb").write_bytes(as_protobuf(span(5, 5, {"tenant.id": "initech"})))
    assert spanledger("ingest", "--data", data, tmp_path / "late.pb").code == 0
    found = cost(data)
    assert (found["initech"], found.get(None, Decimal())) == (Decimal("0.00036"), Decimal())
    standing = [entry for entry in events(data) if int(entry["trace_id"], 16) == 5]
    assert [(entry["kind"], entry["tenant_id"], entry["cost_usd"]) for entry in standing] == [("charge", "initech", "0.00036")]
    assert [entry["kind"] for entry in events(data, "--all") if int(entry["trace_id"], 16) == 5] == [
        "charge", "adjustment", "adjustment", "reversal", "charge",
    ]  # fmt: skip


def test_only_the_tenants_calls_in_the_window(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    assert reprice(data, "--commit", "--yes", "--tenant", "acme").code == 0
    assert cost(data) == BEFORE | {"acme": AFTER["acme"]}
    assert "there is nothing to do" in reprice(data, "--commit", "--yes", "--until", "2020-01-01").err


def test_what_has_no_price_there_is_told_and_stays(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    other = catalog(("some-other", "1", "1"))
    with_catalog(data, "other", other)
    answer = spanledger("reprice", "--data", data, "--catalog", other.id, "--commit", "--yes", "--format", "jsonl")
    assert "4 without a price there, left as they are booked" in answer.err
    assert sum(row["no_price"] for row in answer.rows()) == 4
    assert cost(data) == BEFORE


def test_what_if_is_answered_and_never_booked(tmp_path: Path) -> None:
    data = ledger(tmp_path)
    answer = spanledger("reprice", "--data", data, "--model-map", "odd-7b=gpt-4o-mini", "--format", "jsonl")
    found = {(row["tenant"], row["model"]): row["difference_usd"] for row in answer.rows()}
    assert found["globex", "odd-7b"] == CHAT_USD
    refused = spanledger("reprice", "--data", data, "--batch", "--commit", "--yes")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "never booked" in refused.err
    batch = spanledger("reprice", "--data", data, "--batch", "--format", "jsonl").rows()
    assert {row["difference_usd"] for row in batch if row["tenant"] == "acme"} == {"-0.00021"}, "half the price of both"
    for wrong in (("--commit",), ("--model-map", "x"), ("--undo", "rp1-1", "--since", "7d")):
        assert spanledger("reprice", "--data", data, *wrong).code == 2
    assert len(events(data, "--all")) == 5


@pytest.mark.parametrize("output", ["table", "markdown", "csv", "json"])
def test_every_format(tmp_path: Path, output: str) -> None:
    data = ledger(tmp_path)
    answer = spanledger("reprice", "--data", data, "--catalog", NEW.id, "--format", output)
    assert "0.00072" in answer.out
    assert ("contracted" in answer.out) == (output in ("csv", "json")), "what differs nowhere is left out for people"


def test_beside_a_server_while_calls_come(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        for number in range(1, 21):
            assert post(running.http, as_protobuf(chat(number, number))) == 200
        running.wait_for(data, 20)
        with_catalog(data)
        sent = threading.Thread(target=lambda: [post(running.http, as_protobuf(chat(n, n))) for n in range(101, 141)])
        sent.start()
        assert reprice(data, "--commit", "--yes").code == 0
        sent.join()
        assert running.stop() == 0
    repriced = {entry["span_id"] for entry in events(data, "--all") if entry["kind"] == "adjustment"}
    assert len(repriced) >= 20
    charges = [entry for entry in events(data, "--all") if entry["kind"] == "charge"]
    assert len(charges) == 60
    assert cost(data)["acme"] == 60 * Decimal(CHAT_USD) + len(repriced) * Decimal("0.00015")
