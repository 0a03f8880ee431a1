"""What stands in for a text that is not kept: its length and a keyed hash, so that a change shows and the text does not."""

from __future__ import annotations

import re
from hashlib import blake2b

PREFIX = b"pruned:"
_REDACTED = re.compile(rb"pruned:[0-9]{1,12}:[0-9a-f]{16}")
_KEY_BYTES_MAX = 64


class Redactor:
    """Replaces texts. `secret` is the data folder's own: without it nobody can test a guess of a text against its hash."""

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("pruning needs a secret")
        if len(secret) > _KEY_BYTES_MAX:
            secret = blake2b(secret).digest()
        self._keyed = blake2b(digest_size=8, key=secret)

    def text(self, data: bytes) -> bytes:
        """`pruned:<length in characters>:<16 hex>` for a UTF-8 text; an empty or already replaced one stays as it is."""
        if not data or is_redacted(data):
            return data
        return self._replacement(data, len(data) if data.isascii() else len(data.decode("utf-8", "replace")))

    def binary(self, data: bytes) -> bytes:
        """The same for bytes that are no text; the length is in bytes."""
        return self._replacement(data, len(data)) if data else data

    def _replacement(self, data: bytes, length: int) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(data)
        return b"pruned:%d:%s" % (length, keyed.hexdigest().encode())


def is_redacted(data: bytes) -> bool:
    """Whether a text is a replacement already, as in a request that is pruned a second time."""
    return data.startswith(PREFIX) and _REDACTED.fullmatch(data) is not None
