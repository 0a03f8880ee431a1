"""The metastore: the one place that says what the ledger consists of, so that a crash anywhere leaves all of a commit or nothing.

SQLite in WAL mode with `synchronous=FULL`, set on every connection: a transaction that returned survives a power cut. All
that must never disagree lives here: commits, files, keys, settings, leases, tenants, catalogs.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from spanledger.store.crash import crash_point
from spanledger.store.days import day_number, day_text
from spanledger.store.errors import LedgerFencedError, LedgerNotFoundError, LedgerVersionError
from spanledger.store.files import DataFile, Table, row_digest
from spanledger.store.leases import in_force
from spanledger.store.migrations import MIGRATIONS

Teller = tuple[str, str | None, tuple[str, str]]
"""(authority, service, (scope, dialect)) of an instrumentation that tells of calls."""

FILE_NAME = "meta.sqlite"
BUSY_SECONDS = 30
_ASKED_AT_ONCE = 500
TELLERS_MAX = 10_000
"""Senders choose the names of services; beyond so many tellers the ledger only knows that they are many."""
_TELLERS_MANY = "INSERT OR REPLACE INTO settings VALUES ('tellers', 'many')"

_WIDE_VERSION = next(number for number, sql in enumerate(MIGRATIONS, 1) if "TABLE wide_traces" in sql)


class Commit(NamedTuple):
    """One line of the commit log. `entries_total` counts the ledger entries booked up to and including it."""

    number: int
    position: int
    open_position: int
    booked_ns: int
    event_rows: int
    span_rows: int
    entries_total: int


_FILE_COLUMNS = (
    "path, table_name, event_date, rows, bytes, position_min, position_max, start_ns_min, start_ns_max, received_ns_max, is_pruned"
)
BEFORE_ALL = Commit(0, 0, 0, 0, 0, 0, 0)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with every safety set; transactions are begun and ended by hand."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def statements(script: str) -> Iterator[str]:
    """The SQL statements of a migration, one at a time; one that makes a trigger has semicolons of its own."""
    found = ""
    for part in filter(str.strip, script.split(";")):
        found += part + ";"
        if sqlite3.complete_statement(found):
            yield found
            found = ""


class _FileGoneError(Exception):
    """A file that was to be replaced is not live any more."""


class Metastore:
    """A connection to the metastore of a data folder. Use one per thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, data_dir: Path, *, read_only: bool = False) -> Metastore:
        """Open the metastore, creating or migrating it unless `read_only`.

        Raises LedgerNotFoundError if there is none to read, LedgerVersionError if a newer version wrote it.
        """
        path = data_dir / FILE_NAME
        if read_only and not path.exists():
            raise LedgerNotFoundError(f"there is no ledger in {data_dir}: no {FILE_NAME}")
        if not read_only:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Before SQLite makes it with the umask's mode: it holds key hashes and who the tenants are.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        store = cls(connect(path, read_only=read_only))
        try:
            store._check_version(data_dir, read_only=read_only)
        except BaseException:
            store.close()
            raise
        return store

    def _check_version(self, data_dir: Path, *, read_only: bool) -> None:
        version = self.schema_version
        if version > len(MIGRATIONS):
            raise LedgerVersionError(
                f"{data_dir} was written by a newer spanledger (metastore {version}, this one knows {len(MIGRATIONS)})"
            )
        if read_only and version == 0:
            raise LedgerNotFoundError(f"there is no ledger in {data_dir}: its {FILE_NAME} is empty")
        if read_only or version == len(MIGRATIONS):
            return
        with self.transaction():
            for number in range(self.schema_version, len(MIGRATIONS)):
                for statement in statements(MIGRATIONS[number]):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {number + 1:d}")

    @property
    def schema_version(self) -> int:
        """How many migrations the file has seen."""
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One write transaction: all of it or nothing. Readers go on meanwhile."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    # commits and files

    def last_commit(self) -> Commit:
        """The newest commit; BEFORE_ALL in an empty ledger."""
        row = self.connection.execute("SELECT * FROM commits ORDER BY number DESC LIMIT 1").fetchone()
        return BEFORE_ALL if row is None else Commit(*row)

    def add_commit(
        self,
        commit: Commit,
        files: Sequence[DataFile],
        schema_version: int,
        tellers: Iterable[Teller] | None = (),
        wide: Mapping[tuple[str, bytes], AbstractSet[int]] = MappingProxyType({}),
        within: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Book a commit whose files are on the disk, with who told of calls for the first time, and the days of wide traces.

        `tellers` None: they are too many to be noted. `within` is done in the same transaction, and may refuse it.

        Raises LedgerFencedError if another writer has committed since: the caller's idea of the ledger is stale.
        """
        with self.transaction():
            last = self.last_commit().number
            if last != commit.number - 1:
                raise LedgerFencedError(f"commit {commit.number} cannot follow commit {last}: another writer has taken over this ledger")
            self.connection.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)", commit)
            self._insert_files(files, schema_version, commit.number)
            rows = [(authority, service or "", scope, dialect) for authority, service, (scope, dialect) in tellers or ()]
            if tellers is None:
                self.connection.execute(_TELLERS_MANY)
            self.connection.executemany("INSERT OR IGNORE INTO tellers VALUES (?, ?, ?, ?)", rows)
            spread = [(trace_id, authority, day) for (authority, trace_id), days in wide.items() for day in days]
            self.connection.executemany("INSERT OR IGNORE INTO wide_traces VALUES (?, ?, ?)", spread)
            if within is not None:
                within(self.connection)
            crash_point("metastore_written")
        crash_point("metastore_committed")

    def tellers(self) -> set[Teller] | None:
        """Who has ever told of calls: (authority, service, (scope, dialect)); None where that is unknown or too many."""
        if self.schema_version < len(MIGRATIONS) or self.setting("tellers") == "many":
            return None
        rows = self.connection.execute("SELECT authority, service, scope, dialect FROM tellers")
        return {(authority, service or None, (scope, dialect)) for authority, service, scope, dialect in rows}

    def wide_ids(self) -> set[bytes]:
        """The trace ids of all traces that are known to lie on days apart."""
        if self.schema_version < _WIDE_VERSION:
            return set()  # an older ledger, opened to be read only
        return {trace_id for (trace_id,) in self.connection.execute("SELECT DISTINCT trace_id FROM wide_traces")}

    def wide_days(self, trace_ids: Iterable[bytes]) -> dict[tuple[str, bytes], set[int]]:
        """The days (since 1970) on which spans of these traces start, of those that lie on days apart."""
        found: defaultdict[tuple[str, bytes], set[int]] = defaultdict(set)
        wanted = list(trace_ids) if self.schema_version >= _WIDE_VERSION else []
        for at in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[at : at + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT authority, trace_id, day FROM wide_traces WHERE trace_id IN ({marks})"  # noqa: S608 - only marks, bound values
            for authority, trace_id, day in self.connection.execute(sql, some):
                found[authority, trace_id].add(day)
        return dict(found)

    def swap_files(self, old: Iterable[str], new: Sequence[DataFile], schema_version: int, removed_ns: int, lease: tuple[str, str]) -> bool:
        """Replace files by others with the same rows; False (and nothing done) if one of the old ones is gone already.

        `lease` is the (name, holder) that must still be in force: one who slept through its end may not swap.
        """
        try:
            with self.transaction():
                name, holder = lease
                held = in_force(self.connection, name, removed_ns)
                if held is None or held.holder != holder:
                    raise _FileGoneError(name)
                last = self.last_commit().number
                for path in old:
                    changed = self.connection.execute(
                        "UPDATE files SET removed_in_commit = ?, removed_ns = ? WHERE path = ? AND removed_in_commit IS NULL",
                        (last, removed_ns, path),
                    ).rowcount
                    if changed != 1:
                        raise _FileGoneError(path)
                self._insert_files(new, schema_version, last)
                crash_point("swap_written")
        except _FileGoneError:
            return False
        return True

    def _insert_files(self, files: Sequence[DataFile], schema_version: int, number: int) -> None:
        rows = [(f.path, f.table, day_text(f.day), *f[3:11], schema_version, number, f.sha256) for f in files]
        self.connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)", [(*row, row_digest(row)) for row in rows]
        )

    def sign_files(self) -> None:
        """Give the rows of files from before there were digests theirs; within a transaction."""
        columns = f"{_FILE_COLUMNS}, schema_version, added_in_commit, sha256"
        rows = self.connection.execute(f"SELECT {columns} FROM files WHERE row_sha256 IS NULL").fetchall()  # noqa: S608 - our own names
        self.connection.executemany("UPDATE files SET row_sha256 = ? WHERE path = ?", [(row_digest(row), row[0]) for row in rows])

    def live_files(
        self,
        table: Table,
        *,
        days: Iterable[int] | None = None,
        start_ns: tuple[int | None, int | None] = (None, None),
        position_min: int | None = None,
        after_entry: int = 0,
    ) -> list[DataFile]:
        """The files the table consists of now, oldest first, narrowed to partitions, to a half-open time range, or to journal positions.

        `after_entry` leaves out files that were there when the ledger had no more entries than that: none of a later one is in them.
        """
        sql = [f"SELECT {_FILE_COLUMNS} FROM files WHERE removed_in_commit IS NULL AND table_name = ?"]  # noqa: S608 - our own names, bound values
        bound: list[Any] = [table]
        if days is not None:
            wanted = [day_text(day) for day in days if -719_162 <= day <= 2_932_896]
            sql.append("AND event_date IN (SELECT value FROM json_each(?))")
            bound.append("[" + ",".join(f'"{day}"' for day in wanted) + "]")
        since, until = start_ns
        for text, value in (("AND start_ns_max >= ?", since), ("AND start_ns_min < ?", until), ("AND position_max >= ?", position_min)):
            if value is not None:
                sql.append(text)
                bound.append(value)
        if after_entry:
            sql.append("AND added_in_commit > (SELECT coalesce(max(number), 0) FROM commits WHERE entries_total <= ?)")
            bound.append(after_entry)
        sql.append("ORDER BY rowid")
        rows = self.connection.execute(" ".join(sql), bound)
        return [DataFile(path, name, day_number(day), *rest) for path, name, day, *rest in rows]

    def known_paths(self) -> set[str]:
        """Every path the metastore has ever heard of and not forgotten: live ones and removed ones in their grace."""
        return {path for (path,) in self.connection.execute("SELECT path FROM files")}

    def removed_files(self, before_ns: int) -> list[str]:
        """Files that compaction replaced before this time."""
        return [path for (path,) in self.connection.execute("SELECT path FROM files WHERE removed_ns < ?", (before_ns,))]

    def forget_files(self, paths: Iterable[str]) -> None:
        """Drop removed files from the records, once they are deleted."""
        with self.transaction():
            self.connection.executemany("DELETE FROM files WHERE path = ? AND removed_in_commit IS NOT NULL", [(path,) for path in paths])

    # settings

    def setting(self, name: str) -> str | None:
        """A stored setting, or None."""
        row = self.connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        """Store a setting."""
        with self.transaction():
            self.connection.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
            )
