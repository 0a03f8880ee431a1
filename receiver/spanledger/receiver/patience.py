"""Ends gRPC calls whose message does not arrive: each holds a thread while it waits, and a client may wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_BUSY_SECONDS = 1.0
_LOOK_SECONDS = 0.25


@dataclass(slots=True, eq=False)
class Waiting:
    """A call that waits for its message, since a time of the monotonic clock."""

    since: float
    context: Any
    is_up: bool = False


class Patience:
    """Cancels calls that wait longer than `seconds`, from one thread for all of them; longer than a second while `is_busy`.

    A client that means well sends its message right behind the head of the call, so when all threads are taken, who waits goes first.
    """

    def __init__(self, seconds: float, is_busy: Callable[[], bool] = lambda: False) -> None:
        self._seconds = seconds
        self._is_busy = is_busy
        self._waiting: dict[int, Waiting] = {}  # oldest first, as they are added
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="otlp-grpc-patience", daemon=True)
        self._thread.start()

    @contextmanager
    def with_call(self, context: Any) -> Iterator[Waiting]:
        """The time inside counts as waiting; when it is up, `context.cancel()` is called and the Waiting says so."""
        waiting = Waiting(time.monotonic(), context)
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
        while not self._stopped.wait(min(self._seconds / 2, _LOOK_SECONDS)):
            seconds = min(self._seconds, _BUSY_SECONDS) if self._is_busy() else self._seconds
            before = time.monotonic() - seconds
            for waiting in list(self._waiting.values()):
                if waiting.since > before:
                    break
                waiting.is_up = True
                waiting.context.cancel()
