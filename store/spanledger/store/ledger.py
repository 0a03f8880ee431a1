"""The ledger: Parquet files and the metastore as one thing that only grows, a commit at a time, whole or not at all.

A commit writes its Parquet files under names that nobody knows yet, syncs them, and then one metastore transaction makes them part of
the ledger and moves the journal position on. Whatever dies in between leaves files that no one reads; the next open removes them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from spanledger.enrich.events import CostEvent
from spanledger.enrich.notes import NO_NOTES, Claim, Notes, Seeker, Session
from spanledger.enrich.records import Reading
from spanledger.enrich.trace_memory import StoredTrace
from spanledger.store.batches import event_tables, numbered, span_tables, sum_atto, tellers_of
from spanledger.store.beside import HeldLease, Turn, check_turn, is_held
from spanledger.store.chain import append, begin
from spanledger.store.config import StoreConfig
from spanledger.store.crash import crash_point
from spanledger.store.errors import LedgerBusyError, LedgerFencedError, StoreError
from spanledger.store.files import (
    BESIDE,
    COMMITTED,
    DataFile,
    Table,
    beside_file_path,
    commit_file_path,
    data_files,
    is_written_by,
    sync_folders,
    write_data_file,
)
from spanledger.store.history import StoredHistory, TraceKey
from spanledger.store.index import IndexCache, index_table
from spanledger.store.metastore import TELLERS_MAX, Commit, Metastore, Teller
from spanledger.store.noted import add_notes, stored_claims, stored_seekers
from spanledger.store.remembered import Remembered
from spanledger.store.rereads import Reread, marked
from spanledger.store.runs import Run, add_run
from spanledger.store.schema import SCHEMA_VERSION
from spanledger.store.seal import Seal
from spanledger.store.viewer import Viewer

if TYPE_CHECKING:
    import pyarrow as pa

LOCK_NAME = "lock"


class Ledger:
    """The ledger in a data folder. One process keeps it (`open`), any number read it (`open(read_only=True)`), and one at a time
    may correct it beside the one that keeps it (`open_beside`).

    Not for use by several threads at a time; open another one for another thread.
    """

    def __init__(self, data_dir: Path, metastore: Metastore, config: StoreConfig, lock: int | None, lease: HeldLease | None = None) -> None:
        self.data_dir = data_dir
        self.metastore = metastore
        self.viewer: Viewer | None = None
        """Whose rows questions are answered from; None: everybody's."""
        self.config = config
        self._lock = lock
        self._lease = lease
        self._writer = secrets.token_hex(4)
        self._last = metastore.last_commit()
        self.indexes = IndexCache(data_dir, config.index_bytes_max)
        self._remembered = Remembered(metastore, self.indexes, is_keeper=lock is not None)
        self._history = StoredHistory(data_dir, self._remembered.live_files, self.indexes, self._remembered.wide_days)
        self.tellers = metastore.tellers()
        """Who has ever told of calls in this ledger; None where that is unknown or too many."""

    @classmethod
    def open(cls, data_dir: Path, *, read_only: bool = False, config: StoreConfig | None = None, viewer: Viewer | None = None) -> Ledger:
        """Open the ledger of a data folder; a writer creates what is missing and removes what an unfinished commit left.

        Raises LedgerBusyError if another process writes it, LedgerNotFoundError if there is none to read.
        """
        _check_path(data_dir)
        if read_only:
            reading = cls(data_dir, Metastore.open(data_dir, read_only=True), config or StoreConfig(), None)
            reading.viewer = viewer
            return reading
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take_lock(data_dir / LOCK_NAME)
        try:
            metastore = Metastore.open(data_dir)
            ledger = cls(data_dir, metastore, config or StoreConfig(), lock)
            ledger._remove_leftovers()
            begin(data_dir, metastore)
        except BaseException:
            os.close(lock)
            raise
        return ledger

    @classmethod
    def open_beside(cls, data_dir: Path, *, config: StoreConfig | None = None, wait_seconds: float = 30.0) -> Ledger:
        """Open an existing ledger for `commit_outside`, whether or not a server keeps it: until it is closed, the server waits.

        Raises LedgerBusyError if another corrects it for longer than `wait_seconds`, LedgerNotFoundError if there is none.
        """
        _check_path(data_dir)
        Metastore.open(data_dir, read_only=True).close()
        metastore = Metastore.open(data_dir)
        try:
            lease = HeldLease(data_dir, metastore, wait_seconds)
        except BaseException:
            metastore.close()
            raise
        try:
            ledger = cls(data_dir, metastore, config or StoreConfig(), None, lease)
            ledger._remove_leftovers()
            begin(data_dir, metastore)
        except BaseException:
            lease.release()
            metastore.close()
            raise
        return ledger

    def _remove_leftovers(self) -> None:
        """Delete files of commits that never were: one's own, and those of a dead outsider. Compaction does so for its own."""
        kind = COMMITTED if self._lease is None else BESIDE
        known = self.metastore.known_paths()
        for path in data_files(self.data_dir):
            if path not in known and is_written_by(path, kind):
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
        notes: Notes = NO_NOTES,
    ) -> None:
        """Book entries and spans and move the journal position, durably and all at once.

        `events` are numbered in their order. `booked_ns` is the time of the commit, UTC. `wide`
        says on which days the spans of traces start that lie on days apart, `notes` who looks for payers elsewhere. Raises RowError if a
        record does not fit the schema (nothing is written), LedgerFencedError if another writer has committed since.
        """
        if position < self.position:
            raise ValueError(f"the journal position cannot go back from {self.position} to {position}")
        commit = self._last._replace(position=position, open_position=open_position, booked_ns=booked_ns)
        self._commit(commit, self._tables(events, readings), tellers_of(readings), wide, notes=notes)

    def turn(self) -> Turn:
        """Whether the keeper of the ledger may commit now, must wait for an outsider, or must first take in what one has committed."""
        if is_held(self.metastore):
            return "waiting"
        return "ours" if self.metastore.last_commit().number == self._last.number else "moved"

    def reload(self) -> None:
        """Take in what others have committed. Whoever remembers anything of the ledger must ask it again, as after a restart."""
        self._last = self.metastore.last_commit()
        self.tellers = self.metastore.tellers()
        self._remembered.forget()

    def commit_outside(
        self,
        events: Sequence[CostEvent] = (),
        readings: Sequence[Reading] = (),
        *,
        run: Run,
        booked_ns: int,
        rows: Iterable[tuple[int, pa.Table]] = (),
        reread: Iterable[Sequence[Reading]] = (),
        reread_to: int = 0,
        wide: Mapping[TraceKey, AbstractSet[int]] = MappingProxyType({}),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Book the entries of a run beside the keeper of the ledger, all at once; the journal position stays where it is.

        `rows` are further entries, many at a time: (partition day, rows of the events table without their numbers), written as they come.
        `reread` are batches of spans as a replay read them: they replace all that was read of their traces from below the position
        `reread_to`. `progress` is called with the number of rows after each file. Raises LedgerFencedError if the lease ran out: nothing
        was booked.
        """
        if self._lease is None:
            raise ValueError("only a ledger opened with open_beside commits runs")
        told = tellers_of(readings)
        again = self._reread_tables(reread, Reread(self._last.number + 1, reread_to), told)
        tables = chain(self._tables(events, readings), again, (("events", day, table) for day, table in rows))
        self._commit(self._last._replace(booked_ns=booked_ns), tables, told, wide, run=run, progress=progress)

    def _reread_tables(
        self, batches: Iterable[Sequence[Reading]], reread: Reread, told: set[Teller]
    ) -> Iterator[tuple[Table, int, pa.Table]]:
        for readings in batches:
            told |= tellers_of(readings)
            for table, day, rows in span_tables(readings, self.config):
                yield table, day, marked(rows, reread)

    def _commit(
        self,
        at: Commit,
        tables: Iterable[tuple[Table, int, pa.Table]],
        told: AbstractSet[Teller],
        wide: Mapping[TraceKey, AbstractSet[int]],
        *,
        notes: Notes = NO_NOTES,
        run: Run | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """The one place where a commit is made: write the tables, then make them part of the ledger. `at` says where it stands."""
        hold = None if self._lease is None else self._lease.hold
        check_turn(self.metastore.connection, hold)
        if self.metastore.last_commit().number != self._last.number:
            raise LedgerFencedError("another writer has committed to this ledger")
        number, total, spans, money = self._last.number + 1, self._last.entries_total, 0, 0
        files: list[DataFile] = []
        seal = Seal()
        for n, (table, day, rows) in enumerate(tables):
            if not rows.num_rows:
                continue
            if table == "events" and "entry_number" not in rows.column_names:
                rows = numbered(rows, total + 1)  # noqa: PLW2901 - the same rows
            if table == "events":
                seal.add(rows)
            if hold is None:
                path = commit_file_path(table, day, number, at.position, self._writer)
            else:
                path = beside_file_path(table, day, number, hold.holder, n)
            file = write_data_file(self.data_dir, path, table, day, rows)
            files.append(file)
            self.indexes.put(file.path, index_table(rows))
            if table == "events":
                total += file.rows
                money += sum_atto(rows) if run is not None else 0
            else:
                spans += file.rows
            if progress is not None:
                progress(file.rows)
        sync_folders(self.data_dir, (file.path for file in files))
        crash_point("folders_synced")
        booked, sealed = total - self._last.entries_total, seal.finish()
        commit = at._replace(number=number, event_rows=booked, span_rows=spans, entries_total=total)

        def within(connection: sqlite3.Connection) -> None:
            check_turn(connection, hold)
            add_notes(connection, notes)
            if run is not None:
                add_run(connection, run, booked, money, number, commit.booked_ns)
            append(self.data_dir, connection, commit, sealed)

        known = self.tellers
        new = None if known is None else told - known
        after = None if known is None or new is None or len(known) + len(new) > TELLERS_MAX else known | new
        self.metastore.add_commit(commit, files, SCHEMA_VERSION, None if after is None else new, wide, within)
        self.tellers = after
        self._remembered.add(files, wide)
        self._last = commit

    def _tables(self, events: Sequence[CostEvent], readings: Sequence[Reading]) -> list[tuple[Table, int, pa.Table]]:
        """The rows of a batch by table and partition, all built before any is written: what does not fit is refused whole."""
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        with no_collection():
            return [*span_tables(readings, self.config), *event_tables(events, self.config, self._last.entries_total + 1)]

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

    def booked(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> Mapping[TraceKey, Sequence[CostEvent]]:
        """Every entry of the wanted traces, as `traces` finds them, whether or not their spans are kept."""
        from spanledger.store.encode import no_collection  # Arrow: see files.write_parquet

        with no_collection():
            return self._history.booked(wanted)

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> Iterable[TraceKey]:
        """The traces with a stored span that has one of these link keys on one of these days or their neighbours."""
        return self._history.linked(keys)

    def seekers(self, keys: Iterable[int]) -> Iterable[Seeker]:
        """The traces that are noted under these keys as looking for payers there."""
        return stored_seekers(self.metastore.connection, keys)

    def claims(self, sessions: Iterable[Session]) -> Mapping[Session, AbstractSet[Claim]]:
        """What was claimed of these sessions."""
        return stored_claims(self.metastore.connection, sessions)

    def close(self) -> None:
        """Close the metastore and give up the right to write."""
        self.metastore.close()
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _check_path(data_dir: Path) -> None:
    if set("*?[]") & set(str(data_dir.resolve())):
        raise StoreError(f"a data folder cannot have *, ?, [ or ] in its path: readers would take {data_dir.resolve()} for a pattern")


def _take_lock(path: Path) -> int:
    """Lock the folder for writing until the returned handle is closed or the process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise LedgerBusyError(f"{path.parent} is being written by another spanledger process") from error
    return handle
