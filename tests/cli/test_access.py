"""What a key may ask on the command line: every command has a stance, keys of other scopes are refused, and nothing is learnt of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli import access
from spanledger.cli.access import STANCES, Stance
from spanledger.cli.lazy import COMMANDS, load
from tests.cli.ledgers import small_ledger
from tests.cli.runner import Answer, spanledger

SOURCES = Path(access.__file__).parent
ANY = {"TEXT": "select 1", "QUERY": "select 1", "RUN": "rp1-x", "WHEN": "7d", "A": "active", "B": "shipped", "system": "stripe"}


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    subs = getattr(command, "commands", None)
    if subs is None:
        yield path, command
    else:
        for name, sub in subs.items():
            yield from leaves(sub, f"{path} {name}")


EVERY = dict(leaf for name in COMMANDS for leaf in leaves(load(name), name))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("access"))


def key(data: Path, *args: str) -> str:
    made = spanledger("keys", "create", "--data", data, *args)
    assert made.code == 0, made.err
    return made.out.strip()


@pytest.fixture(scope="module")
def acme(data: Path) -> str:
    return key(data, "--tenant", "acme", "--scope", "read")


def arguments(path: str) -> list[str]:
    """The words of a command with something for each argument and option that it must have."""
    words = path.split()
    for parameter in EVERY[path].params:
        if parameter.required:
            word = ANY.get(parameter.metavar or "", ANY.get(parameter.name, "x"))
            words += [word] if parameter.param_type_name == "argument" else [parameter.opts[0], word]
    return words


def keyed(path: str, data: Path, secret: str) -> Answer:
    option = next(each.opts[0] for each in EVERY[path].params if each.name == "api_key")
    return spanledger(*arguments(path), "--data", data, option, secret)


def test_every_command_has_a_stance() -> None:
    assert set(EVERY) <= set(STANCES)


def test_a_command_without_a_stance_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "STANCES", {name: stance for name, stance in STANCES.items() if name != "report"})
    with pytest.raises(RuntimeError, match="`spanledger report` has no stance"):
        load("report")


@pytest.mark.parametrize("path", [path for path in EVERY if STANCES[path] in (Stance.ROWS, Stance.FOLDER)])
def test_a_key_that_grants_too_little_is_refused_whatever_is_asked(path: str, data: Path) -> None:
    tells_nothing = {"", "\n"}
    refused = keyed(path, data, key(data, "--scope", "ingest"))
    assert refused.code == 1
    assert "this API key may not do that" in refused.err
    assert refused.out in tells_nothing
    unknown = keyed(path, data, "sl_000000000000_" + "0" * 64)
    assert (unknown.code, "not valid" in unknown.err, unknown.out) == (1, True, "")
    assert "0000" not in unknown.err, "a key is a secret also where it is wrong"


@pytest.mark.parametrize("path", [path for path in EVERY if STANCES[path] is Stance.FOLDER])
def test_the_affairs_of_all_take_an_admin_of_all(path: str, data: Path, acme: str) -> None:
    for secret in (acme, key(data, "--tenant", "acme", "--scope", "admin"), key(data, "--scope", "read")):
        refused = keyed(path, data, secret)
        assert (refused.code, refused.out) == (1, "")
        assert "admin, bound to no tenant" in refused.err


def test_an_admin_may(data: Path) -> None:
    listed = spanledger("keys", "list", "--data", data, "--key", key(data, "--scope", "admin"), "--format", "jsonl")
    assert listed.code == 0
    assert listed.rows()


def test_questions_open_the_ledger_in_one_place() -> None:
    allowed = {"access", "parts", "demo", "remote", "repricing", "replaying", "exporting", "pushing", "deep_verify"}  # none answers a key
    opening = {path.stem for path in SOURCES.rglob("*.py") if re.search(r"\bLedger\.open\(", path.read_text("utf-8"))}
    assert opening <= allowed


def test_a_key_comes_from_the_environment_too_and_an_empty_one_is_no_owner(data: Path, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_KEY", acme)
    assert [row["tenant"] for row in spanledger("report", "--data", data, "--format", "jsonl").rows()] == ["acme"]
    monkeypatch.setenv("SPANLEDGER_KEY", "")
    answer = spanledger("report", "--data", data)
    assert (answer.code, answer.out) == (1, "")
    assert "set and empty" in answer.err


def test_a_revoked_key_asks_nothing_any_more(data: Path) -> None:
    secret = key(data, "--scope", "read")
    assert spanledger("report", "--data", data, "--key", secret).code == 0
    assert spanledger("keys", "revoke", secret.split("_")[1], "--data", data).code == 0
    assert "not valid" in spanledger("report", "--data", data, "--key", secret).err


def test_each_sees_its_own(data: Path, acme: str) -> None:
    def tenants(*args: object) -> list[str | None]:
        return [row["tenant"] for row in spanledger("report", "--data", data, "--format", "jsonl", *args).rows()]

    assert set(tenants()) == {"acme", "globex", None}  # the control: without a key all of it is there
    assert tenants("--key", acme) == ["acme"]
    assert set(tenants("--key", key(data, "--scope", "read"))) == {"acme", "globex", None}
    assert tenants("--key", key(data, "--scope", "read", "--account", "eu")) == []


def test_a_foreign_id_is_as_one_that_nobody_has(data: Path, acme: str) -> None:
    theirs = next(row for row in spanledger("events", "--data", data, "--format", "jsonl").rows() if row["tenant_id"] == "globex")
    said = set()
    for command in ("explain", "tree", "prove"):
        for name in ("event_id", "span_id", "trace_id"):
            foreign = spanledger(command, theirs[name], "--data", data, "--key", acme)
            nobodys = "f" * len(theirs[name])
            unknown = spanledger(command, nobodys, "--data", data, "--key", acme)
            assert foreign.code == unknown.code == 1
            assert foreign.err.replace(theirs[name], "ID") == unknown.err.replace(nobodys, "ID")
            said.add(foreign.out)
    assert said == {""}


def test_no_file_is_read_or_written_for_the_bearer_of_a_key(data: Path, acme: str, tmp_path: Path) -> None:
    """What runs the command may read and write more than the bearer: another's files, and the ledger itself."""
    mine = spanledger("events", "--data", data, "--key", acme, "--format", "jsonl").rows()[0]["event_id"]
    (tmp_path / "private.csv").write_text("hunter2,x\n1,2\n")
    (tmp_path / "there.txt").write_text("as it was")
    for words in (["explain", mine, "--out"], ["prove", mine, "--out"], ["prove", mine, "--checkpoint"]):
        refused = spanledger(*words, tmp_path / "there.txt", "--data", data, "--key", acme)
        assert (refused.code, refused.out) == (1, "")
        assert f"answers go to standard output: leave {words[-1]} out" in refused.err
    assert (tmp_path / "there.txt").read_text() == "as it was"
    told = spanledger("prices", "lint", tmp_path / "private.csv", "--data", data, "--key", acme)
    assert told.code == 1
    assert "hunter2" not in told.out + told.err
    assert "hunter2" in spanledger("prices", "lint", tmp_path / "private.csv", "--data", data).err  # the control
    assert spanledger("explain", mine, "--out", tmp_path / "there.txt", "--data", data).code == 0


def test_prices_of_the_company_are_not_shown_to_a_key(data: Path, acme: str, tmp_path: Path) -> None:
    (tmp_path / "globex-special.csv").write_text(
        "provider,model,unit,amount,per,effective_from\nopenai,globex-secret-model,input_tokens,1,1000000,2026-01-01\n"
    )
    done = spanledger("prices", "import", tmp_path / "globex-special.csv", "--data", data)
    assert done.code == 0, done.err
    asked = (["list"], ["list", "--history"], ["models", "globex"], ["show", "globex-special"], ["export", "globex-special"])
    for words in asked:
        with_key = spanledger("prices", *words, "--data", data, "--key", acme)
        assert "secret" not in with_key.out + with_key.err
        assert "special" not in with_key.out
    assert "globex-special" in spanledger("prices", "list", "--data", data).out  # the control


def test_the_doctor_says_nothing_of_the_folder(data: Path, acme: str) -> None:
    (data / "quarantine.jsonl").write_text(
        '{"code": "bad_id", "position": 0, "trace_id": "00", "span_id": "00", "received_ns": 1}\n', encoding="ascii"
    )
    assert "quarantined" in spanledger("doctor", "--data", data).out
    told = spanledger("doctor", "--data", data, "--key", acme, "--format", "jsonl")
    assert {row["finding"] for row in told.rows()} == {"unpriced"}
    (data / "quarantine.jsonl").unlink()


def test_shared_costs_are_no_question_for_a_key(data: Path, acme: str) -> None:
    answer = spanledger("report", "--data", data, "--allot", "db", "--key", acme)
    assert answer.code == 2
    assert "--allot" in answer.err


def test_runs_show_what_they_did_to_oneself(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    prices = "provider,model,unit,amount,per,effective_from\n" + "".join(
        f"openai,gpt-4o-mini,{unit},{amount},1000000,2024-01-01\n" for unit, amount in (("input_tokens", 1), ("output_tokens", 2))
    )
    (tmp_path / "new.csv").write_text(prices)
    assert spanledger("prices", "import", tmp_path / "new.csv", "--data", data).code == 0
    done = spanledger("reprice", "--data", data, "--catalog", "new", "--tenant", "globex", "--commit", "--yes", "--reason", "for globex")
    assert done.code == 0, done.err
    run_id = spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()[0]["run_id"]
    acme, globex = (key(data, "--tenant", name, "--scope", "read") for name in ("acme", "globex"))
    assert spanledger("runs", "list", "--data", data, "--key", acme, "--format", "jsonl").out == ""
    assert "no run begins" in spanledger("runs", "show", run_id, "--data", data, "--key", acme).err
    (own,) = spanledger("runs", "list", "--data", data, "--key", globex, "--format", "jsonl").rows()
    assert (own["run_id"], own["reason"], own["actor"]) == (run_id, None, None)
    assert spanledger("runs", "show", run_id, "--data", data, "--key", globex).code == 0
