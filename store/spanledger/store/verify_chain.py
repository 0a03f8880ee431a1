"""Verification of the chain itself: every record whole and linked to the one before, the head, the commits and the checkpoints agreeing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.store import merkle
from spanledger.store.admin_log import LogHead
from spanledger.store.chain import FILE_RECORDS, Head, chain_files, file_name, full_roots, read_head, read_lines
from spanledger.store.chain_records import NO_RECORD, ChainRecord, chain_hash, parse_line
from spanledger.store.checkpoints import Checkpoint
from spanledger.store.errors import ChainError
from spanledger.store.findings import Findings
from spanledger.store.merkle import Frontier
from spanledger.store.metastore import Commit
from spanledger.store.row_versions import ROW_VERSIONS


class Sealed(NamedTuple):
    """What a record says of entries: numbers `first` to `last`, the root over their rows, and sums in atto-USD."""

    commit: int
    first: int
    last: int
    row_version: int
    batch: bytes
    sums: Mapping[str, int]


class Walked(NamedTuple):
    """The chain as it was found: `records` good ones, and what each says of entries (None where it is damaged)."""

    records: int
    size: int
    root: bytes
    sealed: list[Sealed | None]
    sums: Mapping[str, int]
    admin_size: int = 0
    """How many changes of the admin log are in it."""


class _Walk:
    """Goes through the chain once, from its start."""

    def __init__(
        self, findings: Findings, head: Head, checkpoints: Sequence[Checkpoint], roots: Mapping[int, Any], admin: Sequence[bytes]
    ) -> None:
        self._findings, self._head, self._roots, self._admin = findings, head, roots, admin
        self.admin_size = 0
        self._checkpoints: dict[int, list[Checkpoint]] = {}
        for checkpoint in checkpoints:
            self._checkpoints.setdefault(checkpoint.size, []).append(checkpoint)
        self.frontier, self._block = Frontier(), Frontier()
        self.prev = NO_RECORD
        self.last_line = b""
        self._total = 0
        self._is_total_known = True
        self.records = 0
        self.sealed: list[Sealed | None] = []
        self.sums: dict[str, int] = {}

    def take(self, seq: int, line: bytes, commit: Commit | None) -> None:
        """Take the line at the place of record `seq`, and the row of its commit in the metastore."""
        where = f"record {seq}"
        core, self.last_line = line.partition(b"\t")[0], line
        try:
            record: ChainRecord | None = parse_line(line)
        except ChainError as error:
            record = None
            self._findings.add(where, str(error), "a line whose hash is named by the next", f"{len(line)} bytes in {file_name(seq)}")
        if record is not None:
            self._check(where, seq, record, commit)
        else:
            self.sealed.append(None)
            self._is_total_known = False
        self.prev = chain_hash(core)
        self._grow(seq, merkle.leaf_hash(core))

    def _check(self, where: str, seq: int, record: ChainRecord, commit: Commit | None) -> None:
        core, details, findings = record.core, record.details, self._findings
        self.records += 1
        fine = findings.compare(where, "its number", seq, core.seq)
        fine &= findings.compare(where, "the id of the ledger", self._head.ledger, core.ledger)
        fine &= findings.compare(where, "its kind", "start" if seq == 0 else "commit", core.kind)
        findings.compare(where, "the hash of the record before", core.prev, self.prev)
        if core.row_version not in ROW_VERSIONS:
            findings.add(where, f"row version {core.row_version} is not known to this version of spanledger")
            fine = False
        said = details.commit
        if commit is None:
            if seq or said.number:
                findings.add(f"commit {said.number}", "is in the chain, but not in the metastore")
        else:
            for name in Commit._fields if seq else ("number", "position", "entries_total"):  # the first record sums up many commits
                findings.compare(f"commit {said.number}", f"{name} in the metastore", getattr(said, name), getattr(commit, name))
        if details.admin is not None:
            self._check_admin(where, details.admin)
        first, last = said.entries_total - said.event_rows, said.entries_total
        if self._is_total_known:
            fine &= findings.compare(where, "the number of entries before it", self._total, first)
        self._total, self._is_total_known = last, True
        for name, value in details.sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.sealed.append(Sealed(said.number, first + 1, last, core.row_version, core.batch, details.sums) if fine else None)

    def _check_admin(self, where: str, said: LogHead) -> None:
        """The log of administrative changes must have been, at this record, what it says; it never gets shorter."""
        if not self.admin_size <= said.size < len(self._admin):
            there = f"{self.admin_size} to {len(self._admin) - 1}"
            self._findings.add(where, "the admin log is shorter than it was then", said.size, there)
        elif self._admin[said.size] != said.hash:
            problem = "the admin log was rewritten: its changes up to there are not those of then"
            self._findings.add(where, problem, said.hash, self._admin[said.size])
        self.admin_size = max(self.admin_size, said.size)

    def _grow(self, seq: int, leaf: bytes) -> None:
        self.frontier, self._block = self.frontier.add(leaf), self._block.add(leaf)
        if self._block.size == FILE_RECORDS:
            first = seq + 1 - FILE_RECORDS
            self._findings.compare(
                f"file {file_name(first)}", "the root of its records in the metastore", self._block.root, self._roots.get(first)
            )
            self._block = Frontier()
        for checkpoint in self._checkpoints.pop(seq + 1, ()):
            self._check_checkpoint(checkpoint)

    def _check_checkpoint(self, checkpoint: Checkpoint) -> None:
        where = f"checkpoint of {checkpoint.size} records"
        if (
            self._findings.compare(where, "the id of the ledger", checkpoint.ledger, self._head.ledger)
            and checkpoint.root != self.frontier.root
        ):
            problem = "the chain was rewritten: its records up to there are not those that were signed"
            self._findings.add(where, problem, checkpoint.root, self.frontier.root)

    def finish(self) -> None:
        """Say what is missing at the end."""
        for size, checkpoints in sorted(self._checkpoints.items()):
            for checkpoint in checkpoints:
                if self._findings.compare(f"checkpoint of {size} records", "the id of the ledger", checkpoint.ledger, self._head.ledger):
                    problem = "the ledger was cut off: it had more records when this was signed"
                    self._findings.add(f"checkpoint of {size} records", problem, size, self.frontier.size)


def walk(
    data_dir: Path, connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint], findings: Findings, admin: Sequence[bytes] = ()
) -> Walked:
    """Go through the chain of a ledger, its commits and checkpoints; `admin` are the hashes of the admin log by its length.

    What is wrong goes to `findings`.
    """
    try:
        head = read_head(connection)
    except ChainError as error:
        findings.add("meta.sqlite", str(error))
        head = None
    if head is None:
        if not findings.total:
            findings.add("chain", "this ledger has no hash chain: it is from before there was one, and has not been written to since")
        return Walked(0, 0, merkle.EMPTY_ROOT, [], {})
    taking = _Walk(findings, head, checkpoints, full_roots(connection), admin)
    end = 0
    commits = _commits(connection, head.commit - (head.size - 1), findings)
    for seq, line in read_lines(data_dir, 0, head.size):
        taking.take(seq, line, next(commits))
        end = (end if seq % FILE_RECORDS else 0) + len(line)
    _check_end(taking, head, end, findings)
    for (number,) in connection.execute("SELECT number FROM commits WHERE number > ? ORDER BY number LIMIT 1", (head.commit,)):
        findings.add(f"commit {number}", "is in the metastore, but not in the chain")
    expected = {file_name(seq) for seq in range(0, head.size + 1, FILE_RECORDS)}
    for name in chain_files(data_dir):
        if name not in expected:
            findings.add(f"file {name}", "is no file of this chain")
    taking.finish()
    return Walked(taking.records, taking.frontier.size, taking.frontier.root, taking.sealed, taking.sums, taking.admin_size)


def _commits(connection: sqlite3.Connection, first: int, findings: Findings) -> Iterator[Commit | None]:
    """The metastore's commits from `first` on, None in the place of one that is not there; then None for ever."""
    expected = first
    rows = connection.execute("SELECT * FROM commits WHERE number >= ? ORDER BY number", (first,))
    while True:
        try:
            row = rows.fetchone()
        except sqlite3.Error as error:
            findings.add("meta.sqlite", f"the commits cannot be read: {error}")
            row = None
        if row is None:
            break
        commit = Commit(*row)
        while expected < commit.number:
            expected += 1
            yield None
        expected = commit.number + 1
        yield commit
    yield from repeat(None)


def _check_end(taking: _Walk, head: Head, end: int, findings: Findings) -> None:
    """The last record must be the one the metastore names."""
    found = taking.frontier
    if found.size < head.size:
        findings.add(
            f"record {found.size}", "it and all after it are missing from the chain", f"{head.size} records", f"{found.size} records"
        )
        return
    findings.compare("meta.sqlite", "the root of the chain in the metastore", found.root, head.frontier.root)
    findings.compare("meta.sqlite", "the peaks of the chain in the metastore", found.peaks, head.frontier.peaks)
    findings.compare("meta.sqlite", "the hash of the last record in the metastore", taking.prev, head.chain_hash)
    findings.compare("meta.sqlite", "the last record in the metastore", taking.last_line, head.line)
    findings.compare("meta.sqlite", f"the end of {file_name(head.size - 1)} in the metastore", end, head.file_end)
