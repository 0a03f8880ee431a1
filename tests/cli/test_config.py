"""`config`, and that settings reach what they are for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import events, spanledger


def test_config_show_prints_a_valid_file_with_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[enrich.payers]\nspan = { tenant = ["my.customer"] }\n')
    monkeypatch.setenv("SPANLEDGER_WORKER__BATCH_SECONDS", "2")
    text = spanledger("config", "show", "--config", path).out
    assert f'span = {{ tenant = ["my.customer"] }}  # file {path}' in text
    assert "batch_seconds = 2.0  # env SPANLEDGER_WORKER__BATCH_SECONDS" in text
    assert 'content = "prune"  # default' in text
    (tmp_path / "b.toml").write_text(text)
    monkeypatch.delenv("SPANLEDGER_WORKER__BATCH_SECONDS")
    assert spanledger("config", "check", tmp_path / "b.toml").err == f"{tmp_path / 'b.toml'} is good\n"
    assert tomllib.loads(text)["worker"]["batch_seconds"] == 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[recevier]\n", "recevier: no such setting; did you mean receiver? allowed: enrich, forward, publish, receiver, store, worker"),
        ("[receiver]\ngrpc = 4317\n", "receiver.grpc: "),
        ("[receiver]\ngrpc = 'localhost'\n", "receiver.grpc: 'localhost' is not host:port, as in 127.0.0.1:4317"),
        ("[receiver]\ngrpc = 'off'\nhttp = 'off'\n", "receiver: grpc and http are both off: nothing would listen"),
        ("[worker]\nbatch_seconds = 'soon'\n", "worker.batch_seconds: input should be a valid number"),
        ("[[enrich.dialects]]\nname = 'mine'\nextends = 'nobody'\n", "enrich.dialects: dialect 'mine' extends 'nobody'"),
    ],
)
def test_config_check_says_what_is_wrong_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    for command in (["config", "check", path], ["config", "show", "--config", path], ["serve", "--data", tmp_path / "d", "--config", path]):
        answer = spanledger(*command)
        assert answer.code == 2
        assert answer.err.startswith(f"spanledger: configuration: {said}")
        assert answer.err.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_a_payer_rule_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[enrich.payers]\nspan = { tenant = ["my.customer"] }\n')
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, None, attributes={"my.customer": "acme"})))
    assert spanledger("ingest", "--data", tmp_path / "data", "--config", tmp_path / "a.toml", tmp_path / "a.pb").code == 0
    assert [(event["tenant_id"], event["tenant_source"]) for event in events(tmp_path / "data")] == [("acme", "span:my.customer")]
