"""A small ledger's life that dies at a named point, by SIGKILL; what was acknowledged by then stands in a file.

    python -m tests.reliability.crash_life FOLDER SEED POINT TIMES [BROKEN]

Points of the store are its own (`SPANLEDGER_CRASH_AT`); those of the receiver are calls of the os module, see POINTS.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Point(NamedTuple):
    """Before or after a call of the os module on a path: the `times`-th time up to `most`."""

    call: str
    part: str
    suffix: str
    is_after: bool
    most: int


POINTS = {
    "journal_unwritten": Point("writev", "/journal/", ".seg", False, 20),
    "journal_written": Point("fdatasync", "/journal/", ".seg", False, 20),
    "journal_synced": Point("fdatasync", "/journal/", ".seg", True, 20),
    "segment_created": Point("open", "/journal/", ".seg", True, 20),
    "archive_packed": Point("rename", "/archive/", "", True, 4),
    "archive_listed": Point("fdatasync", "/archive/", "list.jsonl", True, 3),
    "released": Point("unlink", "/journal/", ".seg", True, 3),
}
STORE_POINTS = {
    **dict.fromkeys(("parquet_written", "parquet_synced", "parquet_renamed"), 16),
    **dict.fromkeys(("folders_synced", "chain_written", "metastore_written", "metastore_committed"), 7),
    **dict.fromkeys(("compacted", "swap_written", "swapped"), 2),
}
LISTED = "acknowledged"


def _die_at(point: Point, times: int) -> None:
    real: Callable[..., Any] = getattr(os, point.call)
    left = times

    def call(target: Any, *args: Any, **more: Any) -> Any:
        nonlocal left
        path = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else str(target)
        is_here = point.part in path and path.endswith(point.suffix)
        if is_here and point.call == "open" and not args[0] & os.O_CREAT:
            is_here = False
        left -= is_here
        if is_here and not left and not point.is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(target, *args, **more)
        if is_here and not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(os, point.call, call)


def _acknowledge_first() -> None:
    from concurrent.futures import Future

    from spanledger.receiver.journal import Journal, Record

    real = Journal.append

    def append(self: Journal, record: Record) -> Future[int]:
        done: Future[int] = Future()
        done.set_result(0)
        real(self, record)
        return done

    Journal.append = append  # type: ignore[method-assign]  # the control


def main() -> None:
    folder, seed, point, times = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if point in POINTS:
        _die_at(POINTS[point], times)  # before anything of ours is imported
    from tests.reliability.small_life import Life

    if sys.argv[5:] == ["acknowledge_first"]:
        _acknowledge_first()
    listed = os.open(folder / LISTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    Life(folder / "data", random.Random(seed), lambda number, _position: os.write(listed, b"%d\n" % number)).live(48)


if __name__ == "__main__":
    main()
