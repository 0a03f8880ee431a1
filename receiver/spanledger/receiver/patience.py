"""Ends gRPC calls whose message does not arrive: each holds a thread while it waits, and a client may wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Patience:
    """Cancels calls that wait longer than `seconds`, from one thread for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[object, tuple[float, Any]] = {}  # oldest first, as they are added
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="otlp-grpc-patience", daemon=True)
        self._thread.start()

    @contextmanager
    def with_call(self, context: Any) -> Iterator[None]:
        """The time inside counts as waiting; `context.cancel()` is called when it is up."""
        token = object()
        self._waiting[token] = (time.monotonic() + self._seconds, context)
        try:
            yield
        finally:
            del self._waiting[token]

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._seconds / 2, 1.0)):
            now = time.monotonic()
            for until, context in list(self._waiting.values()):
                if until > now:
                    break
                context.cancel()
