"""Loaded by Python itself when this folder is on its path, before anything of ours: lets a test spoil a server's clock and disk.

The folder that SPANLEDGER_TEST_SEAM names may hold, and at any time get or lose:

    clock    "+SECONDS" or "-SECONDS" on the wall clock, or "=NANOSECONDS" at which it stands still
    faults   lines "CALL PATTERN ERRNO": that call of the os module fails on paths that contain PATTERN (`open` only for writing)

SPANLEDGER_TEST_BREAK names a guard to switch off, for the controls.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_SEAM = os.environ.get("SPANLEDGER_TEST_SEAM")
_BREAK = os.environ.get("SPANLEDGER_TEST_BREAK", "")


def _read(name: str) -> str:
    try:
        return Path(f"{_SEAM}/{name}").read_text("ascii").strip()
    except OSError:
        return ""


def _spoil_clock() -> None:
    real = time.time_ns

    def time_ns() -> int:
        told = _read("clock")
        if not told:
            return real()
        return int(told[1:]) if told[0] == "=" else real() + int(told) * 1_000_000_000

    time.time_ns = time_ns  # and not `time.time`, which nothing of ours asks: gRPC's Python waits by it on its C core, whose clock is right


def _path(target: object) -> str:
    try:
        return str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else os.fsdecode(target)  # type: ignore[arg-type]  # a path
    except OSError:
        return ""


def _spoil_disk() -> None:
    for name in ("open", "write", "writev", "pwrite", "fsync", "fdatasync", "rename", "replace", "mkdir"):
        setattr(os, name, _failing(name))


def _failing(name: str):  # type: ignore[no-untyped-def]  # any call of os
    real = getattr(os, name)

    def call(target, *args, **more):  # type: ignore[no-untyped-def]  # as above
        told = _read("faults")
        if told and not (name == "open" and not args[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            path = _path(target)
            for line in told.splitlines():
                wanted, pattern, code = line.split()
                if wanted == name and pattern in path:
                    raise OSError(int(code), os.strerror(int(code)), path)
        return real(target, *args, **more)

    return call


def _acknowledge_first() -> None:
    """The journal answers before it has written."""
    from concurrent.futures import Future

    from spanledger.receiver.journal import Journal

    real = Journal.append

    def append(self, record):  # type: ignore[no-untyped-def]  # as Journal's
        real(self, record)
        done: Future[int] = Future()
        done.set_result(0)
        return done

    Journal.append = append
    late, written = 0.4, os.writev

    def writev(descriptor, parts):  # type: ignore[no-untyped-def]  # as os's
        if _path(descriptor).endswith(".seg"):
            time.sleep(late)
        return written(descriptor, parts)

    os.writev = writev


def _answer_when_full() -> None:
    """A failed write is answered as if it had gone well."""
    from spanledger.receiver.storage import OsStorage

    for name in ("write", "sync"):
        real = getattr(OsStorage, name)

        def swallow(self, *args, real=real):  # type: ignore[no-untyped-def]  # as Storage's
            try:
                real(self, *args)
            except OSError:
                return

        setattr(OsStorage, name, swallow)


def _no_journal_fence() -> None:
    """The journal's writer does not look whether it still is the writer."""
    from spanledger.receiver.durable import DurablePublisher

    DurablePublisher.check_ours = lambda _self, _position: None


def _tell_no_delay() -> None:
    """A refusal that may be tried again does not say after how long."""
    from spanledger.receiver import grpc_server, http_server
    from spanledger.receiver.answers import status_of

    def bare(refused, seconds):  # type: ignore[no-untyped-def]  # as status_of
        status = status_of(refused, seconds)
        status.ClearField("details")
        return status

    grpc_server.status_of = http_server.status_of = bare


def _read_in_one_lane() -> None:
    """Requests are read one after the other, whatever that costs."""
    from spanledger.receiver.effort import Effort
    from spanledger.receiver.intake import Intake, Lane

    Effort.spend = lambda _self, _units: None
    Intake.lane_of = lambda _self, _body, **_what: Lane.BULKY


def _forget() -> None:
    """The ledger does not look up what it has stored of a trace, so that what is sent again is new to it."""
    from spanledger.store.history import StoredHistory

    StoredHistory.traces = StoredHistory.booked = lambda _self, _wanted: {}


if _SEAM:
    _spoil_clock()
    _spoil_disk()
if _BREAK:
    {
        "acknowledge_first": _acknowledge_first,
        "answer_when_full": _answer_when_full,
        "no_journal_fence": _no_journal_fence,
        "tell_no_delay": _tell_no_delay,
        "read_in_one_lane": _read_in_one_lane,
        "forget": _forget,
    }[_BREAK]()
