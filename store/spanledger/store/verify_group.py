"""One row group of an events file, read and hashed for full verification, and held to what readers take for granted about it.

A hash says what the values are, not that a report sees them: a reader leaves out files, row groups and pages by what their *descriptions*
say (the folder's day, statistics, Bloom filters), and scales an amount by its column's type. So those are checked against the rows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np

from spanledger.enrich.records import DAY_NS
from spanledger.store import merkle
from spanledger.store.days import FAR_FUTURE, FAR_PAST
from spanledger.store.row_versions import ROW_VERSIONS
from spanledger.store.seal import Payer, atto_words, payer_bytes, payer_codes

RANGES: Final = ("position", "start_ns", "received_ns")
"""Columns whose least and greatest values the metastore keeps of each file, to leave files out by."""


class Scratch(NamedTuple):
    """Where the hashes of all entries are gathered: names of files, so that processes can share them."""

    leaves: str
    payers: str
    bounds: str
    entries: int


class Group(NamedTuple):
    """A row group to be hashed: a file, the number of the group, and the day of the partition it lies in."""

    path: str
    number: int
    day: int


class Portion(NamedTuple):
    """What hashing a row group found: how many rows, whose, the sums of each commit (by its number in `bounds`; None where no row of it
    has a value), the ranges of its columns, and what is wrong with it.
    """

    rows: int
    outside: list[int]
    payers: dict[int, Payer]
    commits: list[int]
    sums: dict[str, list[int | None]]
    ranges: dict[str, tuple[int, int]]
    problems: tuple[str, ...]


NOTHING: Final = Portion(0, [], {}, [], {}, {}, ())


def hash_group(scratch: Scratch, versions: Sequence[tuple[int, int, int]], group: Group) -> Portion:
    """Hash a row group into the scratch files."""
    import pyarrow.parquet as pq  # here, not above: reports import this package and must not wait for Arrow

    try:
        with pq.ParquetFile(group.path) as parquet:
            problems = [*wrong_types(parquet.schema_arrow)]
            if problems:
                return NOTHING._replace(problems=tuple(problems))
            table = parquet.read_row_group(group.number, use_threads=False)
            problems += wrong_descriptions(parquet.metadata.row_group(group.number), table)
        return _hash_table(scratch, versions, table, group.day, problems)
    except Exception as error:  # noqa: BLE001 - a damaged file can make Arrow fail in any way, and that is the finding
        return NOTHING._replace(problems=(f"cannot be read as entries: {one_line(error)}",))


def _hash_table(scratch: Scratch, versions: Sequence[tuple[int, int, int]], table: Any, day: int, problems: list[str]) -> Portion:
    import pyarrow as pa  # as above

    from spanledger.store.canonical import leaf_hashes  # as above
    from spanledger.store.chain import with_all_columns  # as above

    table = with_all_columns(table)
    problems += misplaced(table, day)
    ranges = _ranges(table)
    numbers = table.column("entry_number").to_numpy()
    fits = (numbers >= 1) & (numbers <= scratch.entries)
    outside = numbers[~fits].tolist()
    if outside:
        table, numbers = table.filter(pa.array(fits)), numbers[fits]
    if not scratch.entries or not len(numbers):
        return Portion(len(outside), outside, {}, [], {}, ranges, tuple(problems))
    leaves = np.memmap(scratch.leaves, f"V{merkle.HASH_BYTES}", "r+", shape=(scratch.entries,))
    for first, last, version in versions:
        inside = (numbers >= first) & (numbers <= last)
        if inside.any():
            some = table if inside.all() else table.filter(pa.array(inside))
            problems += younger_values(some, version)
            hashes = b"".join([b"".join(batch) for batch in leaf_hashes(some, version)])
            leaves[numbers[inside] - 1] = np.frombuffer(hashes, f"V{merkle.HASH_BYTES}")
    codes, payers = payer_codes(table)
    keys = [int.from_bytes(blake2b(payer_bytes(payer), digest_size=8).digest(), "big") for payer in payers]
    np.memmap(scratch.payers, np.uint64, "r+", shape=(scratch.entries,))[numbers - 1] = np.array(keys, np.uint64)[codes]
    commits, sums = sums_by_commit(table, numbers, np.load(scratch.bounds, mmap_mode="r"))
    return Portion(table.num_rows + len(outside), outside, dict(zip(keys, payers, strict=True)), commits, sums, ranges, tuple(problems))


def wrong_types(schema: Any) -> Iterator[str]:
    """Columns that are not of the type the ledger writes: the same bytes under another type are another amount or another time."""
    from spanledger.store.event_rows import SCHEMA  # Arrow: as above

    names = schema.names
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"has the column {name} more than once"
    known = {field.name: field.type for field in SCHEMA}
    for field in schema:
        if field.name not in known:
            yield f"has a column {field.name!r}, which no entry has"
        elif field.type != known[field.name]:
            yield f"has the column {field.name} as {field.type}, not {known[field.name]}"


def wrong_descriptions(group: Any, table: Any) -> Iterator[str]:
    """Statistics that leave out values which are there, and filters that spanledger never writes: readers skip rows by them."""
    for index in range(group.num_columns):
        column = group.column(index)
        name = column.path_in_schema
        if column.bloom_filter_offset is not None:
            yield f"has a Bloom filter for {name}, which spanledger does not write"
        said = column.statistics
        if said is None:
            continue
        if name not in table.column_names:
            if said.has_min_max:
                yield f"has statistics for {name}, which spanledger does not write"
            continue
        values = table.column(name)
        if said.has_null_count and said.null_count != values.null_count:
            yield f"says of {name} that it has {said.null_count} NULLs, and it has {values.null_count}"
        if said.has_min_max and values.null_count < len(values) and not _contains(said, values):
            yield f"says of {name} that it lies between other values than it does"


def _contains(said: Any, values: Any) -> bool:
    """Whether statistics leave room for all values."""
    import pyarrow.compute as pc  # as above

    if str(values.type) == "fixed_size_binary[16]":
        least, greatest = _least_and_greatest_id(values.drop_null().combine_chunks())
    else:
        both = pc.min_max(values).as_py()
        least, greatest = both["min"], both["max"]
        if isinstance(least, str):  # readers compare bytes
            texts = [text.encode() for text in pc.unique(values.drop_null()).to_pylist()]
            least, greatest = min(texts), max(texts)
    low, high = (value.encode() if isinstance(value, str) else value for value in (said.min, said.max))
    return bool(low <= least and greatest <= high)


def _least_and_greatest_id(array: Any) -> tuple[bytes, bytes]:
    """Of ids of 16 bytes, by their bytes: numpy compares them as pairs of big-endian numbers."""
    words = np.frombuffer(array.buffers()[1], ">u8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    found = []
    for pick in (np.min, np.max):
        high = pick(words[:, 0])
        found.append(int(high).to_bytes(8, "big") + int(pick(words[words[:, 0] == high, 1])).to_bytes(8, "big"))
    return found[0], found[1]


def misplaced(table: Any, day: int) -> Iterator[str]:
    """Rows that lie in the partition of another day than theirs: a report of that day would not look for them there."""
    days = table.column("start_ns").to_numpy() // DAY_NS
    ahead = days - table.column("received_ns").to_numpy() // DAY_NS
    fits = days == day
    if day == FAR_PAST:
        fits |= (ahead < -1) | (days < FAR_PAST)
    elif day == FAR_FUTURE:
        fits |= (ahead > 1) | (days > FAR_FUTURE)
    if not fits.all():
        yield f"has {int((~fits).sum())} rows of other days than the folder it lies in"


def younger_values(table: Any, version: int) -> Iterator[str]:
    """Values in columns that there were not yet when these rows were booked: nothing vouches for them."""
    covered = {name for name, _ in ROW_VERSIONS[version].columns}
    for name in table.column_names:
        if name not in covered and table.column(name).null_count < table.num_rows:
            yield f"has values of {name} in rows from before there was such a column"


def _ranges(table: Any) -> dict[str, tuple[int, int]]:
    if not table.num_rows:
        return {}
    columns = {name: table.column(name).to_numpy() for name in RANGES}
    return {name: (int(values.min()), int(values.max())) for name, values in columns.items()}


def sums_by_commit(table: Any, numbers: np.ndarray, bounds: np.ndarray) -> tuple[list[int], dict[str, list[int | None]]]:
    """The commits that rows belong to, and for each money column the exact sum of each of them.

    None for a commit without a value there, though others in the same group have some: nothing is not zero, and its record says so.
    """
    if (bounds < 0).any():  # a damaged record: where its commit ends is not known, so sums by commit say nothing
        commit = np.zeros(len(numbers), np.int64)
    else:
        commit = np.searchsorted(bounds, numbers)
    order = np.argsort(commit, kind="stable")
    ordered = commit[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums: dict[str, list[int | None]] = {}
    for name in (name for name, kind in ROW_VERSIONS[max(ROW_VERSIONS)].columns if kind == "money"):
        if table.column(name).null_count == table.num_rows:
            continue
        held = np.add.reduceat(table.column(name).is_valid().to_numpy()[order].astype(np.int64), starts).tolist()
        words = atto_words(table.column(name))[order]
        low, high = words["low"], words["high"]
        mask = np.uint64(0xFFFF_FFFF)
        parts = (low & mask, low >> np.uint64(32), (high & np.int64(0xFFFF_FFFF)), high >> 32)
        columns = [np.add.reduceat(part.astype(np.int64), starts).tolist() for part in parts]
        whole = [a + (b << 32) + (c << 64) + (d << 96) for a, b, c, d in zip(*columns, strict=True)]
        sums[name] = [value if count else None for value, count in zip(whole, held, strict=True)]
    return ordered[starts].tolist(), sums


def one_line(error: Exception) -> str:
    """An error's text, however long it is, as one line."""
    return " ".join(str(error).split())[:200]
