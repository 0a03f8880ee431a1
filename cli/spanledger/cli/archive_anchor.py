"""Ties the archive of requests to checkpoints: each says how long the archive's list was and where it ended, so that no archived request
can be exchanged, or let go in silence, once that was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from spanledger.cli.folder import DataFolder
from spanledger.receiver.archived import LIST_NAME, read_list
from spanledger.store.checkpoints import Checkpoint
from spanledger.store.findings import Finding

ARCHIVE_LINE: Final = "archive"


def archive_line(data: Path) -> dict[str, str]:
    """The checkpoint's line about the archive: number of lines in its list and digest of the last; nothing where there is no archive."""
    listed = read_list(DataFolder(data).archive)
    return {ARCHIVE_LINE: f"{len(listed.lines)} {listed.head}"} if listed.lines else {}


def check_archive_list(data: Path, checkpoints: Iterable[Checkpoint]) -> Iterator[Finding]:
    """What is wrong with the archive's list: a line that does not follow, or one that is not what a checkpoint says it was."""
    listed = read_list(DataFolder(data).archive)
    where = f"archive/{LIST_NAME}"
    if listed.fault is not None:
        yield Finding(where, f"is damaged: {listed.fault}")
    digests = [*(line.prev for line in listed.lines), listed.head]
    for checkpoint in checkpoints:
        size, _, digest = checkpoint.facts.get(ARCHIVE_LINE, "").partition(" ")
        if not size:
            continue
        if not size.isdecimal() or int(size) >= len(digests):
            problem = f"was cut off: it was longer when the checkpoint of {checkpoint.size} records was signed"
            yield Finding(where, problem, f"{size} lines", f"{len(listed.lines)} lines")
        elif digests[int(size)] != digest:
            yield Finding(where, f"is not the one that the checkpoint of {checkpoint.size} records was made of", digest, digests[int(size)])
