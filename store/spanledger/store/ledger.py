"""The ledger: Parquet files and the metastore as one thing that only grows, a commit at a time, whole or not at all.

A commit writes its Parquet files under names that nobody knows yet, syncs them, and then one metastore transaction makes them part of
the ledger and moves the journal position on. Whatever dies in between leaves files that no one reads; the next open removes them.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from spanledger.enrich.engine import StoredTrace
from spanledger.enrich.events import CostEvent
from spanledger.enrich.links import link_keys
from spanledger.enrich.records import Reading
from spanledger.store.config import StoreConfig
from spanledger.store.crash import crash_point
from spanledger.store.days import partition_days
from spanledger.store.errors import LedgerBusyError, LedgerFencedError, RowError, StoreError
from spanledger.store.files import DataFile, Table, commit_file_path, data_files, sync_folders, write_data_file
from spanledger.store.history import Files, StoredHistory, TraceKey
from spanledger.store.index import IndexCache, index_table, trace_keys
from spanledger.store.metastore import TELLERS_MAX, Commit, Metastore, Teller
from spanledger.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

LOCK_NAME = "lock"
COMMIT_PREFIX = "commit-"


class Ledger:
    """The ledger in a data folder. One process writes it (`open`), any number read it (`open(read_only=True)`).

    Not for use by several threads at a time; open another one for another thread.
    """

    def __init__(self, data_dir: Path, metastore: Metastore, config: StoreConfig, lock: int | None) -> None:
        self.data_dir = data_dir
        self.metastore = metastore
        self.config = config
        self._lock = lock
        self._last = metastore.last_commit()
        self.indexes = IndexCache(data_dir, config.index_bytes_max)
        self._history = StoredHistory(data_dir, self._live_files, self.indexes, self._wide_days)
        self._files: Files | None = None
        self._files_version = -1
        self._wide_ids = None if lock is None else metastore.wide_ids()
        """Traces on days apart, so that all others cost no query; a reader asks each time, for another writes them."""
        self.tellers = metastore.tellers()
        """Who has ever told of calls in this ledger; None where that is unknown or too many."""

    @classmethod
    def open(cls, data_dir: Path, *, read_only: bool = False, config: StoreConfig | None = None) -> Ledger:
        """Open the ledger of a data folder; a writer creates what is missing and removes what an unfinished commit left.

        Raises LedgerBusyError if another process writes it, LedgerNotFoundError if there is none to read.
        """
        if set("*?[]") & set(str(data_dir.resolve())):
            raise StoreError(f"a data folder cannot have *, ?, [ or ] in its path: readers would take {data_dir.resolve()} for a pattern")
        if read_only:
            return cls(data_dir, Metastore.open(data_dir, read_only=True), config or StoreConfig(), None)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take_lock(data_dir / LOCK_NAME)
        try:
            metastore = Metastore.open(data_dir)
            ledger = cls(data_dir, metastore, config or StoreConfig(), lock)
            ledger._remove_leftovers()
        except BaseException:
            os.close(lock)
            raise
        return ledger

    def _remove_leftovers(self) -> None:
        """Delete files of commits that never were. Compaction's are left to compaction, which has a lease of its own."""
        known = self.metastore.known_paths()
        for path in data_files(self.data_dir):
            if path not in known and path.rsplit("/", 1)[-1].startswith(COMMIT_PREFIX):
                (self.data_dir / path).unlink(missing_ok=True)

    @property
    def position(self) -> int:
        """The journal position up to which everything is in the ledger."""
        return self._last.position

    @property
    def open_position(self) -> int:
        """Where the journal's oldest span of a trace begins that was not settled at the last commit."""
        return self._last.open_position

    @property
    def entries_total(self) -> int:
        """How many entries the ledger has; the next one is booked under the next number."""
        return self._last.entries_total

    def commit(
        self,
        events: Sequence[CostEvent],
        readings: Sequence[Reading],
        *,
        position: int,
        open_position: int,
        booked_ns: int,
        wide: Mapping[TraceKey, AbstractSet[int]] = MappingProxyType({}),
    ) -> None:
        """Book entries and spans and move the journal position, durably and all at once.

        `events` are numbered in their order. `booked_ns` is the time of the commit, UTC. `wide`
        says on which days the spans of traces start that lie on days apart. Raises RowError if a record does not fit
        the schema (nothing is written), LedgerFencedError if another writer has committed since.
        """
        if position < self.position:
            raise ValueError(f"the journal position cannot go back from {self.position} to {position}")
        if self.metastore.last_commit().number != self._last.number:
            raise LedgerFencedError("another writer has committed to this ledger")
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        number = self._last.number + 1
        with no_collection():
            tables = [*self._span_tables(readings), *self._event_tables(events)]  # all built before any is written
        files = [self._write(table, day, rows, number, position) for table, day, rows in tables]
        sync_folders(self.data_dir, (file.path for file in files))
        crash_point("folders_synced")
        total = self._last.entries_total + len(events)
        commit = Commit(number, position, open_position, booked_ns, len(events), len(readings), total)
        new = None if self.tellers is None else _tellers(readings) - self.tellers
        told = None if self.tellers is None or new is None or len(self.tellers) + len(new) > TELLERS_MAX else self.tellers | new
        self.metastore.add_commit(commit, files, SCHEMA_VERSION, None if told is None else new, wide)
        self.tellers = told
        if self._wide_ids is not None:
            self._wide_ids.update(trace_id for _, trace_id in wide)
        self._last = commit
        for file, (_, _, rows) in zip(files, tables, strict=True):
            self.indexes.put(file.path, index_table(rows))
            if self._files is not None:
                getattr(self._files, file.table).setdefault(file.day, []).append(file)

    def _wide_days(self, keys: Iterable[TraceKey]) -> Mapping[TraceKey, AbstractSet[int]]:
        known = self._wide_ids
        if known is not None and not known:
            return {}
        wanted = {key[1] for key in keys if known is None or key[1] in known}
        return self.metastore.wide_days(wanted) if wanted else {}

    def _event_tables(self, events: Sequence[CostEvent]) -> list[tuple[Table, int, pa.Table]]:
        from spanledger.store import event_rows  # Arrow: see files.write_parquet

        found: list[tuple[Table, int, pa.Table]] = []
        for day, rows in _by_day_and_trace(events, self.config).items():
            numbers = [self._last.entries_total + 1 + i for i in rows]
            found.append(("events", day, event_rows.to_table([events[i] for i in rows], numbers)))
        return found

    def _span_tables(self, readings: Sequence[Reading]) -> list[tuple[Table, int, pa.Table]]:
        from spanledger.store import span_rows  # Arrow: see files.write_parquet

        return [
            ("spans", day, span_rows.to_table([readings[i] for i in rows], link_keys))
            for day, rows in _by_day_and_trace(readings, self.config).items()
        ]

    def _write(self, table: Table, day: int, rows: pa.Table, number: int, position: int) -> DataFile:
        return write_data_file(self.data_dir, commit_file_path(table, day, number, position), table, day, rows)

    def _live_files(self) -> Files:
        """The live files; asked of the metastore again only after another connection's change (ours are added as they are made)."""
        version = int(self.metastore.connection.execute("PRAGMA data_version").fetchone()[0])
        if self._files is None or version != self._files_version:
            spans: defaultdict[int, list[DataFile]] = defaultdict(list)
            events: defaultdict[int, list[DataFile]] = defaultdict(list)
            for file in self.metastore.live_files("spans"):
                spans[file.day].append(file)
            for file in self.metastore.live_files("events"):
                events[file.day].append(file)
            self._files, self._files_version = Files(dict(spans), dict(events)), version
            self.indexes.keep({file.path for table in self._files for day in table.values() for file in day})
        return self._files

    @property
    def horizon_ns(self) -> int:
        """Start of the latest span stored: a span that starts later cannot have a stored twin. 0 for an empty ledger."""
        return max((file.start_ns_max for file in self.metastore.live_files("spans")), default=0)

    def reopen(self) -> dict[TraceKey, set[int]]:
        """The traces with a stored span at or after the open position, and the days they were found on.

        Those are what a restarted engine must have at hand.
        """
        import pyarrow.compute as pc  # see files.write_parquet
        import pyarrow.parquet as pq  # as above

        found: defaultdict[TraceKey, set[int]] = defaultdict(set)
        for file in self.metastore.live_files("spans", position_min=self.open_position):
            with pq.ParquetFile(self.data_dir / file.path) as parquet:
                rows = parquet.read(["authority", "trace_id", "position"])
            rows = rows.filter(pc.greater_equal(rows.column("position"), self.open_position))
            for key in zip(rows.column("authority").to_pylist(), rows.column("trace_id").to_pylist(), strict=True):
                found[key].add(file.day)
        return dict(found)

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> Mapping[TraceKey, StoredTrace]:
        """The stored ones among the wanted traces, each looked for on its days (days since 1970) and their neighbours."""
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        with no_collection():
            return self._history.traces(wanted)

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> Iterable[TraceKey]:
        """The traces with a stored span that has one of these link keys on one of these days or their neighbours."""
        return self._history.linked(keys)

    def close(self) -> None:
        """Close the metastore and give up the right to write."""
        self.metastore.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _tellers(readings: Iterable[Reading]) -> set[Teller]:
    return {(r.authority, r.resource.service, (r.scope, r.call.dialect)) for r in readings if r.kind == "inference" and r.call is not None}


def _take_lock(path: Path) -> int:
    """Lock the folder for writing until the returned handle is closed or the process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise LedgerBusyError(f"{path.parent} is being written by another spanledger process") from error
    return handle


def _by_day_and_trace(records: Sequence[CostEvent] | Sequence[Reading], config: StoreConfig) -> dict[int, list[int]]:
    """The numbers of the records by partition; within one, those of a trace stand together, in their order.

    Equal ids in neighbouring rows cost next to nothing, and a look-up of a trace reads one place of the file.
    """
    if not records:
        return {}
    joined = b"".join([record.trace_id for record in records])
    if len(joined) != 16 * len(records):
        raise RowError("trace_id: an id is not 16 bytes long")
    try:
        start = np.array([record.start_ns for record in records], np.int64)
        received = np.array([record.received_ns for record in records], np.int64)
    except OverflowError as error:
        raise RowError("start_ns, received_ns: a time is not an integer of 64 bits") from error
    days = partition_days(start, received, config.past_days, config.future_days)
    order = np.lexsort((trace_keys(joined), days))
    ordered = days[order]
    bounds = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return {int(ordered[part[0]]): order[part].tolist() for part in np.split(np.arange(len(records)), bounds)}


__all__ = ["Ledger", "StoredTrace", "TraceKey"]
