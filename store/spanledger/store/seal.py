"""What a commit's chain record says of its entries: one root over all of them, made of one root a payer, and sums of money.

The entries of a payer (authority and tenant) form a tree of their own, in the order of booking; the payers' roots are the leaves of the
batch's tree. So a payer can be shown its entries, and that they are all of its entries, without seeing anyone else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.store import merkle
from spanledger.store.row_versions import ROW_VERSION, ROW_VERSIONS

if TYPE_CHECKING:
    import pyarrow as pa

Payer = tuple[str, str | None]
"""(authority, tenant); None is unattributed."""

_LOW: Final = np.uint64(0xFFFF_FFFF)
_LARGE_ROWS: Final = 1_000
"""From so many rows on, hashing goes on in a thread beside whoever writes and syncs their file."""


class PayerRoot(NamedTuple):
    """A leaf of a batch's tree: a payer, how many entries it has in the batch, and the root over them."""

    payer: Payer
    rows: int
    root: bytes

    @property
    def leaf(self) -> bytes:
        """The hash of this leaf."""
        return merkle.leaf_hash(payer_bytes(self.payer) + self.rows.to_bytes(8, "big") + self.root)


class Sealed(NamedTuple):
    """All that a record says of its entries. `sums` are atto-USD by money column, absent where no entry has a value."""

    rows: int
    root: bytes
    payers: int
    sums: Mapping[str, int]
    catalogs: Sequence[str]
    row_version: int


class HashedRows(NamedTuple):
    """Entries as hashes: number i has the hash `leaves[32 * i:32 * i + 32]` and the payer `payers[codes[i]]`."""

    numbers: np.ndarray
    leaves: bytes
    codes: np.ndarray
    payers: Sequence[Payer]
    sums: Mapping[str, int]
    catalogs: frozenset[str]


def payer_bytes(payer: Payer) -> bytes:
    """A payer as bytes: length and text of the authority, then 0 for nobody, or 1 with length and text of the tenant."""
    authority, tenant = payer[0].encode(), payer[1]
    found = len(authority).to_bytes(4, "big") + authority
    if tenant is None:
        return found + b"\x00"
    return found + b"\x01" + len(tenant.encode()).to_bytes(4, "big") + tenant.encode()


def _order(payer: Payer) -> tuple[bytes, bool, bytes]:
    return payer[0].encode(), payer[1] is not None, (payer[1] or "").encode()


def hashed_rows(table: pa.Table, version: int = ROW_VERSION) -> HashedRows:
    """The hashes of the rows of the events table, numbers and all."""
    import pyarrow.compute as pc  # here, not above: reports import this package and must not wait for Arrow

    from spanledger.store.canonical import leaf_hashes  # as above

    leaves = b"".join([b"".join(batch) for batch in leaf_hashes(table, version)])
    codes, payers = payer_codes(table)
    money = [name for name, kind in ROW_VERSIONS[version].columns if kind == "money"]
    sums = {name: sum_atto(table.column(name)) for name in money if table.column(name).null_count < table.num_rows}
    catalogs = frozenset(pc.unique(table.column("catalog_id")).to_pylist())
    return HashedRows(table.column("entry_number").to_numpy(), leaves, codes, payers, sums, catalogs)


def payer_codes(table: pa.Table) -> tuple[np.ndarray, list[Payer]]:
    """For each row the number of its payer, and the payers."""
    parts = [table.column(name).combine_chunks().dictionary_encode(null_encoding="encode") for name in ("authority", "tenant_id")]
    authorities, tenants = (part.dictionary.to_pylist() for part in parts)
    first, second = (part.indices.to_numpy(zero_copy_only=False).astype(np.int64) for part in parts)
    used, codes = np.unique(first * max(1, len(tenants)) + second, return_inverse=True)
    return codes, [(authorities[code // len(tenants)], tenants[code % len(tenants)]) for code in used.tolist()]


def atto_words(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a money column as 64-bit parts (`low` unsigned, `high` signed); NULL is zero."""
    import pyarrow as pa  # as above

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    words = np.frombuffer(array.buffers()[1], [("low", "<u8"), ("high", "<i8")])[array.offset : array.offset + len(array)]
    if array.null_count:
        words = words.copy()
        words[~array.is_valid().to_numpy(zero_copy_only=False)] = 0
    return words


def sum_atto(column: pa.ChunkedArray) -> int:
    """The exact sum of a money column in atto-USD, NULL left out; in parts that cannot overflow below 2^31 rows."""
    if not len(column):
        return 0
    words = atto_words(column)
    low = int((words["low"] & _LOW).sum()) + (int((words["low"] >> np.uint64(32)).sum()) << 32)
    high, top = int((words["high"] & np.int64(0xFFFF_FFFF)).sum()), int((words["high"] >> 32).sum())
    return low + (high << 64) + (top << 96)


def batch_roots(leaves: bytes, codes: np.ndarray, payers: Sequence[Payer]) -> list[PayerRoot]:
    """The payers' roots of a batch in the order of its tree. `leaves` and `codes` are in the order of booking."""
    if not len(codes):
        return []
    order = np.argsort(codes, kind="stable")
    ordered = np.frombuffer(leaves, f"V{merkle.HASH_BYTES}")[order].tobytes()
    sorted_codes = codes[order]
    bounds = [0, *(np.flatnonzero(sorted_codes[1:] != sorted_codes[:-1]) + 1).tolist(), len(codes)]
    found = [
        PayerRoot(payers[int(sorted_codes[a])], b - a, merkle.joined_root(ordered[a * merkle.HASH_BYTES : b * merkle.HASH_BYTES]))
        for a, b in pairwise(bounds)
    ]
    return sorted(found, key=lambda each: _order(each.payer))


def batch_root(roots: Iterable[PayerRoot]) -> bytes:
    """The root over a batch's payers."""
    return merkle.root([each.leaf for each in roots])


class Seal:
    """Gathers the entries of one commit, table by table, and seals them. Tables are hashed in a thread beside the caller."""

    def __init__(self) -> None:
        self._parts: list[HashedRows | Future[HashedRows]] = []
        self._thread: ThreadPoolExecutor | None = None

    def add(self, table: pa.Table) -> None:
        """Take rows of the events table, with their entry numbers."""
        if table.num_rows < _LARGE_ROWS:
            self._parts.append(hashed_rows(table))
            return
        self._thread = self._thread or ThreadPoolExecutor(1, "seal")
        if waiting := [part for part in self._parts if isinstance(part, Future) and not part.done()][:-1]:
            waiting[0].result()  # no more than two tables wait, for each holds its rows in memory
        self._parts.append(self._thread.submit(hashed_rows, table))

    def finish(self) -> Sealed:
        """Seal what was added. Raises RowError for rows that cannot be ones."""
        parts = [part.result() if isinstance(part, Future) else part for part in self._parts]
        self.close()
        return sealed(parts)

    def close(self) -> None:
        """Let the thread go."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None


def sealed(parts: Sequence[HashedRows]) -> Sealed:
    """The parts of a batch as one, in the order of booking."""
    if not parts:
        return Sealed(0, merkle.EMPTY_ROOT, 0, {}, (), ROW_VERSION)
    known: dict[Payer, int] = {}
    codes = np.concatenate([np.array([known.setdefault(payer, len(known)) for payer in part.payers])[part.codes] for part in parts])
    order = np.argsort(np.concatenate([part.numbers for part in parts]), kind="stable")
    leaves = np.frombuffer(b"".join([part.leaves for part in parts]), f"V{merkle.HASH_BYTES}")[order].tobytes()
    roots = batch_roots(leaves, codes[order], [*known])
    sums: dict[str, int] = {}
    for part in parts:
        for name, value in part.sums.items():
            sums[name] = sums.get(name, 0) + value
    catalogs = sorted(frozenset().union(*(part.catalogs for part in parts)))
    return Sealed(len(codes), batch_root(roots), len(roots), sums, catalogs, ROW_VERSION)
