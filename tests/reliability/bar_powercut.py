"""Power cuts: at any moment, whatever the disk made of what was not synced, nothing acknowledged is lost, nothing charged twice."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from spanledger.receiver.archive_check import check_archive
from spanledger.store.verify import verify
from tests.reliability.bars import Bar, BrokenBarError, Figures
from tests.reliability.cut_states import Cut, cuts, lay_out
from tests.reliability.disk_log import Op
from tests.reliability.small_life import recover, spans_of

ROOT = Path(__file__).parents[2]
CUTS_LONG, CUTS_SHORT, RUNS_LONG, RUNS_SHORT = 10_000, 500, 10, 1
_VERIFY_EVERY = 10
_AT_ONCE = 25
_AGAIN_SHARE = 1 / 3


class _Tried(NamedTuple):
    """How one cut ended; `broken` is empty if it was survived."""

    broken: str
    unacknowledged_kept: int = 0
    is_verified: bool = False


def record(folder: Path, seed: int, broken: str = "") -> list[Op]:
    """The disk calls of one life with this seed; `broken` switches a sync off."""
    log = folder.with_suffix(".log")
    folder.mkdir()
    command = [sys.executable, "-m", "tests.reliability.recorded_run", str(folder), str(log), str(seed), broken]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokenBarError(f"seed {seed}: the run itself failed: {done.stderr[-2000:]}")
    found: list[Op] = pickle.loads(log.read_bytes())  # noqa: S301 - written by the line above
    return found


def survives(cut: Cut, folder: Path, *, verified: bool, rng: random.Random) -> _Tried:
    """Start on what the cut left, send again what an exporter would, and compare."""
    logging.getLogger("spanledger").setLevel(logging.CRITICAL + 1)
    lay_out(cut, folder)
    wanted = Counter(span for number in cut.acknowledged for span in spans_of(number))
    sent_again = sorted(rng.sample(sorted(cut.acknowledged), min(3, len(cut.acknowledged))))
    try:
        first = recover(folder / "data")
        if problem := _compare(wanted, first):
            return _Tried(problem)
        if rng.random() < _AGAIN_SHARE:
            again = recover(folder / "data", again=[*sent_again, max(cut.acknowledged, default=0) + 1])
            if problem := _compare(wanted, again):
                return _Tried(f"after sending again: {problem}")
        if verified:
            found = verify(folder / "data", full=True)
            if not found.is_fine:
                return _Tried(f"verify --full: {found.findings[0]}")
            archive = check_archive(folder / "data/archive", folder / "data/journal")
            if archive.faults:
                return _Tried(f"archive: {archive.faults[0]}")
    except Exception as error:  # noqa: BLE001 - whatever it was, the folder did not open
        return _Tried(f"the folder does not open: {type(error).__name__}: {error}")
    return _Tried("", len(first) - len(wanted), verified)


def _compare(wanted: Mapping[tuple[int, int], int], found: Mapping[tuple[int, int], int]) -> str:
    if lost := [span for span in wanted if found.get(span, 0) < 1]:
        return f"{len(lost)} acknowledged spans lost, as {lost[0]}"
    if doubled := [span for span, times in found.items() if times > 1]:
        return f"{len(doubled)} spans charged more than once, as {doubled[0]}"
    return ""


def _try_all(some: list[tuple[int, Cut]], folder: Path, seed: int) -> list[tuple[Cut, _Tried]]:
    tried = []
    for number, cut in some:
        place = folder / f"cut-{seed}-{number}"
        place.mkdir(parents=True)
        rng = random.Random(seed * 1_000_003 + number)
        tried.append((cut, survives(cut, place, verified=number % _VERIFY_EVERY == 0, rng=rng)))
        shutil.rmtree(place)
    return tried


def _batches(found: Iterable[Cut | str], seed: int) -> Iterable[list[tuple[int, Cut]]]:
    """Cuts that differ, a few at a time; a state that was tried already is not tried again."""
    seen: set[bytes] = set()
    batch: list[tuple[int, Cut]] = []
    for number, cut in enumerate(found):
        if isinstance(cut, str):
            raise BrokenBarError(f"seed {seed}: {cut}")
        digest = hashlib.sha256(repr((sorted(cut.acknowledged), sorted(cut.files.items()))).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            batch.append((number, cut))
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    yield batch


def trial(folder: Path, seed: int, count: int, runs: int, broken: str = "") -> Figures:
    """Record `runs` lives, cut each `count / runs` times, and start on everything that was left."""
    figures: Counter[str] = Counter(cuts=count)
    scratch = Path("/dev/shm") / f"spanledger-{os.getpid()}" if Path("/dev/shm").is_dir() else folder / "scratch"
    try:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for run in range(runs):
                life = seed * 1000 + run
                ops = record(folder / f"life-{life}", life, broken)
                figures["operations"] += len(ops)
                figures["acknowledgements"] += sum(op.kind == "acknowledged" for op in ops)
                jobs = [pool.submit(_try_all, batch, scratch, life) for batch in _batches(cuts(ops, count // runs, life), life)]
                try:
                    for job in jobs:
                        _sum_up(job.result(), life, figures)
                except BrokenBarError:
                    pool.shutdown(cancel_futures=True)
                    raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {**figures, "lost": 0, "doubled": 0}


def _sum_up(tried: list[tuple[Cut, _Tried]], life: int, figures: Counter[str]) -> None:
    for cut, how in tried:
        if how.broken:
            raise BrokenBarError(f"life {life}, cut at operation {cut.moment}: {how.broken}")
        figures["different_states"] += 1
        figures["verified_in_full"] += how.is_verified
        figures["spans_kept_unacknowledged"] += how.unacknowledged_kept


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(folder, seed, *((CUTS_LONG, RUNS_LONG) if long else (CUTS_SHORT, RUNS_SHORT)))


def without(guard: str) -> Callable[[int, Path], Figures]:
    """The trial on a disk on which the syncs that begin with `guard` do nothing."""

    def control(seed: int, folder: Path) -> Figures:
        return trial(folder, seed, 200, 1, guard)

    return control


BAR = Bar(
    "powercut",
    "the power fails at any moment, unsynced data and names are dropped, torn and reordered: 0 acknowledged lost, 0 charged twice",
    run,
    {
        "journal not synced": without("sync:data/journal"),
        "new segment's name not synced": without("sync_directory:data/journal"),
        "data folder's name not synced": without("sync_directory:"),
        "Parquet files not synced": without("sync:data/events"),
        "Parquet names not synced": without("sync_directory:data/events/"),
        "archive not synced": without("sync:data/archive"),
        "archive's names not synced": without("sync_directory:data/archive"),
    },
)
