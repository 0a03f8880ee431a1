"""How a received request lies in the journal: one checksummed frame a record, readable without any other file.

    magic    u32   "SPLJ", so that a scan can find the next frame behind a damaged one
    length   u32   bytes after the checksum
    checksum u64   xxh3_64 over length and everything after the checksum, seeded with the frame's position, so that bytes
                   which merely look like a frame (inside a request, or left over on a disk) never pass for one
    version  u8, signal u8, authority length u16, tenant length u16, key length u16, received_ns i64
    authority, tenant, key id (UTF-8), request bytes

All integers are little-endian. A length of 0xFFFF says that the text is absent.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import xxhash

VERSION = 1
SIGNAL_TRACES = 1
MAGIC = b"SPLJ"
_ABSENT = 0xFFFF
_OUTER = struct.Struct("<4sIQ")
_INNER = struct.Struct("<BBHHHq")
_LENGTH = struct.Struct("<I")
OUTER_BYTES = _OUTER.size
FRAME_BYTES_MIN = _OUTER.size + _INNER.size
BODY_BYTES_MAX = 1 << 30
"""More than any request limit allows: a larger length can only be damage."""


class Record(NamedTuple):
    """One acknowledged request: who sent it (`authority` and the key's tenant and id, None without a key), when it came
    (`received_ns`, UTC) and what is kept of it (`request`, a serialized ExportTraceServiceRequest)."""

    authority: str
    key_tenant: str | None
    key_id: str | None
    received_ns: int
    request: bytes


class DamagedFrameError(ValueError):
    """The bytes at a position are not the frame that was written there."""


class UnknownFrameError(DamagedFrameError):
    """A frame is whole, but another release wrote it: it must not be passed over as if it were damaged."""


def _text(value: str | None) -> tuple[int, bytes]:
    if value is None:
        return _ABSENT, b""
    data = value.encode()
    if len(data) >= _ABSENT:
        raise ValueError(f"a name of {len(data)} bytes does not fit a journal frame")
    return len(data), data


def head_of(record: Record) -> bytes:
    """The part of a frame between checksum and request; it does not depend on the position, so senders' threads make it."""
    authority_length, authority = _text(record.authority)
    tenant_length, tenant = _text(record.key_tenant)
    key_length, key = _text(record.key_id)
    inner = _INNER.pack(VERSION, SIGNAL_TRACES, authority_length, tenant_length, key_length, record.received_ns)
    return inner + authority + tenant + key


def outer_of(head: bytes, request: bytes, position: int) -> bytes:
    """The first 16 bytes of the frame that holds `head` and `request` at `position`."""
    length = len(head) + len(request)
    return _OUTER.pack(MAGIC, length, _checksum(length, head, request, position))


def frame_bytes(head: bytes, request: bytes) -> int:
    """How far a frame of these parts moves the position on."""
    return OUTER_BYTES + len(head) + len(request)


def _checksum(length: int, head: bytes | memoryview, request: bytes | memoryview, position: int) -> int:
    digest = xxhash.xxh3_64(seed=position)
    digest.update(_LENGTH.pack(length))
    digest.update(head)
    digest.update(request)
    return digest.intdigest()


def stated_bytes(data: memoryview, offset: int) -> int | None:
    """The size of the frame at `offset` by its own length field, or None when its first bytes are not there yet.

    Raises DamagedFrameError when no frame starts there.
    """
    if len(data) - offset < OUTER_BYTES:
        return None
    magic, length, _ = _OUTER.unpack_from(data, offset)
    if magic != MAGIC or not _INNER.size <= length <= BODY_BYTES_MAX:
        raise DamagedFrameError("no frame starts here")
    return OUTER_BYTES + int(length)


def check(data: memoryview, offset: int, position: int) -> int:
    """The size of the whole and undamaged frame at `offset` of `data`, which lies at `position`; else DamagedFrameError."""
    size = stated_bytes(data, offset)
    if size is None or len(data) - offset < size:
        raise DamagedFrameError("the frame is cut off")
    _, length, checksum = _OUTER.unpack_from(data, offset)
    body = data[offset + OUTER_BYTES : offset + size]
    if _checksum(length, body[: _INNER.size], body[_INNER.size :], position) != checksum:
        raise DamagedFrameError("the checksum does not match")
    return size


def received_ns_of(data: memoryview, offset: int) -> int:
    """When the request of the (checked) frame at `offset` came."""
    received_ns: int = _INNER.unpack_from(data, offset + OUTER_BYTES)[5]
    return received_ns


def decode(data: memoryview, offset: int, position: int) -> tuple[int, Record]:
    """(size, record) of the frame at `offset` of `data`, which lies at `position` in the journal; else DamagedFrameError."""
    size = check(data, offset, position)
    version, signal, authority_length, tenant_length, key_length, received_ns = _INNER.unpack_from(data, offset + OUTER_BYTES)
    if version != VERSION or signal != SIGNAL_TRACES:
        raise UnknownFrameError(f"frame version {version}, signal {signal}: written by another release")
    at = offset + FRAME_BYTES_MIN
    texts: list[str | None] = []
    for length in (authority_length, tenant_length, key_length):
        if length == _ABSENT:
            texts.append(None)
            continue
        texts.append(str(data[at : at + length], "utf-8"))
        at += length
    request = bytes(data[at : offset + size])
    return size, Record(texts[0] or "", texts[1], texts[2], received_ns, request)
