"""Death at every named point between a request's journal frame and the last file of its compaction."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spanledger.receiver.archive_check import check_archive
from spanledger.store.crash import ENVIRONMENT
from spanledger.store.ledger import Ledger
from spanledger.store.verify import verify
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.crash_life import LISTED, POINTS, STORE_POINTS
from tests.reliability.small_life import Forgetful, recover, spans_of

ROOT = Path(__file__).parents[2]
ALL = (*POINTS, *STORE_POINTS)
SEEDS_LONG, SEEDS_SHORT = 20, 1
_TRIES = 6


def die(folder: Path, seed: int, point: str, broken: str = "") -> set[int]:
    """Live until the point is reached; what was acknowledged. A life that does not come by there gives way to another seed."""
    rng = random.Random(f"{seed} {point}")
    for attempt in range(_TRIES):
        place = folder / f"life-{attempt}"
        place.mkdir(parents=True)
        times = rng.randint(1, POINTS[point].most if point in POINTS else STORE_POINTS[point]) if attempt < _TRIES // 2 else 1
        crash_at = {ENVIRONMENT: f"{point}:{times}"} if point in STORE_POINTS else {}
        command = [sys.executable, "-m", "tests.reliability.crash_life", str(place), str(seed + attempt), point, str(times), broken]
        done = subprocess.run(command[: None if broken else -1], cwd=ROOT, env=os.environ | crash_at, capture_output=True, check=False)
        if done.returncode == -signal.SIGKILL:
            place.rename(folder / "died")
            return {int(line) for line in (folder / "died" / LISTED).read_bytes().split()}
        require(done.returncode == 0, f"seed {seed}, {point}: the life failed by itself: {done.stderr.decode()[-800:]}")
    raise AssertionError(f"{point} was never reached")


def check(data: Path, acknowledged: set[int], what: str, kept_by: type[Ledger] = Ledger) -> None:
    """Start again, send all of it again, and compare; then verify."""
    wanted = {span for number in acknowledged for span in spans_of(number)}
    for again in ((), sorted(acknowledged)):
        net = recover(data, again, kept_by=kept_by)
        require(not (lost := [span for span in wanted if net[span] < 1]), f"{what}: {len(lost)} acknowledged spans lost")
        require(not (twice := [span for span, n in net.items() if n > 1]), f"{what}: {len(twice)} spans charged more than once")
    found = verify(data, full=True)
    require(found.is_fine, f"{what}: verify --full: {found.findings[:1]}")
    archive = check_archive(data / "archive", data / "journal")
    require(not archive.faults, f"{what}: archive: {archive.faults[:1]}")


def trial(seed: int, seeds: int, folder: Path) -> Figures:
    """Die at every point with every seed."""
    jobs = [(seed * 100 + n, point) for n in range(seeds) for point in ALL]
    figures: Counter[str] = Counter(points=len(ALL), deaths=0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        dying = [(job, pool.submit(die, folder / f"{job[1]}-{job[0]}", *job)) for job in jobs]
        for (number, point), death in dying:
            acknowledged = death.result()
            check(folder / f"{point}-{number}" / "died" / "data", acknowledged, f"seed {number}, {point}")
            figures["deaths"] += 1
            figures["acknowledged"] += len(acknowledged)
    return {**figures, "lost": 0, "doubled": 0}


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, SEEDS_LONG if long else SEEDS_SHORT, folder)


def _acknowledged_first(seed: int, folder: Path) -> Figures:
    check(folder / "died" / "data", die(folder, seed, "journal_unwritten", "acknowledge_first"), "acknowledged first")
    return {}


def _forgetful(seed: int, folder: Path) -> Figures:
    check(folder / "died" / "data", die(folder, seed, "metastore_committed"), "forgetful", Forgetful)
    return {}


BAR = Bar(
    "crashpoints",
    "death at each named point of journal, Parquet, chain, metastore, archive, release and compaction: 0 lost, 0 charged twice",
    run,
    {"acknowledged before it is written": _acknowledged_first, "stored spans not looked up": _forgetful},
)
