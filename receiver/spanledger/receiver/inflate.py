"""Inflation with a bound: a body of zeros, a thousand times smaller than what it says, never becomes more than the limit."""

from __future__ import annotations

import zlib

from spanledger.receiver.errors import MalformedRequest, TooLarge

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"


def gunzip(data: bytes, bytes_max: int) -> bytes:
    """The inflated body, of one or more gzip members. Raises TooLarge above `bytes_max`, MalformedRequest for anything else."""
    parts: list[bytes] = []
    room = bytes_max
    while True:
        inflater = zlib.decompressobj(_GZIP)
        try:
            part = inflater.decompress(data, room + 1)
        except zlib.error as error:
            raise MalformedRequest("the body is not valid gzip") from error
        if len(part) > room:
            raise TooLarge(f"the body inflates to more than {bytes_max} bytes")
        if not inflater.eof:
            raise MalformedRequest("the gzip body is cut off")
        parts.append(part)
        room -= len(part)
        data = inflater.unused_data
        if not data:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if not data.startswith(_GZIP_MAGIC):
            raise MalformedRequest("something follows the gzip body")
