"""Compaction and reports while spans come in: no question fails, every answer is exact, and the number of files stays bounded."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from pathlib import Path

from spanledger.store.files import TABLES
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from tests.cli.otlp import CHAT_USD, as_protobuf, chat
from tests.cli.runner import Server, events, server, spanledger
from tests.cli.test_server import post
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.processes import check_log, memory_mib, worker_of

TENANTS = 7
FILES_MAX = 400
"""Files on the disk of both tables, of whatever is sent in the time: without compaction there is one pair for each commit."""
SETTINGS = {
    "SPANLEDGER_WORKER__BATCH_SECONDS": "0.05",
    "SPANLEDGER_WORKER__COMPACT_EVERY_SECONDS": "1",
    "SPANLEDGER_STORE__COMPACT_GRACE_SECONDS": "5",
    "SPANLEDGER_RECEIVER__JOURNAL__SEGMENT_MIB": "1",
}


class Sender:
    """Sends calls of a few tenants as fast as they are acknowledged with a short rest, and knows how many of each were."""

    def __init__(self, running: Server, seed: int) -> None:
        self.running, self.seed = running, seed
        self.sent = self.acknowledged = 0
        self.stopping = threading.Event()
        self.failures: list[str] = []
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.stopping.wait(0.01):
            first = self.sent * 8 + 1
            spans = [chat(self.seed << 40 | number, number, f"tenant-{number % TENANTS}") for number in range(first, first + 8)]
            self.sent += 1
            try:
                if (status := post(self.running.http, as_protobuf(*spans))) != 200:
                    self.failures.append(f"HTTP {status}")
                    continue
            except OSError as error:
                self.failures.append(type(error).__name__)
                continue
            self.acknowledged += 1

    @property
    def calls(self) -> int:
        return self.acknowledged * 8


class Asker:
    """Asks for totals again and again: what it is told must be exact and must never fall."""

    def __init__(self, data: Path, sender: Sender) -> None:
        self.data, self.sender = data, sender
        self.answers = 0
        self.broken: list[str] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        before = 0
        while not self.stopping.wait(0.05):
            try:
                with Ledger.open(self.data, read_only=True) as ledger:
                    table = report(ledger, by=["tenant"])
                calls = sum(int(row[table.columns.index("calls")]) for row in table.rows)
                cost = sum(Decimal(str(row[table.columns.index("cost_usd")])) for row in table.rows)
            except Exception as error:  # noqa: BLE001 - any failed question is what is counted here
                self.broken.append(f"{type(error).__name__}: {error}")
                continue
            self.answers += 1
            if cost != calls * Decimal(CHAT_USD) or calls < before or calls > self.sender.sent * 8:
                self.broken.append(f"{calls} calls cost {cost}, {before} before, {self.sender.sent * 8} sent")
            before = calls


def run(seed: int, long: bool, folder: Path) -> Figures:
    return trial(seed, 1800.0 if long else 15.0, folder)


def trial(seed: int, seconds: float, folder: Path, **settings: str) -> Figures:
    data = folder / "data"
    files_max = runs = 0
    with server(data, env=SETTINGS | settings) as running:
        sender = Sender(running, seed)
        sender.thread.start()
        running.wait_for_some(data, 1)
        asker = Asker(data, sender)
        asker.thread.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(1)
            files_max = max(files_max, len(_files(data)))
            runs += 1
        worker_mib = round(memory_mib(worker_of(running), "VmRSS"), 1)
        for each in (sender, asker):
            each.stopping.set()
            each.thread.join()
        require(running.stop() == 0, "the server did not end well")
        check_log(running)
    require(not sender.failures, f"seed {seed}: requests were refused: {sender.failures[:3]}")
    require(not asker.broken, f"seed {seed}: {len(asker.broken)} questions failed or were not exact: {asker.broken[:3]}")
    require(len(events(data)) == sender.calls, f"seed {seed}: {len(events(data))} calls in the ledger, {sender.calls} acknowledged")
    require(files_max <= FILES_MAX, f"seed {seed}: {files_max} files, allowed {FILES_MAX}")
    commits, live = _commits_and_files(data)
    require(live < commits, f"seed {seed}: {live} live files after {commits} commits of two files each")
    _verified(data)
    figures = {"calls": sender.calls, "questions": asker.answers, "failed": 0, "files_max": files_max, "files_end": live}
    return figures | {"commits": commits, "worker_mib": worker_mib}


def _files(data: Path) -> list[Path]:
    return [path for table in ("events", "spans") for path in (data / table).rglob("*.ledger")]


def _commits_and_files(data: Path) -> tuple[int, int]:
    with Ledger.open(data, read_only=True) as ledger:
        live = sum(len(ledger.metastore.live_files(table)) for table in TABLES)
        return ledger.metastore.last_commit().number, live


def _verified(data: Path) -> None:
    answer = spanledger("verify", "--full", "--data", data)
    require(answer.code == 0, f"verify --full: {answer.out}{answer.err}")


def without_compaction(seed: int, folder: Path) -> Figures:
    """Nobody joins the files: the number of them is not bounded."""
    return trial(seed, 15.0, folder, SPANLEDGER_WORKER__COMPACT_EVERY_SECONDS="3600")


def without_grace(seed: int, folder: Path) -> Figures:
    """Files go while questions still read them, and a reader is not told: the bar must see it."""
    data = folder / "data"
    (folder / "in.pb").write_bytes(as_protobuf(chat(1, 1)))
    require(spanledger("ingest", "--data", data, folder / "in.pb").code == 0, "nothing could be taken in")
    for path in _files(data):
        path.unlink()
    asker = Asker(data, Sender.__new__(Sender))
    asker.thread.start()
    time.sleep(1)
    asker.stopping.set()
    asker.thread.join()
    require(not asker.broken, f"questions failed: {asker.broken[:1]}")
    return {}


BAR = Bar(
    "soak",
    "questions asked while spans come in and files are joined never fail, are exact to the last digit, and the files stay few",
    run,
    {"compaction": without_compaction, "grace": without_grace},
)
