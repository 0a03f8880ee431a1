"""The exporters of the OpenTelemetry SDK for Python, as users have them, against a real receiver: what is sent is what is stored."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from grpc import Compression as GrpcCompression
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from spanledger.enrich.grants import Grant
from spanledger.receiver.prune import Bounds, Pruner
from tests.receiver.samples import KEPT, SECRET, Running, attributes_of, running

KEYS = {"good": Grant("key1", "acme", None, frozenset({"ingest"}))}
EXPORTERS: dict[str, Callable[[Running], SpanExporter]] = {
    "grpc": lambda server: GrpcExporter(f"http://{server.grpc}", headers={"authorization": "Bearer good"}),
    "grpc gzip": lambda server: GrpcExporter(
        server.grpc, insecure=True, headers=(("x-api-key", "good"),), compression=GrpcCompression.Gzip
    ),
    "http": lambda server: HttpExporter("http://{}:{}/v1/traces".format(*server.http), headers={"Authorization": "Bearer good"}),
    "http gzip": lambda server: HttpExporter(
        "http://{}:{}/v1/traces".format(*server.http), headers={"x-api-key": "good"}, compression=Compression.Gzip
    ),
}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_c39_what_an_sdk_sends_is_what_is_stored(tmp_path: Path, exporter: str) -> None:
    with running(tmp_path, keys=KEYS) as server:
        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(EXPORTERS[exporter](server), max_export_batch_size=50))
        tracer = provider.get_tracer("test.scope", "1.0")
        ids = set()
        with tracer.start_as_current_span("invoke_agent", kind=SpanKind.INTERNAL):
            for number in range(200):
                with tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT) as span:
                    span.set_attribute("gen_ai.request.model", "gpt-4o")
                    span.set_attribute("gen_ai.usage.input_tokens", number)
                    span.set_attribute("gen_ai.prompt", "Meet me at midnight")
                    span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": "Meet me at midnight"})
                    span.set_status(Status(StatusCode.ERROR, "midnight is late"))
                    ids.add(span.get_span_context().span_id)
        provider.shutdown()

        calls = [span for span in server.spans() if span.name == "chat"]
        assert {int.from_bytes(span.span_id, "big") for span in calls} == ids
        assert sorted(attributes_of(span)["gen_ai.usage.input_tokens"] for span in calls) == list(range(200))  # type: ignore[type-var]
        assert {attributes_of(span)["gen_ai.request.model"] for span in calls} == {"gpt-4o"}
        assert len(server.spans()) == 201
        assert all(record.key_id == "key1" for record in server.records())
        assert b"midnight" not in b"".join(path.read_bytes() for path in server.directory.iterdir())


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_c39_a_restart_in_the_middle_loses_nothing(tmp_path: Path, kind: str) -> None:
    """The exporters try again by themselves what was refused or cut off while the server was away."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    at = {kind: address}
    exporter = GrpcExporter(address, insecure=True) if kind == "grpc" else HttpExporter(f"http://{address}/v1/traces")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=20, schedule_delay_millis=50))
    tracer = provider.get_tracer("test.scope", "1.0")

    def send(first: int) -> None:
        for number in range(first, first + 100):
            with tracer.start_as_current_span("chat gpt-4o", attributes={"gen_ai.usage.input_tokens": number}):
                pass

    with running(tmp_path, **at) as server:
        send(0)
        while not server.spans():
            time.sleep(0.02)
    send(100)
    with running(tmp_path, **at) as server:
        send(200)
        provider.shutdown()
        numbers = sorted({attributes_of(span)["gen_ai.usage.input_tokens"] for span in server.spans()})  # type: ignore[type-var]
    assert numbers == list(range(300))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_c39_partial_success_is_a_success_to_the_exporter(tmp_path: Path, exporter: str) -> None:
    """These exporters do not look at it, and must not send again: what was dropped is in the server's metrics."""
    with running(tmp_path, keys=KEYS, pruner=Pruner(KEPT, SECRET, bounds=Bounds(spans=5))) as server:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(EXPORTERS[exporter](server)))
        tracer = provider.get_tracer("test.scope", "1.0")
        for _ in range(7):
            tracer.start_span("chat gpt-4o").end()
        provider.shutdown()
        assert len(server.records()) == 1
        assert len(server.spans()) == 5
        assert server.receiver.metrics.count("dropped_total", what="spans") == 2
