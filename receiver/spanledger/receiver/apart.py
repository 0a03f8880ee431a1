"""Large requests are read in a process of their own: there they hold up nobody, have a bound on memory, and take nobody along.

The interpreter is one for all senders: while it takes a body of many MiB to pieces, nobody else is answered. So a body that is
large, or becomes large when it is inflated, or takes long for its size, goes through a pipe to a child process, one at a time.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any, NamedTuple

from spanledger.receiver.admission import INTERNAL, OVERLOADED, TOO_LARGE, Refused
from spanledger.receiver.bounds import Pruned
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.inflate import RATIO_MAX
from spanledger.receiver.prune import Recipe

_log = logging.getLogger(__name__)
ASK = struct.Struct("<BBQ")
"""What the parent says before a body: whether it is JSON, whether it is gzip, its length."""
ANSWER = struct.Struct("<IQ")
"""What the child says before an answer: the lengths of a JSON object about it and of the pruned request."""
READY = b"+"
"""What the child says when it waits for the first body."""
WAITING_MAX = 8
SECONDS_MAX = 30.0
_NICE = 5
_RECYCLE_BYTES = 160 << 20
"""A child that keeps more than this when it has answered is ended, so that its memory goes back. To start one takes half a second."""
_ERRORS = {"malformed": MalformedRequest, "too_large": TooLarge}


class Start(NamedTuple):
    """What the child is told first."""

    recipe: Recipe
    bytes_max: int
    ratio_max: int
    memory_bytes: int


class Apart:
    """Examines bodies in a child process, which is started when there is one. Safe to use from many threads."""

    def __init__(
        self, recipe: Recipe, *, bytes_max: int, ratio_max: int = RATIO_MAX, memory_bytes: int, seconds: float = SECONDS_MAX
    ) -> None:
        self._start = Start(recipe, bytes_max, ratio_max, memory_bytes)
        self._seconds = seconds
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def examine(self, body: bytes | bytearray, *, is_json: bool, is_gzip: bool) -> tuple[Pruned, int]:
        """The pruned request and its size when inflated. Raises MalformedRequest, TooLarge, or Refused when too many wait."""
        with self._counting:
            if self._waiting >= WAITING_MAX:
                raise Refused(OVERLOADED, "too many large requests are waiting; try again")
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise Refused(OVERLOADED, "a large request waited too long; try again")
            try:
                return self._examine(body, is_json=is_json, is_gzip=is_gzip)
            finally:
                self._turn.release()
        finally:
            with self._counting:
                self._waiting -= 1

    def close(self) -> None:
        """End the child. A request that it has in hand is refused as retryable."""
        process = self._process
        if process is not None:
            process.kill()
        with self._turn:
            self._end()

    def _examine(self, body: bytes | bytearray, *, is_json: bool, is_gzip: bool) -> tuple[Pruned, int]:
        process = self._child()
        late = threading.Timer(self._seconds, process.kill)
        late.daemon = True
        began = time.monotonic()
        late.start()
        try:
            told, request = _ask(process, body, is_json=is_json, is_gzip=is_gzip)
        except (OSError, EOFError):
            raise self._lost(time.monotonic() - began >= self._seconds) from None
        finally:
            late.cancel()
        if int(told["held_bytes"]) > _RECYCLE_BYTES:
            self._end()
        if (error := _ERRORS.get(str(told.get("error")))) is not None:
            raise error(str(told["message"]))
        return Pruned(request=request, **told["counts"]), int(told["size"])

    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "spanledger.receiver.apart_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it had to say would quote what was sent
            bufsize=0,
        )
        with suppress(ProcessLookupError):  # it died at once, which is found out below
            nice = os.getpriority(os.PRIO_PROCESS, 0) + _NICE
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)  # from the start: to import what it needs takes half a second
        self._process = process
        start = pickle.dumps(self._start)
        late = threading.Timer(SECONDS_MAX, process.kill)
        late.daemon = True
        late.start()
        try:
            _write(_pipe(process.stdin), struct.pack("<Q", len(start)) + start)
            read_exactly(_pipe(process.stdout), len(READY))  # what a busy machine takes to start it is not the request's doing
        except (OSError, EOFError):
            raise self._lost(was_late=False) from None
        finally:
            late.cancel()
        return process

    def _lost(self, was_late: bool) -> Refused:
        """The child ended over a request: for good if that is the request's doing, else to be tried again."""
        code = self._end()
        _log.warning("the process that reads large requests ended (%s)", "it took too long" if was_late else f"code {code}")
        if was_late or (code < 0 and code != -signal.SIGKILL):
            return Refused(TOO_LARGE, "the request takes too long or too much memory to read")
        return Refused(INTERNAL, "the server failed on this request; try again")

    def _end(self) -> int:
        """Let the child go; its exit code, 0 if there was none."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - it was asked for
    return pipe


def _ask(process: subprocess.Popen[bytes], body: bytes | bytearray, *, is_json: bool, is_gzip: bool) -> tuple[dict[str, Any], bytes]:
    sending, receiving = _pipe(process.stdin), _pipe(process.stdout)
    _write(sending, ASK.pack(is_json, is_gzip, len(body)))
    _write(sending, body)
    told_bytes, request_bytes = ANSWER.unpack(read_exactly(receiving, ANSWER.size))
    told = json.loads(read_exactly(receiving, told_bytes))
    return told, read_exactly(receiving, request_bytes)


def _write(pipe: IO[bytes], data: bytes | bytearray) -> None:
    """All of it: a raw pipe may take a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """So many bytes from a pipe. EOFError if it ends before."""
    found = bytearray()
    while len(found) < size:
        piece = pipe.read(min(size - len(found), 1 << 20))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
