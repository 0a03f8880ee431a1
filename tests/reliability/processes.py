"""A server under trial, seen from outside: its processes, what memory they took, its log, and clients beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.cli.runner import Server
from tests.reliability.bars import require

ROOT = Path(__file__).resolve().parents[2]


def memory_mib(pid: int, what: str) -> float:
    """`VmRSS` (now) or `VmHWM` (the highest since `forget_peak`) of a process; 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(what)), 0.0)


def forget_peak(pid: int) -> None:
    """Let the highest memory be counted from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def children(pid: int) -> dict[int, str]:
    """The processes that a process started, with their command lines."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread or child that has just ended
            for child in (task / "children").read_text().split():
                found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
    return found


def worker_of(server: Server) -> int:
    """The process id of the server's worker."""
    return next(pid for pid, command in children(server.process.pid).items() if "worker_process" in command)


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """A client as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


class Answers(NamedTuple):
    """What a healthy client saw: the numbers of the acknowledged requests, what went wrong, and how long each answer took."""

    acknowledged: list[int]
    failures: list[str]
    seconds: list[float]

    def quantile_ms(self, share: float) -> float:
        """The time within which such a share of the answers came."""
        times = sorted(self.seconds)
        return round(1000 * times[min(len(times) - 1, int(len(times) * share))], 1)


def healthy(server: Server, seconds: float, first: int) -> Answers:
    """Let a well-behaved client send for a while; the traces are numbered from `first`."""
    told, _ = start("tests.reliability.healthy", server.http, server.grpc, seconds, first).communicate()
    return Answers(**json.loads(told))


def check_log(server: Server) -> None:
    """No fault of ours, no traceback, no worker that had to be started again."""
    bad = ("Traceback", "receiving failed", "worker ended", "critical", 'File "')
    lines = [line for line in server.log.read_text().splitlines() if any(word in line for word in bad)]
    require(not lines, f"the log tells of a fault: {lines[:3]}")
