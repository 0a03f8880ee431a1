"""What a disk may hold after the power failed: any legal remains of a log of operations, made from a seed.

Whatever was synced stays. Of what was not, each 512 bytes, each length of a file and each change of a folder may be there or not,
in any order: neither POSIX nor a disk promises more.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.reliability.disk_log import Op

SECTOR_BYTES = 512


@dataclass
class _File:
    synced: bytes = b""
    pending: list[Op] = field(default_factory=list)

    def remains(self, rng: random.Random, how: str) -> bytes:
        found = bytearray(self.synced)
        pending = self.pending
        if how == "nothing":
            return bytes(found)
        if how == "prefix" and pending:
            pending = pending[: rng.randrange(len(pending) + 1)]
        for number, op in enumerate(pending):
            last = number == len(pending) - 1
            if op.kind == "truncate":
                if how != "torn" or rng.random() < 0.5:
                    del found[op.offset :]
            else:
                _apply(found, op, rng, "torn" if how == "torn" else "prefix" if how == "prefix" and last else "all")
        return bytes(found)


def _apply(found: bytearray, op: Op, rng: random.Random, how: str) -> None:
    end = op.offset + len(op.data)
    if how == "prefix":
        end = min(end, rng.randrange(op.offset, end + SECTOR_BYTES) // SECTOR_BYTES * SECTOR_BYTES)
    if how == "torn" and rng.random() < 0.5 and len(found) < end:
        found.extend(bytes(end - len(found)))  # the length was written, and not the bytes
    at = op.offset
    while at < end:
        behind = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if how != "torn" or rng.random() < 0.5:
            if len(found) < behind:
                found.extend(bytes(behind - len(found)))
            found[at:behind] = op.data[at - op.offset : behind - op.offset]
        at = behind


class Cut(NamedTuple):
    """A moment and the disk as it may be found after it. `files` has None for folders; `acknowledged` are the requests answered before."""

    moment: int
    files: dict[str, bytes | None]
    acknowledged: frozenset[int]


@dataclass
class Disk:
    """The disk while the log is played: what it holds for sure, and what it was only asked to hold."""

    files: dict[int, _File] = field(default_factory=dict)
    current: dict[str, int | None] = field(default_factory=dict)
    entries: dict[str, int | None] = field(default_factory=dict)
    changes: dict[str, list[list[tuple[str, int | None, bool]]]] = field(default_factory=dict)
    meta: bytes | None = None
    announced: list[bytes] = field(default_factory=list)
    journal: str = ""
    acknowledged: set[int] = field(default_factory=set)
    uncovered: list[str] = field(default_factory=list)

    def play(self, op: Op) -> None:
        """Take in the next operation."""
        match op.kind:
            case "mkdir":
                self._change(op.path, None)
            case "create":
                self.files[op.number] = _File()
                self._change(op.path, op.number)
            case "write" | "truncate":
                self.files[op.number].pending.append(op)
            case "sync":
                file = self.files[op.number]
                file.synced, file.pending = file.remains(random.Random(0), "all"), []
            case "rename":
                number = self.current.pop(op.path)
                self.current[op.other] = number
                self._pend(op.path, [(op.path, None, False), (op.other, number, True)])
            case "unlink":
                self.current.pop(op.path, None)
                self._pend(op.path, [(op.path, None, False)])
            case "sync_directory":
                for change in self.changes.pop(op.path, []):
                    _take(self.entries, change)
            case "meta":
                self.meta = op.data
            case "durable":
                self.announced.append(op.data)
            case "acknowledged":
                self.acknowledged.add(op.number)
                self._check_covered(op)

    def _change(self, path: str, number: int | None) -> None:
        self.current[path] = number
        self._pend(path, [(path, number, True)])

    def _pend(self, path: str, change: list[tuple[str, int | None, bool]]) -> None:
        self.changes.setdefault(path.rpartition("/")[0], []).append(change)

    def _check_covered(self, op: Op) -> None:
        """An acknowledged position must lie in a segment whose name and bytes are synced up to there, and so must all folders above it."""
        start = -1
        for path, number in self.entries.items():
            name = path.rpartition("/")[2]
            if path.endswith(".seg") and int(name[:20]) < op.offset and number is not None and _reachable(path, self.entries):
                if int(name[:20]) + len(self.files[number].synced) >= op.offset:
                    return
                start = max(start, int(name[:20]))
        self.uncovered.append(f"request {op.number} was acknowledged before journal position {op.offset} was synced (segment {start})")

    def cut(self, moment: int, rng: random.Random) -> Cut:
        """One of the ways in which the disk may be found if the power fails now."""
        entries = dict(self.entries)
        for parent in sorted(self.changes):
            how = rng.choice(("nothing", "all", "some"))
            for change in self.changes[parent]:
                if how == "all" or (how == "some" and rng.random() < 0.5):
                    _take(entries, change)
        files: dict[str, bytes | None] = {}
        for path, number in sorted(entries.items()):
            if _reachable(path, entries):
                how = rng.choice(("nothing", "all", "prefix", "torn", "torn"))
                files[path] = None if number is None else self.files[number].remains(rng, how)
        if self.meta is not None and "data" in files:
            files["data/meta.sqlite"] = self.meta
        if self.announced and "data/journal" in files and rng.random() < 0.8:
            files["data/journal/durable"] = self.announced[max(0, len(self.announced) - rng.choice((1, 1, 2, 5)))]
        return Cut(moment, files, frozenset(self.acknowledged))


def _take(entries: dict[str, int | None], change: list[tuple[str, int | None, bool]]) -> None:
    for path, number, is_there in change:
        if is_there:
            entries[path] = number
        else:
            entries.pop(path, None)


def _reachable(path: str, entries: dict[str, int | None]) -> bool:
    parent = path.rpartition("/")[0]
    return not parent or (parent in entries and _reachable(parent, entries))


def cuts(ops: Sequence[Op], count: int, seed: int) -> Iterator[Cut | str]:
    """`count` cuts spread over the log; a text instead where an acknowledgement came before its sync."""
    rng = random.Random(seed)
    disk = Disk()
    made = 0
    for moment, op in enumerate(ops, 1):
        disk.play(op)
        yield from disk.uncovered
        disk.uncovered.clear()
        while made * len(ops) < count * moment:
            made += 1
            yield disk.cut(moment, rng)


def lay_out(cut: Cut, root: Path) -> None:
    """Make the folder as it was found."""
    for path, data in cut.files.items():
        if data is None:
            (root / path).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, data in cut.files.items():
        if data is not None:
            (root / path).write_bytes(data)
