"""Checks an archive against its own digests and its list: whatever was changed, taken away or added is found and located."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from spanledger.receiver import frames, segments
from spanledger.receiver.archived import (
    LIST_NAME,
    ArchiveCorruptError,
    ListFile,
    Manifest,
    manifest_path,
    read_block,
    read_list,
    read_manifest,
    sha256_of,
)


class ArchiveFault(NamedTuple):
    """Something wrong with a file of the archive or of the journal, in one sentence that says where."""

    file: str
    what: str


class ArchiveState(NamedTuple):
    """What an archive holds and what is wrong with it. `head` is the list's last digest, to compare with one kept elsewhere."""

    segments: int
    records: int
    start: int | None
    end: int | None
    head: str
    faults: tuple[ArchiveFault, ...]


def check_archive(archive: Path, journal: Path, progress: Callable[[int], None] | None = None) -> ArchiveState:
    """Read all of it. `progress` is told the packed bytes read so far."""
    listed = read_list(archive)
    faults = [] if listed.fault is None else [ArchiveFault(LIST_NAME, listed.fault)]
    sound: list[Manifest] = []
    read = 0
    for start, line in sorted(listed.current().items()):
        path = manifest_path(archive, start)
        if not path.exists():
            faults.append(ArchiveFault(path.name, "is listed and missing"))
            continue
        if sha256_of([path.read_bytes()]) != line.manifest_sha256:
            faults.append(ArchiveFault(path.name, "is not the manifest that was listed"))
        try:
            manifest = read_manifest(path)
        except ArchiveCorruptError as error:
            faults.append(ArchiveFault(path.name, str(error)))
            continue
        faults += _segment_faults(archive, manifest)
        sound.append(manifest)
        read += manifest.packed_bytes
        if progress is not None:
            progress(read)
    faults += _strangers(archive, journal, listed)
    faults += _holes(sound, journal)
    return ArchiveState(
        len(sound),
        sum(manifest.records for manifest in sound),
        sound[0].start if sound else None,
        sound[-1].end if sound else None,
        listed.head,
        tuple(faults),
    )


def _segment_faults(archive: Path, manifest: Manifest) -> Iterator[ArchiveFault]:
    path = archive / manifest.file_name
    if not path.exists():
        yield ArchiveFault(path.name, "is listed and missing")
        return
    with path.open("rb") as file:
        is_whole = hashlib.file_digest(file, "sha256").hexdigest() == manifest.packed_sha256
    if not is_whole and path.stat().st_size != manifest.packed_bytes:
        yield ArchiveFault(path.name, f"has {path.stat().st_size} bytes instead of {manifest.packed_bytes}")
    digest, start, located = hashlib.sha256(), manifest.start, False
    for number, block in enumerate(manifest.blocks):
        try:
            raw = read_block(archive, manifest, number)
            _check_frames(memoryview(raw), start)
        except (ArchiveCorruptError, frames.DamagedFrameError) as error:
            located = True
            yield ArchiveFault(path.name, str(error))
        else:
            digest.update(raw)
        start += block.raw
    if not located and (not is_whole or digest.hexdigest() != manifest.raw_sha256):
        yield ArchiveFault(path.name, "does not have the digest of its manifest")


def _check_frames(data: memoryview, start: int) -> None:
    offset = 0
    while offset < len(data):
        offset += frames.check(data, offset, start + offset)


def _strangers(archive: Path, journal: Path, listed: ListFile) -> Iterator[ArchiveFault]:
    """Segments that nobody listed: put there by hand, or by a list that was cut. One that the journal still has is only half archived."""
    known, removed = listed.current(), {*listed.removed()} | {each.start for each in segments.list_segments(journal)}
    for path in sorted(archive.glob("*.json")) if archive.is_dir() else ():
        if path.stem.isdecimal() and int(path.stem) not in known and int(path.stem) not in removed:
            yield ArchiveFault(path.name, "is not in the list")


def _holes(sound: list[Manifest], journal: Path) -> Iterator[ArchiveFault]:
    """Positions missing between archived segments, or between the archive and the journal."""
    for one, other in itertools.pairwise(sound):
        if one.end != other.start and not other.after_gap:
            yield ArchiveFault(other.file_name, f"nothing is there between journal positions {one.end} and {other.start}")
    lying = segments.list_segments(journal)
    if sound and lying and lying[0].start > sound[-1].end and not segments.gap_path_of(journal, lying[0].start).exists():
        yield ArchiveFault(LIST_NAME, f"nothing is there between journal positions {sound[-1].end} and {lying[0].start}")
