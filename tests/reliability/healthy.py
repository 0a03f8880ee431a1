"""A client that behaves: small requests at a steady rate over both transports, and how long each answer took.

Run as a process of its own, so that nobody else's work is in its times:

    python -m tests.reliability.healthy HTTP GRPC SECONDS [FIRST]      prints {"sent", "acknowledged", "seconds": […]} as JSON
"""

from __future__ import annotations

import http.client
import json
import sys
import time

import grpc

from tests.cli.otlp import as_protobuf, chat

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PERIOD_SECONDS = 0.02
_HEADERS = {"Content-Type": "application/x-protobuf"}


def main(http_address: str, grpc_address: str, seconds: str, first: str = "1") -> None:
    connection = http.client.HTTPConnection(http_address, timeout=30)
    channel = grpc.insecure_channel(grpc_address)
    call = channel.unary_unary(EXPORT)
    times: list[float] = []
    failures: list[str] = []
    acknowledged: list[int] = []
    began = time.monotonic()
    number = int(first)
    due = began
    while due < began + float(seconds):
        time.sleep(max(0.0, due - time.monotonic()))
        body = as_protobuf(chat(number, number))
        sent = time.monotonic()
        try:
            if number % 2:
                call(body, timeout=30)
            else:
                connection.request("POST", "/v1/traces", body, _HEADERS)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(f"HTTP {answer.status}")
            acknowledged.append(number)
        except (grpc.RpcError, OSError, http.client.HTTPException) as error:
            failures.append(str(error.code()) if isinstance(error, grpc.RpcError) else f"{type(error).__name__}: {error}")
            connection.close()
        times.append(time.monotonic() - sent)
        number += 1
        due = max(due + PERIOD_SECONDS, time.monotonic())
    channel.close()
    sys.stdout.write(json.dumps({"acknowledged": acknowledged, "failures": failures, "seconds": times}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
