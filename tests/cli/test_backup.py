"""`backup` and `restore`: of a folder at rest and of a server under load; what is restored goes on, and damage is seen."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from spanledger.store.ledger import Ledger
from tests.cli.otlp import as_protobuf, chat, span
from tests.cli.runner import events, server, spanledger
from tests.cli.test_server import post


def ingest(data: Path, path: Path, *spans: object) -> None:
    path.write_bytes(as_protobuf(*spans))
    assert spanledger("ingest", "--data", data, path).code == 0


def backup(data: Path, target: Path) -> str:
    answer = spanledger("backup", "--data", data, target)
    assert answer.code == 0, answer.err
    return answer.err


def restored(source: Path, data: Path) -> Path:
    answer = spanledger("restore", source, "--data", data)
    assert answer.code == 0, answer.err
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(1, 4):
        ingest(tmp_path / "data", tmp_path / "in.pb", chat(number, number))
    return tmp_path / "data"


def test_the_copy_is_the_ledger_and_goes_on(tmp_path: Path, data: Path) -> None:
    assert backup(data, tmp_path / "copy").startswith("backed up ")
    other = restored(tmp_path / "copy", tmp_path / "other")
    assert events(other, "--all") == events(data, "--all")
    ingest(other, tmp_path / "in.pb", chat(1, 1), chat(9, 9))  # one of them is there already
    assert len(events(other)) == 4
    assert len(events(data)) == 3


def test_prompt_hashes_stay_comparable_and_private_files_stay_private(tmp_path: Path, data: Path) -> None:
    backup(data, tmp_path / "copy")
    other = restored(tmp_path / "copy", tmp_path / "other")
    assert (other / "secret").read_bytes() == (data / "secret").read_bytes()
    for folder in (tmp_path / "copy", other):
        assert folder.stat().st_mode & 0o077 == 0
        assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]


def test_compaction_in_between_does_no_harm(tmp_path: Path, data: Path) -> None:
    before = events(data)
    assert spanledger("compact", "--data", data).code == 0
    backup(data, tmp_path / "copy")
    assert events(restored(tmp_path / "copy", tmp_path / "other")) == before


def test_a_server_is_backed_up_while_it_is_sent_to_and_no_acknowledged_span_is_torn(tmp_path: Path) -> None:
    data = tmp_path / "data"
    acknowledged: list[int] = []
    stopping = threading.Event()
    with server(data) as running:

        def send(first: int) -> None:
            for number in range(first, first + 100_000):
                if stopping.is_set():
                    return
                if post(running.http, as_protobuf(chat(number, number), span(number, number + 50_000_000, {}, name="GET /"))) == 200:
                    acknowledged.append(number)

        threads = [threading.Thread(target=send, args=(1 + n * 1_000_000,)) for n in range(3)]
        for thread in threads:
            thread.start()
        running.wait_for_some(data, 50)
        sent_before = set(acknowledged)
        backup(data, tmp_path / "copy")
        stopping.set()
        for thread in threads:
            thread.join()
        assert running.stop() == 0
    other = restored(tmp_path / "copy", tmp_path / "other")
    manifest = json.loads((tmp_path / "copy" / "backup.json").read_text())
    assert len(events(other, "--all")) == manifest["entries"], "before anything is taken in it is exactly the commit that it names"
    with Ledger.open(other, read_only=True) as ledger:
        assert ledger.position == manifest["journal_position"]
    verified = spanledger("verify", "--full", "--data", other)
    assert verified.code == 0, verified.out + verified.err
    assert spanledger("ingest", "--data", other, *_nothing(tmp_path)).code == 0  # takes in what the copied journal holds
    found = [int(event["trace_id"], 16) for event in events(other)]
    assert len(found) == len(set(found))
    assert sent_before <= set(found) <= set(acknowledged)
    verified = spanledger("verify", "--full", "--data", other)
    assert verified.code == 0, verified.out + verified.err


def _nothing(tmp_path: Path) -> list[Path]:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    return [path]


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_a_damaged_backup_is_not_restored(tmp_path: Path, data: Path, damage: str) -> None:
    backup(data, tmp_path / "copy")
    files = [file["path"] for file in json.loads((tmp_path / "copy" / "backup.json").read_text())["files"] if file["bytes"]]
    assert any(name.startswith("events/") for name in files)
    assert any(name.startswith("journal/") for name in files)
    for name in files:
        spoilt = tmp_path / "spoilt"
        shutil.copytree(tmp_path / "copy", spoilt)
        path = spoilt / name
        content = path.read_bytes()
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
        answer = spanledger("restore", spoilt, "--data", tmp_path / "other")
        assert answer.code == 1
        assert name in answer.err
        assert not (tmp_path / "other").exists()
        shutil.rmtree(spoilt)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside"])
def test_a_backup_cannot_name_files_elsewhere(tmp_path: Path, data: Path, name: str) -> None:
    backup(data, tmp_path / "copy")
    path = tmp_path / "copy" / "backup.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["path"] = name
    path.write_text(json.dumps(manifest))
    answer = spanledger("restore", tmp_path / "copy", "--data", tmp_path / "other")
    assert (answer.code, answer.err) == (1, f"spanledger: {tmp_path / 'copy'} is no backup: its backup.json is damaged\n")


def test_mistakes_are_one_line(tmp_path: Path, data: Path) -> None:
    said = spanledger("backup", "--data", data, data)
    assert (said.code, said.err) == (1, f"spanledger: {data} exists and is not empty: choose another place\n")
    said = spanledger("backup", "--data", tmp_path / "nothing", tmp_path / "copy")
    assert said.code == 1
    assert said.err.startswith(f"spanledger: no data folder at {tmp_path / 'nothing'}")
    (tmp_path / "empty").mkdir()
    said = spanledger("backup", "--data", tmp_path / "empty", tmp_path / "copy")
    assert said.err.startswith("spanledger: there is no ledger in ")
    said = spanledger("restore", tmp_path / "empty", "--data", tmp_path / "other")
    assert said.err == f"spanledger: {tmp_path / 'empty'} is no backup: it has no backup.json that can be read\n"
    backup(data, tmp_path / "copy")
    said = spanledger("restore", tmp_path / "copy", "--data", data)
    assert said.err == f"spanledger: {data} exists and is not empty: choose another place\n"
    assert not list(tmp_path.glob(".*"))
