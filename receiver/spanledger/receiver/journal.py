"""The append-only journal: a request is acknowledged when its future resolves, and that is after one sync it shares with many.

Any number of threads append; one committer thread writes what has gathered, syncs once and resolves them all. A write or a
sync that fails stops the journal, and that file is never synced again: after a failed sync the kernel may have dropped the
pages, so that a second sync which succeeds would prove nothing. It goes on in a new segment, behind what was acknowledged,
once the disk has taken and synced a file of some size.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from spanledger.receiver import frames, segments
from spanledger.receiver.durable import FILE_NAME, DurablePublisher, JournalLockedError
from spanledger.receiver.frames import Record
from spanledger.receiver.segments import JournalCorruptError, release
from spanledger.receiver.storage import OsStorage, Storage
from spanledger.receiver.tail import JournalReader, PositionReleasedError, read_from

__all__ = [
    "Journal",
    "JournalCorruptError",
    "JournalLockedError",
    "JournalReader",
    "JournalUnavailable",
    "PositionReleasedError",
    "Record",
    "Sync",
    "read_from",
    "release",
]

_log = logging.getLogger(__name__)
SEGMENT_BYTES = 64 << 20
MEND_SECONDS = 1.0
"""How often a journal that stopped tries whether the disk takes data again."""
_PROBE_BYTES = 1 << 20
_PROBE_NAME = "probe"


class JournalUnavailable(Exception):  # noqa: N818 - the name says what the sender is told, and it is part of the contract
    """The journal takes nothing until the disk does, or until the server starts again; the sender may retry."""


class Sync(NamedTuple):
    """One group commit, for the metrics."""

    records: int
    size_bytes: int
    seconds: float


class _Waiting(NamedTuple):
    head: bytes
    request: bytes
    done: Future[int]


class Journal:
    """The writing end; one per data folder, guarded by a lock on `journal/durable`.

    `at_least` is the position the ledger has committed: a journal that ends earlier (its folder was lost) goes on there.
    Raises JournalLockedError, JournalCorruptError (acknowledged bytes are damaged) or OSError.
    """

    def __init__(
        self,
        directory: Path,
        *,
        at_least: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        storage: Storage | None = None,
        on_sync: Callable[[Sync], None] | None = None,
        mend_seconds: float = MEND_SECONDS,
    ) -> None:
        self._mend_seconds = mend_seconds
        self.directory = directory
        self._storage: Storage = storage or OsStorage()
        self._segment_bytes = segment_bytes
        self._on_sync = on_sync
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True)
            self._storage.sync_directory(directory.parent)
        self._durable = DurablePublisher(directory)
        try:
            self._segment, self._end = self._recover(at_least)
            self._descriptor = self._storage.open_append(self._segment.path)
        except BaseException:
            self._durable.close()
            raise
        self._durable.publish(self._end)
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._waiting: list[_Waiting] = []
        self._stopped: str | None = None
        self._closing = False
        self._committer = threading.Thread(target=self._run, name="journal-committer", daemon=True)
        self._committer.start()

    # -- what others see ------------------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Everything below it is on stable storage."""
        return self._end

    @property
    def failure(self) -> str | None:
        """Why the journal takes nothing at present, or None while it is well."""
        return self._stopped

    def watch(self, on_sync: Callable[[Sync], None]) -> None:
        """Have `on_sync` called after every group commit, in the committer's thread."""
        self._on_sync = on_sync

    def append(self, record: Record) -> Future[int]:
        """Queue a record. The future resolves to the position behind it once it is on stable storage, or to JournalUnavailable.

        It cannot be cancelled: once queued, a record is written.
        """
        waiting = _Waiting(frames.head_of(record), record.request, Future())
        waiting.done.set_running_or_notify_cancel()
        with self._lock:
            if self._stopped is not None:
                raise JournalUnavailable(self._stopped)
            self._waiting.append(waiting)
            self._wake.notify()
        return waiting.done

    def close(self) -> None:
        """Write and sync what is queued, then stop; later appends raise JournalUnavailable."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._stopped = self._stopped or "the server is stopping"
            self._wake.notify()
        self._committer.join()
        os.close(self._descriptor)
        self._durable.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- start ----------------------------------------------------------------------------------------------------------

    def _recover(self, at_least: int) -> tuple[segments.Segment, int]:
        """Find the newest segment and the end of its last valid frame; cut what is torn behind it."""
        known = segments.list_segments(self.directory)
        for earlier, later in itertools.pairwise(known):
            segments.check_follows(self.directory, earlier, later)
        announced = self._durable.position
        if not known:
            if announced > at_least:
                raise JournalCorruptError(
                    f"the segments of {self.directory} are gone, with {announced - at_least} acknowledged bytes not in the ledger. "
                    f"Restore them, or delete {self.directory / FILE_NAME} to accept the loss"
                )
            return self._create(at_least), at_least
        newest = known[-1]
        end, damaged = segments.scan(newest)
        size = newest.end()
        if end < announced and size < announced and (end < size or at_least < announced):
            raise JournalCorruptError(
                f"journal segment {newest.path.name} is damaged at offset {end - newest.start}, {announced - end} bytes before the end "
                f"that was acknowledged. Restore the segment, or delete {self.directory / FILE_NAME} to accept the loss"
            )
        if end < announced <= size:  # all of it is there, but the last of it is no frame any more: it is kept for a repair
            damaged, end = (*damaged, (end, size)), size
        for begin, behind in damaged:
            _log.error(
                "journal segment %s is damaged at offset %d, up to %d: what lay there is passed over and quarantined, unless it was never "
                "acknowledged; what follows is not touched", newest.path.name, begin - newest.start, behind - newest.start,
            )  # fmt: skip
        if size > end:
            _log.warning("journal: cut a torn tail of %d bytes off %s", size - end, newest.path.name)
            self._storage.truncate(newest.path, end - newest.start)
        self._sync_again(newest)
        if end < at_least:
            _log.warning("journal: ends at %d, before the ledger's %d: its folder was lost or is old; going on there", end, at_least)
            self._excuse_gap(end, at_least)
            return self._create(at_least), at_least
        if damaged and damaged[-1][1] == end:
            return self._create(end), end
        return newest, end

    def _sync_again(self, newest: segments.Segment) -> None:
        """A process that died may have written frames and not synced them; they are about to be published as durable."""
        descriptor = self._storage.open_append(newest.path)
        try:
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)
        self._storage.sync_directory(self.directory)

    def _excuse_gap(self, end: int, start: int) -> None:
        descriptor = self._storage.create(segments.gap_path_of(self.directory, start))
        try:
            self._storage.write(descriptor, [f"the segment before ends at {end}\n".encode()])
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)

    def _create(self, start: int) -> segments.Segment:
        segment = segments.Segment(start, segments.path_of(self.directory, start))
        os.close(self._storage.create(segment.path))
        self._storage.sync_directory(self.directory)
        return segment

    # -- the committer thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._commit_all():
            if not self._mend_in_time():
                return

    def _commit_all(self) -> bool:
        """Commit what comes until told to stop (False), or until the disk fails (True)."""
        while True:
            with self._lock:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                batch, self._waiting = self._waiting, []
            if not batch:
                return False
            try:
                resolved = self._commit(batch)
            except Exception as error:  # noqa: BLE001 - whatever it was, what is on the disk is no longer known
                self._fail(error, batch)
                return True
            for waiting, position in zip(batch, resolved, strict=True):
                waiting.done.set_result(position)

    def _mend_in_time(self) -> bool:
        """Wait until the disk takes data again and go on there; False if told to stop before."""
        while True:
            with self._lock:
                if self._wake.wait_for(lambda: self._closing, self._mend_seconds):
                    return False
            try:
                self._durable.check_ours(self._end)
                self._mend()
            except (OSError, JournalLockedError):
                continue  # it was said when it failed, and `failure` says it as long as it lasts
            with self._lock:
                if self._closing:
                    return False
                self._stopped = None
            _log.warning("the disk takes data again: the journal goes on at position %d", self._end)
            return True

    def _mend(self) -> None:
        """Cut off what was never acknowledged, and begin a new segment. No reader has opened a segment that begins there or later."""
        probe = self.directory / _PROBE_NAME
        with suppress(FileNotFoundError):
            self._storage.unlink(probe)
        descriptor = self._storage.create(probe)
        try:
            self._storage.write(descriptor, [bytes(_PROBE_BYTES)])
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)
            self._storage.unlink(probe)
        for segment in reversed(segments.list_segments(self.directory)):
            if segment.start >= self._end:
                self._storage.unlink(segment.path)
                continue
            if segment.end() > self._end:
                self._storage.truncate(segment.path, self._end - segment.start)
            break
        created = self._create(self._end)
        opened = self._storage.open_append(created.path)
        os.close(self._descriptor)
        self._segment, self._descriptor = created, opened

    def _commit(self, batch: list[_Waiting]) -> list[int]:
        """Write and sync a batch; the position behind each record. Raises JournalLockedError if the journal is ours no more."""
        began = time.perf_counter()
        self._durable.check_ours(self._end)
        parts: list[bytes] = []
        ends: list[int] = []
        position = self._end
        for head, request, _ in batch:
            if position - self._segment.start >= self._segment_bytes:
                self._write(parts)
                parts = []
                self._roll(position)
            parts += (frames.outer_of(head, request, position), head, request)
            position += frames.frame_bytes(head, request)
            ends.append(position)
        self._write(parts)
        self._durable.check_ours(self._end)  # or what was just written may lie where nobody looks
        size_bytes, self._end = position - self._end, position
        self._durable.publish(position)
        if self._on_sync is not None:
            self._on_sync(Sync(len(batch), size_bytes, time.perf_counter() - began))
        return ends

    def _write(self, parts: list[bytes]) -> None:
        if parts:
            self._storage.write(self._descriptor, parts)
            self._storage.sync(self._descriptor)

    def _roll(self, position: int) -> None:
        self._segment = self._create(position)
        os.close(self._descriptor)
        self._descriptor = self._storage.open_append(self._segment.path)

    def _fail(self, error: Exception, batch: list[_Waiting]) -> None:
        reason = f"the journal stopped after a failed write ({type(error).__name__}: {error})"
        _log.critical("%s; nothing is accepted until the disk takes data again", reason)
        with self._lock:
            self._stopped = reason
            lost, self._waiting = batch + self._waiting, []
        for waiting in lost:
            waiting.done.set_exception(JournalUnavailable(reason))
