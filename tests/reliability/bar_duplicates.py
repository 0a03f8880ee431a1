"""Streams sent three times, shuffled, over every transport and through deaths and wrong clocks: the net ledger is that of once."""

from __future__ import annotations

import http.client
import random
import time
from pathlib import Path
from typing import Any

import grpc

from spanledger.store.verify import verify
from tests.cli.otlp import as_json, as_protobuf, chat, span
from tests.cli.runner import events
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.served import Served

_COLUMNS = (
    "trace_id",
    "span_id",
    "tenant_id",
    "user_id",
    "workflow",
    "agent",
    "request_model",
    "cost_usd",
    "start_ns",
    "end_ns",
    "usage_state",
)
_CLOCKS = ("-3600", "+3456000", "=now", "")
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
_TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"}


def stream(rng: random.Random, traces: int) -> list[list[Any]]:
    """Requests of a few spans each; a trace's spans lie in several of them: root, agent that restates, calls, a tool's call, a twin."""
    spans: list[Any] = []
    for trace in range(1, traces + 1):
        n = trace * 100
        restated = {**_AGENT, "gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 200}
        spans += [
            span(trace, n + 1, {"tenant.id": f"tenant-{trace % 7}", "user.id": f"user-{trace % 11}"}, name="POST /ask"),
            span(trace, n + 2, restated, parent=n + 1, name="invoke_agent helper"),
            chat(trace, n + 3, None, parent=n + 2, input_tokens=rng.randrange(1, 9000)),
            chat(trace, n + 4, None, parent=n + 2, input_tokens=rng.randrange(1, 9000), model=rng.choice(("gpt-4o", "nobody-knows"))),
            span(trace, n + 5, _TOOL, parent=n + 2, name="execute_tool lookup"),
            chat(trace, n + 6, None, parent=n + 5, output_tokens=rng.randrange(1, 900)),
            chat(trace, n + 7, None, parent=n + 6, output_tokens=0, attributes={"gen_ai.response.id": f"chatcmpl-{trace}-{n + 6}"}),
        ]
    rng.shuffle(spans)
    requests = []
    while spans:
        size = rng.randint(1, 6)
        requests.append(spans[:size])
        del spans[:size]
    return requests


_REST_SECONDS = 2.0
"""So long that what was sent is booked before the next kill: only then does what comes again have to be looked up."""


def send(served: Served, spans: list[Any], transport: str) -> None:
    """Send a request until it is acknowledged, as an exporter with patience would."""
    deadline = time.monotonic() + 60
    while not _sent(served, spans, transport):
        require(time.monotonic() < deadline, f"not acknowledged over {transport} within a minute")
        time.sleep(0.05)


def _sent(served: Served, spans: list[Any], transport: str) -> bool:
    if transport == "grpc":
        with grpc.insecure_channel(served.grpc) as channel:
            try:
                channel.unary_unary(_EXPORT)(as_protobuf(*spans), timeout=5)
            except grpc.RpcError:
                return False
            return True
    body, kind = (as_json(*spans), "json") if transport == "json" else (as_protobuf(*spans), "x-protobuf")
    connection = http.client.HTTPConnection(served.http, timeout=5)
    try:
        connection.request("POST", "/v1/traces", body, {"content-type": f"application/{kind}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def net(data: Path) -> list[tuple[Any, ...]]:
    """The net ledger's rows, in one order, without what tells of the way they came."""
    rows = [tuple(str(event.get(name)) for name in _COLUMNS) for event in events(data)]
    return sorted(rows)


def once(folder: Path, requests: list[list[Any]]) -> list[tuple[Any, ...]]:
    """The net ledger of the stream sent once, in order, over one transport."""
    served = Served(folder / "once")
    try:
        served.start()
        for each in requests:
            send(served, each, "protobuf")
        require(served.stop() == 0, "the stop was not clean")
    finally:
        served.end()
    return net(served.data)


def trial(seed: int, traces: int, folder: Path, broken: str = "") -> Figures:
    """Send a stream once, and three times in every other way, and compare. `broken` is a guard to switch off the second time."""
    rng = random.Random(seed)
    requests = stream(rng, traces)
    wanted = once(folder, requests)
    sent = [(each, rng.choice(("grpc", "protobuf", "json"))) for each in requests for _ in range(3)]
    rng.shuffle(sent)
    seam = folder / "seam"
    seam.mkdir()
    served = Served(folder / "thrice", seam=seam, broken=broken)
    kills = 0
    parts = 2 * len(_CLOCKS)
    try:
        served.start()
        for part in range(parts):
            clock = _CLOCKS[part % len(_CLOCKS)]
            (seam / "clock").write_text(f"={time.time_ns()}" if clock == "=now" else clock)
            for spans, transport in sent[part * len(sent) // parts : (part + 1) * len(sent) // parts]:
                send(served, spans, transport)
            time.sleep(_REST_SECONDS)
            if rng.random() < 0.6 or part == parts - 1:
                served.kill()
                kills += 1
                served.start()
        require(served.stop() == 0, f"the stop was not clean: {served.said()[-800:]}")
    finally:
        served.end()
    found = net(served.data)
    extra, missing = [row for row in found if row not in wanted], [row for row in wanted if row not in found]
    require(found == wanted, f"seed {seed}: {len(missing)} rows missing, {len(extra)} too many, as {missing[:1]} and {extra[:1]}")
    verified = verify(served.data, full=True)
    require(verified.is_fine, f"verify --full: {verified.findings[:1]}")
    return {
        "traces": traces,
        "requests": len(sent),
        "kills": kills,
        "clocks": "1 h back, 40 d forward, frozen",
        "net_rows": len(found),
        "entries": verified.entries,
    }


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, 400 if long else 30, folder)


BAR = Bar(
    "duplicates",
    "a stream three times, shuffled, over gRPC, protobuf and JSON, kills and wrong clocks between: the net ledger is identical to once",
    run,
    {"stored spans not looked up": lambda seed, folder: trial(seed, 12, folder, "forget")},
)
