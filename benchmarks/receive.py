"""How much the receiver takes: pruned, synced and acknowledged, over gRPC and over HTTP, against the naive loop of the same run.

    python benchmarks/receive.py [--load plain|text] [--seconds 10] [--rate 60000] [--in-flight 16] [--json]

The real receiver runs as a process of its own on one core, the clients on the other. Each transport is measured twice: with
`--in-flight` requests always under way (what it can take), and at `--rate` spans a second (what a sender then waits; counted
from the time a request was due, so that a stall is not hidden). Afterwards the journal is read back and must hold every
acknowledged span.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from load import SPANS_PER_REQUEST, requests
from naive import count_spans, spans_per_second

from spanledger.receiver.journal import read_from

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
CHANNELS = 4
Send = Callable[[bytes], None]


class Outcome(NamedTuple):
    """One measurement; latencies in milliseconds, CPU in seconds a second."""

    spans_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu: float
    client_cpu: float


# -- the server's process -----------------------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """Run a receiver on free ports until stdin closes; says its ports on stdout."""
    from spanledger.enrich.config import EnrichConfig, rules_from
    from spanledger.enrich.kept import kept_for
    from spanledger.receiver.config import ReceiverConfig
    from spanledger.receiver.journal import Journal
    from spanledger.receiver.prune import Pruner
    from spanledger.receiver.server import Receiver

    sys.setswitchinterval(0.0005)  # as `spanledger serve`
    pruner = Pruner(kept_for(rules_from(EnrichConfig())), os.urandom(32))
    with Journal(folder / "journal") as journal:
        config = ReceiverConfig(grpc="127.0.0.1:0", http="127.0.0.1:0")
        receiver = Receiver(config, journal, pruner, lambda _key: None, has_keys=lambda: False)
        print(json.dumps(receiver.start()._asdict()), flush=True)
        sys.stdin.read()
        receiver.stop()


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """(process id, ports) of a receiver in a process of its own, on its own core."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        ports = json.loads(process.stdout.readline())
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {SERVER_CORE})
        yield process.pid, ports
    finally:
        process.stdin.close()
        process.wait(30)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- the clients --------------------------------------------------------------------------------------------------------


def grpc_sender(port: int, number: int) -> Send:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 64 << 20), ("bench", number % CHANNELS)]
    call = grpc.insecure_channel(f"127.0.0.1:{port}", options=options).unary_unary(EXPORT)
    return lambda body: call(body, timeout=30)


def http_sender(port: int, _number: int) -> Send:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(body: bytes) -> None:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status

    return send


def drive(make: Callable[[int, int], Send], port: int, bodies: list[bytes], options: Any, rate: float | None) -> tuple[list[float], float]:
    """(latencies in seconds, how long it took) of sending for `options.seconds`, at `rate` requests a second or flat out."""
    tickets = itertools.count()
    latencies: list[list[float]] = [[] for _ in range(options.in_flight)]
    senders = [make(port, number) for number in range(options.in_flight)]
    for send in senders:
        send(b"")  # connect before the clock runs
    began = time.perf_counter()
    until = began + options.seconds

    def work(number: int) -> None:
        send, mine = senders[number], latencies[number]
        while True:
            ticket = next(tickets)
            due = began + ticket / rate if rate else time.perf_counter()
            if due >= until:
                return
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
            send(bodies[ticket % len(bodies)])
            mine.append(time.perf_counter() - due)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(options.in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(itertools.chain.from_iterable(latencies)), time.perf_counter() - began


def measure(transport: str, bodies: list[bytes], options: Any, rate: float | None) -> Outcome:
    """One run against a fresh server; checks that the journal holds what was acknowledged."""
    make = {"grpc": grpc_sender, "http": http_sender}[transport]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        with server(folder) as (pid, ports):
            before, own = cpu_seconds(pid), time.process_time()
            latencies, seconds = drive(make, ports[transport], bodies, options, rate and rate / SPANS_PER_REQUEST)
            server_cpu, client_cpu = cpu_seconds(pid) - before, time.process_time() - own
        stored = sum(1 for _ in read_from(folder / "journal"))
        sample = [record.request for _, (_, record) in zip(range(8), read_from(folder / "journal"), strict=False)]
    assert stored == len(latencies), f"{len(latencies)} acknowledged, {stored} in the journal"
    assert count_spans(sample) == SPANS_PER_REQUEST * len(sample)
    at = [1000 * latencies[min(int(len(latencies) * share), len(latencies) - 1)] for share in (0.5, 0.99, 1)]
    return Outcome(len(latencies) * SPANS_PER_REQUEST / seconds, *at, server_cpu / seconds, client_cpu / seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", choices=("plain", "text"), default="plain")
    parser.add_argument("--requests", type=int, default=32, help="different requests, sent over and over")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=60_000, help="spans a second of the second run; 0 leaves it out")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--transport", choices=("grpc", "http"), action="append")
    parser.add_argument("--folder", type=Path, help="where the journal goes; the disk under it is what is measured")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    bodies = list(requests(options.requests, 1, options.load == "text"))
    os.sched_setaffinity(0, {SERVER_CORE})
    naive = spans_per_second(bodies[:8])
    os.sched_setaffinity(0, {CLIENT_CORE})
    figures: dict[str, Any] = {"load": options.load, "in_flight": options.in_flight, "naive_spans_per_second": naive}
    for transport in options.transport or ("grpc", "http"):
        for label, rate in (("flat out", None), ("at rate", options.rate)):
            if rate == 0:
                continue
            outcome = measure(transport, bodies, options, rate)
            figures[f"{transport} {label}"] = {**outcome._asdict(), "of_naive": outcome.spans_per_second / naive}
    print(json.dumps(figures, indent=2) if options.json else table(figures))


def table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['load']}: naive loop {figures['naive_spans_per_second']:,.0f} spans/s; {figures['in_flight']} requests in flight"]
    for name, figure in figures.items():
        if isinstance(figure, dict):
            lines.append(
                f"{name:14} {figure['spans_per_second']:>9,.0f} spans/s  {figure['of_naive']:.1f} x naive  p50 {figure['p50_ms']:.0f} "
                f"p99 {figure['p99_ms']:.0f} max {figure['max_ms']:.0f} ms  "
                f"CPU server {figure['server_cpu']:.2f} client {figure['client_cpu']:.2f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
