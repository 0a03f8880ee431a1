"""A restart with a long journal behind it: ready at once, while what was acknowledged is settled behind."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from spanledger.receiver.journal import Journal, Record
from spanledger.store.errors import LedgerNotFoundError
from spanledger.store.metastore import Metastore
from tests.cli.otlp import as_protobuf, chat
from tests.reliability.bar_disk import Poster
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.served import Served

READY_SECONDS_MAX = 5.0
_SPANS = 400
_LONG_BYTES, _SHORT_BYTES = 1 << 30, 96 << 20


def _fill(data: Path, size_bytes: int) -> int:
    """A journal of requests that were acknowledged and never settled; every eighth is another."""
    with Journal(data / "journal") as journal:
        bodies = [
            as_protobuf(*(chat(trace, n, attributes={"gen_ai.agent.name": "a" * 200}) for n in range(_SPANS))) for trace in range(1, 9)
        ]
        waiting = []
        for number in range(size_bytes // len(bodies[0]) + 1):
            waiting.append(journal.append(Record("default", None, None, time.time_ns(), bodies[number % 8])))
            if len(waiting) == 64:
                waiting.pop(0).result(60)
        for each in waiting:
            each.result(60)
        return journal.position


def trial(seed: int, size_bytes: int, folder: Path, *, judged: bool, settle_first: bool = False) -> Figures:
    """Start on such a journal; how long until /readyz, until the first OK, and that the ledger moves on behind."""
    data = folder / "data"
    data.mkdir(parents=True)
    end = _fill(data, size_bytes)
    served = Served(data)
    began = time.monotonic()
    try:
        served.start(wait=False)
        if settle_first:
            while _position(data) < end:
                time.sleep(0.1)
                require(time.monotonic() - began < READY_SECONDS_MAX, "not ready in time: it settles first")
        served.until_ready()
        ready = time.monotonic() - began
        poster = Poster(served, seed)
        poster.until(wanted=True, seconds=30)
        accepted = time.monotonic() - began
        behind = end - _position(data)
        deadline = time.monotonic() + 60
        while not _position(data):
            require(time.monotonic() < deadline, "nothing is settled behind the server that is ready")
            time.sleep(0.1)
        poster.close()
    finally:
        served.end()
    if judged:
        require(ready <= READY_SECONDS_MAX, f"ready after {ready:.1f} s with {end >> 20} MiB of journal")
    require(behind > 0, "everything was settled before it was ready: the journal was too short to tell")
    children_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    return {
        "journal_mib": end >> 20,
        "ready_seconds": round(ready, 2),
        "first_ok_seconds": round(accepted, 2),
        "peak_rss_mib": children_mib,
    }


def _position(data: Path) -> int:
    try:
        store = Metastore.open(data, read_only=True)
    except LedgerNotFoundError:  # it is about to be made
        return 0
    try:
        return store.last_commit().position
    finally:
        store.close()


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, _LONG_BYTES if long else _SHORT_BYTES, folder, judged=long)


BAR = Bar(
    "restart",
    "1 GiB of journal that is not settled yet: ready within 5 s, and settling goes on behind",
    run,
    {"settled before it is ready": lambda seed, folder: trial(seed, 2 * _SHORT_BYTES, folder, judged=True, settle_first=True)},
    is_timed=True,
)
