"""Verification of the data files: each there and as it was written, by size and digest, and the metastore's list of them whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from spanledger.store.chain import file_sha256
from spanledger.store.files import data_files, row_digest
from spanledger.store.findings import Findings
from spanledger.store.verify_source import FileRow


class FilesChecked(NamedTuple):
    """How many live files were right, and which can be read at all; `strays` lie in the folder and are not part of the ledger."""

    events: int
    spans: int
    readable: list[FileRow]
    damaged: frozenset[str]
    strays: int


def check_files(
    data_dir: Path, rows: Sequence[FileRow], entries_total: int, findings: Findings, step: Callable[[int], None] = lambda _: None
) -> FilesChecked:
    """Check every file the metastore knows. `step` is called with the bytes of each."""
    readable, damaged, right = [], set(), {"events": 0, "spans": 0}
    for row in rows:
        before = findings.total
        if row.row_sha256 is None or row_digest(row[:14]) != row.row_sha256:
            findings.add(f"file {row.path}", "what the metastore says of it was changed")
        if not row.is_live:
            continue
        if _check_file(data_dir, row, findings):
            readable.append(row)
        if findings.total == before:
            right[row.table] = right.get(row.table, 0) + 1
        else:
            damaged.add(row.path)
        step(row.size)
    counted = sum(row.rows for row in rows if row.is_live and row.table == "events")
    findings.compare("meta.sqlite", "the number of entries in the listed files", entries_total, counted)
    known = {row.path for row in rows}
    strays = sum(path not in known for path in data_files(data_dir))
    return FilesChecked(right["events"], right["spans"], readable, frozenset(damaged), strays)


def _check_file(data_dir: Path, row: FileRow, findings: Findings) -> bool:
    """Check one live file; whether it is there."""
    path = data_dir / row.path
    where = f"file {row.path}"
    try:
        size = path.stat().st_size
        digest = file_sha256(path)
    except FileNotFoundError:
        findings.add(where, "is missing")
        return False
    except (OSError, ValueError) as error:
        findings.add(where, f"cannot be read: {error}")
        return False
    if findings.compare(where, "its size in bytes", row.size, size) and row.sha256 is not None:
        findings.compare(where, "its SHA-256", row.sha256, digest)
    elif row.sha256 is None:
        findings.add(where, "has no digest in the metastore")
    return True
