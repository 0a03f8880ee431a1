"""The hash chain of a ledger: one record a commit in files of its own, its head in the metastore, both moved on in one transaction.

A record is written and synced while the commit's transaction is open, so no two writers can write at once, and the chain is never behind
the metastore. What a commit that died has left behind the head is cut off by the next one.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.store import merkle
from spanledger.store.admin_log import log_head
from spanledger.store.chain_records import NO_RECORD, ChainRecord, make_record, parse_line
from spanledger.store.crash import crash_point
from spanledger.store.errors import ChainError, LedgerFencedError
from spanledger.store.files import DataFile
from spanledger.store.merkle import Frontier
from spanledger.store.metastore import Commit, Metastore
from spanledger.store.seal import HashedRows, Sealed, hashed_rows, sealed
from spanledger.store.syncing import make_folders, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)
FOLDER: Final = "chain"
SUFFIX: Final = ".chain"
FILE_LEVELS: Final = 16
FILE_RECORDS: Final = 1 << FILE_LEVELS
"""Records of a file: a full file is a full subtree of the log, whose root the metastore keeps, so that proofs read one file."""
_LINE_MAX: Final = 1 << 20


class Head(NamedTuple):
    """The end of the chain as the metastore has it: all that the next record needs."""

    ledger: str
    commit: int
    frontier: Frontier
    chain_hash: bytes
    file_end: int
    line: bytes

    @property
    def size(self) -> int:
        """How many records there are."""
        return self.frontier.size


def file_name(seq: int) -> str:
    """The file, relative to the data folder, that record `seq` stands in."""
    return f"{FOLDER}/{seq // FILE_RECORDS * FILE_RECORDS:012d}{SUFFIX}"


def read_head(connection: sqlite3.Connection) -> Head | None:
    """The head, or None in a ledger from before the chain. Raises ChainError if it is damaged."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'chain_head'").fetchone() is None:
        return None  # an older ledger, opened to be read only
    row = connection.execute("SELECT ledger_id, commit_number, size, peaks, chain_hash, file_end, line FROM chain_head").fetchone()
    if row is None:
        return None
    try:
        return Head(row[0], row[1], Frontier.from_bytes(row[2], row[3]), row[4], row[5], row[6])
    except ValueError as error:
        raise ChainError(f"the head of the chain in the metastore is damaged: {error}") from error


def _write_head(connection: sqlite3.Connection, head: Head) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO chain_head VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
        (head.ledger, head.commit, head.size, head.frontier.to_bytes(), head.chain_hash, head.file_end, head.line),
    )


def append(data_dir: Path, connection: sqlite3.Connection, commit: Commit, rows: Sealed) -> None:
    """Add a commit's record, within the metastore's transaction of this commit.

    Raises ChainError if the chain does not end at the commit before.
    """
    head = read_head(connection)
    if head is None or head.commit != commit.number - 1:
        raise ChainError(f"the chain ends at commit {head.commit if head else 'none'}, so commit {commit.number} cannot follow")
    try:
        before = parse_line(head.line).details.admin
    except ChainError:  # `verify` tells of it; booking goes on
        before = None
    admin = log_head(connection, before)
    record = make_record(head.ledger, head.size, "commit", commit, rows, head.chain_hash, admin)
    _add(data_dir, connection, head, record, commit.number)
    crash_point("chain_written")


def _add(data_dir: Path, connection: sqlite3.Connection, head: Head, record: ChainRecord, commit: int) -> None:
    end = _write_line(data_dir, head, record)
    frontier = head.frontier.add(record.leaf)
    if frontier.size % FILE_RECORDS == 0:
        root = record.leaf
        for peak in reversed(head.frontier.peaks[-FILE_LEVELS:]):
            root = merkle.node_hash(peak, root)
        connection.execute("INSERT OR REPLACE INTO chain_files VALUES (?, ?)", (frontier.size - FILE_RECORDS, root))
    _write_head(connection, Head(head.ledger, commit, frontier, record.chain_hash, end, record.line))


def _write_line(data_dir: Path, head: Head, record: ChainRecord) -> int:
    """Write a record behind the head's, durably; returns where its file ends."""
    path = data_dir / file_name(head.size)
    is_new = head.size % FILE_RECORDS == 0
    make_folders(data_dir, path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        at = 0 if is_new else _end_of_head(handle, head)
        os.ftruncate(handle, at)
        at += os.pwrite(handle, record.line, at)
        os.fdatasync(handle)
    finally:
        os.close(handle)
    if is_new:
        sync_folder(path.parent)
    return at


def _end_of_head(handle: int, head: Head) -> int:
    """Where the head's record ends in its file. What a dead commit left behind it may go; a lost end is written again.

    A file that is damaged otherwise is left as it is, for `verify` to tell of, and gone on with at its end.
    """
    start = head.file_end - len(head.line)
    if os.pread(handle, len(head.line), start) == head.line:
        return head.file_end
    size = os.fstat(handle).st_size
    if start <= size < head.file_end and head.line.startswith(os.pread(handle, len(head.line), start)):
        os.pwrite(handle, head.line, start)
        return head.file_end
    _log.error("the chain's file of record %d is damaged; run `spanledger verify`, and restore it from a backup", head.size - 1)
    if size and os.pread(handle, 1, size - 1) != b"\n":
        os.pwrite(handle, b"\n", size)
        size += 1
    return size


def mend(data_dir: Path, head: Head) -> None:
    """Cut off what a commit that died has written behind the head, and write the head's record again if a power cut took it."""
    path = data_dir / file_name(head.size - 1)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        _log.error("the chain's file %s is missing; run `spanledger verify`, and restore it from a backup", path)
        return
    try:
        end = _end_of_head(handle, head)
        if end == head.file_end and os.fstat(handle).st_size != end:
            os.ftruncate(handle, end)
        os.fdatasync(handle)
    finally:
        os.close(handle)
    if head.size % FILE_RECORDS == 0:
        (data_dir / file_name(head.size)).unlink(missing_ok=True)


def begin(data_dir: Path, store: Metastore) -> None:
    """Make the chain of a ledger that has none; its first record covers all entries that are there, which are read for it."""
    head = read_head(store.connection)
    if head is not None:
        with store.transaction():  # so that no commit is being made meanwhile
            if (now := read_head(store.connection)) is not None:
                mend(data_dir, now)
        return
    last = store.last_commit()
    if last.entries_total:
        _log.info("reading %d entries for the first record of the hash chain", last.entries_total)
    rows = sealed([part for file in store.live_files("events") for part in _hashed_file(data_dir, file)])
    if rows.rows != last.entries_total:
        raise ChainError(f"the ledger has {rows.rows} entries where its commits say {last.entries_total}: it is damaged")
    digests = [(file_sha256(data_dir / file.path), file.path) for table in ("events", "spans") for file in store.live_files(table)]
    with store.transaction():
        if read_head(store.connection) is not None or store.last_commit() != last:
            raise LedgerFencedError("another writer has committed to this ledger")
        store.connection.executemany("UPDATE files SET sha256 = ? WHERE path = ? AND sha256 IS NULL", digests)
        store.sign_files()
        ledger = secrets.token_hex(16)
        record = make_record(ledger, 0, "start", last, rows, NO_RECORD, log_head(store.connection))
        _add(data_dir, store.connection, Head(ledger, last.number, Frontier(), NO_RECORD, 0, b""), record, last.number)


def _hashed_file(data_dir: Path, file: DataFile) -> Iterator[HashedRows]:
    import pyarrow.parquet as pq  # here, not above: reports import this package and must not wait for Arrow

    with pq.ParquetFile(data_dir / file.path) as parquet:
        for group in range(parquet.num_row_groups):
            yield hashed_rows(with_all_columns(parquet.read_row_group(group)))


def with_all_columns(table: pa.Table) -> pa.Table:
    """Rows of an older file with the columns it has not: nobody had a value for them."""
    import pyarrow as pa  # as above

    from spanledger.store.event_rows import SCHEMA  # as above

    for field in SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def file_sha256(path: Path) -> bytes:
    """The digest of a file's bytes."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def read_lines(data_dir: Path, first: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines of records `first` to `end` (exclusive; None is all there are) with the numbers they should have by their place."""
    seq = first // FILE_RECORDS * FILE_RECORDS
    while end is None or seq < end:
        path = data_dir / file_name(seq)
        if not path.exists():
            return
        with path.open("rb") as file:
            for number in range(seq, seq + FILE_RECORDS):
                line = file.readline(_LINE_MAX)
                if not line or (end is not None and number >= end):
                    break
                if number >= first:
                    yield number, line
        seq += FILE_RECORDS


def read_record(data_dir: Path, seq: int) -> ChainRecord:
    """One record. Raises ChainError if it is not there or damaged."""
    for _, line in read_lines(data_dir, seq, seq + 1):
        record = parse_line(line)
        if record.core.seq == seq:
            return record
    raise ChainError(f"record {seq} of the chain is missing or damaged; run `spanledger verify`")


def chain_files(data_dir: Path) -> list[str]:
    """The names of all files in the chain's folder, relative to the data folder."""
    folder = data_dir / FOLDER
    return sorted(path.relative_to(data_dir).as_posix() for path in folder.iterdir()) if folder.is_dir() else []


def full_roots(connection: sqlite3.Connection) -> dict[int, Any]:
    """The roots of the full files by their first record."""
    return dict(connection.execute("SELECT first, root FROM chain_files"))
