"""Keeps the worker process alive beside the server: starts it, reads its figures, starts it again when it dies, lets it drain."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from spanledger.cli.config import Config
from spanledger.cli.log import LogFormat
from spanledger.cli.worker_stats import Stats

_log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0)
"""Never long: what a worker died of, as a full disk, may be over at any moment, and the ledger is to catch up within seconds."""
_STEADY_SECONDS = 30.0


class Supervisor:
    """One worker process at a time. The folder's lock is inherited by it, so no other server can start while it lives."""

    def __init__(self, data: Path, config: Config, log_format: LogFormat, lock_descriptor: int) -> None:
        self._start_line = json.dumps({"data": str(data), "config": config.model_dump(mode="json"), "log_format": log_format.value}) + "\n"
        self._lock_descriptor = lock_descriptor
        self._process: subprocess.Popen[str] | None = None
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="worker-supervisor", daemon=True)
        self.stats = Stats()
        self.restarts = 0
        self.told_at = 0.0

    def start(self) -> None:
        """Start the worker and the thread that watches it."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The process id of the worker that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def _spawn(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "spanledger.cli.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            pass_fds=(self._lock_descriptor,),
        )
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.write(self._start_line)
        process.stdin.flush()
        return process

    def _watch(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            with self._guard:
                if self._stopping.is_set():
                    return
                self._process = self._spawn()
            with self._process:  # closes the pipes
                self._listen(self._process)
            code = self._process.returncode
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1] if failures else _BACKOFF_SECONDS[0]
            self.restarts += 1
            _log.error("the worker ended with code %d; nothing is lost, it starts again in %.1f s", code, pause)
            self._stopping.wait(pause)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for line in process.stdout:
            try:
                self.stats = Stats(**json.loads(line))
                self.told_at = time.monotonic()
            except (ValueError, TypeError):
                _log.warning("the worker said something that is no figures")

    def drain(self, position: int, seconds: float) -> bool:
        """Let the worker finish up to a journal position; False if it did not within the time, and was stopped."""
        with self._guard:
            self._stopping.set()
            process = self._process
        if process is None or process.poll() is not None:
            return False
        finished = _told_to_drain(process, position) and _ended(process, seconds)
        if not finished:
            process.kill()
            process.wait()
        self._thread.join(timeout=5)
        return finished and process.returncode == 0

    def lag(self) -> Callable[[], Stats]:
        """A function that gives the worker's latest figures."""
        return lambda: self.stats


def _told_to_drain(process: subprocess.Popen[str], position: int) -> bool:
    try:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.write(json.dumps({"drain": position}) + "\n")
        process.stdin.flush()
    except (OSError, ValueError):
        return False
    return True


def _ended(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
