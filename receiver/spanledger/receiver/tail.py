"""The reading end of the journal, for the worker in another process: follows the writer, never past what is synced."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from spanledger.receiver import frames, segments
from spanledger.receiver.durable import DurableView
from spanledger.receiver.frames import Record


class PositionReleasedError(LookupError):
    """The journal no longer holds the position asked for: its segments were released."""


class _DamageError(segments.JournalCorruptError):
    """Damage of single frames: what follows them can be read."""


class JournalReader:
    """Yields records from `position` on. Keeps its segment open, so that a poll which finds nothing costs a memory read.

    It may be made before the journal exists. Polling raises PositionReleasedError or segments.JournalCorruptError; with `on_damage`
    damaged frames are passed over instead, and it is called with the position they begin at and a sentence that says where they lie.
    """

    def __init__(self, directory: Path, position: int = 0, *, on_damage: Callable[[int, str], None] | None = None) -> None:
        self._on_damage = on_damage
        self.directory = directory
        self.position = position
        """Where the next record starts: behind the last one that was returned."""
        self._view: DurableView | None = None
        self._segment: segments.Segment | None = None
        self._descriptor = -1

    def durable(self) -> int:
        """The synced end of the journal; 0 while there is none."""
        if self._view is None:
            try:
                self._view = DurableView(self.directory)
            except FileNotFoundError:
                return 0
        return self._view.position

    def poll(self, max_bytes: int = 8 << 20) -> list[tuple[int, Record]]:
        """The next records with the position behind each: none when there is nothing new, else at least one and then up to
        about `max_bytes` of them."""
        durable = self.durable()
        found: list[tuple[int, Record]] = []
        began = self.position
        while self.position < durable and self.position - began < max_bytes:
            try:
                chunk = self._read(durable, began + max_bytes - self.position)
                self._take(memoryview(chunk), found)
            except segments.JournalCorruptError as error:
                if found:
                    return found  # what lies before the damage is good; the next poll meets it first
                if self._on_damage is None or not isinstance(error, _DamageError):
                    raise
                self._pass_over(durable, str(error), self._on_damage)
        return found

    def close(self) -> None:
        """Let go of the files."""
        self._leave_segment()
        if self._view is not None:
            self._view.close()
            self._view = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self, durable: int, wanted: int) -> bytes:
        """At least one whole frame from the position on."""
        while True:
            if self._segment is None:
                self._enter_segment()
            assert self._segment is not None  # noqa: S101 - entering raises otherwise
            offset = self.position - self._segment.start
            chunk = os.pread(self._descriptor, min(durable - self.position, max(wanted, frames.OUTER_BYTES)), offset)
            if not chunk:
                self._leave_segment()
                continue
            size = self._stated_bytes(chunk)
            if size is None or size > len(chunk):
                chunk = os.pread(self._descriptor, size or frames.OUTER_BYTES, offset)
            return chunk

    def _pass_over(self, durable: int, why: str, tell: Callable[[int, str], None]) -> None:
        """Go on behind damaged frames: at the next valid one, or at the end of the segment."""
        assert self._segment is not None  # noqa: S101 - the damage was read from it
        start, began = self._segment.start, self.position
        with (
            mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[: min(len(whole), durable - start)] as data,
        ):
            following = segments.next_valid(mapped, data, began - start + 1, start)
            self.position = start + (len(data) if following is None else following)
        tell(began, f"{why}; {self.position - began} bytes are passed over")

    def _stated_bytes(self, chunk: bytes) -> int | None:
        try:
            return frames.stated_bytes(memoryview(chunk), 0)
        except frames.DamagedFrameError as error:
            raise self._corrupt(error) from error

    def _take(self, data: memoryview, found: list[tuple[int, Record]]) -> None:
        offset = 0
        while offset < len(data):
            try:
                if offset:
                    size = frames.stated_bytes(data, offset)
                    if size is None or size > len(data) - offset:
                        return
                size, record = frames.decode(data, offset, self.position)
            except frames.DamagedFrameError as error:
                raise self._corrupt(error) from error
            offset += size
            self.position += size
            found.append((self.position, record))

    def _enter_segment(self) -> None:
        """Open the segment that holds the position, or the next one where a gap is on record."""
        known = segments.list_segments(self.directory)
        below = [index for index, segment in enumerate(known) if segment.start <= self.position]
        if not below:
            raise PositionReleasedError(f"the journal starts at {known[0].start if known else None}, after {self.position}")
        segment = known[below[-1]]
        if segment.end() <= self.position:
            if below[-1] + 1 == len(known):
                raise segments.JournalCorruptError(
                    f"journal segment {segment.path.name} ends at offset {segment.end() - segment.start}, "
                    "before the end that was acknowledged"
                )
            following = known[below[-1] + 1]
            segments.check_follows(self.directory, segment, following)
            segment, self.position = following, following.start
        self._segment = segment
        self._descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)

    def _leave_segment(self) -> None:
        if self._segment is not None:
            os.close(self._descriptor)
            self._segment = None

    def _corrupt(self, error: frames.DamagedFrameError) -> segments.JournalCorruptError:
        assert self._segment is not None  # noqa: S101 - something was read from it
        kind = segments.JournalCorruptError if isinstance(error, frames.UnknownFrameError) else _DamageError
        return kind(f"journal segment {self._segment.path.name} is damaged at offset {self.position - self._segment.start}: {error}")


def read_from(directory: Path, position: int = 0) -> Iterator[tuple[int, Record]]:
    """Every record from `position` on that is synced by now, each with the position behind it."""
    with JournalReader(directory, position) as reader:
        while found := reader.poll():
            yield from found
