"""Moves finished journal segments into the archive, packed and digested, and lets them go there when their time is over.

One order of steps, each durable before the next: packed file, manifest, line in the list, and only then is the segment taken out
of the journal. A crash between any two leaves the segment in the journal, and the next run does the same again over what is there.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.receiver import frames, segments
from spanledger.receiver.archived import (
    LIST_NAME,
    TEMPORARY_SUFFIX,
    Block,
    Listed,
    ListFile,
    Manifest,
    best_codec,
    manifest_path,
    manifests,
    pack,
    read_list,
    read_manifest,
    sha256_of,
    unpack,
)
from spanledger.receiver.segments import JournalCorruptError, Segment
from spanledger.receiver.storage import OsStorage, Storage

_log = logging.getLogger(__name__)
BLOCK_BYTES: Final = 4 << 20
_REST_MAX_SECONDS: Final = 2.0


class Tidied(NamedTuple):
    """What a run did: segments packed, their size before and after, and segments let go for their age or for room."""

    archived: int = 0
    raw_bytes: int = 0
    packed_bytes: int = 0
    removed: int = 0


class Archive:
    """The writing end, for the one process that owns the ledger; readers need no lock (see `archive_reader`).

    `duty` is the share of one processor that packing may take: after each block it rests accordingly. `stopping` ends a run early.
    """

    def __init__(
        self,
        archive: Path,
        journal: Path,
        *,
        storage: Storage | None = None,
        block_bytes: int = BLOCK_BYTES,
        duty: float = 1.0,
        stopping: Callable[[], bool] = lambda: False,
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self._archive, self._journal = archive, journal
        self._storage: Storage = storage or OsStorage()
        self._block_bytes, self._duty, self._stopping, self._rest = block_bytes, duty, stopping, rest

    def tidy(self, position: int, *, now_ns: int, keep_seconds: int, bytes_max: int | None = None) -> Tidied:
        """Archive the finished segments wholly below `position`, then let go what is too old or too much.

        Raises JournalCorruptError (a segment is damaged: it stays where it is) or OSError.
        """
        done = Tidied()
        known = segments.list_segments(self._journal)
        for segment, following in itertools.pairwise(known):
            if following.start > position or self._stopping():
                break
            segments.check_follows(self._journal, segment, following)
            manifest = self._seal(segment, now_ns)
            if manifest is None:
                break
            self._retire(segment)
            done = done._replace(
                archived=done.archived + 1,
                raw_bytes=done.raw_bytes + manifest.end - manifest.start,
                packed_bytes=done.packed_bytes + manifest.packed_bytes,
            )
        return done._replace(removed=self._let_go(now_ns, keep_seconds, bytes_max))

    def remove_all(self, now_ns: int) -> int:
        """Let the whole archive go, for a configuration that keeps nothing."""
        return self._let_go(now_ns, -1, None)

    # -- into the archive -----------------------------------------------------------------------------------------------

    def _seal(self, segment: Segment, now_ns: int) -> Manifest | None:
        """Have the segment whole in the archive, on stable storage and listed; None if told to stop meanwhile."""
        if not self._archive.is_dir():
            self._archive.mkdir(mode=0o700)
            self._storage.sync_directory(self._archive.parent)
        there = self._sealed(segment)
        if there is not None:
            return there
        temporary = self._archive / f"{segment.start:020d}{TEMPORARY_SUFFIX}"
        manifest = self._pack(segment, temporary)
        if manifest is None:
            temporary.unlink(missing_ok=True)
            return None
        self._storage.rename(temporary, self._archive / manifest.file_name)
        body = manifest.to_bytes()
        self._write_anew(temporary, [body])
        self._storage.rename(temporary, manifest_path(self._archive, segment.start))
        self._storage.sync_directory(self._archive)
        self._append("archived", manifest.start, manifest.end, now_ns, manifest_sha256=sha256_of([body]))
        return manifest

    def _sealed(self, segment: Segment) -> Manifest | None:
        """The manifest of a segment that an earlier run archived and could not take out of the journal, if its file is whole."""
        path = manifest_path(self._archive, segment.start)
        line = read_list(self._archive).current().get(segment.start)
        if line is None or not path.exists() or sha256_of([path.read_bytes()]) != line.manifest_sha256:
            return None
        manifest = read_manifest(path)
        packed = self._archive / manifest.file_name
        if manifest.end != segment.end() or not packed.exists():
            return None
        with packed.open("rb") as file:
            return manifest if hashlib.file_digest(file, "sha256").hexdigest() == manifest.packed_sha256 else None

    def _pack(self, segment: Segment, target: Path) -> Manifest | None:
        """Write the packed file under a passing name, synced and read back; None if told to stop."""
        codec = best_codec()
        target.unlink(missing_ok=True)
        descriptor = self._storage.create(target)
        raw_digest, packed_digest = hashlib.sha256(), hashlib.sha256()
        blocks: list[Block] = []
        records, first_ns, last_ns = 0, 1 << 62, 0
        try:
            for chunk in _chunks(segment, self._block_bytes):
                began = time.monotonic()
                packed = pack(codec, chunk.data)
                self._storage.write(descriptor, [packed])
                raw_digest.update(chunk.data)
                packed_digest.update(packed)
                blocks.append(Block(len(chunk.data), len(packed), sha256_of([packed])))
                records += chunk.records
                first_ns, last_ns = min(first_ns, chunk.received_ns_min), max(last_ns, chunk.received_ns_max)
                if self._stopping():
                    return None
                self._pause(time.monotonic() - began)
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)
        _read_back(target, codec, blocks, raw_digest.hexdigest())
        return Manifest(
            start=segment.start,
            end=segment.start + sum(block.raw for block in blocks),
            records=records,
            received_ns_min=first_ns if records else 0,
            received_ns_max=last_ns,
            codec=codec,
            packed_bytes=sum(block.packed for block in blocks),
            raw_sha256=raw_digest.hexdigest(),
            packed_sha256=packed_digest.hexdigest(),
            after_gap=segments.gap_path_of(self._journal, segment.start).exists(),
            blocks=tuple(blocks),
        )

    def _pause(self, busy_seconds: float) -> None:
        if self._duty < 1.0:
            self._rest(min(busy_seconds * (1.0 / self._duty - 1.0), _REST_MAX_SECONDS))

    def _retire(self, segment: Segment) -> None:
        segments.retire(segment, self._storage)
        self._storage.sync_directory(self._journal)

    # -- the list -------------------------------------------------------------------------------------------------------

    def _append(self, what: str, start: int, end: int, at_ns: int, *, manifest_sha256: str | None = None, why: str | None = None) -> None:
        """Add a line to the list, durably; a torn last line is cut off first."""
        found = self._whole_list()
        line = Listed(what, start, end, at_ns, manifest_sha256, why, found.head).checked()
        path = self._archive / LIST_NAME
        is_new = not path.exists()
        if not is_new and path.stat().st_size > found.sound_bytes:
            self._storage.truncate(path, found.sound_bytes)
        descriptor = self._storage.create(path) if is_new else self._storage.open_append(path)
        try:
            self._storage.write(descriptor, [line.to_bytes() + b"\n"])
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            self._storage.sync_directory(self._archive)

    def _whole_list(self) -> ListFile:
        found = read_list(self._archive)
        if found.fault is not None:
            raise JournalCorruptError(f"the archive's {LIST_NAME} is damaged: {found.fault}; `verify` says what is affected")
        return found

    def _write_anew(self, path: Path, parts: list[bytes]) -> None:
        descriptor = self._storage.create(path)
        try:
            self._storage.write(descriptor, parts)
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)

    # -- out of the archive ---------------------------------------------------------------------------------------------

    def _let_go(self, now_ns: int, keep_seconds: int, bytes_max: int | None) -> int:
        """Remove the oldest segments that are older than is kept, or for which there is no room: first the list says so."""
        if not self._archive.is_dir():
            return 0
        for start in self._whole_list().removed():  # a run that died between the line and the deletion
            self._delete(start)
        known = manifests(self._archive)
        held = sum(manifest.packed_bytes for manifest in known)
        removed = 0
        for manifest in known:
            too_old = keep_seconds < 0 or manifest.received_ns_max < now_ns - keep_seconds * 1_000_000_000
            too_much = bytes_max is not None and held > bytes_max
            if not too_old and not too_much:
                break  # oldest first: what stays is always one unbroken end
            self._append("removed", manifest.start, manifest.end, now_ns, why="age" if too_old else "size")
            self._delete(manifest.start)
            if not too_old:
                _log.warning("the archive is full: let go the requests of journal positions %d to %d", manifest.start, manifest.end)
            held -= manifest.packed_bytes
            removed += 1
        return removed

    def _delete(self, start: int) -> None:
        """Delete the files of a segment, its manifest last, so that a crash leaves something to find them by."""
        found = sorted(self._archive.glob(f"{start:020d}.*"), key=lambda path: path == manifest_path(self._archive, start))
        for path in found:
            self._storage.unlink(path)
        if found:
            self._storage.sync_directory(self._archive)


class _Chunk(NamedTuple):
    data: bytes
    records: int
    received_ns_min: int
    received_ns_max: int


def _chunks(segment: Segment, block_bytes: int) -> Iterator[_Chunk]:
    """The segment in runs of whole frames, each frame checked: what is archived is known to be sound."""
    size = segment.path.stat().st_size
    if size == 0:
        return
    with segment.path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
        begin = offset = 0
        times: list[int] = []
        while offset < size:
            try:
                step = frames.check(data, offset, segment.start + offset)
            except frames.DamagedFrameError as error:
                damage = f"journal segment {segment.path.name} is damaged at offset {offset}: {error}"
                break
            times.append(frames.received_ns_of(data, offset))
            offset += step
            if offset - begin >= block_bytes or offset == size:
                yield _Chunk(bytes(data[begin:offset]), len(times), min(times), max(times))
                begin, times = offset, []
        else:
            return
    raise JournalCorruptError(damage)  # here, where the error no longer holds a piece of the mapped file


def _read_back(path: Path, codec: str, blocks: list[Block], raw_sha256: str) -> None:
    """What was written must unpack to what was read, before anything is deleted."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in blocks:
            try:
                digest.update(unpack(codec, file.read(block.packed), block.raw))
            except ValueError as error:
                raise OSError(f"{path.name} does not unpack to what was packed: {error}") from error
    if digest.hexdigest() != raw_sha256:
        raise OSError(f"{path.name} does not unpack to what was packed")
