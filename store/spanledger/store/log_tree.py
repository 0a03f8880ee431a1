"""The tree over all chain records (RFC 6962), from which the way from one record to a checkpoint is taken without reading the whole log.

Full files of records are full subtrees, and the metastore keeps their roots; so only the file in question is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from spanledger.store import merkle
from spanledger.store.chain import FILE_RECORDS, full_roots, read_lines
from spanledger.store.errors import ChainError


class LogTree:
    """The first `size` records of a ledger's chain as a tree. Its hashes are those of the files: compare its root with one you trust."""

    def __init__(self, data_dir: Path, connection: sqlite3.Connection, size: int) -> None:
        self._data_dir, self.size = data_dir, size
        self._roots: Mapping[int, bytes] = full_roots(connection)
        self._leaves: dict[int, list[bytes]] = {}

    def _block(self, number: int) -> list[bytes]:
        """The leaf hashes of a file's records. Raises ChainError if some are missing."""
        if number not in self._leaves:
            first, end = number * FILE_RECORDS, min((number + 1) * FILE_RECORDS, self.size)
            found = [merkle.leaf_hash(line.partition(b"\t")[0]) for _, line in read_lines(self._data_dir, first, end)]
            if len(found) != end - first:
                raise ChainError(f"records {first + len(found)} to {end - 1} of the chain are missing; run `spanledger verify`")
            self._leaves = {number: found}
        return self._leaves[number]

    def _tops(self) -> list[bytes]:
        """The roots of all files, in order."""
        tops = []
        for first in range(0, self.size, FILE_RECORDS):
            known = self._roots.get(first) if first + FILE_RECORDS <= self.size else None
            tops.append(known or merkle.root(self._block(first // FILE_RECORDS)))
        return tops

    @property
    def root(self) -> bytes:
        """The root over all records."""
        return merkle.root(self._tops())

    def inclusion(self, seq: int) -> list[bytes]:
        """The hashes from record `seq` to the root."""
        number, index = divmod(seq, FILE_RECORDS)
        above = merkle.inclusion_path(self._tops(), number)
        return [*merkle.inclusion_path(self._block(number), index), *above]

    def consistency(self, old_size: int) -> list[bytes]:
        """The hashes that show that this log begins with its first `old_size` records. Reads all records."""
        blocks = range((self.size + FILE_RECORDS - 1) // FILE_RECORDS)
        return merkle.consistency_path([leaf for number in blocks for leaf in self._block(number)], old_size)
