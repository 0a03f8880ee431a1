"""The worker: carries the journal into the ledger. Killed at any moment, it goes on from the ledger's own position.

One loop, one thread: poll the journal, read spans, hand them to the engine, and about once a second settle and commit. All
state that matters is in the ledger; what the engine remembers is found there again (`Ledger.reopen`).
"""

from __future__ import annotations

import gc
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal, Protocol

from spanledger.cli.quarantine import Quarantine
from spanledger.cli.worker_stats import Stats
from spanledger.enrich.engine import Batch
from spanledger.enrich.events import CostEvent
from spanledger.enrich.notes import NO_NOTES, Notes
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.records import Problem, Reading
from spanledger.receiver.journal import Record
from spanledger.store.errors import LedgerBusyError, LedgerFencedError

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 0.02
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0)
_POLL_BYTES = 1 << 20
_COLLECT_SECONDS = 600.0
_TICK_SPANS = 16_384
"""Spans are settled in portions of about this size, while they are still in the processor's cache; a commit stores many portions."""
PAUSE_VARIABLE = "SPANLEDGER_TEST_PAUSE_COMMITS"
"""A seam for crash tests: while the file it names exists, nothing is committed."""


class SpanReader(Protocol):
    """What reads the spans of a request (enrich's Reader)."""

    def read(
        self, request: bytes, *, authority: str, key_tenant: str | None, position: int, received_ns: int
    ) -> tuple[list[Reading], list[Problem]]:
        """The readings of a request and what could not be read."""


class Settler(Protocol):
    """What decides what to book (enrich's Engine)."""

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in spans."""

    def tick(self, now_ns: int, *, final: bool = False) -> Batch:
        """Settle what is ready."""

    def committed(self) -> None:
        """The last batch is stored."""

    def reopen(self, keys: Mapping[TraceKey, AbstractSet[int]], open_position: int = 0) -> None:
        """Take up stored traces that were waiting."""


class Book(Protocol):
    """What keeps the result (store's Ledger)."""

    @property
    def position(self) -> int:
        """The journal position up to which everything is committed."""

    def commit(
        self,
        events: Sequence[CostEvent],
        readings: Sequence[Reading],
        *,
        position: int,
        open_position: int,
        booked_ns: int,
        wide: Mapping[TraceKey, AbstractSet[int]],
        notes: Notes,
    ) -> object:
        """Store a batch; all or nothing."""

    def turn(self) -> Literal["ours", "waiting", "moved"]:
        """Whether a commit can be made: not while another corrects the ledger, nor before what it committed is taken in."""


class Source(Protocol):
    """Where records come from (receiver's JournalReader)."""

    position: int

    def poll(self, max_bytes: int = ...) -> list[tuple[int, Record]]:
        """The next records, each with the position behind it."""

    def durable(self) -> int:
        """The synced end of the journal."""


class Worker:
    """Reads, settles and commits; see the module."""

    def __init__(
        self,
        source: Source,
        reader: SpanReader,
        engine: Settler,
        book: Book,
        quarantine: Quarantine,
        *,
        batch_spans: int = 50_000,
        batch_seconds: float = 1.0,
        patient: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
        restart: Callable[[], tuple[Source, Settler]] | None = None,
    ) -> None:
        """`patient`: when the disk fails, try a commit again for ever (a server) instead of raising (a command). `restart` gives source
        and engine anew, as they are after a restart, once another has committed to the ledger."""
        self._restart = restart
        self._blocked = self._overtaken = False
        self._patient = patient
        self._source, self._reader, self._engine, self._book = source, reader, engine, book
        self._quarantine = quarantine
        self._batch_spans, self._batch_seconds = batch_spans, batch_seconds
        self._clock_ns = now_ns
        self._last_ns = 0
        self._since_commit = self._since_tick = 0
        self._next_collect = time.monotonic() + _COLLECT_SECONDS
        self._events: list[CostEvent] = []
        self._readings: list[Reading] = []
        self._wide: dict[TraceKey, set[int]] = {}
        self._notes = NO_NOTES
        self._next_commit = time.monotonic() + batch_seconds
        self._open_position = book.position
        self.stats = Stats(position=source.position, committed_position=book.position, open_position=book.position)

    def step(self) -> bool:
        """One round: take what the journal has, commit when it is time. True if there was anything to take."""
        if self._blocked and not self._may_commit():
            return False
        taken = self.take()
        if self._since_commit >= self._batch_spans or time.monotonic() >= self._next_commit:
            self.commit()
        return taken

    def run(self, stopping: Callable[[], bool], target: Callable[[], int], *, between: Callable[[Stats], None] | None = None) -> None:
        """Work until `stopping` and everything up to `target` is committed; `between` is called after each round."""
        while True:
            taken = self.step()
            if between is not None:
                between(self.stats)
            if stopping() and self.stats.position >= target() and self.commit():
                return
            if not taken:
                time.sleep(_IDLE_SECONDS)

    def settle_up_to(self, position: int, progress: Callable[[int], None] | None = None) -> None:
        """Take everything up to a journal position, settle all of it whatever its age, and commit."""
        while True:
            while self._source.position < position:
                if not self.step():
                    time.sleep(_IDLE_SECONDS)
                if progress is not None:
                    progress(self._source.position)
            if self.commit(final=True):
                return
            time.sleep(_IDLE_SECONDS)

    def _may_commit(self) -> bool:
        """Whether it is our turn. While another corrects the ledger, nothing is taken in; once it has committed, what is remembered of the
        ledger is wrong, so all that is not committed is forgotten and read again."""
        turn = self._book.turn()
        self._blocked = turn == "waiting"
        if self._blocked:
            self.stats = self.stats._replace(lag_bytes=max(0, self._source.durable() - self.stats.committed_position))
            return False
        if turn == "moved" or self._overtaken:
            self._start_over()
            return False
        return True

    def _start_over(self) -> None:
        if self._restart is None:
            raise LedgerFencedError("another writer has committed to this ledger")
        self._source, self._engine = self._restart()
        self._events, self._readings, self._wide, self._notes = [], [], {}, NO_NOTES
        self._since_commit = self._since_tick = 0
        self._overtaken = False
        position = self._book.position
        self._open_position = position
        self.stats = self.stats._replace(position=position, committed_position=position, open_position=position)
        _log.info("another process has corrected the ledger: going on from journal position %d", position)

    def take(self) -> bool:
        """Read what the journal has next and hand it to the engine."""
        start = self._source.position
        records = self._source.poll(_POLL_BYTES)
        for end, record in records:
            readings, problems = self._read(record, start)
            self._engine.add(readings)
            self._quarantine.add(problems, record.received_ns)
            self._since_commit += len(readings)
            self._since_tick += len(readings)
            self.stats = self.stats._replace(
                spans=self.stats.spans + len(readings), quarantined=self.stats.quarantined + len(problems), position=end
            )
            start = end
        if self._since_tick >= _TICK_SPANS and not _paused():
            self._settle(self._now_ns())
        return bool(records)

    def _settle(self, now_ns: int, *, final: bool = False) -> int | None:
        """Settle what is ready, for the next commit to store; the oldest position that still waits, or None."""
        batch = self._engine.tick(now_ns, final=final)
        self._events += batch.events
        self._readings += batch.readings
        for key, days in batch.wide.items():
            self._wide.setdefault(key, set()).update(days)
        self._notes = self._notes.and_then(batch.notes)
        self._since_tick = 0
        return batch.open_position

    def _read(self, record: Record, position: int) -> tuple[list[Reading], list[Problem]]:
        """The readings of a record. One that our own code fails on is set aside, so that it cannot hold up all behind it."""
        try:
            return self._reader.read(
                record.request,
                authority=record.authority,
                key_tenant=record.key_tenant,
                position=position,
                received_ns=record.received_ns,
            )
        except Exception as error:  # noqa: BLE001 - the journal keeps the request; the ledger must go on
            _log.error(
                "the request at journal position %d could not be read (%s); it is kept and quarantined",
                position,
                type(error).__name__,
                extra={"journal_position": position},
            )
            return [], [Problem("reader_failed", type(error).__name__, position)]

    def commit(self, *, final: bool = False) -> bool:
        """Settle what is ready and store it with the position it stands for; False if another corrects the ledger or just has."""
        if _paused():
            return True
        if not self._may_commit():
            return False
        now_ns = self._now_ns()
        waiting = self._settle(now_ns, final=final)
        batch = Batch(self._events, self._readings, waiting, self._wide, self._notes)
        position = self._source.position
        open_position = position if waiting is None else waiting
        if batch.events or batch.readings or batch.wide or position != self._book.position or open_position != self._open_position:
            began = time.perf_counter()
            if not self._store(batch, position, open_position, now_ns):
                return False
            self.stats = self.stats.with_commit(batch.events, time.perf_counter() - began)
            self._open_position = open_position
        self._engine.committed()
        if time.monotonic() >= self._next_collect:
            gc.collect()
            self._next_collect = time.monotonic() + _COLLECT_SECONDS
        self._events, self._readings, self._wide, self._notes = [], [], {}, NO_NOTES
        self._since_commit = 0
        self._next_commit = time.monotonic() + self._batch_seconds
        self.stats = self.stats._replace(
            committed_position=position, open_position=open_position, lag_bytes=max(0, self._source.durable() - position)
        )
        return True

    def _store(self, batch: Batch, position: int, open_position: int, now_ns: int) -> bool:
        """Commit a batch. The engine has moved on, so a batch that fails is tried again until it is stored, or the process ends; one that
        another was quicker than is given up, with all that the engine knows."""
        attempt = 0
        while True:
            try:
                self._book.commit(
                    batch.events,
                    batch.readings,
                    position=position,
                    open_position=open_position,
                    booked_ns=now_ns,
                    wide=batch.wide,
                    notes=batch.notes,
                )
                return True
            except (LedgerBusyError, LedgerFencedError):
                self._blocked = self._overtaken = True
                return False
            except (OSError, sqlite3.OperationalError) as error:  # SQLite's word for a disk that is full, fails, or may not be written
                if not self._patient:
                    raise
                pause = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
                _log.error("a commit failed (%s); it is tried again in %.1f s, and nothing is lost meanwhile", error, pause)
                self.stats = self.stats._replace(failures=self.stats.failures + 1)
                attempt += 1
                time.sleep(pause)

    def _now_ns(self) -> int:
        """The time, never going back: a clock that is set back must not make settled traces wait again."""
        self._last_ns = max(self._last_ns, self._clock_ns())
        return self._last_ns


def _paused() -> bool:
    name = os.environ.get(PAUSE_VARIABLE)
    return bool(name) and Path(name or "").exists()


def tune_memory() -> None:
    """Stop the cycle collector: what the worker makes by the million holds no cycles, and walking it costs a tenth of its time.

    What little garbage others leave in cycles is collected at long intervals, see `Worker.commit`.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
