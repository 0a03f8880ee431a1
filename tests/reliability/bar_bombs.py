"""Hostile input: bombs, depths, floods and half requests beside a healthy client, against a server as anybody starts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.runner import Server, events, server
from tests.reliability.attacks import ATTACKS
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.processes import Answers, check_log, children, forget_peak, healthy, memory_mib, start, worker_of
from tests.reliability.served import spoiling

GROWTH_MIB_MAX = 128
LARGE_MEMORY_MIB = 512 + 64
"""The bound of the process that reads large requests, `receiver.large_memory_mib`, and the program itself, which that does not count."""
P99_TIMES_MAX = 2.0
P99_USUAL_MS = 10.0
"""What a quiet server on a disk may need at least: less is not held against it, a sync alone varies by that much."""
UNTIMED = ("continuation flood",)
"""grpc's core reads a connection's frames in one go: others wait for it, are answered all the same, and that is what is held to."""
QUIET_SECONDS = 4.0
QUICK = {"SPANLEDGER_RECEIVER__BODY_TIMEOUT_SECONDS": "3", "SPANLEDGER_RECEIVER__IDLE_TIMEOUT_SECONDS": "3"}
_NUMBERS = 1_000_000


def run(seed: int, long: bool, folder: Path) -> Figures:
    seconds = 20.0 if long else 1.0
    return _trial(seed, folder, list(ATTACKS), seconds, {} if long else QUICK, timed=long)


def _trial(seed: int, folder: Path, attacks: list[str], seconds: float, settings: Mapping[str, str], *, timed: bool) -> Figures:
    data = folder / "data"
    with server(data, env=dict(settings)) as running:
        pid, worker = running.process.pid, worker_of(running)
        quiet = [healthy(running, QUIET_SECONDS if timed else 2.0, 1)]
        acknowledged = set(quiet[0].acknowledged)
        figures: dict[str, Any] = {}
        for number, name in enumerate(attacks, start=1):
            seen, numbers = _under(running, name, seed, seconds, number * _NUMBERS, worker)
            acknowledged |= numbers
            figures[name] = seen
            if timed:  # the same client with nobody beside it, in turn with the attacks: a machine's noise is in both
                quiet.append(healthy(running, QUIET_SECONDS, number * _NUMBERS + _NUMBERS // 2))
                acknowledged |= set(quiet[-1].acknowledged)
        figures |= {"p99_quiet_ms": _p99_quiet_ms(quiet)}
        if timed:
            _judge(figures, attacks, seed)
        require(running.process.poll() is None and running.info.pid == pid, "the server was started again")
        require(worker_of(running) == worker, "the worker was started again")
        require(running.stop() == 0, "the server did not end well")
        check_log(running)
    booked = {int(event["trace_id"], 16) for event in events(data)}
    require(acknowledged <= booked, f"seed {seed}: {len(acknowledged - booked)} acknowledged calls are not in the ledger")
    return figures | {"acknowledged": len(acknowledged), "lost": 0}


def _p99_quiet_ms(quiet: list[Answers]) -> float:
    return Answers([], [], [seconds for answers in quiet for seconds in answers.seconds]).quantile_ms(0.99)


def _judge(figures: dict[str, Any], attacks: list[str], seed: int) -> None:
    """Hold every attack to a p99 of at most twice that of the quiet times between."""
    usual = max(figures["p99_quiet_ms"], P99_USUAL_MS)
    for name in attacks:
        figures[name]["p99_times"] = round(figures[name]["p99_ms"] / usual, 2)
    slow = [f"{name} {figures[name]['p99_ms']}" for name in attacks if name not in UNTIMED and figures[name]["p99_times"] > P99_TIMES_MAX]
    require(not slow, f"seed {seed}: the p99 of a healthy client is {usual} ms, and under attacks more than twice that: {', '.join(slow)}")


def _under(running: Server, name: str, seed: int, seconds: float, first: int, worker: int) -> tuple[dict[str, Any], set[int]]:
    """What a healthy client and the memory show while an attack goes on."""
    pids = (running.process.pid, worker)
    attacker = start("tests.reliability.attacks", name, running.http, running.grpc, 600, seed)
    try:
        assert attacker.stdout is not None
        require(attacker.stdout.readline() == "ready\n", f"the attack {name} could not be prepared")
        resident = [memory_mib(pid, "VmRSS") for pid in pids]
        for pid in pids:
            forget_peak(pid)
        answers = healthy(running, seconds, first)
        growth = [round(memory_mib(pid, "VmHWM") - mib, 1) for pid, mib in zip(pids, resident, strict=True)]
        apart = max((memory_mib(pid, "VmHWM") for pid, told in children(pids[0]).items() if "apart" in told), default=0.0)
    finally:
        attacker.kill()
        attacker.communicate()
    require(not answers.failures, f"seed {seed}: under {name} a healthy client was refused: {answers.failures[:3]}")
    require(max(growth) <= GROWTH_MIB_MAX, f"seed {seed}: under {name} memory grew by {growth} MiB (server, worker)")
    require(apart <= LARGE_MEMORY_MIB, f"seed {seed}: under {name} the process for large requests took {apart:.0f} MiB")
    seen = {"p99_ms": answers.quantile_ms(0.99), "p50_ms": answers.quantile_ms(0.5), "growth_mib": growth, "apart_mib": round(apart, 1)}
    return seen, set(answers.acknowledged)


def without_inflation_bound(seed: int, folder: Path) -> Figures:
    """Bodies may become a thousand times their size, in the server itself."""
    lifted = {"SPANLEDGER_RECEIVER__MAX_INFLATION": "10000", "SPANLEDGER_RECEIVER__LARGE_REQUEST_KIB": str(1 << 20)}
    return _trial(seed, folder, ["gzip bombs"], 2.0, QUICK | lifted, timed=False)


def without_room_bound(seed: int, folder: Path) -> Figures:
    """Requests of any size, as many at once as come."""
    lifted = {"SPANLEDGER_RECEIVER__MAX_REQUEST_MIB": "512", "SPANLEDGER_RECEIVER__MAX_IN_FLIGHT_MIB": "8192"}
    return _trial(seed, folder, ["strings"], 2.0, QUICK | lifted, timed=False)


def without_stream_bound(seed: int, folder: Path) -> Figures:
    """What a healthy client is told when calls take all threads and nobody ends them: few threads, and patience for ever."""
    lifted = {"SPANLEDGER_RECEIVER__MAX_WAITING_REQUESTS": "20", "SPANLEDGER_RECEIVER__BODY_TIMEOUT_SECONDS": "600"}
    return _trial(seed, folder, ["slow gRPC"], 2.0, lifted, timed=False)


def without_lanes(seed: int, folder: Path) -> Figures:
    """Whatever a request costs to read, all others wait for it."""
    return _trial(seed, folder, ["laborious"], 5.0, QUICK | spoiling("read_in_one_lane"), timed=True)


BAR = Bar(
    "bombs",
    "hostile input costs at most 128 MiB of memory, no restart, no traceback, no acknowledged span; a healthy client's p99 at most doubles",
    run,
    {"inflation": without_inflation_bound, "room": without_room_bound, "patience": without_stream_bound, "lanes": without_lanes},
    is_timed=True,
)
