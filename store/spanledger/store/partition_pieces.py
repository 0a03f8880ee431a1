"""The events of the ledger in pieces that fit into memory, each with all that there is of its charges: what corrects them lies beside them.

A partition that is small is one piece. A larger one is read by its row groups, but for the traces that have more than charges by
themselves (corrections, parts of a shared call): those are gathered from everywhere, some at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.store.coded_texts import is_text
from spanledger.store.files import DataFile
from spanledger.store.index import trace_keys_of
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range
from spanledger.store.wide_integers import valid

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS: Final = 131_072
"""Rows of a piece, about: each is about a kilobyte in memory, and what is made of it as much."""
_LOOKED_AT: Final = ("trace_id", "kind", "split_weight")


class Group(NamedTuple):
    """A row group of a file; `number` None is all of the file."""

    path: str
    number: int | None
    rows: int


class Piece:
    """Some rows of a partition, read when they are asked for."""

    def __init__(self, data_dir: Path, day: int, groups: Sequence[Group], bound: np.ndarray, part: tuple[int, int] | None) -> None:
        """The rows of these groups: with `part` (n, of) those of the bound traces whose key leaves n, else those of all other traces."""
        self.day = day
        self._data_dir, self._groups, self._bound, self._part = data_dir, groups, bound, part

    @property
    def rows(self) -> int:
        """How many rows there are to read for it, about."""
        rows = sum(group.rows for group in self._groups)
        return rows if self._part is None else rows // self._part[1]

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, always the same in the same order. Most texts are codes (see coded_texts.py)."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow
        import pyarrow.parquet as pq  # as above

        from spanledger.store.event_rows import SCHEMA  # as above
        from spanledger.store.parquet import dictionary_texts  # as above

        names = SCHEMA.names if columns is None else list(columns)
        asked = names if "trace_id" in names else [*names, "trace_id"]
        tables = []
        for path, groups in groupby(self._groups, key=lambda group: group.path):
            with pq.ParquetFile(self._data_dir / path, read_dictionary=dictionary_texts("events")) as parquet:
                for group in groups:
                    rows = parquet.read(asked) if group.number is None else parquet.read_row_group(group.number, asked)
                    tables.append(self._mine(rows).select(names))
        return pa.concat_tables(tables).unify_dictionaries().combine_chunks()

    def _mine(self, rows: pa.Table) -> pa.Table:
        import pyarrow as pa  # as above

        if not len(self._bound):
            return rows
        keys = trace_keys_of(rows)
        mine = np.isin(keys, self._bound)
        if self._part is None:
            return rows.filter(pa.array(~mine))
        return rows.filter(pa.array(mine & (keys % np.uint64(self._part[1]) == self._part[0])))


def partitions(ledger: Ledger, window: Range) -> dict[int, list[DataFile]]:
    """The files with rows of the window by partition, the earliest day first."""
    found: dict[int, list[DataFile]] = {}
    for file in ledger.metastore.live_files("events", start_ns=window):
        found.setdefault(file.day, []).append(file)
    return dict(sorted(found.items()))


def pieces(ledger: Ledger, window: Range, rows_max: int = PIECE_ROWS) -> Iterator[Piece]:
    """The pieces of all partitions with rows of the window, in a fixed order."""
    nothing = np.empty(0, np.uint64)
    for day, files in partitions(ledger, window).items():
        if sum(file.rows for file in files) <= rows_max:
            yield Piece(ledger.data_dir, day, [Group(file.path, None, file.rows) for file in files], nothing, None)
            continue
        groups, keys, odd = _looked_at(ledger.data_dir, files)
        bound = np.unique(keys[odd])
        of_bound = np.isin(keys, bound) if len(bound) else odd
        ends = np.cumsum([group.rows for group in groups])
        counts = np.diff(np.append(0, np.cumsum(of_bound)[ends - 1])).tolist()
        loose = [group for group, count in zip(groups, counts, strict=True) if count < group.rows]
        for some in _packed(loose, rows_max):
            yield Piece(ledger.data_dir, day, some, bound, None)
        mixed = [group for group, count in zip(groups, counts, strict=True) if count]
        parts = -(-sum(counts) // rows_max)
        for part in range(parts):
            yield Piece(ledger.data_dir, day, mixed, bound, (part, parts))


def _looked_at(data_dir: Path, files: Iterable[DataFile]) -> tuple[list[Group], np.ndarray, np.ndarray]:
    """The row groups of files, and of each row its trace's key and whether it is more than a charge by itself."""
    import pyarrow.parquet as pq  # as above

    groups: list[Group] = []
    keys, odd = [], []
    for file in files:
        with pq.ParquetFile(data_dir / file.path, read_dictionary=["kind", "split_weight"]) as parquet:
            for number in range(parquet.num_row_groups):
                rows = parquet.read_row_group(number, list(_LOOKED_AT))
                groups.append(Group(file.path, number, rows.num_rows))
                keys.append(trace_keys_of(rows))
                odd.append(~is_text(rows.column("kind"), "charge") | valid(rows.column("split_weight")))
    return groups, np.concatenate(keys), np.concatenate(odd)


def _packed(groups: Sequence[Group], rows_max: int) -> Iterator[list[Group]]:
    """Groups in their order, as many together as rows_max allows, and as equal as may be."""
    total = sum(group.rows for group in groups)
    aim = total / max(1, -(-total // rows_max))
    some: list[Group] = []
    taken = 0
    for group in groups:
        if some and taken + group.rows / 2 > aim:
            yield some
            some, taken = [], 0
        some.append(group)
        taken += group.rows
    if some:
        yield some
