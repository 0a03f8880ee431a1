"""What an archived segment is: a packed file, its manifest beside it, and a line in a list in which each line seals the one before.

    archive/00000000000000000000.seg.zst   the segment's bytes as zstd frames one after the other (any zstd tool unpacks it)
    archive/00000000000000000000.json      its manifest: where its blocks lie, and the digest of each, packed and raw
    archive/list.jsonl                     what was ever archived or let go, so that a file that is missing is noticed

A block starts where a journal frame starts, so that reading from any position unpacks one block and not a whole segment.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from spanledger.receiver.segments import JournalCorruptError

LIST_NAME: Final = "list.jsonl"
MANIFEST_SUFFIX: Final = ".json"
TEMPORARY_SUFFIX: Final = ".tmp"
FORMAT: Final = 1
FIRST_PREVIOUS: Final = "0" * 64
_CHECK_DIGITS: Final = 16
_SUFFIXES: Final = {"zstd": ".seg.zst", "zlib": ".seg.zz"}
_ZSTD_LEVEL: Final = 9
_ZLIB_LEVEL: Final = 6


class ArchiveCorruptError(JournalCorruptError):
    """Archived bytes are damaged or missing; the message names the file and the offset in it."""


class Block(NamedTuple):
    """A run of whole frames: `raw` bytes of the segment that are `packed` bytes of the file, and the digest of those."""

    raw: int
    packed: int
    sha256: str


class Manifest(NamedTuple):
    """All there is to know of an archived segment. `after_gap`: the journal's folder was lost before it, and nothing is missing.

    `start` and `end` are journal positions; the digests are of the whole segment and of the whole packed file.
    """

    start: int
    end: int
    records: int
    received_ns_min: int
    received_ns_max: int
    codec: str
    packed_bytes: int
    raw_sha256: str
    packed_sha256: str
    after_gap: bool
    blocks: tuple[Block, ...]

    @property
    def file_name(self) -> str:
        """The packed file's name."""
        return f"{self.start:020d}{_SUFFIXES[self.codec]}"

    def to_bytes(self) -> bytes:
        """As it is written."""
        return (json.dumps({"format": FORMAT, **self._asdict()}, separators=(",", ":")) + "\n").encode()


def manifest_path(archive: Path, start: int) -> Path:
    """Where the manifest of the segment that starts at a position lies."""
    return archive / f"{start:020d}{MANIFEST_SUFFIX}"


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; ArchiveCorruptError where it is none."""
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        if said.pop("format") != FORMAT or said["codec"] not in _SUFFIXES:
            raise ValueError("written by another release")
        blocks = tuple(Block(int(raw), int(packed), str(sha256)) for raw, packed, sha256 in said.pop("blocks"))
        manifest = Manifest(**said, blocks=blocks)
        if sum(block.raw for block in blocks) != manifest.end - manifest.start or path.name != manifest_path(path, manifest.start).name:
            raise ValueError("its blocks do not add up to the segment")
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveCorruptError(f"archive manifest {path.name} is damaged: {error}") from error
    return manifest


def manifests(archive: Path) -> list[Manifest]:
    """Every manifest in the folder, by position; an absent folder has none."""
    if not archive.is_dir():
        return []
    paths = [path for path in archive.glob(f"*{MANIFEST_SUFFIX}") if path.stem.isdecimal()]
    return [read_manifest(path) for path in sorted(paths)]


def archived_bytes(archive: Path) -> tuple[int, int]:
    """(segments, bytes) of the packed files, for the metrics."""
    if not archive.is_dir():
        return 0, 0
    sizes = [path.stat().st_size for path in archive.iterdir() if path.name.endswith(tuple(_SUFFIXES.values()))]
    return len(sizes), sum(sizes)


# -- packing -------------------------------------------------------------------------------------------------------------


def best_codec() -> str:
    """What is packed with here: zstd where Arrow was built with it, which is nearly everywhere."""
    import pyarrow as pa  # here: the process that receives never packs, and must not wait for Arrow

    return "zstd" if pa.Codec.is_available("zstd") else "zlib"


def pack(codec: str, data: bytes | memoryview) -> bytes:
    """One block, packed so that it can be unpacked without the others."""
    if codec == "zlib":
        return zlib.compress(data, _ZLIB_LEVEL)
    import pyarrow as pa  # see best_codec

    packed: bytes = pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(data, asbytes=True)
    return packed


def unpack(codec: str, data: bytes, raw_bytes: int) -> bytes:
    """The block that was packed; ValueError where these are not its bytes."""
    try:
        if codec == "zlib":
            raw = zlib.decompress(data)
        else:
            import pyarrow as pa  # see best_codec

            raw = pa.Codec("zstd").decompress(data, decompressed_size=raw_bytes, asbytes=True)
    except (OSError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(raw) != raw_bytes:
        raise ValueError(f"it unpacks to {len(raw)} bytes instead of {raw_bytes}")
    return raw


def read_block(archive: Path, manifest: Manifest, number: int) -> bytes:
    """The raw bytes of a block, its digest checked; ArchiveCorruptError says where the damage lies."""
    block = manifest.blocks[number]
    offset = sum(each.packed for each in manifest.blocks[:number])
    try:
        with (archive / manifest.file_name).open("rb") as file:
            file.seek(offset)
            packed = file.read(block.packed)
    except FileNotFoundError:
        raise ArchiveCorruptError(f"archive segment {manifest.file_name} is missing") from None
    try:
        if hashlib.sha256(packed).hexdigest() != block.sha256:
            raise ValueError("the digest does not match")
        return unpack(manifest.codec, packed, block.raw)
    except ValueError as error:
        where = f"between offset {offset} and {offset + block.packed}"
        raise ArchiveCorruptError(f"archive segment {manifest.file_name} is damaged {where}: {error}") from error


def block_at(manifest: Manifest, position: int) -> tuple[int, int]:
    """(number, start) of the block that holds a position of the segment."""
    starts = [manifest.start]
    for block in manifest.blocks:
        starts.append(starts[-1] + block.raw)
    number = bisect.bisect_right(starts, position) - 1
    return number, starts[number]


# -- the list ------------------------------------------------------------------------------------------------------------


class Listed(NamedTuple):
    """A line of the list: a segment was `archived` (with its manifest's digest), or `removed` (and why: age or size)."""

    what: str
    start: int
    end: int
    at_ns: int
    manifest_sha256: str | None
    why: str | None
    prev: str
    """SHA-256 of the line before, without its line break."""
    check: str | None = None
    """The beginning of the SHA-256 of this line without it, for no line after the last one vouches for that. Old lines have none."""

    def to_bytes(self) -> bytes:
        """The line without its line break."""
        fields = {name: value for name, value in self._asdict().items() if name != "check" or value is not None}
        return json.dumps(fields, separators=(",", ":")).encode()

    def checked(self) -> Listed:
        """The line with its check."""
        return self._replace(check=sha256_of([self._replace(check=None).to_bytes()])[:_CHECK_DIGITS])


class ListFile(NamedTuple):
    """The list as it was found: its whole lines, how many bytes they take, and what is wrong with it (None: nothing)."""

    lines: tuple[Listed, ...]
    sound_bytes: int
    head: str
    """SHA-256 of the last line: what a copy of the list kept elsewhere is compared with."""
    fault: str | None

    def current(self) -> dict[int, Listed]:
        """What should be in the folder, by start."""
        found: dict[int, Listed] = {}
        for line in self.lines:
            if line.what == "archived":
                found[line.start] = line
            else:
                found.pop(line.start, None)
        return found

    def removed(self) -> dict[int, Listed]:
        """What was let go and has not come back."""
        found: dict[int, Listed] = {}
        for line in self.lines:
            found[line.start] = line
        return {start: line for start, line in found.items() if line.what == "removed"}


def read_list(archive: Path) -> ListFile:
    """The list, up to the first line that is damaged; a last line without a line break was never finished and is no damage."""
    try:
        data = (archive / LIST_NAME).read_bytes()
    except FileNotFoundError:
        return ListFile((), 0, FIRST_PREVIOUS, None)
    lines: list[Listed] = []
    head, at = FIRST_PREVIOUS, 0
    while (end := data.find(b"\n", at)) >= 0:
        try:
            line = Listed(**json.loads(data[at:end]))
            if line.prev != head or line.to_bytes() != data[at:end]:
                raise ValueError("it does not follow the line before")
            if line.check is not None and line != line.checked():
                raise ValueError("it was changed")
        except (ValueError, TypeError) as error:
            return ListFile(tuple(lines), at, head, f"line {len(lines) + 1}, at offset {at}: {error}")
        lines.append(line)
        head, at = hashlib.sha256(data[at:end]).hexdigest(), end + 1
    return ListFile(tuple(lines), at, head, None)


def sha256_of(parts: Iterable[bytes]) -> str:
    """The digest of some bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
