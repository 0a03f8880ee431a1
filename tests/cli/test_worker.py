"""The worker over a real journal, reader, engine and ledger: batches, restarts, poison, and a disk that fails for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.ingesting import DEFAULT_AUTHORITY
from spanledger.cli.parts import OpenWorker, open_journal, pruner_for
from spanledger.cli.worker import PAUSE_VARIABLE, Worker
from spanledger.enrich.records import Problem, Reading
from spanledger.receiver.journal import Journal, Record
from tests.cli.otlp import CHAT_USD, as_protobuf, chat, span
from tests.cli.runner import events

CONFIG = Config.model_validate({"worker": {"batch_seconds": 60}})


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    found.create()
    return found


@pytest.fixture
def journal(folder: DataFolder) -> Iterator[Journal]:
    with open_journal(folder, CONFIG, at_least=0) as opened:
        yield opened


def append(journal: Journal, *spans: Any) -> int:
    return journal.append(Record(DEFAULT_AUTHORITY, None, None, time.time_ns(), as_protobuf(*spans))).result()


def test_a_batch_is_committed_when_it_is_large_or_old_enough(folder: DataFolder, journal: Journal) -> None:
    config = Config.model_validate({"worker": {"batch_spans": 2, "batch_seconds": 60}})
    with OpenWorker(folder, config) as opened:
        append(journal, chat(1, 1))
        assert opened.worker.step()
        assert not opened.worker.step()
        assert opened.worker.stats.commits == 0
        end = append(journal, chat(2, 2))
        opened.worker.step()
        assert opened.worker.stats.commits == 1
        assert opened.ledger.position == opened.worker.stats.committed_position == end


def test_nothing_new_is_not_committed(folder: DataFolder, journal: Journal) -> None:
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.commit()
        append(journal, chat(1, 1))
        opened.worker.take()
        opened.worker.commit(final=True)
        opened.worker.commit(final=True)
        assert opened.worker.stats.commits == 1
        assert opened.worker.stats.events == 1


def test_a_worker_that_dies_before_its_commit_does_the_work_again(folder: DataFolder, journal: Journal) -> None:
    append(journal, chat(1, 1), chat(1, 2))
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.take()  # read, never committed
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.settle_up_to(journal.position)
    assert [event["cost_usd"] for event in events(folder.path)] == [CHAT_USD, CHAT_USD]


def test_a_trace_that_waits_for_its_root_is_taken_up_after_a_restart(folder: DataFolder, journal: Journal) -> None:
    append(journal, chat(1, 2, None, parent=1))
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.take()
        opened.worker.commit()
        assert events(folder.path) == []
        assert opened.worker.stats.open_position < opened.worker.stats.committed_position
    append(journal, span(1, 1, {"tenant.id": "acme"}))
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.settle_up_to(journal.position)
        assert opened.worker.stats.open_position == journal.position
    (event,) = events(folder.path, "--all")
    assert (event["tenant_id"], event["kind"]) == ("acme", "charge")


def test_a_record_that_our_own_code_fails_on_is_set_aside(folder: DataFolder, journal: Journal) -> None:
    class Fragile:
        def __init__(self, worker: Worker) -> None:
            self.reader = worker._reader

        def read(self, request: bytes, **about: Any) -> tuple[list[Reading], list[Problem]]:
            if b"poison" in request:
                raise ZeroDivisionError
            return self.reader.read(request, **about)

    append(journal, chat(1, 1, "poison"))
    append(journal, chat(2, 2, "acme"))
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker._reader = Fragile(opened.worker)
        opened.worker.settle_up_to(journal.position)
        assert opened.worker.stats.quarantined == 1
    assert [event["tenant_id"] for event in events(folder.path)] == ["acme"]
    assert "poison" not in folder.quarantine.read_text()


@pytest.mark.parametrize("patient", [True, False])
def test_a_disk_that_fails_for_a_while(folder: DataFolder, journal: Journal, monkeypatch: pytest.MonkeyPatch, patient: bool) -> None:
    monkeypatch.setattr("spanledger.cli.worker._RETRY_SECONDS", (0.01,))
    append(journal, chat(1, 1))
    with OpenWorker(folder, CONFIG, patient=patient) as opened:
        blocked = folder.path / "spans"
        blocked.write_text("a file where the ledger wants a folder")
        opened.worker.take()
        if not patient:
            with pytest.raises(OSError, match=r"exists|Not a directory"):
                opened.worker.commit(final=True)
            return
        real, attempts = opened.ledger.commit, []

        def commit(*args: Any, **about: Any) -> None:
            attempts.append(1)
            if len(attempts) == 3:
                blocked.unlink()
            real(*args, **about)

        monkeypatch.setattr(opened.ledger, "commit", commit)
        opened.worker.commit(final=True)
        assert opened.worker.stats.failures == 2
    assert len(events(folder.path)) == 1


def test_a_clock_that_is_set_back_is_not_followed(folder: DataFolder) -> None:
    times = iter([2_000, 1_000, 3_000])
    with OpenWorker(folder, CONFIG) as opened:
        worker = Worker(
            opened._source,
            opened.worker._reader,
            opened.worker._engine,
            opened.ledger,
            opened.worker._quarantine,
            now_ns=lambda: next(times),
        )
        assert [worker._now_ns() for _ in range(3)] == [2_000, 2_000, 3_000]


def test_the_test_seam_stops_commits(folder: DataFolder, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PAUSE_VARIABLE, str(tmp_path / "pause"))
    (tmp_path / "pause").touch()
    append(journal, chat(1, 1))
    with OpenWorker(folder, CONFIG) as opened:
        opened.worker.take()
        opened.worker.commit(final=True)
        assert opened.ledger.position == 0
        (tmp_path / "pause").unlink()
        opened.worker.commit(final=True)
        assert opened.ledger.position == journal.position


@pytest.mark.parametrize("backwards", [False, True])
def test_a_job_and_a_session_find_their_payers_over_restarts(folder: DataFolder, journal: Journal, backwards: bool) -> None:
    config = Config.model_validate({"enrich": {"payers": {"from_links": True, "from_session": True}}})
    link = {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "attributes": []}
    traces = [
        [chat(1, 1, "acme", attributes={"session.id": "s1"})],
        [span(2, 1, {}) | {"links": [link]}, chat(2, 2, None, parent=1)],
        [chat(3, 1, None, attributes={"session.id": "s1"})],
    ]
    prune = pruner_for(config, b"s" * 32).prune
    for spans in traces[::-1] if backwards else traces:
        journal.append(Record(DEFAULT_AUTHORITY, None, None, time.time_ns(), prune(as_protobuf(*spans)))).result()
        with OpenWorker(folder, config) as opened:
            opened.worker.settle_up_to(journal.position)
    found = {event["trace_id"][-1]: (event["tenant_id"], event["tenant_source"]) for event in events(folder.path)}
    assert found == {"1": ("acme", "span:tenant.id"), "2": ("acme", "link:tenant.id"), "3": ("acme", "session")}
