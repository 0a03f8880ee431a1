"""The process that reads large requests (see apart.py): bodies come on standard input, pruned requests go to standard output.

It ends with its parent's end of the pipe. Its memory is limited by the kernel, so that a body made to become huge fails here.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import resource
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from spanledger.receiver.apart import ANSWER, ASK, READY, Start, read_exactly
from spanledger.receiver.bounds import Pruned
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.inflate import gunzip
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner

_TRIM_BYTES = 96 << 20


def main() -> int:
    """Read bodies until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server decides when this ends
        signal.signal(number, signal.SIG_IGN)
    reading, writing = os.fdopen(0, "rb", buffering=0), os.fdopen(1, "wb", buffering=0)
    try:
        (size,) = struct.unpack("<Q", read_exactly(reading, 8))
        start: Start = pickle.loads(read_exactly(reading, size))  # noqa: S301 - from the process that started this one, through its pipe
        pruner = Pruner(*start.recipe)
        resource.setrlimit(resource.RLIMIT_DATA, (start.memory_bytes, start.memory_bytes))
        writing.write(READY)
        while True:
            is_json, is_gzip, size = ASK.unpack(read_exactly(reading, ASK.size))
            told, request = _answer(pruner, start, read_exactly(reading, size), is_json=bool(is_json), is_gzip=bool(is_gzip))
            told["held_bytes"] = _held_bytes()
            head = json.dumps(told).encode()
            for part in (ANSWER.pack(len(head), len(request)), head, request):
                rest = memoryview(part)
                while rest:
                    rest = rest[writing.write(rest) :]
    except (EOFError, BrokenPipeError):
        return 0


def _held_bytes() -> int:
    """The memory that is left when a request is done, after all that can be was given back."""
    resident = _resident_bytes()
    if resident > _TRIM_BYTES:
        with suppress(OSError, AttributeError):  # not glibc: then this process is ended when it holds too much
            ctypes.CDLL(None).malloc_trim(0)
            return _resident_bytes()
    return resident


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a path of the kernel
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _answer(pruner: Pruner, start: Start, body: bytes, *, is_json: bool, is_gzip: bool) -> tuple[dict[str, Any], bytes]:
    """What is told about a body, and the pruned request."""
    try:
        body = gunzip(body, start.bytes_max, start.ratio_max) if is_gzip else body
        size = len(body)
        if is_json:
            body = to_protobuf(body)
        pruned: Pruned = pruner.examine(body)
    except MalformedRequest as error:
        return {"error": "malformed", "message": str(error)}, b""
    except TooLarge as error:
        return {"error": "too_large", "message": str(error)}, b""
    except MemoryError:
        return {"error": "too_large", "message": "the request takes more memory to read than the server allows"}, b""
    counts = asdict(pruned)
    return {"counts": counts, "size": size}, counts.pop("request")


if __name__ == "__main__":
    sys.exit(main())
