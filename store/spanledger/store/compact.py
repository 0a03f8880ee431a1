"""Compaction: the many small files that commits leave become few, and spans that no charge needs go after a while.

Runs beside the writer and any readers, in a thread or process of its own: it takes a lease, writes new files under names nobody knows,
and swaps them for the old ones in one metastore transaction. Old files stay for a grace in which running readers finish.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanledger.enrich.notes import linked_trace_key
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.records import DAY_NS
from spanledger.store.config import StoreConfig
from spanledger.store.crash import crash_point
from spanledger.store.days import days_to_search
from spanledger.store.errors import LedgerBusyError
from spanledger.store.files import (
    COMPACTED,
    SUFFIX,
    TABLES,
    DataFile,
    Table,
    compacted_file_path,
    data_files,
    is_written_by,
    sync_folders,
    write_data_file,
)
from spanledger.store.index import IndexCache, Keys, trace_keys, trace_keys_of
from spanledger.store.leases import end_lease, take_lease
from spanledger.store.metastore import Metastore
from spanledger.store.noted import any_notes, any_seekers, forget, stored_keys
from spanledger.store.publish.delta import held_back
from spanledger.store.rereads import without_replaced
from spanledger.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

LEASE: Final = "compaction"
LEASE_SECONDS: Final = 300.0
QUIET_NS: Final = 3_600_000_000_000
"""A partition that nothing has come to for an hour is merged into as few files as can be."""

ORDER: Final[dict[Table, list[tuple[str, str]]]] = {
    # A tenant's events stand together, so a report on one tenant skips most of a file.
    "events": [("tenant_id", "ascending"), ("trace_id", "ascending"), ("entry_number", "ascending")],
    "spans": [("trace_id", "ascending"), ("position", "ascending"), ("start_ns", "ascending"), ("span_id", "ascending")],
}
INDEX_BYTES: Final = 64 * 1024 * 1024


class Done(NamedTuple):
    """What a run did."""

    files_merged: int = 0
    files_written: int = 0
    rows: int = 0
    spans_dropped: int = 0
    files_deleted: int = 0


class Backlog(NamedTuple):
    """How many files the ledger has, and how many of them are waiting to be joined."""

    live: int
    waiting: int


class Compactor:
    """Compacts the ledger of a data folder. Make one per thread."""

    def __init__(self, data_dir: Path, config: StoreConfig | None = None) -> None:
        self._root = data_dir
        self._config = config or StoreConfig()
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._indexes = IndexCache(data_dir, INDEX_BYTES)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let a run in another thread end after the file it is writing."""
        self._stopped.set()

    def run(self, now_ns: int | None = None) -> Done:
        """Do what is to do now; nothing if another compaction is at work."""
        now = time.time_ns() if now_ns is None else now_ns
        store = Metastore.open(self._root)
        try:
            try:
                epoch = take_lease(store, LEASE, self._holder, LEASE_SECONDS)
            except LedgerBusyError:
                return Done()
            try:
                return self._run(store, now, epoch)
            finally:
                end_lease(store, LEASE, self._holder)
        finally:
            store.close()

    def backlog(self, now_ns: int | None = None) -> Backlog:
        """What a run now would find."""
        with closing(Metastore.open(self._root, read_only=True)) as store:
            waiting = sum(len(files) for _, _, files in self._plan(store, time.time_ns() if now_ns is None else now_ns))
            return Backlog(sum(len(store.live_files(table)) for table in TABLES), waiting)

    def _run(self, store: Metastore, now_ns: int, epoch: int) -> Done:
        self._remove_leftovers(store)
        done = Done(files_deleted=self._delete_removed(store, now_ns))
        self._rename_old(store, epoch, now_ns)
        for number, (table, day, files) in enumerate(self._plan(store, now_ns)):
            if self._stopped.is_set():
                break
            take_lease(store, LEASE, self._holder, LEASE_SECONDS)
            name = compacted_file_path(table, day, epoch, now_ns, number)
            read, rows = self._merged(store, table, files, now_ns)
            new = [self._write(name, table, day, rows, files, now_ns)] if rows.num_rows else []
            sync_folders(self._root, (file.path for file in new))
            crash_point("compacted")
            if store.swap_files([file.path for file in files], new, SCHEMA_VERSION, time.time_ns(), (LEASE, self._holder)):
                crash_point("swapped")
                done = done._replace(
                    files_merged=done.files_merged + len(files),
                    files_written=done.files_written + len(new),
                    rows=done.rows + rows.num_rows,
                    spans_dropped=done.spans_dropped + read.num_rows - rows.num_rows,
                )
                if table == "spans" and rows.num_rows < read.num_rows and any_notes(store.connection):
                    forget(store, self._gone(store, read, rows))
            else:
                for file in new:
                    (self._root / file.path).unlink()
        return done

    def _remove_leftovers(self, store: Metastore) -> None:
        """Delete what a compaction that died had written; the lease says that no other is writing now."""
        known = store.known_paths()
        for path in data_files(self._root):
            if path not in known and is_written_by(path, COMPACTED):
                (self._root / path).unlink(missing_ok=True)

    def _delete_removed(self, store: Metastore, now_ns: int) -> int:
        """Delete files whose grace is over: first the file, then the record, so that a crash leaves no file without a record."""
        paths = store.removed_files(now_ns - int(self._config.compact_grace_seconds * 1e9))
        held = held_back(self._root, store, paths, now_ns)
        paths = [path for path in paths if path not in held]
        for path in paths:
            (self._root / path).unlink(missing_ok=True)
        store.forget_files(paths)
        return len(paths)

    def _rename_old(self, store: Metastore, epoch: int, now_ns: int) -> None:
        """Give large files from before names had SUFFIX such names: the same file under a second name, then swapped as any other."""
        old = [file for table in TABLES for file in store.live_files(table) if not file.path.endswith(SUFFIX)]
        for number, file in enumerate(old):
            if self._stopped.is_set() or file.rows < self._config.compact_rows_max // 2:
                continue
            take_lease(store, LEASE, self._holder, LEASE_SECONDS)
            path = compacted_file_path(file.table, file.day, epoch, now_ns, 999_999 - number)
            (self._root / path).hardlink_to(self._root / file.path)
            sync_folders(self._root, [path])
            [sha256] = store.connection.execute("SELECT sha256 FROM files WHERE path = ?", (file.path,)).fetchone()
            new = file._replace(path=path, sha256=sha256)
            if not store.swap_files([file.path], [new], SCHEMA_VERSION, time.time_ns(), (LEASE, self._holder)):
                (self._root / path).unlink()

    def _plan(self, store: Metastore, now_ns: int) -> Iterator[tuple[Table, int, list[DataFile]]]:
        """The groups of files to write anew."""
        for table in TABLES:
            by_day: dict[int, list[DataFile]] = {}
            for file in store.live_files(table):
                by_day.setdefault(file.day, []).append(file)
            for day, files in by_day.items():
                for group in self._groups(files, now_ns):
                    yield table, day, group

    def _groups(self, files: list[DataFile], now_ns: int) -> Iterator[list[DataFile]]:
        """Files of like size are merged once there are enough, so a row is rewritten a few times and not at every run."""
        cutoff = self._prune_before_ns(now_ns)
        quiet = max(file.received_ns_max for file in files) < now_ns - QUIET_NS
        least = 2 if quiet else self._config.compact_files_min
        tiers: dict[int, list[DataFile]] = {}
        for file in files:
            if self._to_prune(file, cutoff):
                yield [file]
            elif file.rows < self._config.compact_rows_max // 2:
                # A pruned file is not mixed with others: it would be read through again for nothing.
                tiers.setdefault(-1 - file.is_pruned if quiet else file.rows.bit_length() // 3, []).append(file)
        for tier in tiers.values():
            yield from _chunks(tier, least, self._config.compact_rows_max)

    def _prune_before_ns(self, now_ns: int) -> int | None:
        days = self._config.chargeless_days
        return now_ns - int(days * DAY_NS) if days else None

    @staticmethod
    def _to_prune(file: DataFile, cutoff_ns: int | None) -> bool:
        return cutoff_ns is not None and file.table == "spans" and not file.is_pruned and file.received_ns_max < cutoff_ns

    def _merged(self, store: Metastore, table: Table, files: list[DataFile], now_ns: int) -> tuple[pa.Table, pa.Table]:
        """The rows of the files, and those to keep in the order of compacted files."""
        import pyarrow as pa  # see files.write_parquet
        import pyarrow.parquet as pq  # as above

        parts = []
        for file in files:
            with pq.ParquetFile(self._root / file.path) as parquet:
                parts.append(parquet.read())
        rows = pa.concat_tables(parts, promote_options="default")  # older files lack the columns that came later
        kept = rows if table == "events" else without_replaced(rows)
        if all(self._to_prune(file, self._prune_before_ns(now_ns)) for file in files):
            kept = self._without_chargeless(store, kept, files)
        return rows, kept.sort_by(ORDER[table])

    def _without_chargeless(self, store: Metastore, rows: pa.Table, files: Iterable[DataFile]) -> pa.Table:
        """The rows of traces that have an entry in the ledger, or a span that may be told of elsewhere (it has a link key), or that others
        take payers from.

        The index knows eight bytes of a trace, so a stranger may be kept; none is dropped that has an entry.
        """
        import pyarrow as pa  # see files.write_parquet
        import pyarrow.compute as pc  # as above

        keys = trace_keys_of(rows)
        days = days_to_search(pc.unique(pc.divide(rows.column("start_ns"), DAY_NS)).to_pylist())
        days |= {file.day for file in files}
        wide = store.wide_ids()
        if wide and (apart := wide.intersection(pc.unique(rows.column("trace_id")).to_pylist())):
            days |= days_to_search(day for found in store.wide_days(apart).values() for day in found)
        needed = keys[rows.column("link_key_1").is_valid().to_numpy()]
        keep = np.isin(keys, needed)
        for file in store.live_files("events", days=days):
            keep |= np.isin(keys, self._indexes.get(file).traces.keys)
        keep |= np.isin(keys, _looked_to(store, rows, keep))
        # What a trace that is still open may need is never dropped.
        keep |= rows.column("position").to_numpy() >= store.last_commit().open_position
        return rows.filter(pa.array(keep))

    def _gone(self, store: Metastore, before: pa.Table, after: pa.Table) -> set[TraceKey]:
        """The traces of `before` of which no span is stored any more; none that is known to lie on days apart."""
        left = set(zip(after.column("authority").to_pylist(), after.column("trace_id").to_pylist(), strict=True))
        days: dict[TraceKey, set[int]] = {}
        starts = (start_ns // DAY_NS for start_ns in before.column("start_ns").to_pylist())
        for *key, day in zip(before.column("authority").to_pylist(), before.column("trace_id").to_pylist(), starts, strict=True):
            if (trace := (key[0], key[1])) not in left:
                days.setdefault(trace, set()).add(day)
        wide = store.wide_ids()
        found = [trace for trace in days if trace[1] not in wide]
        keys = trace_keys(b"".join(trace_id for _, trace_id in found))
        stored = np.zeros(len(found), np.bool_)
        for file in store.live_files("spans", days=days_to_search(day for trace in found for day in days[trace])):
            stored |= np.isin(keys, self._indexes.get(file).traces.keys)
        return {trace for trace, there in zip(found, stored.tolist(), strict=True) if not there}

    def _write(self, path: str, table: Table, day: int, rows: pa.Table, files: list[DataFile], now_ns: int) -> DataFile:
        cutoff = self._prune_before_ns(now_ns)
        pruned = all(file.is_pruned or self._to_prune(file, cutoff) for file in files)
        return write_data_file(self._root, path, table, day, rows, kept=True, is_pruned=int(pruned))


def _looked_to(store: Metastore, rows: pa.Table, keep: NDArray[np.bool_]) -> Keys:
    """The index keys of traces, of those not kept so far, that other traces link to for their payers."""
    traces = {}
    if any_seekers(store.connection):
        left = np.flatnonzero(~keep)
        authorities, ids = rows.column("authority").take(left).to_pylist(), rows.column("trace_id").take(left).to_pylist()
        traces = {linked_trace_key(trace): trace[1] for trace in set(zip(authorities, ids, strict=True))}
    sought = stored_keys(store.connection, traces)
    return np.unique(trace_keys(b"".join(traces[key] for key in sought)))


def _chunks(files: list[DataFile], least: int, rows_max: int) -> Iterator[list[DataFile]]:
    """Runs of at least `least` files that have no more than `rows_max` rows together."""
    chunk: list[DataFile] = []
    rows = 0
    for file in sorted(files, key=lambda file: file.start_ns_min):
        if chunk and rows + file.rows > rows_max:
            if len(chunk) > 1:
                yield chunk
            chunk, rows = [], 0
        chunk.append(file)
        rows += file.rows
    if len(chunk) >= least:
        yield chunk
