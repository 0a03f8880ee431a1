"""`explain`: from span to money, in text, JSON and Markdown, with the story of its corrections."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.cli.explaining import current
from tests.cli.ledgers import small_ledger
from tests.cli.otlp import as_protobuf, chat, span
from tests.cli.runner import events, spanledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("explain"))


def test_text_writes_the_arithmetic_out(data: Path) -> None:
    text = spanledger("explain", "--data", data, "chatcmpl-1-3").out
    assert text.startswith("chat gpt-4o-mini: 0.00021 USD\n")
    assert "tenant             acme" in text
    assert "inherited from a span above it (tenant.id)" in text
    assert "input_tokens: 1,000 * 0.15 / 1,000,000 = 0.00015 USD" in text
    assert "output_tokens: 100 * 0.6 / 1,000,000 = 0.00006 USD" in text
    assert "0.00015 + 0.00006 = 0.00021 USD" in text
    assert "genai-prices" in text
    assert "undated (in force as long as the catalog knows), rate r-" in text


def test_every_id_of_a_call_leads_to_it(data: Path) -> None:
    (event,) = [event for event in events(data) if event["response_id"] == "chatcmpl-2-12"]
    wanted = json.loads(spanledger("explain", "--data", data, event["event_id"], "--format", "json").out)
    for identifier in (event["span_id"], event["response_id"], event["suppressed_span_ids"][0]):
        assert json.loads(spanledger("explain", "--data", data, identifier, "--format", "json").out) == wanted
    (other,) = wanted["suppressed"]
    assert (other["span_id"], other["scope"], other["input_tokens"]) == (event["suppressed_span_ids"][0], "test.app@1", 1000)
    assert "Other spans of the same call, not charged" in spanledger("explain", "--data", data, event["span_id"]).out


def test_unpriced_says_why(data: Path) -> None:
    text = spanledger("explain", "--data", data, "chatcmpl-4-31").out
    assert text.startswith("chat nobody-knows-7b: unpriced\n")
    assert "unpriced - unknown_model (no catalog entry fits this model at this provider)" in text


def test_a_whole_trace_is_explained_call_by_call(data: Path) -> None:
    documents = json.loads(spanledger("explain", "--data", data, f"{1:032x}", "--format", "json").out)
    assert [document["identity"]["span_id"] for document in documents] == [f"{3:016x}", f"{5:016x}"]


def test_markdown_is_a_document(data: Path) -> None:
    text = spanledger("explain", "--data", data, "chatcmpl-1-3", "--format", "markdown").out
    assert "## What it costs" in text
    assert "- input\\_tokens" not in text
    assert "- tenant: acme" in text


def test_what_is_not_charged_says_where_to_look(data: Path) -> None:
    answer = spanledger("explain", "--data", data, f"{2:016x}")
    assert answer.code == 1
    assert f"spanledger tree {1:032x}" in answer.err
    assert "nothing in the ledger has the id nonsense" in spanledger("explain", "--data", data, "nonsense").err


def test_corrections_are_told_in_order(tmp_path: Path) -> None:
    for name, body in (("a", chat(1, 2, None, parent=1)), ("b", span(1, 1, {"tenant.id": "acme"}))):
        (tmp_path / f"{name}.pb").write_bytes(as_protobuf(body))
        assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / f"{name}.pb").code == 0
    document = json.loads(spanledger("explain", "--data", tmp_path / "data", f"{2:016x}", "--format", "json").out)
    assert [(entry["kind"], entry["tenant"], entry["cost_usd"]) for entry in document["history"]] == [
        ("charge", None, "0.00021"),
        ("reversal", None, "-0.00021"),
        ("charge", "acme", "0.00021"),
    ]
    assert document["history"][1]["ref_event_id"] == document["history"][0]["event_id"]
    assert document["history"][2]["reason"].startswith("payer_found: a later span said whose it is")


def test_shared_work_shows_every_share(tmp_path: Path) -> None:
    shared = chat(1, 1, None, attributes={"spanledger.allocation": '{"acme": 2, "globex": 1}'})
    (tmp_path / "a.pb").write_bytes(as_protobuf(shared))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "a.pb").code == 0
    document = json.loads(spanledger("explain", "--data", tmp_path / "data", f"{1:016x}", "--format", "json").out)
    assert [(payer["tenant"], payer["share"]) for payer in document["payers"]] == [("acme", "2/3"), ("globex", "1/3")]
    assert document["price"]["total_usd"] == "0.00021"
    assert {item["unit"]: item["quantity"] for item in document["usage"]["quantities"]}["input_tokens"] == 1000
    text = spanledger("explain", "--data", tmp_path / "data", f"{1:016x}").out
    assert "share of acme:" in text
    assert "together 0.00021 USD" in text
    # 1,000 tokens are 667 and 333; their cost is 2/3 and 1/3 of 0.00015, and no equation is written that is not one
    assert "input_tokens: 2/3 of the call's, at 0.15 / 1,000,000 (667 of them) = 0.0001 USD" in text
    assert "input_tokens: 1/3 of the call's, at 0.15 / 1,000,000 (333 of them) = 0.00005 USD" in text
    halves = chat(2, 2, None, attributes={"spanledger.allocation": '{"acme": 1, "globex": 1}'})
    (tmp_path / "b.pb").write_bytes(as_protobuf(halves))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "b.pb").code == 0
    assert "input_tokens: 500 * 0.15 / 1,000,000 = 0.000075 USD" in spanledger("explain", "--data", tmp_path / "data", f"{2:016x}").out


def test_a_cell_adds_up_to_the_reports_figure(data: Path) -> None:
    document = json.loads(spanledger("explain", "--data", data, "--tenant", "acme", "--limit", "1", "--format", "json").out)
    (row,) = spanledger("report", "--data", data, "--tenant", "acme", "--format", "jsonl").rows()
    totals = document["totals"]
    assert (totals["calls"], totals["cost_usd"], totals["input_tokens"]) == (row["calls"], row["cost_usd"], row["input_tokens"])
    assert sum(Decimal(each["cost_usd"]) for each in document["rates"]) == Decimal(row["cost_usd"])
    assert sum(Decimal(each["cost_usd"]) for each in document["booked"]) == Decimal(row["cost_usd"])
    assert Decimal(document["top"][0]["cost_usd"]) + Decimal(document["rest"]["cost_usd"]) == Decimal(row["cost_usd"])
    assert document["rest"]["entries"] == 2
    (explained,) = document["explanations"]
    assert explained["price"]["total_usd"] == document["top"][0]["cost_usd"]
    assert document["rates"][0]["source"].startswith("genai-prices")
    text = spanledger("explain", "--data", data, "--tenant", "acme").out
    assert text.startswith("acme: 0.00042 USD\n")
    assert "input_tokens: 2,000 at 0.15 USD / 1,000,000 = 0.0003 USD" in text


def test_a_cell_has_its_times(data: Path) -> None:
    for args in (["--since", "1d"], ["--month", "month"], ["--basis", "booked", "--since", "1d"]):
        answer = spanledger("explain", "--data", data, "--model", "gpt-4o-mini", *args)
        assert answer.code == 0, answer.err
        assert "0.00084 USD" in answer.out.splitlines()[0]
    assert "nothing in the ledger for that" in spanledger("explain", "--data", data, "--day", "2020-01-01").err
    for args in (["--day", "today", "--month", "month"], [], ["chatcmpl-1-3", "--model", "x"], ["chatcmpl-1-3", "--since", "1d"]):
        answer = spanledger("explain", "--data", data, *args)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)


def test_a_line_is_explained_by_itself(data: Path) -> None:
    (event,) = [event for event in events(data) if event["response_id"] == "chatcmpl-1-3"]
    text = spanledger("explain", "--data", data, f"{event['event_id']}:output_tokens").out
    assert "output_tokens: 100 * 0.6 / 1,000,000 = 0.00006 USD" in text
    assert "input_tokens: 1,000" not in text
    line = json.loads(spanledger("explain", "--data", data, f"{event['event_id'][:12]}:input_tokens", "--format", "json").out)
    assert (line["quantity"], line["cost_usd"], line["rate_id"]) == (1000, "0.00015", event["lines"][0]["rate_id"])
    assert "there are input_tokens, output_tokens" in spanledger("explain", "--data", data, f"{event['event_id']}:images").err


def test_html_goes_to_a_file_and_says_what_the_text_says(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "acme.html"
    answer = spanledger("explain", "--data", data, "--tenant", "acme", "--format", "html", "--out", page)
    assert (answer.code, answer.out) == (0, "")
    text = page.read_text("utf-8")
    assert "0.00015 + 0.00006 = 0.00021 USD" in text
    assert "globex" not in text
    assert 'href="#call-1"' in text
    assert 'id="call-1"' in text


def test_hostile_names_of_every_kind_stay_text_on_the_page(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\u202e\"'>"
    names = {"tenant.id": hostile, "user.id": hostile, "session.id": hostile, "gen_ai.agent.name": hostile, "gen_ai.workflow.name": hostile}
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, None, model=hostile, attributes=names)))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "a.pb").code == 0
    for asked in ([f"{1:016x}"], ["--tenant", hostile]):
        page = spanledger("explain", "--data", tmp_path / "data", *asked, "--format", "html").out
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert "\u202e" not in page


def test_the_place_in_the_hash_chain_is_named(data: Path) -> None:
    evidence = json.loads(spanledger("explain", "--data", data, "chatcmpl-1-3", "--format", "json").out)["evidence"]
    assert evidence["proof"].startswith("record ")
    assert "spanledger prove" in evidence["proof"]


def test_every_correction_has_its_own_place_in_the_hash_chain(tmp_path: Path) -> None:
    for name, body in (("a", chat(1, 2, None, parent=1)), ("b", span(1, 1, {"tenant.id": "acme"}))):
        (tmp_path / f"{name}.pb").write_bytes(as_protobuf(body))
        assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / f"{name}.pb").code == 0
    document = json.loads(spanledger("explain", "--data", tmp_path / "data", f"{2:016x}", "--format", "json").out)
    places = [(entry["event_id"], entry["proof"]) for entry in document["history"]]
    assert [proof.partition(" of")[0] for _, proof in places] == ["record 1", "record 2", "record 2"]
    assert all(f"`spanledger prove {event_id}`" in proof for event_id, proof in places)
    assert "      record 2 of the hash chain (commit 2)\n" in spanledger("explain", "--data", tmp_path / "data", f"{2:016x}").out


def test_adjustments_go_with_the_charge_that_is_reversed() -> None:
    """A charge of 5, re-priced by -2, reversed with an adjustment that closes the other: nothing is charged, and nothing is left over."""
    kinds = [("charge", "c", None), ("adjustment", "a", "c"), ("reversal", "r", "c"), ("adjustment", "b", "c"), ("charge", "d", None)]
    entries = [{"kind": kind, "event_id": name, "ref_event_id": ref} for kind, name, ref in kinds]
    assert [entry["event_id"] for entry in current(entries)] == ["d"]
    assert [entry["event_id"] for entry in current(entries[:2])] == ["c", "a"]
