"""`ingest`: every stored format through the whole pipeline, again without effect, bad files named and passed over."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.cli.folder import DataFolder
from tests.cli.otlp import CHAT_USD, as_json, as_protobuf, chat, span
from tests.cli.runner import events, spanledger


def ingest(data: Path, *paths: Path, code: int = 0) -> str:
    answer = spanledger("ingest", "--data", data, *paths)
    assert answer.code == code, answer.err
    assert answer.out == ""
    return answer.err


def test_every_format_gives_its_calls(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.traces.pb").write_bytes(as_protobuf(chat(1, 1)))
    (folder / "b.json").write_bytes(as_json(chat(2, 2)))
    (folder / "c.jsonl").write_bytes(as_json(chat(3, 3)) + b'\n{"resourceLogs":[]}\n' + as_json(chat(4, 4)))
    (folder / "d.pb.gz").write_bytes(gzip.compress(as_protobuf(chat(5, 5))))
    (folder / "e.jsonl.gz").write_bytes(gzip.compress(as_json(chat(6, 6))))
    (folder / "0001.logs.pb").write_bytes(b"not for us")
    said = ingest(tmp_path / "data", folder)
    assert said.startswith("ingested 6 requests, 6 spans, 6 ledger entries in ")
    found = events(tmp_path / "data")
    assert sorted(int(event["trace_id"], 16) for event in found) == [1, 2, 3, 4, 5, 6]
    assert {event["cost_usd"] for event in found} == {CHAT_USD}


def test_the_same_files_again_change_nothing(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "a.pb"
    path.write_bytes(as_protobuf(chat(1, 1), chat(1, 2, tenant="globex")))
    ingest(data, path)
    first = events(data, "--all")
    assert "0 ledger entries" in ingest(data, path, path)
    assert events(data, "--all") == first


def test_a_root_that_comes_later_puts_the_payer_right_by_linked_entries(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "child.pb").write_bytes(as_protobuf(chat(1, 2, None, parent=1)))
    (tmp_path / "root.pb").write_bytes(as_protobuf(span(1, 1, {"tenant.id": "acme"}, name="POST /ask")))
    ingest(data, tmp_path / "child.pb")
    assert [event["tenant_id"] for event in events(data)] == [None]
    ingest(data, tmp_path / "root.pb")
    (now,) = events(data)
    assert (now["tenant_id"], now["tenant_source"], now["cost_usd"]) == ("acme", "ancestor:tenant.id", CHAT_USD)
    story = [(event["kind"], event["reason"], event["cost_usd"]) for event in events(data, "--all")]
    assert story == [("charge", None, CHAT_USD), ("reversal", "payer_found", f"-{CHAT_USD}"), ("charge", "payer_found", CHAT_USD)]


def test_bad_files_are_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    (tmp_path / "good.pb").write_bytes(as_protobuf(chat(1, 1)))
    (tmp_path / "bad.pb").write_bytes(b"\xff\xff\xff nonsense")
    (tmp_path / "bad.json").write_bytes(b"{")
    (tmp_path / "lines.jsonl").write_bytes(b"{oops\n" + as_json(chat(2, 2)) + b"\n")
    said = ingest(
        tmp_path / "data",
        *(tmp_path / name for name in ("bad.pb", "bad.json", "missing.pb", "good.pb", "lines.jsonl")),
        code=1,
    ).splitlines()
    named = [str(tmp_path / name) for name in ("bad.pb", "bad.json", "missing.pb", "lines.jsonl:1")]
    assert [line.split(": ")[1] for line in said[:-1]] == named
    assert "2 requests" in said[-1]
    assert "4 bad inputs" in said[-1]
    assert len(events(tmp_path / "data")) == 2


NONSENSE = {
    "negative": -5,
    "2^63": 2**63 - 1,
    "huge text": str(2**70),
    "nan": float("nan"),
    "text": "many",
    "empty": "",
}


@pytest.mark.parametrize("count", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_counts_are_kept_apart_and_never_money(tmp_path: Path, count: object) -> None:
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, input_tokens=count, output_tokens=count), chat(2, 2)))
    ingest(tmp_path / "data", tmp_path / "a.pb")
    found = {int(event["trace_id"], 16): event for event in events(tmp_path / "data")}
    assert found[2]["cost_usd"] == CHAT_USD
    assert found[1]["cost_usd"] is None
    assert found[1]["price_state"] == "unpriced"


@pytest.mark.parametrize("tenant", ["x" * 300, "'; DROP TABLE events; --", "=cmd()", "../../etc", "a\x1b[2J", "日本\u202e"])
def test_hostile_tenant_names_are_only_names(tmp_path: Path, tenant: str) -> None:
    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, tenant), chat(2, 2, "acme")))
    ingest(data, tmp_path / "a.pb")
    names = {event["tenant_id"] for event in events(data)}
    assert "acme" in names
    (named,) = names - {"acme"}
    assert len(named) <= 256
    assert len(events(data, "--tenant", named)) == 1
    report = spanledger("report", "--data", data)
    assert "\x1b" not in report.out
    assert not [path for path in data.rglob("*") if "DROP" in path.name or "etc" in path.name]


@pytest.mark.parametrize("start_ns", [1, 9_214_646_400_000_000_000, (1 << 64) - 2], ids=["1970", "2262", "2554"])
def test_spans_of_another_century_are_charged_and_found(tmp_path: Path, start_ns: int) -> None:
    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, start_ns=start_ns), chat(2, 2)))
    ingest(data, tmp_path / "a.pb")
    ingest(data, tmp_path / "a.pb")
    assert len(events(data, "--all")) == 2
    assert "far_dated" in spanledger("doctor", "--data", data).out
    assert len(events(data, "--since", "1h", "--until", "now")) == 1


def test_spans_without_usable_ids_go_to_quarantine(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(0, 1), chat(2, 2)))
    assert "1 spans in quarantine" in ingest(data, tmp_path / "a.pb")
    assert len(events(data)) == 1
    assert "quarantined" in spanledger("doctor", "--data", data).out


def test_prompts_never_reach_the_disk(tmp_path: Path) -> None:
    canary = "my-secret-prompt-0815"
    attributes = {"gen_ai.prompt.0.content": canary, "anything.else": canary}
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, attributes=attributes, name=canary)))
    ingest(tmp_path / "data", tmp_path / "a.pb")
    assert len(events(tmp_path / "data")) == 1
    assert canary.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


def test_content_is_kept_only_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_RECEIVER__CONTENT", "keep")
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, attributes={"gen_ai.prompt.0.content": "canary-0815"})))
    ingest(tmp_path / "data", tmp_path / "a.pb")
    assert any(b"canary-0815" in path.read_bytes() for path in (tmp_path / "data" / "journal").iterdir())


def test_a_writer_that_is_no_server_is_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.cli.ingesting._LOCK_WAIT_SECONDS", 0.1)
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1)))
    data = DataFolder(tmp_path / "data")
    data.create()
    with data.writing():
        assert "another spanledger process is writing" in ingest(tmp_path / "data", tmp_path / "a.pb", code=1)


def test_money_is_exact_over_many_calls(tmp_path: Path) -> None:
    spans = [chat(1, number, input_tokens=number, output_tokens=1) for number in range(1, 301)]
    (tmp_path / "a.pb").write_bytes(as_protobuf(*spans))
    ingest(tmp_path / "data", tmp_path / "a.pb")
    # (1 + 2 + … + 300) * 0.15 + 300 * 0.60 per million = 45,150 * 0.15 + 180 = 6,952.5 per million
    (row,) = spanledger("report", "--data", tmp_path / "data", "--format", "jsonl").rows()
    assert Decimal(row["cost_usd"]) == Decimal("0.0069525")
