"""Spans and entries on disk for the time of one operation, asked like the ledger: what a replay works on, in bounded memory.

Nothing of it is part of the ledger, and nothing survives the operation. Not for use by several threads at a time.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanledger.enrich.events import CostEvent
from spanledger.enrich.records import Reading
from spanledger.enrich.trace_memory import StoredTrace
from spanledger.store.batches import event_tables, span_tables, tellers_of
from spanledger.store.config import StoreConfig
from spanledger.store.files import SUFFIX, DataFile, Table, partition_path, write_data_file
from spanledger.store.history import Files, StoredHistory, TraceKey
from spanledger.store.index import IndexCache, index_table
from spanledger.store.metastore import Teller

if TYPE_CHECKING:
    import pyarrow as pa

_PREFIX: Final = "replay-"
_LOCK: Final = "lock"


class Scratch:
    """Spans and entries that can be looked up by trace and by link key."""

    def __init__(self, root: Path, config: StoreConfig) -> None:
        self._root, self._config = root, config
        self._indexes = IndexCache(root, config.index_bytes_max)
        self._files = Files(defaultdict(list), defaultdict(list))
        self._wide: dict[TraceKey, set[int]] = {}
        self._history = StoredHistory(root, lambda: self._files, self._indexes, self._wide_days)
        self._entries = 0
        self._written = 0
        self.tellers: set[Teller] = set()
        """Who tells of calls among the spans."""

    def add(self, events: Sequence[CostEvent] = (), readings: Sequence[Reading] = ()) -> None:
        """Take in entries, in booking order, and spans."""
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        with no_collection():
            for table, day, rows in chain(span_tables(readings, self._config), event_tables(events, self._config, self._entries + 1)):
                self._write(table, day, rows)
        self._entries += len(events)
        self.tellers |= tellers_of(readings)

    def _write(self, table: Table, day: int, rows: pa.Table) -> None:
        self._written += 1
        file = write_data_file(self._root, f"{partition_path(table, day)}/{self._written:09d}{SUFFIX}", table, day, rows)
        self._indexes.put(file.path, index_table(rows))
        getattr(self._files, table)[day].append(file)

    def note_wide(self, wide: Mapping[TraceKey, AbstractSet[int]]) -> None:
        """Remember the days of traces that lie on days apart, for later look-ups."""
        for key, days in wide.items():
            self._wide.setdefault(key, set()).update(days)

    def _wide_days(self, keys: Iterable[TraceKey]) -> Mapping[TraceKey, AbstractSet[int]]:
        return {key: self._wide[key] for key in keys if key in self._wide} if self._wide else {}

    @property
    def wide(self) -> Mapping[TraceKey, AbstractSet[int]]:
        """The traces on days apart that were noted."""
        return self._wide

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, StoredTrace]:
        """As `Ledger.traces`."""
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        with no_collection():
            return self._history.traces(wanted)

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> set[TraceKey]:
        """As `Ledger.linked`."""
        return self._history.linked(keys)

    def files(self, table: Table) -> list[DataFile]:
        """The files of a table in the order they were written, which for spans is about the order they came in."""
        return sorted((file for day in getattr(self._files, table).values() for file in day), key=lambda file: Path(file.path).name)

    def rows(self, file: DataFile, columns: list[str] | None = None) -> pa.Table:
        """The rows of a file."""
        import pyarrow.parquet as pq  # see files.write_parquet

        with pq.ParquetFile(self._root / file.path) as parquet:
            return parquet.read(columns)

    def starts(self, file: DataFile) -> Iterator[tuple[str, bytes, int]]:
        """(authority, trace id, start) of each span of a file."""
        rows = self.rows(file, ["authority", "trace_id", "start_ns"])
        values: list[list[Any]] = [rows.column(name).to_pylist() for name in ("authority", "trace_id", "start_ns")]
        yield from zip(*values, strict=True)


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """A folder for one operation, in the data folder's tmp (or the system's, where the data folder cannot be written), gone afterwards.

    What operations that died have left is removed first; a lock tells it from what is in use.
    """
    parent = data_dir / "tmp"
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        _remove_leftovers(parent)
        root = parent / f"{_PREFIX}{secrets.token_hex(6)}"
        root.mkdir(mode=0o700)
    except OSError:
        root = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:
            pass  # in use
        finally:
            os.close(lock)
