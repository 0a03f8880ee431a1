"""Sends more than a server can take, whatever it answers: an open loop over all transports that notes what every refusal said.

Run as a process of its own:

    python -m tests.reliability.open_loop HTTP GRPC RATE SECONDS SEED SIZE     prints what was acknowledged and refused, as JSON

Requests start at a fixed rate, acknowledged or not; each is one trace of `SIZE` calls with numbers that nobody else sends. Refused ones are
not sent again: what is asked is whether the refusal would have let a client do so.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tests.cli.otlp import as_protobuf, chat

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
THREADS = 192
MARK = 0x0ABC_DEF0_1234_5678
_HEADERS = {"Content-Type": "application/x-protobuf"}


class Told:
    """What came back, from many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: list[int] = []
        self.refused: Counter[str] = Counter()
        self.without_delay: list[str] = []
        self.slowest = 0.0

    def note(self, number: int, refusal: str | None, *, delay: bool, seconds: float) -> None:
        with self.lock:
            self.slowest = max(self.slowest, seconds)
            if refusal is None:
                self.acknowledged.append(number)
                return
            self.refused[refusal] += 1
            if not delay:
                self.without_delay.append(refusal)


class Template:
    """A request whose trace ids and response ids can be set: building one for each would take the sender longer than the server."""

    def __init__(self, size: int) -> None:
        body = as_protobuf(
            *(chat(MARK, number, attributes={"gen_ai.response.id": f"r-{number:04}-{MARK:016x}"}) for number in range(1, size + 1))
        )
        self.body = body
        self.ids, self.texts = (MARK).to_bytes(8, "big"), f"{MARK:016x}".encode()

    def of(self, number: int) -> bytes:
        return self.body.replace(self.ids, number.to_bytes(8, "big")).replace(self.texts, f"{number:016x}".encode())


def by_http(address: str, local: threading.local, body: bytes) -> tuple[str | None, bool]:
    connection = getattr(local, "connection", None)
    if connection is None:
        connection = local.connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", "/v1/traces", body, _HEADERS)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__, False
    retry_after = answer.headers.get("Retry-After", "")
    return (None, True) if answer.status == 200 else (f"HTTP {answer.status}", answer.status in (429, 503) and retry_after.isdecimal())


def by_grpc(call: object, body: bytes) -> tuple[str | None, bool]:
    assert callable(call)
    try:
        call(body, timeout=60)
    except grpc.RpcError as error:
        told = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if told is None:
            return f"{error.code().name}: {error.details()}"[:120], False
        has_delay = any(detail.Is(RetryInfo.DESCRIPTOR) for detail in Status.FromString(told).details)
        return error.code().name, has_delay and error.code().name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
    return None, True


def main(http_address: str, grpc_address: str, rate: str, seconds: str, seed: str, size: str) -> None:
    os.nice(5)
    told, local, template = Told(), threading.local(), Template(int(size))
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(grpc_address, options=options) for _ in range(4)]
    calls = [channel.unary_unary(EXPORT) for channel in channels]

    def send(number: int) -> None:
        began = time.monotonic()
        body = template.of(number)
        refusal, has_delay = by_grpc(calls[number % len(calls)], body) if number % 2 else by_http(http_address, local, body)
        told.note(number, refusal, delay=has_delay, seconds=time.monotonic() - began)

    began, number, skipped = time.monotonic(), int(seed) << 32, 0
    waiting = threading.Semaphore(4 * THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        while (now := time.monotonic() - began) < float(seconds):
            due = int(now * float(rate)) - (number - (int(seed) << 32)) - skipped
            for _ in range(due):
                if not waiting.acquire(blocking=False):
                    skipped += 1  # more than this machine's sender can have under way
                    continue
                number += 1
                pool.submit(send, number).add_done_callback(lambda _: waiting.release())
            time.sleep(0.002)
    for channel in channels:
        channel.close()
    lasted = time.monotonic() - began
    said = {"acknowledged": told.acknowledged, "refused": dict(told.refused), "without_delay": told.without_delay[:5]}
    sys.stdout.write(json.dumps(said | {"seconds": lasted, "skipped": skipped, "slowest": round(told.slowest, 2)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
