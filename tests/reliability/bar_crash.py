"""kill -9 of a real server at random moments, under real exporters that try again: what was acknowledged is charged, once."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from spanledger.store.verify import verify
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.senders import Senders, check_ledger
from tests.reliability.served import Served

KILLS_LONG, KILLS_SHORT = 300, 20
_SETTINGS = {"SPANLEDGER_WORKER__COMPACT_EVERY_SECONDS": "10", "SPANLEDGER_RECEIVER__JOURNAL__SEGMENT_MIB": "1"}


def trial(seed: int, kills: int, folder: Path, broken: str = "") -> Figures:
    """Kill a server `kills` times while five senders send, start it once more, stop it, and compare."""
    rng = random.Random(seed)
    served = Served(folder / "data", broken=broken, settings=_SETTINGS)
    served.start()
    senders = Senders(served.grpc, served.http, seed)
    victims: Counter[str] = Counter()
    try:
        for _ in range(kills):
            what = rng.choices(("group", "server", "worker"), (6, 2, 2))[0]
            in_start = rng.random() < 0.25
            if not in_start:
                served.until_ready()
            time.sleep(rng.random() * (1.2 if in_start else 0.5))
            if served.process is None or served.process.poll() is not None:
                served.start(wait=False)
            served.kill(what)
            victims[what] += 1
            if what != "worker":
                served.start(wait=False)
        served.until_ready()
        time.sleep(0.5)
        senders.stop()
        require(served.stop() == 0, "the last stop was not clean")
    finally:
        senders.stop()
        served.end()
    figures = check_ledger(served.data, senders.acknowledged, senders.sent)
    found = verify(served.data, full=True)
    require(found.is_fine, f"seed {seed}: verify --full: {found.findings[:1]}")
    require("Traceback" not in served.said(), "a traceback in the log")
    return {"kills": kills, **victims, "exports": senders.exports, **figures, "verified_entries": found.entries}


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, KILLS_LONG if long else KILLS_SHORT, folder)


BAR = Bar(
    "crash",
    "kill -9 of server, worker or both at random moments under live SDK exporters: 0 acknowledged spans lost, 0 charged twice",
    run,
    {"acknowledged before it is written": lambda seed, folder: trial(seed, 3, folder, "acknowledge_first")},
)
