"""A copy of the metastore at one commit, and the list of files that belong to it: what a backup of a live ledger starts from."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from spanledger.store.files import TABLES
from spanledger.store.metastore import FILE_NAME, Commit, Metastore

_PAGES = 1024


class Snapshot(NamedTuple):
    """The last commit of a copied metastore, and the data files (relative paths) that its ledger consists of."""

    commit: Commit
    files: tuple[str, ...]


def copy_metastore(data_dir: Path, target: Path) -> Snapshot:
    """Copy the metastore as it stands at one commit into the folder `target`, while others go on writing it.

    Raises LedgerNotFoundError if there is none. The copy is one file, without a write-ahead log beside it.
    """
    source = Metastore.open(data_dir, read_only=True)
    path = target / FILE_NAME
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    copy = sqlite3.connect(path, isolation_level=None)
    try:
        source.connection.backup(copy, pages=_PAGES)
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
        source.close()
    return read_snapshot(target)


def read_snapshot(data_dir: Path) -> Snapshot:
    """What the metastore in a folder says of its ledger."""
    store = Metastore.open(data_dir, read_only=True)
    try:
        paths = (file.path for table in TABLES for file in store.live_files(table))
        return Snapshot(store.last_commit(), tuple(sorted(paths)))
    finally:
        store.close()
