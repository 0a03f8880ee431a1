"""`prices`, `keys`, `config` and `compact`: the small commands."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.ledgers import small_ledger
from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import events, spanledger


def test_prices_show_every_rate_with_its_source() -> None:
    rows = spanledger("prices", "show", "gpt-4o-mini", "--provider", "openai", "--format", "jsonl").rows()
    plain = {row["unit"]: (row["amount"], row["per"]) for row in rows if row["context"] is None}
    assert plain["input_tokens"] == ("0.15", 1_000_000)
    assert plain["output_tokens"] == ("0.6", 1_000_000)
    assert all(row["source"] and row["rate_id"] for row in rows)
    assert spanledger("prices", "show", "gpt-4o-mini").code == 0


def test_prices_list_searches() -> None:
    rows = spanledger("prices", "list", "SONNET", "--provider", "anthropic", "--format", "jsonl").rows()
    assert rows
    assert all("sonnet" in row["model"] and row["provider"] == "anthropic" for row in rows)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["list", "nobody-knows"], "no model with 'nobody-knows' in its name has a price"),
        (["show", "nobody-knows"], "no prices for nobody-knows; `spanledger prices list` shows what there is"),
        (["show", "sonnet"], "no prices for sonnet; there are "),
        (["show", "gpt-4o", "--at", "whenever"], "cannot read 'whenever' as a time"),
    ],
)
def test_prices_that_there_are_not(args: list[str], said: str) -> None:
    answer = spanledger("prices", *args)
    assert answer.code == 1
    assert answer.err.startswith(f"spanledger: {said}")


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    created = spanledger("keys", "create", "--data", data, "--tenant", "acme", "--name", "production")
    secret, key_id = created.out.strip(), created.err.split()[1]
    (row,) = spanledger("keys", "list", "--data", data, "--format", "jsonl").rows()
    assert (row["key_id"], row["account"], row["tenant"], row["scopes"], row["name"], row["state"]) == (
        key_id, "default", "acme", "ingest", "production", "active",
    )  # fmt: skip
    assert spanledger("keys", "revoke", "--data", data, key_id).code == 0
    assert spanledger("keys", "list", "--data", data, "--format", "jsonl").rows()[0]["state"] == "revoked"
    assert spanledger("keys", "revoke", "--data", data, "nope").err == "spanledger: there is no key nope\n"
    assert spanledger("keys", "create", "--data", data, "--scope", "everything").code == 1
    assert secret.encode() not in b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())


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
        ("[recevier]\n", "recevier: no such setting; did you mean receiver? allowed: enrich, receiver, store, worker"),
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


def test_compact_joins_files_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_STORE__COMPACT_FILES_MIN", "2")
    data = small_ledger(tmp_path)
    for number in range(50, 53):
        (tmp_path / "more.pb").write_bytes(as_protobuf(chat(number, number)))
        assert spanledger("ingest", "--data", data, tmp_path / "more.pb").code == 0
    before = sorted(events(data, "--all"), key=lambda event: event["event_id"])
    answer = spanledger("compact", "--data", data)
    assert answer.code == 0
    assert "files joined into" in answer.err
    assert sorted(events(data, "--all"), key=lambda event: event["event_id"]) == before
