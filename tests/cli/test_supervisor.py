"""The supervisor: a worker that dies is started again with growing pauses, and a drained one ends by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.log import LogFormat
from spanledger.cli.parts import open_journal
from spanledger.cli.supervisor import Supervisor


@contextmanager
def supervised(folder: DataFolder) -> Iterator[Supervisor]:
    folder.create()
    with folder.writing() as lock, open_journal(folder, Config(), at_least=0):
        supervisor = Supervisor(folder.path, Config(), LogFormat.text, lock.descriptor)
        supervisor.start()
        try:
            yield supervisor
        finally:
            supervisor.drain(0, 10)


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_dead_worker_is_replaced_and_a_drained_one_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.cli.supervisor._BACKOFF_SECONDS", (0.01,))
    with supervised(DataFolder(tmp_path / "data")) as supervisor:
        _until(lambda: supervisor.told_at)
        first = supervisor.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        _until(lambda: supervisor.pid not in (None, first))
        assert supervisor.restarts == 1
        _until(lambda: supervisor.told_at)
        assert supervisor.drain(0, 10)
        assert supervisor.pid is None


def test_a_worker_that_does_not_drain_in_time_is_ended(tmp_path: Path) -> None:
    with supervised(DataFolder(tmp_path / "data")) as supervisor:
        _until(lambda: supervisor.told_at)
        assert not supervisor.drain(1 << 40, 0.2)  # a position that never comes
        assert supervisor.pid is None


def test_a_worker_cannot_be_ended_by_the_terminals_signals(tmp_path: Path) -> None:
    with supervised(DataFolder(tmp_path / "data")) as supervisor:
        _until(lambda: supervisor.told_at)
        assert supervisor.pid is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(supervisor.pid, number)
        time.sleep(0.2)
        assert supervisor.restarts == 0
        assert supervisor.drain(0, 10)
