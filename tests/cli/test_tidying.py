"""`compact` and the tidying thread: fewer files, the same rows."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.config import Config, WorkerConfig
from spanledger.cli.folder import DataFolder
from spanledger.cli.tidying import Tidier, keep_requests
from spanledger.receiver.archive import Tidied
from spanledger.receiver.archive_reader import read_all
from spanledger.receiver.archived import manifests
from spanledger.receiver.journal import Journal, Record
from spanledger.store.ledger import Ledger
from tests.cli.ledgers import begin_segment, small_ledger
from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import events, spanledger


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


def often(settings: dict[str, Any]) -> Config:
    """A configuration that tidies more often than a user may ask for."""
    worker = WorkerConfig.model_construct(compact_every_seconds=0.02)  # type: ignore[arg-type] # shorter than the model allows
    return Config.model_validate(settings).model_copy(update={"worker": worker})


def test_the_tidying_thread_joins_files_and_lets_the_journal_go(tmp_path: Path) -> None:
    config = often({"store": {"compact_files_min": 2}, "receiver": {"journal": {"retention_days": 0}}})
    data = small_ledger(tmp_path)
    for number in (50, 51):  # files of like size are joined
        (tmp_path / "more.pb").write_bytes(as_protobuf(chat(number, number)))
        assert spanledger("ingest", "--data", data, tmp_path / "more.pb").code == 0
    with Ledger.open(data, read_only=True) as ledger:
        position, before = ledger.position, len(ledger.metastore.live_files("events"))
    begin_segment(data)
    tidier = Tidier(DataFolder(data), config, lambda: position)
    tidier.start()
    deadline = time.monotonic() + 20
    while True:
        with Ledger.open(data, read_only=True) as ledger:
            after = len(ledger.metastore.live_files("events"))
        segments = list((data / "journal").glob("*.seg"))
        if after < before and len(segments) == 1:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    tidier.stop()
    assert len(events(data)) == 8


def test_the_tidying_thread_packs_finished_segments_into_the_archive(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    with Ledger.open(data, read_only=True) as ledger:
        position = ledger.position
    begin_segment(data)
    folder = DataFolder(data)
    before = list(read_all(folder.archive, folder.journal))
    tidier = Tidier(folder, often({"receiver": {"journal": {"archive_duty": 1.0}}}), lambda: position)
    tidier.start()
    deadline = time.monotonic() + 20
    while len(list((data / "journal").glob("*.seg"))) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    tidier.stop()
    assert len(manifests(folder.archive)) == 1
    assert list(read_all(folder.archive, folder.journal)) == before


def test_a_configuration_that_keeps_nothing_empties_the_archive_too(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    folder = DataFolder(data)
    for number in range(2):
        with Journal(data / "journal", segment_bytes=1) as journal:
            journal.append(Record("default", None, None, number, b"")).result()
    assert keep_requests(folder, Config(), 2**62).archived == 2
    nothing = Config.model_validate({"receiver": {"journal": {"retention_days": 0}}})
    assert keep_requests(folder, nothing, 2**62) == Tidied(removed=2)
    assert manifests(folder.archive) == []
    assert len(list((data / "journal").glob("*.seg"))) == 1


def test_a_failure_to_tidy_is_told_and_put_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = small_ledger(tmp_path)

    def broken() -> int:
        stopped.set()
        raise ZeroDivisionError

    stopped = threading.Event()
    tidier = Tidier(DataFolder(data), often({}), broken)
    tidier.start()
    assert stopped.wait(20)
    tidier.stop()
    assert "tidying up was put off: ZeroDivisionError" in caplog.text
