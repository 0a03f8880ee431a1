"""`replay` on the command line: what it says, what it books, and that nothing else happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.otlp import NOW_NS, SECOND_NS, as_protobuf, chat, span
from tests.cli.runner import Answer, events, spanledger

DAY_NS = 86_400 * SECOND_NS
WRONG_KEY = '[enrich.payers]\nspan = { tenant = ["session.id"] }\n'
"""A payer rule that takes the session for the tenant: what the tests mend."""


def ingest(folder: Path, *spans: Any, config: str | None = None) -> Path:
    """Ingest spans in one request under a configuration; the data folder."""
    (folder / "in.pb").write_bytes(as_protobuf(*spans))
    answer = spanledger("ingest", "--data", folder / "data", *configured(folder, config), folder / "in.pb")
    assert answer.code == 0, answer.err
    return folder / "data"


def configured(folder: Path, config: str | None) -> list[object]:
    if config is None:
        return []
    (folder / "spanledger.toml").write_text(config)
    return ["--config", folder / "spanledger.toml"]


def replay(folder: Path, *args: object, config: str | None = None) -> Answer:
    return spanledger("replay", "--data", folder / "data", "--format", "jsonl", *configured(folder, config), *args)


def tenants(data: Path) -> list[str | None]:
    return sorted((event["tenant_id"] for event in events(data)), key=str)


def book(folder: Path, *args: object, config: str | None = None) -> Answer:
    answer = replay(folder, "--commit", "--yes", *args, config=config)
    assert answer.code == 0, answer.err
    return answer


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """Two calls of acme and one of globex, charged to their sessions by a wrong rule."""
    sessions = {1: ("acme", "s-1"), 2: ("acme", "s-2"), 3: ("globex", "s-3")}
    for number, (tenant, session) in sessions.items():
        ingest(tmp_path, chat(number, number, tenant, attributes={"session.id": session}), config=WRONG_KEY)
    assert tenants(tmp_path / "data") == ["s-1", "s-2", "s-3"]
    return tmp_path


def test_a_replay_mends_a_wrong_payer_rule(wrong: Path) -> None:
    dry = replay(wrong)
    assert dry.code == 0
    assert tenants(wrong / "data") == ["s-1", "s-2", "s-3"], "a dry run books nothing"
    # a chat costs 0.00021 USD: see tests.cli.otlp
    assert {row["tenant"]: row["cost_usd"] for row in dry.rows()} == {
        "acme": "0.00042", "globex": "0.00021", "s-1": "-0.00021", "s-2": "-0.00021", "s-3": "-0.00021",
    }  # fmt: skip
    assert "this was a dry run and nothing was booked" in dry.err
    booked = book(wrong, "--reason", "the tenant key was wrong", "--actor", "mo")
    assert booked.rows() == dry.rows(), "what is booked is what was shown"
    assert tenants(wrong / "data") == ["acme", "acme", "globex"]
    report = spanledger("report", "--data", wrong / "data", "--by", "tenant", "--format", "jsonl").rows()
    assert {row["tenant"]: row["cost_usd"] for row in report} == {"acme": "0.00042", "globex": "0.00021"}


def test_the_entries_of_a_replay_are_linked_and_say_why(wrong: Path) -> None:
    book(wrong)
    every = events(wrong / "data", "--all")
    old = {event["event_id"]: event for event in every if event["reason"] is None}
    new = [event for event in every if event["reason"] is not None]
    assert len(old) == 3
    assert len(new) == 6
    assert {event["reason"] for event in new} == {"replayed"}
    assert len({event["run_id"] for event in new}) == 1
    assert all(event["ref_event_id"] in old for event in new)
    assert {event["run_id"] for event in old.values()} == {None}


def test_a_second_replay_finds_nothing(wrong: Path) -> None:
    book(wrong)
    before = events(wrong / "data", "--all")
    again = book(wrong)
    assert again.rows() == []
    assert "the ledger says all of this already" in again.err
    assert events(wrong / "data", "--all") == before


def test_a_replay_by_the_former_rules_undoes_it(wrong: Path) -> None:
    book(wrong)
    book(wrong, config=WRONG_KEY)
    assert tenants(wrong / "data") == ["s-1", "s-2", "s-3"]
    book(wrong)
    assert tenants(wrong / "data") == ["acme", "acme", "globex"]


def test_a_late_span_settles_with_what_was_read_again(wrong: Path) -> None:
    """The root of trace 1 comes after the replay, and names a user: the call must not fall back to the session."""
    book(wrong)
    ingest(wrong, span(1, 9, {"user.id": "ada"}), chat(1, 1, "acme", parent=9, attributes={"session.id": "s-1"}))
    found = {event["trace_id"]: event for event in events(wrong / "data")}
    assert found[f"{1:032x}"]["tenant_id"] == "acme"
    assert found[f"{1:032x}"]["user_id"] == "ada"


def test_without_the_spans_of_the_replay_a_late_span_would_undo_it(wrong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: entries alone, with the spans as they were read first."""
    monkeypatch.setattr("spanledger.cli.resettling.Overlay.changed_readings", lambda _overlay: iter(()))
    book(wrong)
    ingest(wrong, span(1, 9, {"user.id": "ada"}))
    assert "s-1" in tenants(wrong / "data")


def test_a_tenant_narrows_it_to_the_traces_it_has_a_part_in(wrong: Path) -> None:
    assert {row["tenant"] for row in replay(wrong, "--tenant", "globex").rows()} == {"globex", "s-3"}
    book(wrong, "--tenant", "s-1")
    assert tenants(wrong / "data") == ["acme", "s-2", "s-3"]


def test_a_window_narrows_it_to_the_traces_that_touch_it(tmp_path: Path) -> None:
    attributes = {"session.id": "s"}
    ingest(tmp_path, chat(1, 1, "old", attributes=attributes, start_ns=NOW_NS - 9 * DAY_NS), config=WRONG_KEY)
    ingest(tmp_path, chat(2, 2, "new", attributes=attributes), config=WRONG_KEY)
    long = [chat(3, 31, "long", attributes=attributes, start_ns=NOW_NS - 9 * DAY_NS), chat(3, 32, "long", attributes=attributes)]
    ingest(tmp_path, *long, config=WRONG_KEY)
    book(tmp_path, "--since", "1d")
    assert tenants(tmp_path / "data") == ["long", "long", "new", "s"]
    book(tmp_path, "--until", "8d")
    assert tenants(tmp_path / "data") == ["long", "long", "new", "old"]


HOUSE = """
[[enrich.dialects]]
name = "house"
scopes = ["test.app"]
request_model = ["rpc.method"]
response_model = ["house.model"]
default_provider = "openai"

[[enrich.dialects.kinds]]
ref = "rpc.system"
values = { house-llm = "inference:chat" }

[[enrich.dialects.shapes]]
input = ["house.tokens_in"]
output = ["house.tokens_out"]
"""
"""An in-house gateway's own attributes. Numbers are always kept on receipt, and so is what an RPC is named; house.model is not."""


def test_a_dialect_of_ones_own_prices_what_was_other_before(tmp_path: Path) -> None:
    said = {"rpc.system": "house-llm", "rpc.method": "gpt-4o-mini", "house.model": "gpt-4o", "house.tokens_in": 1000}
    data = ingest(tmp_path, span(1, 1, said | {"house.tokens_out": 100, "tenant.id": "acme"}, name="call"))
    assert events(data) == []
    found = book(tmp_path, config=HOUSE)
    assert found.rows() == [
        {
            "tenant": "acme", "model": "gpt-4o-mini", "entries": 1, "charges": 1,
            "input_tokens": 1000, "output_tokens": 100, "unpriced_charges": 0, "cost_usd": "0.00021",
        }
    ]  # fmt: skip
    assert (
        "pruned content limits this replay: texts that the present rules would read were not kept on receipt: house.model (1)" in found.err
    )
    (event,) = events(data)
    assert (event["dialect"], event["cost_usd"], event["reason"]) == ("house", "0.00021", "replayed")


def test_rows_for_people_have_a_total(wrong: Path) -> None:
    answer = spanledger("replay", "--data", wrong / "data", "--format", "json")
    assert json.loads(answer.out)["totals"]["cost_usd"] == "0"
    assert json.loads(answer.out)["totals"]["entries"] == 6


def test_a_commit_needs_somebody_to_say_yes(wrong: Path) -> None:
    answer = replay(wrong, "--commit")
    assert answer.code == 2
    assert "add --yes to --commit" in answer.err


def test_a_folder_without_requests_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    answer = replay(tmp_path)
    assert answer.code == 1
    assert "nothing can be replayed" in answer.err
