"""A small ledger's whole life in one process: requests, commits, compactions, archiving, restarts, a failed sync; and its recovery."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq

from spanledger.cli import parts
from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.parts import OpenWorker
from spanledger.enrich.config import rules_from
from spanledger.receiver.archive import Archive
from spanledger.receiver.journal import Journal, JournalUnavailable, Record
from spanledger.receiver.storage import OsStorage
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Metastore
from tests.cli.otlp import as_protobuf, chat

CONFIG = Config.model_validate({"worker": {"batch_seconds": 60}})
COMPACT = StoreConfig(compact_files_min=2, compact_grace_seconds=0)
AUTHORITY = "default"
SEGMENT_BYTES = 3000
Net = Counter[tuple[int, int]]
_RULES = rules_from(CONFIG.enrich)


@contextmanager
def _parts(**others: Any) -> Iterator[None]:
    """The same rules for thousands of starts, as working out their id takes longer; put back for the other tests."""
    with patch.multiple(parts, rules_from=lambda _config: _RULES, **others):
        yield


@cache
def request_of(number: int) -> bytes:
    """Request `number`: a trace of its own with one to three calls, some of a size that fills more than one sector."""
    wide = {"gen_ai.agent.name": "a" * (number * 37 % 600)}
    return as_protobuf(*(chat(number, number * 10 + n, attributes=wide) for n in range(1 + number % 3)))


def spans_of(number: int) -> set[tuple[int, int]]:
    """(trace, span) of every call in request `number`."""
    return {(number, number * 10 + n) for n in range(1 + number % 3)}


def record_of(number: int) -> Record:
    """The request as the journal gets it."""
    return Record(AUTHORITY, None, None, time.time_ns(), request_of(number))


class _FailsOnce(OsStorage):
    """A disk on which one sync fails, after which nobody knows what of it is there."""

    is_to_fail = False

    def sync(self, descriptor: int) -> None:
        if self.is_to_fail:
            self.is_to_fail = False
            raise OSError(5, "the disk failed")
        super().sync(descriptor)


class Life:
    """Does something at random, again and again; `acknowledged` hears of every request that was answered OK, at once."""

    def __init__(self, data: Path, rng: random.Random, acknowledged: Callable[[int, int], Any]) -> None:
        self._folder, self._rng, self._acknowledged = DataFolder(data), rng, acknowledged
        self._next = 1
        self._disk = _FailsOnce()

    def live(self, steps: int) -> None:
        """Live for some steps, in lives of some steps each: a restart lies between them."""
        self._folder.create()
        self._folder.secret()
        left = steps
        while left > 0:
            some = min(left, self._rng.randint(8, 16))
            left -= some
            with _parts(), self._journal() as journal, OpenWorker(self._folder, CONFIG) as opened:
                for _ in range(some):
                    self._step(journal, opened)

    def _journal(self) -> Journal:
        with closing(Metastore.open(self._folder.path)) as store:
            position = store.last_commit().position
        return Journal(self._folder.journal, at_least=position, segment_bytes=SEGMENT_BYTES, storage=self._disk, mend_seconds=0.01)

    def _step(self, journal: Journal, opened: OpenWorker) -> None:
        roll = self._rng.random()
        if roll < 0.5:
            self._send(journal, self._rng.randint(1, 5))
        elif roll < 0.8:
            opened.worker.take()
            opened.worker.commit(final=True)
        elif roll < 0.88:
            Compactor(self._folder.path, COMPACT).run()
        elif roll < 0.95:
            Archive(self._folder.archive, self._folder.journal).tidy(
                opened.ledger.position, now_ns=time.time_ns(), keep_seconds=86_400, bytes_max=20_000
            )
        else:
            self._disk.is_to_fail = True
            with suppress(JournalUnavailable):  # the second one, when the sync of the first has already failed
                self._send(journal, 2)
            while journal.failure is not None:
                time.sleep(0.005)

    def _send(self, journal: Journal, count: int) -> None:
        numbers = range(self._next, self._next + count)
        self._next += count
        waiting: list[Future[int]] = []
        try:
            for number in numbers:
                done = journal.append(record_of(number))
                done.add_done_callback(lambda done, number=number: self._heard(number, done))  # type: ignore[misc]  # bound now
                waiting.append(done)
        finally:
            for done in waiting:
                done.exception(30)

    def _heard(self, number: int, done: Future[int]) -> None:
        if done.exception() is None:
            self._acknowledged(number, done.result())


class Forgetful(Ledger):
    """For the control: a ledger that does not look up what it has stored, so that what is sent again is new to it."""

    def traces(self, wanted: Any) -> Any:
        return {}

    booked = traces


def recover(data: Path, again: Iterable[int] = (), *, kept_by: type[Ledger] = Ledger) -> Net:
    """Start on a folder as a server does, send some requests again, settle everything; how often each span is charged."""
    folder = DataFolder(data)
    folder.create()
    folder.secret()
    with closing(Metastore.open(folder.path)) as store:
        position = store.last_commit().position
    with (
        _parts(Ledger=kept_by),
        Journal(folder.journal, at_least=position, segment_bytes=SEGMENT_BYTES) as journal,
        OpenWorker(folder, CONFIG) as opened,
    ):
        for done in [journal.append(record_of(number)) for number in again]:
            done.result(30)
        opened.worker.settle_up_to(journal.position)
        return net_of(opened.ledger)


def net_of(ledger: Ledger) -> Net:
    """Charges less reversals of each span."""
    net: Net = Counter()
    for file in ledger.metastore.live_files("events"):
        with pq.ParquetFile(ledger.data_dir / file.path) as parquet:
            rows = parquet.read(["trace_id", "span_id", "kind"]).to_pylist()
        for row in rows:
            net[int.from_bytes(row["trace_id"], "big"), int.from_bytes(row["span_id"], "big")] += 1 if row["kind"] == "charge" else -1
    return net


__all__ = ["JournalUnavailable", "Life", "net_of", "recover", "request_of", "spans_of"]
