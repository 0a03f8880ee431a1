"""Bytes that change on the disk: found and located by `verify`; in the journal they cost one request and nothing that follows it."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from spanledger.cli import parts
from spanledger.cli.deep_verify import verify_deep
from spanledger.receiver import frames
from spanledger.receiver.archive_check import check_archive
from spanledger.receiver.archive_reader import read_all
from spanledger.receiver.journal import Journal, JournalCorruptError, JournalReader
from spanledger.store.files import TABLES
from spanledger.store.metastore import Metastore
from spanledger.store.verify import verify
from tests.reliability.bars import Bar, BrokenBarError, Figures, require
from tests.reliability.small_life import SEGMENT_BYTES, Life, record_of, recover, spans_of

_SHORT_FLIPS, _LONG_DEEP, _SHORT_DEEP, _LONG_STARTS, _SHORT_STARTS = 240, 40, 4, 300, 12
_PARQUET_STEP_LONG = 11


def made(folder: Path, seed: int) -> set[int]:
    """A folder that has lived for a while, stopped in order: journal, archive, Parquet and chain have something in them."""
    acknowledged: set[int] = set()
    Life(folder / "data", random.Random(seed), lambda number, _position: acknowledged.add(number)).live(60)
    recover(folder / "data")
    return acknowledged


def told(data: Path, path: str) -> list[str]:
    """Where `verify` (with `--deep` for journal and archive) says that something is wrong, by the check that reads this file."""
    if path.startswith("archive/"):
        return [f"archive/{fault.file}: {fault.what}" for fault in check_archive(data / "archive", data / "journal").faults]
    if path.startswith("journal/"):
        try:
            for _ in read_all(data / "archive", data / "journal"):
                pass
        except JournalCorruptError as error:
            return [str(error)]
        return []
    return [f"{finding.where}: {finding.problem}" for finding in verify(data).findings]


def _located(said: str, path: str) -> bool:
    return path.rpartition("/")[2] in said or (path.startswith("chain/") and "record" in said)


def _flip_all(folder: Path, copy: Path, jobs: list[tuple[str, int, int]]) -> str:
    """Flip a bit of each (path, offset, bit) in a copy of the folder; what was not found, or not where it was."""
    logging.getLogger("spanledger").setLevel(logging.CRITICAL + 1)
    shutil.copytree(folder, copy)
    data = copy / "data"
    for path, offset, bit in jobs:
        with (data / path).open("r+b", buffering=0) as file:
            file.seek(offset)
            before = file.read(1)
            file.seek(offset)
            file.write(bytes([before[0] ^ (1 << bit)]))
            said = told(data, path)
            file.seek(offset)
            file.write(before)
        if not any(_located(each, path) for each in said):
            return f"bit {bit} of byte {offset} of {path} was flipped, and verify said {said[:2]}"
    shutil.rmtree(copy)
    return ""


def _jobs(data: Path, rng: random.Random, *, long: bool) -> list[tuple[str, int, int]]:
    """Which bits are flipped: in the long form every byte of journal, archive and chain, and every eleventh of the Parquet files.

    A Parquet file that compaction has replaced is none of the ledger any more: it only waits for its deletion.
    """
    every = []
    store = Metastore.open(data, read_only=True)
    live = {file.path for table in TABLES for file in store.live_files(table)}
    store.close()
    for path in sorted(each for each in data.rglob("*") if each.is_file()):
        name = path.relative_to(data).as_posix()
        is_data = name.split("/")[0] in TABLES
        if name.split("/")[0] in {"journal", "archive", "chain", "events", "spans"} and path.name != "durable":
            if is_data and name not in live:
                continue
            step = _PARQUET_STEP_LONG if is_data else 1
            every += [(name, offset, rng.randrange(8)) for offset in range(rng.randrange(step), path.stat().st_size, step)]
    if long:
        return every
    kinds = {name.split("/")[0] for name, _, _ in every}
    return [
        job for kind in sorted(kinds) for job in rng.sample([e for e in every if e[0].startswith(f"{kind}/")], _SHORT_FLIPS // len(kinds))
    ]


def _find_all(folder: Path, seed: int, *, long: bool) -> Counter[str]:
    jobs = _jobs(folder / "data", random.Random(seed), long=long)
    shares = [jobs[n :: 4 * (os.cpu_count() or 1)] for n in range(4 * (os.cpu_count() or 1))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for broken in pool.map(partial(_flip_all, folder), [folder.with_name(f"copy-{n}") for n in range(len(shares))], shares):
            require(not broken, f"seed {seed}: {broken}")
    return Counter(f"flipped_in_{name.split('/')[0]}" for name, _, _ in jobs)


def _find_deep(folder: Path, seed: int, count: int) -> int:
    """The whole of `verify --deep`, for some flips of journal and archive."""
    rng = random.Random(seed + 1)
    jobs = [job for job in _jobs(folder / "data", rng, long=True) if job[0].split("/")[0] in {"journal", "archive"}]
    for path, offset, bit in rng.sample(jobs, count):
        with _flipped(folder / "data" / path, offset, bit):
            found = verify_deep(folder / "data", None).findings
            said = [f"{each.where}: {each.problem}" for each in found]
            require(any(_located(each, path) for each in said), f"verify --deep: byte {offset} of {path}: {said[:2]}")
    return count


class _flipped:  # noqa: N801 - reads as a verb
    def __init__(self, path: Path, offset: int, bit: int) -> None:
        self._path, self._offset, self._bit = path, offset, bit

    def __enter__(self) -> None:
        self._turn()

    def __exit__(self, *about: object) -> None:
        if self._path.exists():
            self._turn()

    def _turn(self) -> None:
        data = bytearray(self._path.read_bytes())
        data[self._offset] ^= 1 << self._bit
        self._path.write_bytes(data)


def _start_on_damage(folder: Path, seed: int, count: int) -> Figures:
    """Requests that are acknowledged and not yet in the ledger; a flipped byte costs the one it lies in, told and quarantined."""
    rng = random.Random(seed + 2)
    starts: Counter[str] = Counter()
    for number in range(count):
        data = folder / f"start-{number}" / "data"
        wanted = range(1, 9)
        with Journal(data / "journal", segment_bytes=SEGMENT_BYTES) as journal:
            ends = {each: journal.append(record_of(each)).result(30) for each in wanted}
        begins = dict(zip(wanted, [0, *ends.values()], strict=False))
        position = rng.randrange(ends[8])
        segment = max(path for path in (data / "journal").glob("*.seg") if int(path.stem) <= position)
        _flipped(segment, position - int(segment.stem), rng.randrange(8)).__enter__()
        hit = next(each for each in wanted if begins[each] <= position < ends[each])
        try:
            net = recover(data)
        except Exception as error:
            raise BrokenBarError(f"seed {seed}: byte {position} of the journal stopped the start: {error}") from error
        for each in wanted:
            charged = {span for span in spans_of(each) if net[span]}
            require(charged == (set() if each == hit else spans_of(each)), f"request {each} of {hit} damaged: {charged} charged")
        rows = [json.loads(line) for line in (data / "quarantine.jsonl").read_text().splitlines()]
        require([row["position"] for row in rows] == [begins[hit]], f"quarantined: {rows}")
        require(rows[0]["code"] == "journal_damaged", f"quarantined as {rows[0]['code']}")
        starts["started_on_damage"] += 1
        shutil.rmtree(folder / f"start-{number}")
    return starts


def _mend_tails(folder: Path, seed: int, count: int) -> Figures:
    """What a write that was never synced left at the end is cut off at the start."""
    rng = random.Random(seed + 3)
    for number in range(count):
        data = folder / f"tail-{number}" / "data"
        with Journal(data / "journal") as journal:
            ends = [journal.append(record_of(each)).result(30) for each in (1, 2, 3)]
        segment = next((data / "journal").glob("*.seg"))
        whole = segment.read_bytes()
        torn = bytearray(whole + whole[ends[0] : ends[1]][: rng.randrange(1, ends[1] - ends[0])])
        for _ in range(rng.randrange(3)):
            torn[rng.randrange(ends[2], len(torn))] ^= 0xFF
        segment.write_bytes(torn)
        net = recover(data)
        require(all(net[span] == 1 for each in (1, 2, 3) for span in spans_of(each)), f"seed {seed}: a torn tail cost something: {net}")
        require(segment.read_bytes() == whole, "the torn tail was not cut")
        shutil.rmtree(folder / f"tail-{number}")
    return {"torn_tails": count}


def _durable_is_only_an_announcement(folder: Path, seed: int) -> Figures:
    """`journal/durable` may say anything: the start goes by the segments, or refuses and says so."""
    refused = 0
    acknowledged = made(folder, seed)
    kept = (folder / "data/journal/durable").read_bytes()
    for bit in range(64):
        (folder / "data/journal/durable").write_bytes((int.from_bytes(kept, "little") ^ (1 << bit)).to_bytes(8, "little"))
        try:
            net = recover(folder / "data")
            require(all(net[span] == 1 for each in acknowledged for span in spans_of(each)), f"seed {seed}, bit {bit} of durable: {net}")
        except JournalCorruptError as error:
            require("acknowledged" in str(error) and "durable" in str(error), f"a refusal that does not say why: {error}")
            refused += 1
        (folder / "data/journal/durable").write_bytes(kept)
    return {"durable_bits": 64, "durable_refused": refused}


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    logging.getLogger("spanledger").setLevel(logging.CRITICAL + 1)
    made(folder / "life", seed)
    require(verify(folder / "life/data", full=True).is_fine, "the untouched folder is not fine")
    starts = _LONG_STARTS if long else _SHORT_STARTS
    figures: dict[str, Any] = dict(_find_all(folder / "life", seed, long=long))
    figures["deep"] = _find_deep(folder / "life", seed, _LONG_DEEP if long else _SHORT_DEEP)
    figures |= _start_on_damage(folder, seed, starts)
    figures |= _mend_tails(folder, seed, starts)
    return figures | _durable_is_only_an_announcement(folder / "announced", seed)


def _checksums_not_compared(seed: int, folder: Path) -> Figures:
    real = frames.check
    frames.check = lambda data, offset, _position: frames.stated_bytes(data, offset) or 0
    try:
        made(folder / "life", seed)
        return _find_all(folder / "life", seed, long=False)
    finally:
        frames.check = real


def _reader_stops(seed: int, folder: Path) -> Figures:
    real: Callable[..., JournalReader] = parts.JournalReader
    parts.JournalReader = lambda directory, position, **_more: real(directory, position)  # type: ignore[misc,assignment]  # the guard is off
    try:
        return _start_on_damage(folder, seed, 8)
    finally:
        parts.JournalReader = real  # type: ignore[misc,assignment]  # and on again


BAR = Bar(
    "corruption",
    "any byte of journal, archive, Parquet or chain flipped: found and located; a start on it loses that request only; torn tails mended",
    run,
    {"checksums not compared": _checksums_not_compared, "the reader stops at damage": _reader_stops},
)
