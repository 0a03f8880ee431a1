"""Two servers on one folder: the second refuses; if the lock itself is lost, one that wakes up can neither double nor lose anything."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from spanledger.store.errors import LedgerFencedError
from spanledger.store.files import commit_file_path, write_data_file
from spanledger.store.ledger import LOCK_NAME, Ledger
from spanledger.store.verify import verify
from tests.cli.runner import COMMAND
from tests.reliability.bar_disk import Poster
from tests.reliability.bars import Bar, BrokenBarError, Figures, require
from tests.reliability.senders import check_ledger
from tests.reliability.served import Served
from tests.store.samples import NOON, event, reading

_LOCKS = ("server.lock", "lock", "journal/durable")


def _second_refuses(first: Served) -> None:
    command = [*COMMAND, "serve", "--data", str(first.data), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    lines = [line for line in answer.stderr.splitlines() if line.startswith("spanledger:")]
    require(answer.returncode == 1 and len(lines) == 1, f"the second ended with {answer.returncode}: {answer.stderr[-500:]}")
    require("already keeps" in lines[0] and str(first.data) in lines[0], f"the second said: {lines[0]}")
    require(first.is_ready(), "the first is no longer ready")


def _taken_over(folder: Path, seed: int, broken: str) -> Figures:
    """The first sleeps, its locks are deleted, a second takes over, and the first wakes up."""
    rng = random.Random(seed)
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        first = Served(folder / "data", broken=broken)
        stack.callback(first.end)
        first.start()
        _second_refuses(first)
        early = Poster(first, seed * 2)
        stack.callback(early.close)
        for _ in range(rng.randrange(20, 60)):
            early.post("http")
        process = first.process
        assert process is not None
        time.sleep(rng.random() * 0.3)
        os.killpg(process.pid, signal.SIGSTOP)
        for name in _LOCKS:
            (first.data / name).unlink()
        second = Served(folder / "data", broken=broken)
        second.log = folder / "second.log"
        stack.callback(second.end)
        second.start()
        late = Poster(second, seed * 2 + 1)
        stack.callback(late.close)
        for _ in range(20):
            require(late.post("http"), "the second does not accept")
        os.killpg(process.pid, signal.SIGCONT)
        for _ in range(40):
            late.post("grpc")
            early.post("http")
            time.sleep(0.02)
        first.kill()
        require(second.stop() == 0, f"the stop was not clean: {second.said()[-800:]}")
        try:
            figures = check_ledger(second.data, early.acknowledged | late.acknowledged, early.sent | late.sent)
        except FileNotFoundError as error:
            raise BrokenBarError(f"acknowledged spans lost with a file of the ledger: {error}") from error
        found = verify(second.data, full=True)
        require(found.is_fine, f"verify --full: {found.findings[:1]}")
        return figures | {"answers_of_the_sleeper_refused": early.answers["later"]}


def _fence(folder: Path) -> int:
    """A writer that slept is refused within the metastore's transaction, and what it had written lies over nothing of the other's."""
    with Ledger.open(folder) as sleeper:
        sleeper.commit([event(1)], [reading(1)], position=1, open_position=0, booked_ns=NOON)
        (folder / LOCK_NAME).unlink()
        with Ledger.open(folder) as other:
            other.commit([event(2)], [reading(2)], position=2, open_position=0, booked_ns=NOON)
        for table, day, rows in sleeper._tables([event(2)], [reading(2)]):  # it wakes up where it was about to write its files
            write_data_file(folder, commit_file_path(table, day, 2, 2, sleeper._writer), table, day, rows)
        within = sleeper.metastore.last_commit()._replace(position=2)
        try:
            sleeper.metastore.add_commit(sleeper._last._replace(number=2), [], 1)
        except LedgerFencedError:
            require(sleeper.metastore.last_commit() == within._replace(position=2), "the refusal changed something")
        else:
            require(False, "one who slept committed over another")
    found = verify(folder, full=True)
    require(found.is_fine, f"the sleeper wrote over a file of the other: {found.findings[:1]}")
    return 1


def trial(seed: int, takeovers: int, folder: Path, broken: str = "") -> Figures:
    """See BAR."""
    fenced = _fence(folder / "fence")
    totals: dict[str, object] = {"takeovers": takeovers, "fenced": fenced}
    for number in range(takeovers):
        for name, value in _taken_over(folder / str(number), seed * 100 + number, broken).items():
            totals[name] = int(str(totals.get(name, 0))) + int(str(value))
    return totals


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, 10 if long else 1, folder)


def _no_fence(seed: int, folder: Path) -> Figures:
    for number in range(3):
        _taken_over(folder / str(number), seed * 100 + number, "no_journal_fence")
    return {}


BAR = Bar(
    "twoservers",
    "a second server refuses with one line; one that slept while its locks were lost and another took over doubles and loses nothing",
    run,
    {"the journal's writer does not look whether it still is": _no_fence},
)
