"""Arrays of 128-bit integers for numpy, which has none: money in atto-USD as Arrow keeps it, (low, high) 64-bit words a value.

Only what re-pricing needs: in and out of Arrow without a copy of meaning, sums, difference, negation, equality, division. Nothing
overflows silently: amounts are within DECIMAL(38,18), far below 2^127, and so are their differences; a division rounds half-even.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Wide = np.ndarray
"""Shape (…, 2), int64: the low word (its bits; unsigned by meaning), then the high one."""

_INT64_MAX: Final = 2**63 - 1
_HALF: Final = 0xFFFF_FFFF


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


def of_int64(values: np.ndarray) -> Wide:
    """Integers of 64 bits as wide ones."""
    found = np.empty((len(values), 2), np.int64)
    found[:, 0] = values
    np.right_shift(values, 63, out=found[:, 1])
    return found


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


def summed(count: int, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Wide:
    """For each of `count` places the sum of what the parts have for it: (places, each at most once, and their values). Values are wide, or
    of 64 bits and not negative."""
    if all(values.ndim == 1 for _, values in parts) and sum(int(values.max()) for _, values in parts if len(values)) <= _INT64_MAX:
        total = np.zeros(count, np.int64)
        for at, values in parts:
            total[at] += values
        return of_int64(total)
    found = zeros(count)
    for at, values in parts:
        found[at] = difference(found[at], negated(of_int64(values) if values.ndim == 1 else values))
    return found


def group_sums(values: Wide, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of the runs of values that begin there, as (low, middle, high): low + middle * 2^32 + high * 2^64; all zero only for zero.

    Exact for runs of fewer than 2^31 values.
    """
    low, high = values[:, 0], values[:, 1]
    bottom = np.add.reduceat(low & _HALF, begins)
    middle = np.add.reduceat((low >> 32) & _HALF, begins) + (bottom >> 32)
    return bottom & _HALF, middle & _HALF, np.add.reduceat(high, begins) + (middle >> 32)


def group_ints(values: Wide, begins: np.ndarray) -> list[int]:
    """Sums of the runs of values that begin there, as Python integers."""
    if not len(values):
        return []
    return [
        low + (middle << 32) + (high << 64)
        for low, middle, high in zip(*(each.tolist() for each in group_sums(values, begins)), strict=True)
    ]


def divided(connection: duckdb.DuckDBPyConnection, counts: np.ndarray, which: np.ndarray, fractions: Sequence[tuple[int, int]]) -> Wide:
    """Counts times fractions (numerator, denominator), of which `which` says the number: rounded half-even to whole numbers, exactly."""
    from decimal import Decimal

    import pyarrow as pa  # as above

    kind = pa.decimal128(38, 0)
    top, bottom = (pa.array([Decimal(fraction[n]) for fraction in fractions], kind) for n in (0, 1))
    connection.register("fractions", pa.table({"n": pa.array(np.arange(len(fractions))), "top": top, "bottom": bottom}))
    connection.register("counts", pa.table({"i": pa.array(np.arange(len(counts))), "count": pa.array(counts), "which": pa.array(which)}))
    try:
        found = connection.sql(_ROUNDED).to_arrow_table().combine_chunks()
    finally:
        connection.unregister("counts")
        connection.unregister("fractions")
    return from_arrow(found.column("rounded"))


_ROUNDED: Final = """
    SELECT quotient + CASE WHEN 2 * rest > divisor OR (2 * rest = divisor AND quotient % 2 = 1) THEN 1 ELSE 0 END AS rounded
    FROM (SELECT i, bottom::HUGEINT AS divisor, count::HUGEINT * top::HUGEINT AS product,
                 product // divisor AS quotient, product % divisor AS rest
          FROM counts JOIN fractions ON which = n)
    ORDER BY i
"""


def equal(one: Wide, other: Wide) -> np.ndarray:
    """Where both are the same."""
    found: np.ndarray = (one == other).all(axis=-1)
    return found
