"""Each of our files with a real Collector: both it and spanledger are killed in turn, and every call is charged exactly once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from tests.cli.otlp_sink import Sink, sink
from tests.cli.runner import events, spanledger
from tests.otel_config.collector import CANARY, Collector, Sender, Setting, charged_once, chats
from tests.ports import free_port


def new_key(place: Setting, tenant: str | None) -> str:
    options = [] if tenant is None else ["--tenant", tenant]
    answer = spanledger("keys", "create", "--data", place.data, *options)
    assert answer.code == 0, answer.err
    return answer.out.strip()


class Front:
    """A Collector with one of our files, however its door is called, and a sender that knows it."""

    def __init__(self, place: Setting, config: str, backend: Sink) -> None:
        self.place = place
        self.port = free_port()
        key = new_key(place, None)
        (place.folder / "keys").write_text(f"{key}\n")
        door, certificates = f"127.0.0.1:{self.port}", place.certificates
        names = {"agent.yaml": "AGENT", "gateway.yaml": "GATEWAY"}
        name = names.get(config, "OTLP")
        self.collector: Collector = place.collect(
            config,
            **{f"{name}_GRPC": door, f"{name}_HTTP": f"127.0.0.1:{free_port()}"},
            SPANLEDGER_KEY=key,
            TENANT_KEYS=str(place.folder / "keys"),
            GATEWAY_CERT=str(certificates.certificate),
            GATEWAY_KEY=str(certificates.key),
            COLLECTOR_CERT=str(certificates.certificate),
            COLLECTOR_CERT_KEY=str(certificates.key),
            COSTS_GRPC=f"127.0.0.1:{free_port()}",
            COSTS_FILE=str(place.folder / "costs.jsonl"),
            FORWARD_TOKEN="token",
            TRACING_ENDPOINT=f"localhost:{backend.ports['grpc']}",
            TRACING_CA=str(certificates.ca),
            DECISION_WAIT="1s",
        )
        secure = config == "gateway.yaml"
        self.sender = Sender(self.port, certificates.client if secure else None, key if secure else None)


@pytest.fixture
def backend(place: Setting) -> Iterator[Sink]:
    """The tracing backend."""
    with sink(place.certificates.server) as found:
        yield found


CONFIGS = ["agent.yaml", "gateway.yaml", "fan-out.yaml", "tail-sampling.yaml", "forward-back.yaml"]


@pytest.mark.parametrize("config", CONFIGS)
def test_kill_9_of_either_in_turn_loses_and_doubles_nothing(place: Setting, backend: Sink, config: str) -> None:
    place.data.mkdir(mode=0o700)
    front = Front(place, config, backend)
    place.serve()
    sent: list[ReadableSpan] = []

    def send(batches: int) -> None:
        for _ in range(batches):
            some = chats(3)
            front.sender.send(some)
            sent.extend(some)

    with ExitStack() as stack:
        stack.callback(front.sender.close)
        send(5)
        front.collector.kill()
        front.collector.start()
        send(5)
        assert place.server is not None
        place.server.kill()
        send(5)  # nobody is there to take them: they lie in the queue
        front.collector.kill()
        front.collector.start()
        send(5)
        place.serve()
        send(5)
        charged_once(place, sent)
    stored = b"".join(path.read_bytes() for path in place.data.rglob("*") if path.is_file())
    assert CANARY.encode() not in stored
    queued = b"".join(path.read_bytes() for path in (place.folder / "collector/queue").rglob("*") if path.is_file())
    assert queued
    assert CANARY.encode() not in queued, "content was written to the queue"


def test_an_orderly_stop_while_spanledger_is_away_loses_nothing(place: Setting, backend: Sink) -> None:
    place.data.mkdir(mode=0o700)
    front = Front(place, "agent.yaml", backend)
    sent = [span for _ in range(20) for span in _sent(front, 2)]
    front.collector.stop()
    front.collector.start()
    place.serve()
    charged_once(place, sent)
    front.sender.close()


def _sent(front: Front, count: int) -> list[ReadableSpan]:
    some = chats(count)
    front.sender.send(some)
    return some


def test_each_application_s_own_key_goes_on_with_its_spans_also_out_of_the_queue(place: Setting) -> None:
    """Application -> agent -> gateway -> spanledger, with a key for each tenant, and nobody at the end when the spans come."""
    place.data.mkdir(mode=0o700)
    keys = {tenant: new_key(place, tenant) for tenant in ("acme", "globex")}
    (place.folder / "keys").write_text("".join(f"{key}\n" for key in keys.values()))
    certificates, gateway_port, agent_port = place.certificates, free_port(), free_port()
    gateway = place.collect(
        "gateway.yaml",
        folder="gateway",
        GATEWAY_GRPC=f"127.0.0.1:{gateway_port}",
        GATEWAY_HTTP=f"127.0.0.1:{free_port()}",
        TENANT_KEYS=str(place.folder / "keys"),
        GATEWAY_CERT=str(certificates.certificate),
        GATEWAY_KEY=str(certificates.key),
    )
    agent = place.collect(
        "agent.yaml",
        folder="agent",
        AGENT_GRPC=f"127.0.0.1:{agent_port}",
        AGENT_HTTP=f"127.0.0.1:{free_port()}",
        SPANLEDGER_ENDPOINT=f"localhost:{gateway_port}",
    )
    sent = {tenant: chats(4, **{"tenant.id": "somebody-else"}) for tenant in keys}
    for tenant, spans in sent.items():
        sender = Sender(agent_port, key=keys[tenant])
        sender.send(spans)
        sender.close()
    time.sleep(1)  # they reach the gateway's queue
    for each in (agent, gateway):
        each.kill()
        each.start()
    place.serve()
    deadline = time.monotonic() + 120
    while len(rows := events(place.data)) < 8:
        assert time.monotonic() < deadline, gateway.log.read_text()[-2000:]
        time.sleep(0.2)
    payers = {row["span_id"]: row["tenant_id"] for row in rows}
    for tenant, spans in sent.items():
        assert {payers[f"{span.context.span_id:016x}"] for span in spans if span.parent is not None} == {tenant}
    stranger = Sender(gateway_port, certificates.client, "sl_unknown")
    assert not stranger.try_once(chats(1)), "a key that is none is refused at the door"
    stranger.close()
