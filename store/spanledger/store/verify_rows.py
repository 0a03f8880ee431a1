"""Full verification: every entry read from Parquet and hashed again, each commit's root and sums held against its chain record.

Files are read in any order, for compaction has put the entries of many commits into each; so hashes go to a scratch file at the place of
their entry number, and the trees are built from there. Processes share the work where there is enough of it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from spanledger.enrich.money import text_from_atto
from spanledger.store import merkle
from spanledger.store.findings import Findings
from spanledger.store.row_versions import ROW_VERSIONS
from spanledger.store.seal import Payer, atto_words, batch_root, batch_roots, payer_bytes, payer_codes
from spanledger.store.verify_chain import Sealed
from spanledger.store.verify_files import FilesChecked
from spanledger.store.verify_source import FileRow

PARALLEL_ROWS: Final = 200_000
"""From so many entries on, starting processes pays."""
_TREES_AT_ONCE: Final = 50_000


class Scratch(NamedTuple):
    """Where the hashes of all entries are gathered: names of files, so that processes can share them."""

    leaves: str
    payers: str
    bounds: str
    entries: int


class Portion(NamedTuple):
    """What hashing a row group found: how many rows, whose, and the sums of each commit (by its number in `bounds`)."""

    rows: int
    outside: list[int]
    payers: dict[int, Payer]
    commits: list[int]
    sums: dict[str, list[int]]
    problem: str | None


class RowsChecked(NamedTuple):
    """How many entries were read, and what they add up to in atto-USD, by money column."""

    entries: int
    sums: dict[str, int]


def check_rows(
    data_dir: Path,
    files: FilesChecked,
    sealed: Sequence[Sealed | None],
    findings: Findings,
    step: Callable[[int], None] = lambda _: None,
) -> RowsChecked:
    """Read all entries of the events files and hold them against the records. `step` is called with the rows done."""
    entries = max((each.last for each in sealed if each is not None), default=0)
    events = [file for file in files.readable if file.table == "events"]
    with tempfile.TemporaryDirectory(prefix="spanledger-verify-") as folder:
        scratch = _scratch(Path(folder), entries, sealed)
        with _workers(entries) as run:
            hashing = partial(hash_group, scratch, _versions(sealed))
            sound = _groups(data_dir, [file for file in events if file.path not in files.damaged], findings)
            risky = _groups(data_dir, [file for file in events if file.path in files.damaged], findings)
            portions = []
            for (path, _), portion in chain(zip(sound, run(hashing, sound), strict=True), _hash_apart(hashing, risky)):
                if portion.problem is not None:
                    findings.add(f"file {Path(path).relative_to(data_dir).as_posix()}", f"cannot be read as entries: {portion.problem}")
                portions.append(portion)
                step(portion.rows)
            payers = {code: payer for portion in portions for code, payer in portion.payers.items()}
            _check_numbers(data_dir, events, scratch, portions, findings)
            _check_trees(run, scratch, sealed, payers, findings)
    return RowsChecked(sum(portion.rows for portion in portions), _check_sums(portions, sealed, findings))


@contextmanager
def _workers(entries: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` over processes, or a plain one where there is little to do or nobody to share it with."""
    count = min(os.cpu_count() or 1, 8)
    if entries < PARALLEL_ROWS or count == 1:
        yield map
        return
    pool: Executor
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def _scratch(folder: Path, entries: int, sealed: Sequence[Sealed | None]) -> Scratch:
    scratch = Scratch(str(folder / "leaves"), str(folder / "payers"), str(folder / "bounds"), entries)
    for path, width in ((scratch.leaves, merkle.HASH_BYTES), (scratch.payers, 8)):
        with Path(path).open("wb") as file:
            file.truncate(max(1, entries * width))
    with Path(scratch.bounds).open("wb") as file:
        np.save(file, np.array([each.last if each is not None else -1 for each in sealed], np.int64))
    return scratch


def _versions(sealed: Sequence[Sealed | None]) -> list[tuple[int, int, int]]:
    """Runs of entry numbers with the row version they were hashed as: (first, last, version)."""
    runs: list[tuple[int, int, int]] = []
    for each in sealed:
        if each is None or each.last < each.first:
            continue
        if runs and runs[-1][2] == each.row_version and runs[-1][1] == each.first - 1:
            runs[-1] = (runs[-1][0], each.last, each.row_version)
        else:
            runs.append((each.first, each.last, each.row_version))
    return runs


def _groups(data_dir: Path, files: Sequence[FileRow], findings: Findings) -> list[tuple[str, int]]:
    """The row groups of files: (path, number)."""
    import pyarrow as pa  # here, not above: reports import this package and must not wait for Arrow
    import pyarrow.parquet as pq  # as above

    groups: list[tuple[str, int]] = []
    for file in files:
        try:
            with pq.ParquetFile(data_dir / file.path) as parquet:
                findings.compare(f"file {file.path}", "its number of rows", file.rows, parquet.metadata.num_rows)
                groups += [(str(data_dir / file.path), group) for group in range(parquet.num_row_groups)]
        except (OSError, pa.ArrowException) as error:
            findings.add(f"file {file.path}", f"cannot be read as Parquet: {_one_line(error)}")
    return groups


def _hash_apart(
    hashing: Callable[[tuple[str, int]], Portion], groups: Sequence[tuple[str, int]]
) -> Iterator[tuple[tuple[str, int], Portion]]:
    """Hash row groups of damaged files in a process of their own: bytes that nobody wrote may end a reader that trusts them."""
    for group in groups:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                yield group, pool.submit(hashing, group).result()
            except BrokenProcessPool:
                yield group, Portion(0, [], {}, [], {}, "reading it ends the process")


def hash_group(scratch: Scratch, versions: Sequence[tuple[int, int, int]], group: tuple[str, int]) -> Portion:
    """Hash a row group into the scratch files."""
    import pyarrow as pa  # as above
    import pyarrow.parquet as pq  # as above

    from spanledger.store.canonical import leaf_hashes  # as above
    from spanledger.store.chain import with_all_columns  # as above

    try:
        with pq.ParquetFile(group[0]) as parquet:
            table = with_all_columns(parquet.read_row_group(group[1], use_threads=False))
        numbers = table.column("entry_number").to_numpy()
        fits = (numbers >= 1) & (numbers <= scratch.entries)
        outside = numbers[~fits].tolist()
        if outside:
            table, numbers = table.filter(pa.array(fits)), numbers[fits]
        if not scratch.entries or not len(numbers):
            return Portion(len(outside), outside, {}, [], {}, None)
        leaves = np.memmap(scratch.leaves, f"V{merkle.HASH_BYTES}", "r+", shape=(scratch.entries,))
        for first, last, version in versions:
            inside = (numbers >= first) & (numbers <= last)
            if inside.any():
                some = table if inside.all() else table.filter(pa.array(inside))
                hashes = b"".join([b"".join(batch) for batch in leaf_hashes(some, version)])
                leaves[numbers[inside] - 1] = np.frombuffer(hashes, f"V{merkle.HASH_BYTES}")
        codes, payers = payer_codes(table)
        keys = [int.from_bytes(blake2b(payer_bytes(payer), digest_size=8).digest(), "big") for payer in payers]
        np.memmap(scratch.payers, np.uint64, "r+", shape=(scratch.entries,))[numbers - 1] = np.array(keys, np.uint64)[codes]
        commits, sums = _sums_by_commit(table, numbers, np.load(scratch.bounds, mmap_mode="r"))
        return Portion(table.num_rows + len(outside), outside, dict(zip(keys, payers, strict=True)), commits, sums, None)
    except Exception as error:  # noqa: BLE001 - a damaged file can make Arrow fail in any way, and that is the finding
        return Portion(0, [], {}, [], {}, _one_line(error))


def _sums_by_commit(table: Any, numbers: np.ndarray, bounds: np.ndarray) -> tuple[list[int], dict[str, list[int]]]:
    """The commits that rows belong to, and for each money column the exact sum of each of them."""
    if (bounds < 0).any():  # a damaged record: where its commit ends is not known, so sums by commit say nothing
        commit = np.zeros(len(numbers), np.int64)
    else:
        commit = np.searchsorted(bounds, numbers)
    order = np.argsort(commit, kind="stable")
    ordered = commit[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums = {}
    for name in (name for name, kind in ROW_VERSIONS[max(ROW_VERSIONS)].columns if kind == "money"):
        if table.column(name).null_count == table.num_rows:
            continue
        words = atto_words(table.column(name))[order]
        low, high = words["low"], words["high"]
        mask = np.uint64(0xFFFF_FFFF)
        parts = (low & mask, low >> np.uint64(32), (high & np.int64(0xFFFF_FFFF)), high >> 32)
        columns = [np.add.reduceat(part.astype(np.int64), starts).tolist() for part in parts]
        sums[name] = [a + (b << 32) + (c << 64) + (d << 96) for a, b, c, d in zip(*columns, strict=True)]
    return ordered[starts].tolist(), sums


def _check_numbers(data_dir: Path, files: Sequence[FileRow], scratch: Scratch, portions: Sequence[Portion], findings: Findings) -> None:
    """Every entry number must be there once."""
    for portion in portions:
        for number in portion.outside[:10]:
            findings.add(f"entry {number}", "is in no commit of the chain", f"1 to {scratch.entries}", number)
    rows = sum(portion.rows - len(portion.outside) for portion in portions)
    gaps = 0
    if scratch.entries:
        leaves = np.memmap(scratch.leaves, np.uint64, "r", shape=(scratch.entries, merkle.HASH_BYTES // 8))
        for at in range(0, scratch.entries, 1_000_000):
            missing = np.flatnonzero(~leaves[at : at + 1_000_000].any(axis=1))
            for index in missing[:10].tolist():
                findings.add(f"entry {at + index + 1}", "is missing")
            gaps += len(missing)
    if gaps > 10:
        findings.add("entries", "are missing", scratch.entries, scratch.entries - gaps)
    if rows + gaps != scratch.entries:
        _find_doubles(data_dir, files, scratch.entries, findings)


def _find_doubles(data_dir: Path, files: Sequence[FileRow], entries: int, findings: Findings) -> None:
    """Say which numbers are there more than once, and where the second time."""
    import pyarrow as pa  # as above
    import pyarrow.parquet as pq  # as above

    seen = np.zeros(entries + 1, np.uint8)
    for file in files:
        try:
            with pq.ParquetFile(data_dir / file.path) as parquet:
                numbers = parquet.read(["entry_number"]).column(0).to_numpy()
        except (OSError, pa.ArrowException):
            continue  # that has been said
        numbers = np.sort(numbers[(numbers >= 1) & (numbers <= entries)])
        twice = np.unique(np.r_[numbers[1:][numbers[1:] == numbers[:-1]], numbers[seen[numbers] > 0]])
        for number in twice[:10].tolist():
            findings.add(f"entry {number}", f"is there more than once, again in {file.path}")
        seen[numbers] = 1


def _check_trees(
    run: Callable[..., Iterator[Any]], scratch: Scratch, sealed: Sequence[Sealed | None], payers: dict[int, Payer], findings: Findings
) -> None:
    """Build the tree of every commit and compare its root with the record's."""
    chunks: list[list[Sealed]] = [[]]
    size = 0
    for each in sealed:
        if each is None:
            continue
        chunks[-1].append(each)
        size += each.last - each.first + 2
        if size >= _TREES_AT_ONCE:
            chunks.append([])
            size = 0
    for wrong in run(partial(wrong_roots, scratch, payers), chunks):
        for each, root in wrong:
            where = f"commit {each.commit}"
            findings.add(where, f"rows differ from those that were booked (entries {each.first} to {each.last})", each.batch, root)


def wrong_roots(scratch: Scratch, payers: dict[int, Payer], chunk: Sequence[Sealed]) -> list[tuple[Sealed, bytes]]:
    """The records among these whose entries have another root than they say, with that root. A gap is left to those who look for gaps."""
    if not chunk:
        return []
    first, last = min(each.first for each in chunk) - 1, max(each.last for each in chunk)
    if last > first:
        shape = (scratch.entries,)
        leaves = np.memmap(scratch.leaves, f"V{merkle.HASH_BYTES}", "r", shape=shape)[first:last].tobytes()
        keys = np.array(np.memmap(scratch.payers, np.uint64, "r", shape=shape)[first:last])
    else:
        leaves, keys = b"", np.zeros(0, np.uint64)
    found = []
    for each in chunk:
        a, b = each.first - 1 - first, each.last - first
        some = leaves[a * merkle.HASH_BYTES : b * merkle.HASH_BYTES] if b > a else b""
        used, codes = np.unique(keys[a:b], return_inverse=True) if b > a else ((), np.zeros(0, np.int64))
        known = [payers.get(int(key), ("", None)) for key in used]
        root = batch_root(batch_roots(some, codes, known))
        if root != each.batch:
            found.append((each, root))
    return found


def _check_sums(portions: Sequence[Portion], sealed: Sequence[Sealed | None], findings: Findings) -> dict[str, int]:
    """Compare the sums of every commit; returns those of all."""
    by_commit: dict[int, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for portion in portions:
        for name, values in portion.sums.items():
            for commit, value in zip(portion.commits, values, strict=True):
                sums = by_commit.setdefault(commit, {})
                sums[name] = sums.get(name, 0) + value
                totals[name] = totals.get(name, 0) + value
    if any(each is None for each in sealed):
        return totals
    for index, each in enumerate(sealed):
        if each is None:
            continue
        actual = by_commit.get(index, {})
        for name in sorted(each.sums.keys() | actual.keys()):
            expected, found = each.sums.get(name), actual.get(name)
            if expected != found:
                shown = [("nothing" if value is None else f"{text_from_atto(value)} USD") for value in (expected, found)]
                findings.add(f"commit {each.commit}", f"the sum of {name} differs", *shown)
    return totals


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
