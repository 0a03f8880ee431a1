"""Inflation with bounds: a body of zeros, a thousand times smaller than what it says, is given up after its first MiB."""

from __future__ import annotations

import zlib

from spanledger.receiver.errors import MalformedRequest, TooLarge

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_STEP = 1 << 16
RATIO_MAX = 200
"""Spans hold ids that do not compress: exporters reach 10 to 30, a test that repeats itself perhaps 80."""
RATIO_FREE_BYTES = 1 << 20
"""Up to this size a body may have any ratio: it does no harm."""


def told_size(data: bytes | bytearray) -> int:
    """How large a gzip body says its last member is. A hint, to begin in the right place: nothing holds it to that."""
    return int.from_bytes(data[-4:], "little")


def gunzip(data: bytes | bytearray, bytes_max: int, ratio_max: int = RATIO_MAX) -> bytes:
    """The inflated body, of one or more gzip members.

    Raises TooLarge above `bytes_max`, or above `ratio_max` times what was read when it is no longer small; else MalformedRequest.
    """
    found = bytearray()
    rest = memoryview(data)
    while True:
        read = _member(rest, found, bytes_max, ratio_max, len(data) - len(rest))
        rest = rest[read:]
        if not rest:
            return bytes(found)
        if bytes(rest[:2]) != _GZIP_MAGIC:
            raise MalformedRequest("something follows the gzip body")


def _member(data: memoryview, found: bytearray, bytes_max: int, ratio_max: int, read_before: int) -> int:
    """Add one member to what was found; how many bytes it took."""
    inflater = zlib.decompressobj(_GZIP)
    read = 0
    piece: bytes | memoryview = b""
    while not inflater.eof:
        if not piece:
            piece = data[read : read + _STEP]
            if not piece:
                raise MalformedRequest("the gzip body is cut off")
            read += len(piece)
        try:
            found += inflater.decompress(piece, _STEP)
        except zlib.error as error:
            raise MalformedRequest("the body is not valid gzip") from error
        piece = inflater.unconsumed_tail
        if len(found) > bytes_max:
            raise TooLarge(f"the body inflates to more than {bytes_max} bytes")
        if len(found) > RATIO_FREE_BYTES and len(found) > ratio_max * (read_before + read - len(piece)):
            raise TooLarge(f"the body inflates to more than {ratio_max} times its size")
    return read - len(inflater.unused_data)
