"""A server of the command line as a process group of its own, on ports that stay the same over its deaths."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.cli.runner import COMMAND
from tests.ports import free_port
from tests.reliability.bars import require
from tests.reliability.processes import children

SEAMS = Path(__file__).parent / "seams"
ROOT = Path(__file__).parents[2]
_UP_SECONDS = 60.0


def spoiling(broken: str) -> dict[str, str]:
    """The environment in which a server has a guard switched off (see seams/sitecustomize.py)."""
    paths = os.pathsep.join([str(SEAMS), str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {"PYTHONPATH": paths, "SPANLEDGER_TEST_BREAK": broken}


class Served:
    """Starts, kills and stops `spanledger serve` on one folder. `seam` is a folder for the seams, `broken` a guard to switch off."""

    def __init__(self, data: Path, *, seam: Path | None = None, broken: str = "", settings: dict[str, str] | None = None) -> None:
        self.data, self.log = data, data.with_name(f"{data.name}.log")
        self.grpc, self.http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        quick = {"SPANLEDGER_WORKER__BATCH_SECONDS": "0.1", "SPANLEDGER_ENRICH__SETTLE__PAYER_WAIT_SECONDS": "1"}
        spoiled = spoiling(broken)
        spoiled |= {"SPANLEDGER_TEST_SEAM": str(seam)} if seam is not None else {}
        self._env = os.environ | quick | (spoiled if seam is not None or broken else {}) | (settings or {})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True, limits: str = "") -> None:
        """Start it, and wait until it is ready. `limits` is a line of shell that bounds what it may have (ulimit)."""
        command = [*COMMAND, "serve", "--data", str(self.data), "--grpc", self.grpc, "--http", self.http]
        if limits:
            command = ["bash", "-c", f'{limits}; exec "$@"', "limited", *command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=self._env, start_new_session=True)
        if wait:
            self.until_ready()

    def until_ready(self, seconds: float = _UP_SECONDS) -> float:
        """Wait for /readyz; how long it took."""
        began = time.monotonic()
        while not self.is_ready():
            require(self.process is not None and self.process.poll() is None, f"the server ended: {self.said()[-1500:]}")
            require(time.monotonic() - began < seconds, f"the server was not ready after {seconds} s: {self.said()[-1500:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.get("/readyz") == 200
        except OSError:
            return False

    def get(self, path: str) -> int:
        """The status of a page."""
        connection = http.client.HTTPConnection(self.http, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def worker(self) -> int | None:
        """The process id of its worker."""
        try:
            return next((pid for pid, line in children(self._running.pid).items() if "worker_process" in line), None)
        except OSError:
            return None

    def kill(self, what: str = "group") -> None:
        """kill -9 the group, only the server, or only its worker."""
        process = self._running
        if what == "worker":
            pid = self.worker()
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return
        if what == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()

    def stop(self, seconds: float = 120) -> int:
        """Stop it gracefully; the exit code."""
        self._running.terminate()
        return self._running.wait(seconds)

    def end(self) -> None:
        """Whatever still runs of it, does not afterwards."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process
