"""Reads every request that is still there, from the archive and then from the journal, as one unbroken row of positions.

No lock is needed: a segment is whole in the archive before it leaves the journal, so a reader that does not find it in one place looks
again in the other.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.receiver import frames, segments
from spanledger.receiver.archived import ArchiveCorruptError, Manifest, block_at, manifests, read_block
from spanledger.receiver.frames import Record
from spanledger.receiver.tail import JournalReader, PositionReleasedError

_NEVER_NS: Final = 1 << 62


class Stored(NamedTuple):
    """A stored request: the position it was read at (behind the one before), the position behind it, and itself."""

    position: int
    end: int
    record: Record


def read_all(archive: Path, journal: Path, position: int = 0, until: int | None = None) -> Iterator[Stored]:
    """The requests from `position` (the start of one; what is no longer there is passed over) up to `until`, or all that are synced.

    Raises ArchiveCorruptError or JournalCorruptError where something is damaged, or missing in between.
    """
    at = max(position, earliest(archive, journal))
    known = manifests(archive)
    while until is None or at < until:
        holder = _holder(known, at)
        if holder is None:
            try:
                for found in _from_journal(journal, known, at):
                    if until is not None and found.end > until:
                        return
                    yield found
                    at = found.end
            except PositionReleasedError:
                known = manifests(archive)
                if _holder(known, at) is None:
                    raise ArchiveCorruptError(
                        f"the requests at journal position {at} are neither in the archive nor in the journal"
                    ) from None
                continue
            return
        for found in _from_segment(archive, holder, at):
            if until is not None and found.end > until:
                return
            yield found
            at = found.end


def earliest(archive: Path, journal: Path) -> int:
    """The position of the oldest request that is still there; 0 where there never was any."""
    starts = [manifest.start for manifest in manifests(archive)[:1]] + [each.start for each in segments.list_segments(journal)[:1]]
    return min(starts, default=0)


def _holder(known: list[Manifest], at: int) -> Manifest | None:
    """The archived segment that holds a position, or the next one where a lost folder left a gap before it."""
    index = bisect.bisect_right([manifest.start for manifest in known], at) - 1
    if index >= 0 and at < known[index].end:
        return known[index]
    following = known[index + 1] if index + 1 < len(known) else None
    if following is None:
        return None
    if following.after_gap:
        return following
    raise ArchiveCorruptError(f"the archive has nothing between journal positions {at} and {following.start}: a segment is missing")


def _from_segment(archive: Path, manifest: Manifest, at: int) -> Iterator[Stored]:
    first, start = block_at(manifest, max(at, manifest.start))
    for number in range(first, len(manifest.blocks)):
        data = memoryview(read_block(archive, manifest, number))
        offset = max(at - start, 0)
        while offset < len(data):
            try:
                size, record = frames.decode(data, offset, start + offset)
            except frames.DamagedFrameError as error:
                where = f"offset {start + offset - manifest.start} of what {manifest.file_name} unpacks to"
                raise ArchiveCorruptError(f"no request starts at {where}: {error}") from error
            offset += size
            yield Stored(at, start + offset, record)
            at = start + offset
        start += len(data)


def _from_journal(journal: Path, known: list[Manifest], at: int) -> Iterator[Stored]:
    first = segments.list_segments(journal)[:1]
    is_after_gap = bool(first and known) and first[0].start > at == known[-1].end and segments.gap_path_of(journal, first[0].start).exists()
    with JournalReader(journal, first[0].start if is_after_gap else at) as reader:
        while found := reader.poll():
            for end, record in found:
                yield Stored(at, end, record)
                at = end


# -- times ---------------------------------------------------------------------------------------------------------------


def positions_received(archive: Path, journal: Path, since_ns: int, until_ns: int) -> tuple[int, int | None]:
    """A range of positions that holds every request received in [since, until), and as little else as whole segments allow.

    The second is None where the range goes on to the journal's end.
    """
    parts = [(each.start, each.received_ns_min, each.received_ns_max) for each in manifests(archive)]
    lying = [(each.start, first) for each in segments.list_segments(journal) if (first := _first_received_ns(each)) is not None]
    followed = [first for _, first in lying[1:]] + [_NEVER_NS]
    parts += [(start, first, following) for (start, first), following in zip(lying, followed, strict=False)]
    begin = next((start for start, _, last in parts if last >= since_ns), parts[-1][0] if parts else 0)
    end = next((start for start, first, _ in parts if first >= until_ns and start > begin), None)
    return begin, end


def _first_received_ns(segment: segments.Segment) -> int | None:
    try:
        with segment.path.open("rb") as file:
            head = memoryview(file.read(frames.FRAME_BYTES_MIN))
    except FileNotFoundError:  # archived at this moment; its manifest was read or its neighbour stands for it
        return None
    return frames.received_ns_of(head, 0) if len(head) == frames.FRAME_BYTES_MIN else None
