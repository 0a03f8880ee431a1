"""The canonical bytes of one row from plain values, without Arrow: how a proof is checked, and what `canonical.py` is held to.

Values are as an event is shown in JSON: ids in hex, money as decimal text in USD, counts and nanoseconds as integers, lists as lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanledger.enrich.money import atto_from_text
from spanledger.store.errors import RowError
from spanledger.store.row_versions import FIXED_BYTES, ITEMS, ROW_VERSIONS, Shape


def row_bytes(row: Mapping[str, Any], version: int) -> bytes:
    """The bytes that a leaf hashes (after its 0x00). Raises RowError for what is no row: a column missing, a value of another type."""
    shape = ROW_VERSIONS.get(version)
    if shape is None:
        raise RowError(f"row version {version} is not known to this version of spanledger")
    names = {name for name, _ in shape.columns}
    if names != row.keys():
        odd = sorted(names ^ row.keys())
        raise RowError(f"not a row of version {version}: {', '.join(odd[:5])} missing or too many")
    return version.to_bytes(2, "big") + _parts(shape, [row[name] for name, _ in shape.columns])


def _parts(shape: Shape, values: Sequence[Any]) -> bytes:
    presence, fixed, lengths, others = bytearray(), bytearray(), bytearray(), bytearray()
    for (name, kind), value in zip(shape.columns, values, strict=True):
        if value is None and not shape.has_presence:
            raise RowError(f"{name}: a list holds an item with a NULL in it")
        presence.append(value is not None)
        if kind in FIXED_BYTES:
            fixed += bytes(FIXED_BYTES[kind]) if value is None else _fixed(name, kind, value)
            continue
        other = b"" if value is None else _other(name, kind, value)
        lengths += len(other).to_bytes(4, "big")
        others += other
    return bytes((presence if shape.has_presence else b"") + fixed + lengths + others)


def _fixed(name: str, kind: str, value: Any) -> bytes:
    try:
        if kind == "bool" and isinstance(value, bool):
            return bytes([value])
        if kind in ("int", "ns") and isinstance(value, int) and not isinstance(value, bool):
            return value.to_bytes(8, "big", signed=True)
        if kind == "money" and isinstance(value, str):
            return atto_from_text(value).to_bytes(16, "big", signed=True)
        if kind in ("id16", "id8") and isinstance(value, str) and len(value) == 2 * FIXED_BYTES[kind]:
            return bytes.fromhex(value)
    except (ValueError, OverflowError):
        pass
    raise RowError(f"{name}: not a value of type {kind}")


def _other(name: str, kind: str, value: Any) -> bytes:
    if kind == "text" and isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise RowError(f"{name}: not text") from error
    if kind in ITEMS and isinstance(value, list):
        shape = ITEMS[kind]
        if kind == "texts":
            return b"".join(_parts(shape, [item]) for item in value)
        parts = [part for part, _ in shape.columns]
        if all(isinstance(item, dict) and item.keys() == set(parts) for item in value):
            return b"".join(_parts(shape, [item[part] for part in parts]) for item in value)
    raise RowError(f"{name}: not a value of type {kind}")
