"""Gives memory back: glibc learns to keep large blocks once some were freed, and a server that met large requests would stay large."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 256 << 10
_ARENAS = 4


def give_memory_back() -> bool:
    """Have large blocks mapped on their own, and unmapped when they are freed; False where the C library is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {_M_MMAP_THRESHOLD: _LARGE_BYTES, _M_TRIM_THRESHOLD: 4 * _LARGE_BYTES, _M_ARENA_MAX: _ARENAS}
    return all(mallopt(what, value) == 1 for what, value in settings.items())
