"""Tells of what goes wrong in an event loop outside of any request, without flooding the log and without a traceback.

A server without a free file handle cannot take a connection; asyncio says so for each one that waits, each second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
_KINDS_MAX = 64


class Complaints:
    """A loop's exception handler: each kind of fault once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}

    def __call__(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """See asyncio's `set_exception_handler`. Only the system's own words for an error are repeated: others may quote what was sent."""
        error = context.get("exception")
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        what = f"{context['message']}: {reason}"
        now = self._clock()
        if now < self._told_at.get(what, now - EVERY_SECONDS) + EVERY_SECONDS:
            return
        if len(self._told_at) >= _KINDS_MAX:
            self._told_at.clear()
        self._told_at[what] = now
        _log.error("receiving over HTTP: %s", what)
