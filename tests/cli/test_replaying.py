"""Replay beside a server, after losses, and killed: the net is that of the present rules, or what it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.recomputing import recompute
from spanledger.cli.replaying import Replay
from tests.cli.ledgers import archived
from tests.cli.otlp import as_protobuf, chat, span
from tests.cli.runner import COMMAND, events, server, spanledger
from tests.cli.test_replay_report import WRONG_KEY, book, configured, ingest, replay, tenants

TINY = WRONG_KEY + "[receiver.journal]\nsegment_mib = 1\n"


def said(session: str) -> dict[str, str]:
    return {"session.id": session}


def test_a_trace_only_partly_in_the_archive_is_left_alone(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), config=WRONG_KEY)
    first = next((data / "journal").glob("*.seg"))
    ingest(tmp_path, chat(1, 2, "acme", attributes=said("s-1")), chat(2, 3, "globex", attributes=said("s-2")), config=WRONG_KEY)
    size = len(first.read_bytes())
    whole = first.read_bytes()
    from spanledger.receiver.journal import read_from

    cut = next(iter(read_from(data / "journal")))[0]
    first.unlink()
    (data / "journal" / f"{cut:020d}.seg").write_bytes(whole[cut:])
    assert size > cut
    answer = book(tmp_path)
    assert "incomplete in the archive: 1 traces are left alone" in answer.err
    assert tenants(data) == ["globex", "s-1", "s-1"]


@pytest.mark.parametrize("point", ["parquet_renamed", "folders_synced", "metastore_written", "metastore_committed"])
def test_a_replay_killed_while_committing_is_whole_or_nothing(tmp_path: Path, point: str) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), chat(2, 2, "globex", attributes=said("s-2")), config=WRONG_KEY)
    # the scratch of the replay writes files too: its first one of spans is renamed before those of the commit
    crash = f"{point}:3" if point == "parquet_renamed" else point
    command = [*COMMAND, "replay", "--data", str(data), "--commit", "--yes"]
    killed = subprocess.run(command, env=os.environ | {"SPANLEDGER_CRASH_AT": crash}, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert tenants(data) in (["s-1", "s-2"], ["acme", "globex"])
    book(tmp_path)
    assert tenants(data) == ["acme", "globex"]
    assert recompute(DataFolder(data), Config()).mismatched == 0
    assert not list((data / "tmp").glob("replay-*")), "the next replay removes what the dead one left"


def test_a_replay_beside_a_running_server(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), config=WRONG_KEY)
    with server(data) as running:
        book(tmp_path)
        (tmp_path / "more.pb").write_bytes(as_protobuf(span(1, 9, {"user.id": "ada"}), chat(2, 2, "globex")))
        assert spanledger("ingest", "--data", data, tmp_path / "more.pb").code == 0
        found = running.wait_for(data, 2)
        assert sorted(event["tenant_id"] for event in found) == ["acme", "globex"]


def test_what_the_ledger_has_moved_on_in_is_left_out_and_told(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), chat(2, 2, "globex", attributes=said("s-2")), config=WRONG_KEY)
    with Replay(DataFolder(data), Config(), (None, None)) as run:
        found = run.compute()
        ingest(tmp_path, span(1, 9, {"user.id": "ada"}), config=WRONG_KEY)
        booked = run.commit(found)
    assert booked.left_out == 1
    assert tenants(data) == ["globex", "s-1"]
    book(tmp_path)
    assert tenants(data) == ["acme", "globex"]


def test_two_machines_book_the_same_entries(tmp_path: Path) -> None:
    ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), config=WRONG_KEY)
    import shutil

    shutil.copytree(tmp_path / "data", tmp_path / "copy" / "data")
    for folder in (tmp_path, tmp_path / "copy"):
        book(folder)
    ids = [[event["event_id"] for event in events(folder / "data", "--all")] for folder in (tmp_path, tmp_path / "copy")]
    assert ids[0] == ids[1]
    runs = {event["run_id"] for folder in (tmp_path, tmp_path / "copy") for event in events(folder / "data", "--all")}
    assert len(runs - {None}) == 1


def test_requests_are_replayed_from_the_archive(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes=said("s-1")), config=TINY)
    archived(data)
    answer = replay(tmp_path, *configured(tmp_path, None))
    assert {row["tenant"] for row in answer.rows()} == {"acme", "s-1"}
    book(tmp_path)
    assert tenants(data) == ["acme"]


@pytest.mark.parametrize("seed", range(4))
def test_replay_and_late_spans_come_to_what_the_present_rules_say_of_all_spans(tmp_path: Path, seed: int) -> None:
    """Random traces, sent in random pieces: half of them before the replay, under the wrong rule, the others after it."""
    chance = random.Random(seed)  # noqa: S311 - a shuffle that can be repeated
    spans = []
    for trace in range(1, 5):
        spans.append(span(trace, trace * 10, {"tenant.id": f"t{trace % 3}", "session.id": f"s{trace}"}))
        for number in range(1, 4):
            own = chance.choice([None, f"t{number}"])
            spans.append(chat(trace, trace * 10 + number, own, parent=trace * 10 + chance.choice([0, 0, number - 1])))
    chance.shuffle(spans)
    cut = chance.randrange(1, len(spans))
    (tmp_path / "mended").mkdir()
    (tmp_path / "right").mkdir()
    ingest(tmp_path / "mended", *spans[:cut], config=WRONG_KEY)
    book(tmp_path / "mended")
    ingest(tmp_path / "mended", *spans[cut:])
    ingest(tmp_path / "right", *chance.sample(spans, len(spans)))
    shown = ("trace_id", "span_id", "tenant_id", "tenant_source", "user_id", "session_id", "input_tokens", "output_tokens", "cost_usd")
    nets = [
        sorted((tuple(event[name] for name in shown) for event in events(tmp_path / folder / "data")), key=repr)
        for folder in ("mended", "right")
    ]
    assert nets[0] == nets[1]
    assert recompute(DataFolder(tmp_path / "mended" / "data"), Config()).mismatched == 0
