"""Work shared by processes: this one and a few more, each taking the next task as soon as it is free.

A pool alone would leave this process idle while others start, which for a ledger of a few hundred thousand entries is most of the time.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
PROCESSES_MAX: Final = 8


class Crew:
    """`pool` has `helpers` processes; None is this process alone."""

    def __init__(self, pool: ProcessPoolExecutor | None, helpers: int) -> None:
        self._pool, self._helpers = pool, helpers

    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], done: Callable[[Result], None] = lambda _: None
    ) -> list[Result]:
        """The results in the order of the tasks. `done` is called in this thread with each, in any order."""
        return _Round(self._pool, self._helpers, function, tasks, done).run()


@contextmanager
def crew(*, is_worth_it: bool) -> Iterator[Crew]:
    """A crew with a process for each further core, if the work is worth starting them."""
    helpers = min(os.cpu_count() or 1, PROCESSES_MAX) - 1
    if not is_worth_it or not helpers:
        yield Crew(None, 0)
        return
    with ProcessPoolExecutor(helpers, multiprocessing.get_context("spawn")) as pool:
        yield Crew(pool, helpers)


class _Round:
    """One `map`: tasks are claimed one at a time under a lock, by this thread and by the pool's as its processes become free."""

    def __init__(
        self,
        pool: ProcessPoolExecutor | None,
        helpers: int,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        done: Callable[[Any], None],
    ) -> None:
        self._pool, self._helpers, self._function, self._tasks, self._done = pool, helpers, function, tasks, done
        self._lock = threading.RLock()
        self._next = 0
        self._futures: dict[int, Future[Any]] = {}
        self._told: set[int] = set()
        self._results: dict[int, Any] = {}

    def run(self) -> list[Any]:
        for _ in range(self._helpers):
            self._feed()
        while (index := self._claim()) is not None:
            self._results[index] = self._function(self._tasks[index])
            self._done(self._results[index])
            self._gather(wait=False)
        self._gather(wait=True)
        return [self._results[index] for index in range(len(self._tasks))]

    def _claim(self) -> int | None:
        with self._lock:
            index = self._next
            self._next += 1
            return index if index < len(self._tasks) else None

    def _feed(self, _finished: Future[Any] | None = None) -> None:
        """Give the pool one task more; called again by each that ends."""
        with self._lock:
            if self._pool is None or self._next >= len(self._tasks):
                return
            try:
                future = self._pool.submit(self._function, self._tasks[self._next])
            except (BrokenProcessPool, RuntimeError):
                return  # this process does the rest
            self._futures[self._next] = future
            self._next += 1
        future.add_done_callback(self._feed)

    def _gather(self, *, wait: bool) -> None:
        """Take the results of the others; what a process that died had in hand is done here."""
        with self._lock:
            waiting = [(index, future) for index, future in self._futures.items() if index not in self._told and (wait or future.done())]
        for index, future in waiting:
            self._told.add(index)
            try:
                self._results[index] = future.result()
            except BrokenProcessPool:
                self._results[index] = self._function(self._tasks[index])
            self._done(self._results[index])
