"""Which traces and link keys a data file holds: small sorted arrays per file, so that "is this trace stored?" needs no Parquet.

A file never changes, so its index is right for ever; it is made from the rows at commit or read from two columns when first asked for
(after a restart, or for a day long past), and the least recently used ones are dropped when all together grow too large.
Eight bytes made of a whole trace id stand for it (many tracers fill only one of its halves): a false hit costs a read, and the rows
themselves decide.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanledger.store.files import DataFile

if TYPE_CHECKING:
    import pyarrow as pa

Keys = NDArray[np.uint64]
Rows = NDArray[np.uint32]


class Runs(NamedTuple):
    """Keys in ascending order with the half-open range of rows that has each; a key may come more than once."""

    keys: Keys
    first: Rows
    last: Rows

    def rows_of(self, wanted: Keys) -> NDArray[np.int64]:
        """The rows, ascending, that have one of the wanted keys (ascending, unique)."""
        if not len(self.keys) or not len(wanted):
            return np.empty(0, np.int64)
        at = np.searchsorted(wanted, self.keys) if len(wanted) > len(self.keys) else None
        if at is not None:
            hits = np.flatnonzero(wanted[np.minimum(at, len(wanted) - 1)] == self.keys)
        else:
            low = np.searchsorted(self.keys, wanted, "left")
            high = np.searchsorted(self.keys, wanted, "right")
            hits = _ranges(low, high)
        return np.sort(_ranges(self.first[hits].astype(np.int64), self.last[hits].astype(np.int64)))

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.keys.nbytes + self.first.nbytes + self.last.nbytes


def _ranges(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """All integers of these half-open ranges."""
    lengths = high - low
    total = int(lengths.sum())
    if total == 0:
        return np.empty(0, np.int64)
    starts = np.repeat(low - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return starts + np.arange(total)


class FileIndex(NamedTuple):
    """The index of one file; `links` is empty for events."""

    traces: Runs
    links: Runs

    @property
    def size(self) -> int:
        """Bytes in memory, with something for the objects themselves."""
        return self.traces.size + self.links.size + 1_000


def trace_keys(trace_ids: bytes) -> Keys:
    """The index keys of trace ids of 16 bytes, given end to end: both halves in one, because ids of 64 bits are padded with zeros."""
    halves = np.frombuffer(trace_ids, ">u8")
    keys: Keys = (halves[0::2] ^ halves[1::2]).astype(np.uint64)
    return keys


def trace_keys_of(table: pa.Table) -> Keys:
    """The index keys of a table's traces, row by row."""
    return trace_keys(_fixed_bytes(table.column("trace_id"), 16))


def runs_of(keys: Keys) -> Runs:
    """The runs of equal keys in row order, sorted by key."""
    if not len(keys):
        return Runs(keys, np.empty(0, np.uint32), np.empty(0, np.uint32))
    first = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1)).astype(np.uint32)
    last = np.append(first[1:], np.uint32(len(keys)))
    order = np.argsort(keys[first], kind="stable")
    return Runs(keys[first][order], first[order], last[order])


def link_runs(columns: list[tuple[Keys, Rows]]) -> Runs:
    """The runs of link keys, each of one row, from (keys, rows) of each link column."""
    keys = np.concatenate([keys for keys, _ in columns]) if columns else np.empty(0, np.uint64)
    rows = np.concatenate([rows for _, rows in columns]) if columns else np.empty(0, np.uint32)
    order = np.argsort(keys, kind="stable")
    return Runs(keys[order], rows[order], rows[order] + np.uint32(1))


def index_table(table: pa.Table) -> FileIndex:
    """The index of a file with these rows in this order; needs the columns `trace_id` and, for spans, the link keys."""
    traces = runs_of(trace_keys_of(table))
    links = []
    for name in ("link_key_1", "link_key_2"):
        if name in table.column_names:
            column = table.column(name)
            rows = np.flatnonzero(column.is_valid().to_numpy()).astype(np.uint32)
            links.append((column.drop_null().to_numpy().astype(np.uint64), rows))
    return FileIndex(traces, link_runs(links))


def _fixed_bytes(column: pa.ChunkedArray, width: int) -> bytes:
    found = []
    for chunk in column.chunks:
        data = chunk.buffers()[1]
        found.append(memoryview(data)[chunk.offset * width : (chunk.offset + len(chunk)) * width] if data is not None else b"")
    return b"".join(found)


def read_index(root: Path, file: DataFile) -> FileIndex:
    """The index of a file on the disk."""
    import pyarrow.parquet as pq  # here: reports import the ledger and must not wait for Arrow

    columns = ["trace_id"] if file.table == "events" else ["trace_id", "link_key_1", "link_key_2"]
    with pq.ParquetFile(root / file.path) as parquet:
        return index_table(parquet.read(columns))


class IndexCache:
    """The indexes of the files asked for lately, within a bound of memory."""

    def __init__(self, root: Path, bytes_max: int, read: Callable[[Path, DataFile], FileIndex] = read_index) -> None:
        self._root = root
        self._bytes_max = bytes_max
        self._read = read
        self._indexes: OrderedDict[str, FileIndex] = OrderedDict()
        self._bytes = 0

    def get(self, file: DataFile) -> FileIndex:
        """The index of a live file, read if it is not at hand."""
        index = self._indexes.get(file.path)
        if index is None:
            index = self._read(self._root, file)
            self.put(file.path, index)
        else:
            self._indexes.move_to_end(file.path)
        return index

    def put(self, path: str, index: FileIndex) -> None:
        """Keep an index; the least recently used ones go when all are too large together (but never the newest)."""
        self.drop(path)
        self._indexes[path] = index
        self._bytes += index.size
        while self._bytes > self._bytes_max and len(self._indexes) > 1:
            self._bytes -= self._indexes.popitem(last=False)[1].size

    def drop(self, path: str) -> None:
        """Forget the index of a file that is gone."""
        index = self._indexes.pop(path, None)
        if index is not None:
            self._bytes -= index.size

    def keep(self, paths: set[str]) -> None:
        """Forget every file but these: compaction has replaced it."""
        for path in self._indexes.keys() - paths:
            self.drop(path)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes
