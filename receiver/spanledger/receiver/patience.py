"""Ends gRPC calls whose message does not arrive: each holds a thread while it waits, and a client may wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Waiting:
    """A call that waits for its message, until a time of the monotonic clock."""

    until: float
    context: Any
    is_up: bool = False


class Patience:
    """Cancels calls that wait longer than `seconds`, from one thread for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[int, Waiting] = {}  # oldest first, as they are added
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="otlp-grpc-patience", daemon=True)
        self._thread.start()

    @contextmanager
    def with_call(self, context: Any) -> Iterator[Waiting]:
        """The time inside counts as waiting; when it is up, `context.cancel()` is called and the Waiting says so."""
        waiting = Waiting(time.monotonic() + self._seconds, context)
        self._waiting[id(waiting)] = waiting
        try:
            yield waiting
        finally:
            del self._waiting[id(waiting)]

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._seconds / 2, 1.0)):
            now = time.monotonic()
            for waiting in list(self._waiting.values()):
                if waiting.until > now:
                    break
                waiting.is_up = True
                waiting.context.cancel()
