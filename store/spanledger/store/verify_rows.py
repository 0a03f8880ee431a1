"""Full verification: every entry read from Parquet and hashed again, each commit's root and sums held against its chain record.

Files are read in any order, for compaction has put the entries of many commits into each; so hashes go to a scratch file at the place of
their entry number, and the trees are built from there. Processes share the work where there is enough of it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from spanledger.enrich.money import text_from_atto
from spanledger.store import merkle
from spanledger.store.days import day_number
from spanledger.store.files import partition_path
from spanledger.store.findings import Findings
from spanledger.store.seal import Payer, batch_root, batch_roots
from spanledger.store.sharing import Crew, crew
from spanledger.store.verify_chain import Sealed
from spanledger.store.verify_files import FilesChecked
from spanledger.store.verify_group import NOTHING, Group, Portion, Scratch, hash_group, one_line
from spanledger.store.verify_source import FileRow

PARALLEL_ROWS: Final = 200_000
"""From so many entries on, starting processes pays."""
_TREES_AT_ONCE: Final = 50_000


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
    with tempfile.TemporaryDirectory(prefix="spanledger-verify-") as folder, crew(is_worth_it=entries >= PARALLEL_ROWS) as hands:
        scratch = _scratch(Path(folder), entries, sealed)
        hashing = partial(hash_group, scratch, _versions(sealed))
        sound = _groups(data_dir, [file for file in events if file.path not in files.damaged], findings)
        risky = _groups(data_dir, [file for file in events if file.path in files.damaged], findings)
        portions = hands.map(hashing, sound, lambda portion: step(portion.rows))
        portions += _hash_apart(hashing, risky)
        groups = [*sound, *risky]
        _check_groups(data_dir, events, groups, portions, findings)
        payers = {code: payer for portion in portions for code, payer in portion.payers.items()}
        _check_numbers(data_dir, events, scratch, portions, findings)
        _check_trees(hands, scratch, sealed, payers, findings)
    return RowsChecked(sum(portion.rows for portion in portions), _check_sums(portions, sealed, findings))


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


def _groups(data_dir: Path, files: Sequence[FileRow], findings: Findings) -> list[Group]:
    """The row groups of files."""
    import pyarrow as pa  # here, not above: reports import this package and must not wait for Arrow
    import pyarrow.parquet as pq  # as above

    groups: list[Group] = []
    for file in files:
        try:
            with pq.ParquetFile(data_dir / file.path) as parquet:
                findings.compare(f"file {file.path}", "its number of rows", file.rows, parquet.metadata.num_rows)
                count = parquet.num_row_groups
        except (OSError, pa.ArrowException) as error:
            findings.add(f"file {file.path}", f"cannot be read as Parquet: {one_line(error)}")
            continue
        groups += [Group(str(data_dir / file.path), number, _day_of(file, findings)) for number in range(count)]
    return groups


def _day_of(file: FileRow, findings: Findings) -> int:
    """The day of the partition that a file lies in, as the metastore says, which must be what its folder says."""
    where = f"file {file.path}"
    try:
        day = day_number(file.event_date)
        findings.compare(where, "its folder", partition_path("events", day), file.path.rpartition("/")[0])
    except ValueError:
        findings.add(where, "its day in the metastore is none", "", file.event_date)
        return -1
    return day


def _hash_apart(hashing: Callable[[Group], Portion], groups: Sequence[Group]) -> Iterator[Portion]:
    """Hash row groups of damaged files in a process of their own: bytes that nobody wrote may end a reader that trusts them."""
    for group in groups:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                yield pool.submit(hashing, group).result()
            except BrokenProcessPool:
                yield NOTHING._replace(problems=("cannot be read as entries: reading it ends the process",))


def _check_groups(
    data_dir: Path, files: Sequence[FileRow], groups: Sequence[Group], portions: Sequence[Portion], findings: Findings
) -> None:
    """Say what is wrong with row groups, and hold what the metastore says of each file to what is in it."""
    ranges: dict[str, dict[str, tuple[int, int]]] = {}
    for group, portion in zip(groups, portions, strict=True):
        path = Path(group.path).relative_to(data_dir).as_posix()
        for problem in dict.fromkeys(portion.problems):
            findings.add(f"file {path}", problem)
        known = ranges.setdefault(path, {})
        for name, (low, high) in portion.ranges.items():
            before = known.get(name, (low, high))
            known[name] = (min(before[0], low), max(before[1], high))
    for file in files:
        found = ranges.get(file.path)
        if found:
            said = (file.position_min, file.position_max, file.start_ns_min, file.start_ns_max, file.received_ns_max)
            seen = (*found["position"], *found["start_ns"], found["received_ns"][1])
            findings.compare(f"file {file.path}", "the range of positions and times that the metastore says it has", said, seen)


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
    import pyarrow as pa  # as in _groups
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


def _check_trees(hands: Crew, scratch: Scratch, sealed: Sequence[Sealed | None], payers: dict[int, Payer], findings: Findings) -> None:
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
    for wrong in hands.map(partial(wrong_roots, scratch, payers), chunks):
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
                if value is None:
                    continue
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
