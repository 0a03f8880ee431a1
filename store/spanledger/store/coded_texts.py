"""Text columns as numbers into the few texts they have: Parquet keeps them so, and most work on many rows needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_CODES_MAX: Final = 4_000_000


def encoded(column: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """A text column as codes into its texts, among which NULL may be, so that there is a code for each row."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    array = column
    if isinstance(array, pa.ChunkedArray):
        array = whole(array)
    if not pa.types.is_dictionary(array.type):
        return array.dictionary_encode(null_encoding="encode")
    if not array.null_count:
        return array
    texts = pa.concat_arrays([array.dictionary, pa.nulls(1, array.dictionary.type)])
    return pa.DictionaryArray.from_arrays(array.indices.fill_null(len(texts) - 1), texts)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The chunks of a column as one array."""
    import pyarrow as pa  # as above

    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def is_text(column: pa.ChunkedArray, text: str) -> np.ndarray:
    """Which rows of a column are this text."""
    codes = encoded(column)
    numbers: np.ndarray = codes.indices.to_numpy(zero_copy_only=False)
    found: np.ndarray = numbers == codes.dictionary.index(text).as_py()
    return found


def decoded(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column with its texts themselves."""
    import pyarrow as pa  # as above

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def joint_codes(columns: Sequence[pa.DictionaryArray], rows: int) -> tuple[np.ndarray, int]:
    """For each row a number for what it has in all of these columns together, and how many such numbers there are, from 0."""
    codes, size = np.zeros(rows, np.int64), 1
    for column in columns:
        width = max(1, len(column.dictionary))
        if size * width > _CODES_MAX:
            codes, size = _dense(codes, size)
        if width > 1:
            codes = codes * width + column.indices.to_numpy(zero_copy_only=False)
            size *= width
    return _dense(codes, size)


def _dense(codes: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Codes below `size` as numbers without gaps, and how many there are."""
    if size > _CODES_MAX:
        used, found = np.unique(codes, return_inverse=True)
        return found, len(used)
    used = np.zeros(size, bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes], int(used.sum())
