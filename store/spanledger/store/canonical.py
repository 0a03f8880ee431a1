"""The one byte string that a ledger entry is, for hashing: the same from records at commit and from Parquet years later.

Files are no basis for a proof: compaction, another writer version or another compression change them and mean the same. What is hashed
is the row, in the encoding that docs/proof.md spells out, made here for many rows at a time out of Arrow columns. `plain_row.py` makes
the same bytes of one row without Arrow, for those who check a proof and as the oracle of this module's tests.

A *row version* is a list of columns that never changes once it is released; a commit's chain record says which one its leaves have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from spanledger.store.errors import RowError
from spanledger.store.row_versions import FIXED_BYTES, ITEMS, ROW_VERSIONS, Shape

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS: Final = 4_096
"""Rows encoded at a time: their bytes should not leave the processor's cache before they are hashed."""

LEAF: Final = b"\x00"
"""What RFC 6962 puts before the data of a leaf. It is written with the row, so that hashing needs no copy."""


class Encoded(NamedTuple):
    """Byte strings end to end: number i is `data[offsets[i]:offsets[i + 1]]`."""

    data: Any
    offsets: np.ndarray


def leaf_hashes(table: pa.Table, version: int) -> Iterator[list[bytes]]:
    """SHA-256(0x00 ‖ row) of the rows of a table, a batch at a time, in their order. Raises RowError for a value no row can have."""
    shape = ROW_VERSIONS[version]
    table = table.select([name for name, _ in shape.columns])
    head = LEAF + version.to_bytes(2, "big")
    sha256 = hashlib.sha256().copy  # which costs half of what making one does
    for start in range(0, table.num_rows, BATCH_ROWS):
        rows = encoded([_whole(column) for column in table.slice(start, BATCH_ROWS).columns], shape, head)
        data, ends = memoryview(rows.data), rows.offsets.tolist()
        hashes = []
        for a, b in pairwise(ends):
            leaf = sha256()
            leaf.update(data[a:b])
            hashes.append(leaf.digest())
        yield hashes


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def encoded(columns: Sequence[pa.Array], shape: Shape, head: bytes = b"") -> Encoded:
    """The rows that these columns are, as bytes: `head`, presence, values of fixed width, lengths of the others, the others."""
    import pyarrow as pa  # here, not above: reports import this package and must not wait for Arrow
    import pyarrow.compute as pc  # as above

    count = len(columns[0])
    if not count:
        return Encoded(b"", np.zeros(1, np.int32))
    rows = np.zeros(count, _layout(shape, len(head)))
    rows["head"] = np.frombuffer(head, f"V{len(head)}") if head else b""
    others: list[pa.Array] = []
    for column, (name, kind) in zip(columns, shape.columns, strict=True):
        missing = column.null_count
        if missing and not shape.has_presence:
            raise RowError("a list holds an item with a NULL in it")
        if missing == count:
            continue  # all that is left of it is zeros
        if shape.has_presence:
            rows["?" + name] = column.is_valid().to_numpy(zero_copy_only=False) if missing else 1
        if kind in FIXED_BYTES:
            _set_fixed(rows, name, kind, column)
        else:
            others.append(_other(column, kind))
            rows[name] = pc.binary_length(others[-1]).to_numpy()
    width = rows.dtype.itemsize
    heads = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, pa.py_buffer(rows.view(np.uint8))])
    joined = pc.binary_join_element_wise(heads.cast(pa.binary()), *others, pa.scalar(b"", pa.binary()))
    return Encoded(joined.buffers()[2], np.frombuffer(joined.buffers()[1], np.int32, count + 1))


@cache
def _layout(shape: Shape, head_bytes: int) -> np.dtype[np.void]:
    """The part of a row before its texts as numpy writes it: every integer big end first, nothing between."""
    kinds = {"int": ">i8", "ns": ">i8", "bool": "u1", "id16": "V16", "id8": "V8", "money": [("high", ">i8"), ("low", ">u8")]}
    fields: list[Any] = [("head", f"V{head_bytes}")]
    fields += [("?" + name, "u1") for name, _ in shape.columns] * shape.has_presence
    fields += [(name, kinds[kind]) for name, kind in shape.columns if kind in FIXED_BYTES]
    fields += [(name, ">u4") for name, kind in shape.columns if kind not in FIXED_BYTES]
    return np.dtype(fields)


def _set_fixed(rows: np.ndarray, name: str, kind: str, column: pa.Array) -> None:
    """Set the values of a fixed width; a NULL is zeros."""
    import pyarrow.compute as pc  # as above

    if kind in ("int", "ns", "bool"):
        rows[name] = (pc.fill_null(column, 0) if column.null_count else column).to_numpy(zero_copy_only=False)
        return
    valid = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
    raw, part = column.buffers()[1], slice(column.offset, column.offset + len(column))
    if kind == "money":  # Arrow keeps the unscaled integer, which is the atto-USD, as 16 bytes with the little end first
        words = np.frombuffer(raw, [("low", "<u8"), ("high", "<i8")])[part]
        for word in ("low", "high"):
            rows[name][word] = words[word] if valid is None else np.where(valid, words[word], 0)
        return
    values = np.frombuffer(raw, f"V{FIXED_BYTES[kind]}")[part]
    if valid is None:
        rows[name] = values
    else:
        rows[name][valid] = values[valid]


def _other(column: pa.Array, kind: str) -> pa.Array:
    """Texts and lists as a binary array; a NULL is nothing."""
    import pyarrow as pa  # as above
    import pyarrow.compute as pc  # as above

    if kind == "text":
        found = column.view(pa.binary())
        return pc.fill_null(found, b"") if column.null_count else found
    items = column.flatten()
    if items.null_count:
        raise RowError("a list holds a NULL")
    inner = encoded([items] if kind == "texts" else items.flatten(), ITEMS[kind])
    lengths = column.value_lengths()
    ends = np.zeros(len(column) + 1, np.int64)
    np.cumsum((pc.fill_null(lengths, 0) if lengths.null_count else lengths).to_numpy(), out=ends[1:])
    offsets = inner.offsets[ends].astype(np.int32)
    data = inner.data if isinstance(inner.data, pa.Buffer) else pa.py_buffer(inner.data)
    return pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(offsets), data])
