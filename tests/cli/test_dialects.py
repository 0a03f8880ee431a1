"""`dialects list|test`: what is known, and files of spans as tables."""

import gzip
import json
from pathlib import Path

import pytest

from spanledger.cli.dialects import when_text
from spanledger.enrich.dialects.dialect import When
from spanledger.enrich.dialects.registry import SHIPPED
from tests.cli.otlp import CHAT_USD, as_json, as_protobuf, chat, request, span
from tests.cli.runner import spanledger

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "session.id": "s1"}
TOTALS = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


def test_list_shows_every_dialect_in_the_order_they_are_asked() -> None:
    rows = spanledger("dialects", "list", "--format", "jsonl").rows()
    assert [row["name"] for row in rows] == [dialect.name for dialect in SHIPPED]
    assert [row["priority"] for row in rows] == list(range(1, len(SHIPPED) + 1))
    by_name = {row["name"]: row for row in rows}
    assert by_name["otel-google-old"]["versions"] == "<1"
    assert "opentelemetry.instrumentation.google_genai" in by_name["otel-google-old"]["scopes"]
    assert by_name["generic"]["scopes"] == "any"


def test_conditions_in_words() -> None:
    assert when_text(When()) == ""
    when = When(keys=("a", "b"), any_keys=("c", "d"), without=("e",), values={"f": ("1", "2")}, below={"g": 3})
    assert when_text(when) == "has a and b; has one of c, d; has none of e; f is 1 or 2; g is below 3"


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".pb", ".json.gz", ".pb.gz"])
def test_every_kind_of_file(suffix: str, tmp_path: Path) -> None:
    body = as_protobuf(chat(1, 1)) if ".pb" in suffix else as_json(chat(1, 1)) + b"\n"
    file = tmp_path / f"export{suffix}"
    file.write_bytes(gzip.compress(body) if suffix.endswith(".gz") else body)
    (row,) = spanledger("dialects", "test", file, "--format", "jsonl").rows()
    assert (row["settled"], row["cost_usd"], row["dialect"]) == ("charged", CHAT_USD, "generic")
    assert list(tmp_path.iterdir()) == [file], "nothing may be stored"


def test_spans_that_say_nothing_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(as_json(chat(1, 1), span(1, 2, {"http.route": "/"}, name="GET /")))
    assert [row["name"] for row in spanledger("dialects", "test", file, "--format", "jsonl").rows()] == ["chat gpt-4o-mini"]
    everything = spanledger("dialects", "test", file, "--all", "--format", "jsonl").rows()
    assert [row["name"] for row in everything] == ["chat gpt-4o-mini", "GET /"]


def test_the_table_is_a_tree_in_words(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(as_json(chat(1, 2, None, parent=1), span(1, 1, AGENT | TOTALS, name="helper")))
    lines = spanledger("dialects", "test", file, "--format", "markdown").out.splitlines()
    assert lines[2].startswith("| helper | test.app@1 | aggregate: invoke_agent |")
    assert "session s1, agent helper" in lines[2]
    assert lines[3].startswith("|   chat gpt-4o-mini | test.app@1 | inference: chat |")
    assert "1,000 in, 100 out" in lines[3]
    assert f"charged | {CHAT_USD}" in lines[3]


def test_content_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(as_json(chat(1, 1, attributes={"gen_ai.input.messages": "the secret plan"})))
    for output in ("table", "json", "jsonl", "csv", "markdown"):
        answer = spanledger("dialects", "test", file, "--format", output)
        assert answer.code == 0
        assert "gpt-4o-mini" in answer.out
        assert "secret" not in answer.out


def test_bad_inputs_are_named_and_the_others_read(tmp_path: Path) -> None:
    (tmp_path / "bad.pb").write_bytes(b"\xff\xff\xff")
    (tmp_path / "bad.json").write_text(json.dumps(request())[:-3])
    (tmp_path / "good.json").write_bytes(as_json(chat(1, 1)))
    answer = spanledger("dialects", "test", tmp_path, "--format", "jsonl")
    assert answer.code == 1
    assert len(answer.rows()) == 1
    assert [line.split(": ")[1] for line in answer.err.splitlines()] == [str(tmp_path / "bad.json"), str(tmp_path / "bad.pb")]
    assert spanledger("dialects", "test", tmp_path / "none.pb").code == 1
