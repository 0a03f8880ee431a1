"""Five times what the server takes, in an open loop: nothing acknowledged is lost, memory stays bounded, refusals say when to come back."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from spanledger.store.ledger import Ledger
from tests.cli.runner import Server, server
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.processes import check_log, memory_mib, start, worker_of
from tests.reliability.served import spoiling

RSS_MIB_MAX = 1024
DRAIN_SECONDS_MAX = 60.0
CALLS = 150
"""Calls in a request."""
TIMES = 5
RATE_MIN = 300.0
"""Requests a second: on a busy machine the search for what the server takes finds too little."""
CONTROL_RATE = 1500.0
"""What the controls offer, without a search: more than any machine takes of requests of this size."""
HELD_MIB_MAX = 128.0
"""What a server holds of bodies at once, by default."""
NARROW_MIB_MAX = 2.0
NARROW = {
    # Refusals must happen: what a machine's own senders can offer at most is not much more than what the server takes.
    "SPANLEDGER_RECEIVER__MAX_REQUEST_MIB": "1",
    "SPANLEDGER_RECEIVER__MAX_IN_FLIGHT_MIB": f"{NARROW_MIB_MAX:.0f}",
    "SPANLEDGER_RECEIVER__MAX_WAITING_REQUESTS": "16",
}


def run(seed: int, long: bool, folder: Path) -> Figures:
    figures = trial(seed, 45.0 if long else 4.0, folder / "narrow", NARROW, NARROW_MIB_MAX)
    if not long:
        return figures
    return {"narrow": figures, "default": trial(seed + 1, 15.0, folder / "default", {}, HELD_MIB_MAX, must_refuse=False)}


def trial(
    seed: int, seconds: float, folder: Path, settings: Mapping[str, str], held_mib_max: float, rate: float | None = None,
    *, must_refuse: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Offer a server five times what it takes (or `rate` requests a second), and see what becomes of them.

    With its bounds as they are by default, what senders beside it can offer goes into the journal, and nothing need be refused.
    """
    folder.mkdir(exist_ok=True)
    data = folder / "data"
    with server(data, env=dict(settings)) as running:
        capacity = 0.0 if rate else _capacity(running, seed)
        peak = _Peak(running)
        offered = rate or max(TIMES * capacity, RATE_MIN)
        told = _offer(running, offered, seconds, 999_000 + seed)
        drained = _drained(running, data)
        memory, held_mib = peak.stop()
        require(running.stop() == 0, "the server did not end well")
        check_log(running)
    stored = _stored(data)
    lost = [number for number in told["acknowledged"] if stored.get(number, 0) != CALLS]
    require(not lost, f"seed {seed}: {len(lost)} acknowledged requests are not in the ledger as sent")
    require(held_mib <= held_mib_max, f"seed {seed}: {held_mib} MiB of bodies were held at once, allowed {held_mib_max}")
    require(
        bool(told["refused"]) or not must_refuse,
        f"seed {seed}: nothing was refused, so this was no overload: {len(told['acknowledged'])} in {seconds} s",
    )
    require(not told["without_delay"], f"seed {seed}: refusals that do not say when to come back: {told['without_delay']}")
    require(sum(memory) <= RSS_MIB_MAX, f"seed {seed}: server and worker took {memory} MiB")
    require(drained <= DRAIN_SECONDS_MAX, f"seed {seed}: {drained:.0f} s until all was in the ledger")
    return {
        "takes_per_s": round(capacity),
        "offered_per_s": round(offered),
        "calls_per_request": CALLS,
        "acknowledged": len(told["acknowledged"]),
        "refused": told["refused"],
        "not_offered": told["skipped"],
        "slowest_answer_s": told["slowest"],
        "lost": 0,
        "server_mib": memory[0],
        "worker_mib": memory[1],
        "held_mib": held_mib,
        "drained_s": round(drained, 1),
    }


def _capacity(running: Server, seed: int) -> float:
    """Requests a second that it takes, found by offering more and more."""
    taken = _offer(running, 50, 2.0, 2 * seed)
    rate = 50.0
    while len(taken["acknowledged"]) >= 0.9 * rate * 2.0 and rate < 3200:
        rate *= 2
        taken = _offer(running, rate, 2.0, int(seed * 1000 + rate))
    return float(len(taken["acknowledged"]) / taken["seconds"])


def _offer(running: Server, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    told, _ = start("tests.reliability.open_loop", running.http, running.grpc, rate, seconds, seed, CALLS).communicate()
    found: dict[str, Any] = json.loads(told)
    return found


class _Peak:
    """The highest memory of the server and of its worker from now on, and the most of bodies that it says it held."""

    def __init__(self, running: Server) -> None:
        self.pids = (running.process.pid, worker_of(running))
        self.http = running.http
        self.found = [0.0, 0.0]
        self.held = 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.stopping.wait(0.1):
            self.found = [max(seen, memory_mib(pid, "VmRSS")) for seen, pid in zip(self.found, self.pids, strict=True)]
            with suppress(OSError, ValueError, http.client.HTTPException):  # so busy that it does not say; it will the next time
                self.held = max(self.held, _held_mib(self.http))

    def stop(self) -> tuple[list[float], float]:
        self.stopping.set()
        self.thread.join()
        return [round(mib, 1) for mib in self.found], round(self.held, 2)


def _held_mib(address: str) -> float:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/metrics")
        told = connection.getresponse().read().decode()
    finally:
        connection.close()
    return float(told.partition("\nspanledger_receiver_in_flight_bytes ")[2].partition("\n")[0]) / (1 << 20)


def _drained(running: Server, data: Path) -> float:
    """Seconds until the ledger stands where the journal ends."""
    began = time.monotonic()
    durable = -1
    while time.monotonic() - began <= DRAIN_SECONDS_MAX + 30:
        with Ledger.open(data, read_only=True) as ledger:
            position = ledger.position
        if position == durable and position == _journal_end(data):
            return time.monotonic() - began
        durable = _journal_end(data)
        time.sleep(0.2)
    return time.monotonic() - began


def _journal_end(data: Path) -> int:
    newest = max((data / "journal").glob("*.seg"), key=lambda path: int(path.stem))
    return int(newest.stem) + newest.stat().st_size


def _stored(data: Path) -> dict[int, int]:
    """How many calls of each trace the ledger has, by its number."""
    found: dict[int, int] = {}
    with Ledger.open(data, read_only=True) as ledger:
        for file in ledger.metastore.live_files("events"):
            table = pq.read_table(data / file.path, columns=["trace_id"])
            for value in table["trace_id"].to_pylist():
                number = int.from_bytes(value, "big") if isinstance(value, bytes) else int(value, 16)
                found[number] = found.get(number, 0) + 1
    return found


def without_bounds(seed: int, folder: Path) -> Figures:
    """Nothing is ever refused: what cannot be taken piles up in memory."""
    wide = {"SPANLEDGER_RECEIVER__MAX_IN_FLIGHT_MIB": "65536", "SPANLEDGER_RECEIVER__MAX_WAITING_REQUESTS": "100000"}
    return trial(seed, 2.0, folder / "wide", NARROW | wide, NARROW_MIB_MAX, rate=CONTROL_RATE)


def without_delay(seed: int, folder: Path) -> Figures:
    """Refusals do not say after how long they may be tried again."""
    return trial(seed, 2.0, folder / "silent", NARROW | spoiling("tell_no_delay"), NARROW_MIB_MAX, rate=CONTROL_RATE)


BAR = Bar(
    "overload",
    "at five times what a server takes nothing acknowledged is lost, memory stays within 1 GiB and every refusal says when to come back",
    run,
    {"bounds": without_bounds, "delay": without_delay},
    is_timed=True,
)
