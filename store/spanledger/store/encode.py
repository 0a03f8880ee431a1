"""Python columns to Arrow arrays and back, by the shortest way there is: a few tens of nanoseconds a value.

Every builder takes the values of one column in row order, None for NULL. What does not fit raises RowError before a byte is written.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa

from spanledger.store.errors import RowError
from spanledger.store.schema import Field, FieldType

_INTEGERS = frozenset({int, type(None)})
MONEY = pa.decimal128(38, 18)
MONEY_LIMIT = 10**38
"""Atto-USD a DECIMAL(38,18) can hold, exclusive: a hundred billion billion dollars."""

USAGE_ITEM = pa.struct([pa.field("unit", pa.string()), pa.field("quantity", pa.int64())])
LINE_ITEM = pa.struct(
    [
        pa.field("unit", pa.string()),
        pa.field("quantity", pa.int64()),
        pa.field("rate_id", pa.string()),
        pa.field("amount", pa.string()),
        pa.field("per", pa.int64()),
        pa.field("cost_usd", MONEY),
    ]
)

ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "id16": pa.binary(16),
    "id8": pa.binary(8),
    "text": pa.string(),
    "int": pa.int64(),
    "ns": pa.int64(),
    "money": MONEY,
    "bool": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "usage": pa.list_(USAGE_ITEM),
    "lines": pa.list_(LINE_ITEM),
    "key": pa.uint64(),
}


@contextmanager
def no_collection() -> Iterator[None]:
    """Turning rows to columns makes an iterator a row, which sets the cycle collector off again and again: it doubles the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema([pa.field(field.name, ARROW_TYPES[field.type], field.nullable) for field in fields])


def ids(values: Sequence[bytes | None], width: int, name: str) -> pa.Array:
    """Fixed-width ids; None is NULL. Wrong widths are refused: they would shift every id after them."""
    count = len(values)
    try:
        joined = b"".join(values)  # type: ignore[arg-type]  # the usual case, without NULLs, is one copy; TypeError says there is one
        if len(joined) == count * width and all(map(width.__eq__, map(len, values))):  # type: ignore[arg-type]  # no None: join took them
            return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, pa.py_buffer(joined)])
    except TypeError:
        pass
    try:
        return pa.array(values, pa.binary(width))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowError(f"{name}: an id is not {width} bytes long") from error


def texts(values: Sequence[str | None], name: str) -> pa.Array:
    """Text. Lone surrogates (JSON can carry them) become '?': no file format has them, and one name must not stop the ledger."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else value.encode("utf-8", "replace").decode() for value in values], pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowError(f"{name}: a value is not text") from error


def integers(values: Sequence[int | None], name: str, kind: pa.DataType | None = None) -> pa.Array:
    """64-bit integers."""
    _refuse_other_types(values, name)
    try:
        return pa.array(values, kind or pa.int64())
    except (OverflowError, pa.ArrowInvalid) as error:
        raise RowError(f"{name}: a value is not an integer of 64 bits") from error


def _refuse_other_types(values: Sequence[Any], name: str) -> None:
    """Arrow would cut a float to an integer without a word."""
    if not _INTEGERS.issuperset(map(type, values)):
        raise RowError(f"{name}: a value is not an integer")


def money(values: Sequence[int | None], name: str) -> pa.Array:
    """Atto-USD as DECIMAL(38,18): the integer is the decimal's unscaled value, so nothing is ever rounded."""
    _refuse_other_types(values, name)
    try:
        low = pa.array(values, pa.int64())  # all within 9 dollars, which is nearly always
    except (OverflowError, pa.ArrowInvalid):
        return _large_money(values, name)
    words = np.empty((len(values), 2), np.int64)
    words[:, 0] = low.fill_null(0).to_numpy() if low.null_count else low.to_numpy()
    np.right_shift(words[:, 0], 63, out=words[:, 1])
    return pa.Array.from_buffers(MONEY, len(values), [low.buffers()[0], pa.py_buffer(words)], low.null_count)


def _large_money(values: Sequence[int | None], name: str) -> pa.Array:
    if any(value is not None and not -MONEY_LIMIT < value < MONEY_LIMIT for value in values):
        raise RowError(f"{name}: an amount does not fit DECIMAL(38,18)")
    present = pa.array([value is not None for value in values], pa.bool_())
    joined = b"".join([(value or 0).to_bytes(16, "little", signed=True) for value in values])
    return pa.Array.from_buffers(MONEY, len(values), [present.buffers()[1], pa.py_buffer(joined)])


def booleans(values: Sequence[bool | None], name: str) -> pa.Array:
    """True and False."""
    try:
        return pa.array(values, pa.bool_())
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowError(f"{name}: a value is not true or false") from error


def text_lists(values: Sequence[tuple[str, ...] | None], name: str) -> pa.Array:
    """Lists of texts; None is NULL, which is another thing than an empty list."""
    return _lists(values, lambda flat: texts(flat, name))


def usage(values: Sequence[tuple[tuple[str, int], ...] | None], name: str) -> pa.Array:
    """Lists of (unit, quantity)."""

    def items(flat: list[Any]) -> pa.Array:
        units, quantities = zip(*flat, strict=True) if flat else ((), ())
        return pa.StructArray.from_arrays([texts(units, name), integers(quantities, name)], fields=list(USAGE_ITEM))

    return _lists(values, items)


def lines(values: Sequence[tuple[Any, ...] | None], name: str) -> pa.Array:
    """Lists of priced lines."""

    def items(flat: list[Any]) -> pa.Array:
        unit, quantity, rate_id, amount, per, cost = zip(*flat, strict=True) if flat else ((), (), (), (), (), ())
        columns = [
            texts(unit, name),
            integers(quantity, name),
            texts(rate_id, name),
            texts(amount, name),
            integers(per, name),
            money(cost, name),
        ]
        return pa.StructArray.from_arrays(columns, fields=list(LINE_ITEM))

    return _lists(values, items)


def _lists(values: Sequence[tuple[Any, ...] | None], items: Callable[[list[Any]], pa.Array]) -> pa.Array:
    absent = values.count(None)
    full = [value or () for value in values] if absent else values
    offsets = pa.array([0, *accumulate(map(len, full))], pa.int32())  # type: ignore[arg-type]  # no None is left in it
    flat = items(list(chain.from_iterable(full)))  # type: ignore[arg-type]  # as above
    if not absent:
        return pa.ListArray.from_arrays(offsets, flat)
    missing = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(offsets, flat, mask=missing)


def column(field: Field, values: Sequence[Any]) -> pa.Array:
    """The Arrow array of one column."""
    if field.nullable and values.count(None) == len(values):
        return pa.nulls(len(values), ARROW_TYPES[field.type])
    match field.type:
        case "text":
            return texts(values, field.name)
        case "int" | "ns":
            return integers(values, field.name)
        case "money":
            return money(values, field.name)
        case "id16":
            return ids(values, 16, field.name)
        case "id8":
            return ids(values, 8, field.name)
        case "bool":
            return booleans(values, field.name)
        case "texts":
            return text_lists(values, field.name)
        case "usage":
            return usage(values, field.name)
        case "lines":
            return lines(values, field.name)
        case "key":
            return integers(values, field.name, pa.uint64())


def atto(array: pa.Array | pa.ChunkedArray) -> list[int | None]:
    """DECIMAL(38,18) values back as integers of atto-USD."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    data = memoryview(array.buffers()[1])[array.offset * 16 :]
    found: list[int | None] = [int.from_bytes(data[i : i + 16], "little", signed=True) for i in range(0, len(array) * 16, 16)]
    if array.null_count:
        found = [value if valid else None for value, valid in zip(found, array.is_valid().to_pylist(), strict=True)]
    return found
