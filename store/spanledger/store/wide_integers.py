"""Arrays of 128-bit integers for numpy, which has none: money in atto-USD as Arrow keeps it, (low, high) 64-bit words a value.

Only what re-pricing needs: in and out of Arrow without a copy of meaning, difference, negation, equality. Nothing here rounds or overflows
silently: amounts are within DECIMAL(38,18), far below 2^127, and so are their differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Wide = np.ndarray
"""Shape (…, 2), int64: the low word (its bits; unsigned by meaning), then the high one."""


def zeros(*shape: int) -> Wide:
    """Zeros."""
    return np.zeros((*shape, 2), np.int64)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> Wide:
    """The unscaled integers of a decimal128 array; NULL is zero."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)] if len(array) else zeros(0)
    if array.null_count:
        words = np.where(valid(array)[:, None], words, 0)
    return words


def valid(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Which values are not NULL."""
    found: np.ndarray = array.is_valid().to_numpy(zero_copy_only=False) if not hasattr(array, "num_chunks") else array.is_valid().to_numpy()
    return found


def to_arrow(values: Wide, kind: pa.DataType, present: np.ndarray | None = None) -> pa.Array:
    """A decimal128 array of these unscaled integers; NULL where not `present`."""
    import pyarrow as pa  # as above

    buffer = pa.py_buffer(np.ascontiguousarray(values, np.int64))
    bits = None
    if present is not None and not present.all():
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, buffer])


def difference(one: Wide, other: Wide) -> Wide:
    """`one - other`."""
    low, sub = one[..., 0].view(np.uint64), other[..., 0].view(np.uint64)
    found = np.empty_like(one)
    found[..., 0] = (low - sub).view(np.int64)
    found[..., 1] = one[..., 1] - other[..., 1] - (low < sub)
    return found


def negated(values: Wide) -> Wide:
    """`-values`."""
    return difference(np.zeros_like(values), values)


def equal(one: Wide, other: Wide) -> np.ndarray:
    """Where both are the same."""
    found: np.ndarray = (one == other).all(axis=-1)
    return found


def to_ints(values: Wide) -> list[int]:
    """As Python integers."""
    return [(high << 64) + (low & 0xFFFF_FFFF_FFFF_FFFF) for low, high in values.tolist()]
