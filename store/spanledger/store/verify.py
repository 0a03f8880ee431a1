"""`verify`: whether a ledger is what was booked, from its own proof; what is wrong is said with its place.

*Quick* goes through the chain, the checkpoints' signatures and the digests of all files; *full* also reads every entry and hashes it
anew. Nothing is written; it works on a copy of a folder as on one that a server keeps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.store.checkpoints import Checkpoint, kept, read_note
from spanledger.store.errors import ChainError, LedgerNotFoundError
from spanledger.store.findings import Finding, Findings
from spanledger.store.verify_admin import check_admin
from spanledger.store.verify_chain import Walked, walk
from spanledger.store.verify_files import FilesChecked, check_files
from spanledger.store.verify_rows import RowsChecked, check_rows
from spanledger.store.verify_source import file_rows, snapshot_of

_TRIES: Final = 3


class Verified(NamedTuple):
    """What was gone through, and what was found. `size` and `root` are the log's; `sums` atto-USD by money column (full: as read)."""

    is_full: bool
    ledger: str | None
    records: int
    size: int
    root: bytes
    entries: int
    files: int
    checkpoints: int
    sums: Mapping[str, int]
    strays: int
    admin_changes: int
    """Changes in the admin log; `admin_sealed` of them are in the chain, the others wait for the next commit."""
    admin_sealed: int
    findings: tuple[Finding, ...]
    findings_total: int

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings_total


class Progress(NamedTuple):
    """Who wants to know how far it is: called with the name of the step and its whole, then with parts of it."""

    begin: Callable[[str, int], None] = lambda _name, _whole: None
    step: Callable[[int], None] = lambda _part: None


def verify(
    data_dir: Path,
    *,
    full: bool = False,
    checkpoints: Sequence[Checkpoint] = (),
    trusted_key: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify a data folder, against these checkpoints and those kept in it. Raises LedgerNotFoundError."""
    found = _verify(data_dir, full, checkpoints, trusted_key, progress or Progress())
    for _ in range(_TRIES - 1):
        if found.is_fine or not _was_compacted(data_dir, found):
            break
        found = _verify(data_dir, full, checkpoints, trusted_key, progress or Progress())
    return found


def _was_compacted(data_dir: Path, found: Verified) -> bool:
    """Whether files are missing only because compaction beside us has replaced them meanwhile."""
    missing = {finding.where.removeprefix("file ") for finding in found.findings if finding.problem == "is missing"}
    if not missing:
        return False
    with snapshot_of(data_dir) as connection:
        live = {row.path for row in file_rows(connection) if row.is_live}
    return not missing <= live


def _verify(data_dir: Path, full: bool, given: Sequence[Checkpoint], trusted_key: str | None, progress: Progress) -> Verified:
    findings = Findings()
    try:
        with snapshot_of(data_dir) as connection:
            return _verify_snapshot(data_dir, connection, full, given, trusted_key, progress, findings)
    except LedgerNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged database can hold anything anywhere, and that is the finding
        findings.add("meta.sqlite", f"cannot be read as a ledger's: {type(error).__name__}: {error}")
        return _result(full, None, Walked(0, 0, b"", [], {}), None, None, (), findings)


def _verify_snapshot(
    data_dir: Path, connection: sqlite3.Connection, full: bool, given: Sequence[Checkpoint], trusted_key: str | None,
    progress: Progress, findings: Findings,
) -> Verified:  # fmt: skip
    _check_database(connection, findings, full=full)
    checkpoints = [*given, *_kept_checkpoints(data_dir, trusted_key, findings)]
    progress.begin("chain", 0)
    admin = check_admin(connection, checkpoints, findings)
    walked = walk(data_dir, connection, checkpoints, findings, admin or ())
    rows = file_rows(connection)
    total = connection.execute("SELECT coalesce(max(entries_total), 0) FROM commits").fetchone()[0]
    ledger = _ledger_id(connection)
    progress.begin("files", sum(row.size for row in rows if row.is_live))
    files = check_files(data_dir, rows, total, findings, progress.step)
    checked = None
    if full:
        progress.begin("entries", total)
        checked = check_rows(data_dir, files, walked.sealed, findings, progress.step)
    found = _result(full, ledger, walked, files, checked, checkpoints, findings)
    return found._replace(admin_changes=max(0, len(admin or ()) - 1))


def _check_database(connection: sqlite3.Connection, findings: Findings, *, full: bool) -> None:
    """SQLite's own check of its file: pages, indexes and constraints."""
    for (said,) in connection.execute("PRAGMA integrity_check" if full else "PRAGMA quick_check"):
        if said != "ok":
            findings.add("meta.sqlite", f"SQLite finds it damaged: {' '.join(str(said).split())[:200]}")
            return


def _kept_checkpoints(data_dir: Path, trusted_key: str | None, findings: Findings) -> list[Checkpoint]:
    found = []
    for path in kept(data_dir):
        try:
            found.append(read_note(path.read_text("utf-8"), trusted_key))
        except (ChainError, ValueError) as error:
            findings.add(f"file {path.relative_to(data_dir).as_posix()}", str(error))
    return found


def _ledger_id(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT ledger_id FROM chain_head").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


def _result(
    full: bool, ledger: str | None, walked: Walked, files: FilesChecked | None, rows: RowsChecked | None,
    checkpoints: Sequence[Checkpoint], findings: Findings,
) -> Verified:  # fmt: skip
    return Verified(
        is_full=full,
        ledger=ledger,
        records=walked.records,
        size=walked.size,
        root=walked.root,
        entries=rows.entries if rows is not None else max((each.last for each in walked.sealed if each is not None), default=0),
        files=files.events + files.spans if files is not None else 0,
        checkpoints=len(checkpoints),
        sums=rows.sums if rows is not None else walked.sums,
        strays=files.strays if files is not None else 0,
        admin_changes=0,
        admin_sealed=walked.admin_size,
        findings=tuple(findings.kept),
        findings_total=findings.total,
    )
