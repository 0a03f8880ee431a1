"""The journal's folder: which segment files there are, how far each is sound, and when one may go.

A segment is named by the position of its first byte, 20 digits wide, so that names sort as positions do. Segments follow
each other without a hole, except where a `.gap` file beside the later one says that the folder was lost once.
"""

from __future__ import annotations

import itertools
import mmap
from pathlib import Path
from typing import NamedTuple

from spanledger.receiver import frames
from spanledger.receiver.storage import OsStorage, Storage

SUFFIX = ".seg"
GAP_SUFFIX = ".gap"
RETENTION_SECONDS = 30 * 86_400


class JournalCorruptError(Exception):
    """Acknowledged bytes of the journal are damaged or missing; the message names the segment and the offset in it."""


class Segment(NamedTuple):
    """One segment file: the position of its first byte and where it lies."""

    start: int
    path: Path

    def end(self) -> int:
        """The position behind its last byte, sound or not."""
        return self.start + self.path.stat().st_size


def path_of(directory: Path, start: int) -> Path:
    """Where the segment that starts at a position lies."""
    return directory / f"{start:020d}{SUFFIX}"


def gap_path_of(directory: Path, start: int) -> Path:
    """The file that says that nothing is missing before the segment at `start`, although the one before ends earlier."""
    return directory / f"{start:020d}{GAP_SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """All segments by position; an absent folder has none."""
    if not directory.is_dir():
        return []
    found = [Segment(int(path.stem), path) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdecimal()]
    return sorted(found)


def check_follows(directory: Path, earlier: Segment, later: Segment) -> None:
    """Raise JournalCorruptError unless `later` starts where `earlier` ends, or a gap file excuses it."""
    end = earlier.end()
    if end == later.start or (end < later.start and gap_path_of(directory, later.start).exists()):
        return
    raise JournalCorruptError(
        f"journal segment {earlier.path.name} ends at offset {end - earlier.start} (position {end}), "
        f"but the next one, {later.path.name}, starts at position {later.start}"
    )


class Scan(NamedTuple):
    """What a segment holds: the position behind its last valid frame, and the stretches before that which are no frames."""

    end: int
    damaged: tuple[tuple[int, int], ...]


def scan(segment: Segment) -> Scan:
    """Read a segment through. What lies behind `end` may be a torn tail; a damaged stretch is followed by a valid frame.

    A power cut can leave such a stretch in what was written together and never synced, since a disk writes in any order.
    """
    size = segment.path.stat().st_size
    if size == 0:
        return Scan(segment.start, ())
    damaged: list[tuple[int, int]] = []
    with segment.path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
        offset = 0
        while offset < size:
            try:
                offset += frames.check(data, offset, segment.start + offset)
            except frames.DamagedFrameError:
                following = next_valid(mapped, data, offset + 1, segment.start)
                if following is None:
                    break
                damaged.append((segment.start + offset, segment.start + following))
                offset = following
    return Scan(segment.start + offset, tuple(damaged))


def next_valid(mapped: mmap.mmap, data: memoryview, offset: int, start: int) -> int | None:
    """The offset, from `offset` on, of the first valid frame of a segment that starts at `start`. `data` is what is mapped."""
    while (offset := mapped.find(frames.MAGIC, offset)) >= 0:
        try:
            frames.check(data, offset, start + offset)
        except frames.DamagedFrameError:
            offset += 1
        else:
            return offset
    return None


def release(
    directory: Path, position: int, *, now_ns: int, retention_seconds: int = RETENTION_SECONDS, storage: Storage | None = None
) -> list[Segment]:
    """Retire the whole segments below `position` whose last byte is older than the retention; the newest always stays.

    Returns those that went, oldest first. Only the worker that owns the ledger may say that a position is no longer needed.
    """
    storage = storage or OsStorage()
    oldest_kept_ns = now_ns - retention_seconds * 1_000_000_000
    known = list_segments(directory)
    gone = []
    for segment, following in itertools.pairwise(known):
        if following.start > position or segment.path.stat().st_mtime_ns > oldest_kept_ns:
            break  # oldest first without a hole: what stays is always one unbroken end of the journal
        retire(segment, storage)
        gone.append(segment)
    if gone:
        storage.sync_directory(directory)
    return gone


def retire(segment: Segment, storage: Storage) -> None:
    """Take a finished segment out of the journal: let go for good, or after `archive.py` has it packed on stable storage."""
    storage.unlink(segment.path)
    gap = gap_path_of(segment.path.parent, segment.start)
    if gap.exists():
        storage.unlink(gap)
