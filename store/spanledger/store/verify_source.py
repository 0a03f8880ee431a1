"""A ledger opened to be verified: one moment of the metastore, with nothing in the folder written, not even by SQLite."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from spanledger.store.errors import LedgerNotFoundError
from spanledger.store.metastore import BUSY_SECONDS, FILE_NAME


class FileRow(NamedTuple):
    """What the metastore says of a data file, all of it."""

    path: str
    table: str
    event_date: str
    rows: int
    size: int
    position_min: int
    position_max: int
    start_ns_min: int
    start_ns_max: int
    received_ns_max: int
    is_pruned: int
    schema_version: int
    added_in_commit: int
    sha256: bytes | None
    row_sha256: bytes | None
    is_live: int


@contextmanager
def snapshot_of(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one moment of the metastore for as long as the block runs. Raises LedgerNotFoundError, sqlite3.Error.

    A folder that no process has open has no write-ahead log, and is read without one: nothing is made in it, it may be read-only.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        raise LedgerNotFoundError(f"there is no ledger in {data_dir}: no {FILE_NAME}")
    with tempfile.TemporaryDirectory(prefix="spanledger-verify-") as scratch:
        connection = _open(path, Path(scratch))
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # from here on it is one moment
            yield connection
        finally:
            connection.close()


def _open(path: Path, scratch: Path) -> sqlite3.Connection:
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or not wal.stat().st_size:
        return _connect(path, "immutable=1")
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # a copy with a log in a folder that cannot be written: SQLite would make an index file beside it
        connection.close()
        for each in (path, wal):
            shutil.copyfile(each, scratch / each.name)
        return _connect(scratch / path.name, "mode=rw")
    return connection


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.resolve()))}?{options}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def file_rows(connection: sqlite3.Connection) -> list[FileRow]:
    """All data files the metastore knows, those included that compaction has replaced and that stay for a while."""
    columns = (
        "path, table_name, event_date, rows, bytes, position_min, position_max, start_ns_min, start_ns_max, received_ns_max,"
        " is_pruned, schema_version, added_in_commit, sha256, row_sha256, removed_in_commit IS NULL"
    )
    return [FileRow(*row) for row in connection.execute(f"SELECT {columns} FROM files ORDER BY rowid")]  # noqa: S608 - our own names
