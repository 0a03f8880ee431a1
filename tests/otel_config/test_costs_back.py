"""Costs back into the pipeline through a real Collector: exact to the last digit, also after kill -9 of either."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.cli.otlp_sink import Sink, attributes, sink
from tests.cli.runner import events
from tests.otel_config.collector import Collector, Sender, Setting, chats
from tests.ports import free_port

Row = tuple[int, str, str, str, str | None, str | None]
"""Entry number, event id, trace id, kind, tenant, exact cost."""


def ledger_rows(place: Setting) -> set[Row]:
    found = events(place.data, "--all")
    return {(e["entry_number"], e["event_id"], e["trace_id"], e["kind"], e["tenant_id"], e["cost_usd"]) for e in found}


def backend_rows(backend: Sink) -> set[Row]:
    """What the backend has, each record once however often it came."""
    return {_row(attributes(record), record.trace_id.hex()) for record in backend.records()}


def file_rows(place: Setting) -> set[Row]:
    """What the Collector's file exporter wrote; a line that a kill cut off is none."""
    found = set()
    for line in (place.folder / "costs.jsonl").read_text().splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        for resource in told["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    pairs = {pair["key"]: next(iter(pair["value"].values())) for pair in record["attributes"]}
                    assert pairs["gen_ai.usage.cost"] == pairs["spanledger.cost_usd_double"], "our example of a backend's own name"
                    found.add(_row(pairs, record["traceId"]))
    return found


def _row(told: dict[str, Any], trace_id: str) -> Row:
    number, uid = int(told["spanledger.entry_number"]), told["log.record.uid"]
    return number, uid, trace_id, told["spanledger.kind"], told.get("spanledger.tenant_id"), told.get("spanledger.cost_usd")


def costs_told(backend: Sink) -> dict[str | None, float]:
    found: dict[str | None, float] = {}
    if any(signal == "metrics" for signal, _ in list(backend.requests)):
        metric = backend.metrics().get("spanledger.cost")
        for point in metric.sum.data_points if metric is not None else ():
            tenant = attributes(point).get("spanledger.tenant_id")
            found[tenant] = found.get(tenant, 0.0) + point.as_double
    return found


def wait_for(done: Callable[[], bool], say: Callable[[], str]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, say()
        time.sleep(0.2)


def forwarding(place: Setting, costs_port: int, says: str) -> dict[str, str]:
    """Settings of a server that sends costs to a port with what the token's file `says`."""
    token = place.folder / "token"
    token.write_text(says)
    return {
        "SPANLEDGER_FORWARD__ENDPOINT": f"https://localhost:{costs_port}",
        "SPANLEDGER_FORWARD__TLS__CA_FILE": str(place.certificates.ca),
        "SPANLEDGER_FORWARD__HEADER_FILES": f'{{authorization = "{token}"}}',
        "SPANLEDGER_FORWARD__INTERVAL_SECONDS": "0.1",
    }


def collect(place: Setting, port: int, costs_port: int, backend: Sink) -> Collector:
    """A Collector that takes spans on one port, and on the other costs from whoever has the token, and brings both to a backend."""
    return place.collect(
        "forward-back.yaml",
        OTLP_GRPC=f"127.0.0.1:{port}",
        OTLP_HTTP=f"127.0.0.1:{free_port()}",
        COSTS_GRPC=f"127.0.0.1:{costs_port}",
        COSTS_FILE=str(place.folder / "costs.jsonl"),
        COLLECTOR_CERT=str(place.certificates.certificate),
        COLLECTOR_CERT_KEY=str(place.certificates.key),
        FORWARD_TOKEN="let-me-in",
        TRACING_ENDPOINT=f"localhost:{backend.ports['grpc']}",
        TRACING_CA=str(place.certificates.ca),
    )


def test_records_and_metrics_come_back_exactly_through_kill_9_of_either(place: Setting) -> None:
    costs_port, port = free_port(), free_port()
    forward = forwarding(place, costs_port, "Bearer let-me-in\n") | {
        "SPANLEDGER_FORWARD__METRICS_EVERY_SECONDS": "0.2",
        "SPANLEDGER_FORWARD__BATCH_ENTRIES": "7",
        "SPANLEDGER_FORWARD__TIMEOUT_SECONDS": "2",
    }
    with sink(place.certificates.server) as backend:
        server = place.serve(**forward)
        collector = collect(place, port, costs_port, backend)
        sender = Sender(port)
        spans = chats(30)
        calls, roots = [s for s in spans if s.parent is not None], [s for s in spans if s.parent is None]
        sender.send(calls[:20])
        wait_for(lambda: len(events(place.data)) == 20, server.log.read_text)  # booked without a tenant: their roots are late
        collector.kill()
        sender_after = Sender(port)
        collector.start()
        sender_after.send(roots[:20])  # 20 corrections
        server.kill()
        sender_after.send([*calls[20:], *roots[20:]])
        server = place.serve(**forward)
        wait_for(lambda: len(ledger_rows(place)) == 20 + 2 * 20 + 10, server.log.read_text)
        wait_for(lambda: backend_rows(backend) == ledger_rows(place), lambda: server.log.read_text() + collector.log.read_text()[-3000:])
        wait_for(lambda: file_rows(place) == ledger_rows(place), collector.log.read_text)
        net = {tenant: sum(Decimal(cost or 0) for *_, who, cost in ledger_rows(place) if who == tenant) for tenant in ("acme", None)}
        assert net == {"acme": Decimal("0.0063"), None: 0}  # 30 * 0.00021, and 20 charges to nobody, taken back
        wait_for(lambda: costs_told(backend) == {tenant: float(cost) for tenant, cost in net.items()}, lambda: str(costs_told(backend)))
        assert {span.trace_id for span in backend.spans()} >= {record.trace_id for record in backend.records()}, "beside their traces"
        sender.close()
        sender_after.close()
        assert server.stop() == 0
    assert "let-me-in" not in server.log.read_text()


def test_who_has_not_the_token_is_not_let_in_and_nothing_is_lost(place: Setting) -> None:
    costs_port, port = free_port(), free_port()
    server = place.serve(**forwarding(place, costs_port, "Bearer wrong"))
    with sink(place.certificates.server) as backend:
        collect(place, port, costs_port, backend)
        sender = Sender(port)
        sender.send(chats(3))
        sender.close()
        wait_for(lambda: "UNAUTHENTICATED" in server.log.read_text(), server.log.read_text)
        assert backend.records() == []
        (place.folder / "token").write_text("Bearer let-me-in")  # read for every request: no restart
        wait_for(lambda: len(backend_rows(backend)) == 3, server.log.read_text)
        assert backend_rows(backend) == ledger_rows(place)
