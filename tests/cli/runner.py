"""Runs the command line inside this process, and servers as processes of their own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.app import run
from spanledger.cli.folder import DataFolder, ServerInfo

COMMAND = [sys.executable, "-m", "spanledger.cli"]


class Answer(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The rows of an answer in JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


os.environ["COLUMNS"] = "160"  # without a terminal, tables would be as wide as chance has it


def spanledger(*args: object) -> Answer:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(arg) for arg in args])
    return Answer(code, out.getvalue(), err.getvalue())


def events(data: Path, *args: object) -> list[dict[str, Any]]:
    """The events of a ledger."""
    answer = spanledger("events", "--data", data, "--format", "jsonl", *args)
    assert answer.code == 0, answer.err
    return answer.rows()


class Server:
    """A server process on free ports."""

    def __init__(self, data: Path, *args: str, env: dict[str, str] | None = None) -> None:
        self.folder = DataFolder(data)
        self.log = data.with_name(f"{data.name}.log")
        settings = {"SPANLEDGER_WORKER__BATCH_SECONDS": "0.1", "SPANLEDGER_ENRICH__SETTLE__PAYER_WAIT_SECONDS": "1"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--data", str(data), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", *args],
                stderr=log,
                env=os.environ | settings | (env or {}),
            )
        self.info = self._wait_until_up()

    def _wait_until_up(self) -> ServerInfo:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            info = self.folder.server()
            if info is not None and info.pid == self.process.pid:
                return info
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server did not come up: {self.log.read_text()}")

    @property
    def grpc(self) -> str:
        """Where it listens for gRPC."""
        assert self.info.grpc is not None
        return self.info.grpc

    @property
    def http(self) -> str:
        """Where it listens for HTTP."""
        assert self.info.http is not None
        return self.info.http

    def stop(self) -> int:
        """Stop it gracefully; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def wait_for_some(self, data: Path, count: int) -> None:
        """Until there are at least `count` events."""
        deadline = time.monotonic() + 30
        while not (data / "meta.sqlite").exists() or len(events(data)) < count:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def wait_for(self, data: Path, count: int) -> list[dict[str, Any]]:
        """The net events, once there are `count` of them."""
        deadline = time.monotonic() + 30
        while True:
            found = events(data)
            if len(found) >= count or time.monotonic() > deadline:
                assert len(found) == count, self.log.read_text()
                return found
            time.sleep(0.1)


@contextmanager
def server(data: Path, *args: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A running server; it is stopped at the end, if it still runs."""
    running = Server(data, *args, env=env)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                running.kill()
