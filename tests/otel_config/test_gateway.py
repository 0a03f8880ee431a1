"""GenAI routing: of traces that matter everything comes, of others the root alone, and every span that says more than plumbing at once."""

from __future__ import annotations

import re
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import set_span_in_context

from tests.cli.otlp_sink import sink
from tests.conformance.road import case_names
from tests.otel_config.collector import CONFIGS, Sender, Setting
from tests.otel_config.test_files import read
from tests.otel_config.test_redaction import readings, redacted
from tests.ports import free_port

__all__ = ["redacted"]
PLUMBING = re.compile(r"(client|db|error|exception|http|messaging|net|network|peer|rpc|server|url|user_agent)\.")


def traces() -> dict[str, list[ReadableSpan]]:
    """An agent run with plain spans all around its call, and a trace that has nothing of GenAI."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop", "1")
    agent: list[ReadableSpan] = []
    plain: list[ReadableSpan] = []
    with tracer.start_as_current_span("POST /ask", attributes={"http.request.method": "POST"}) as root:
        with tracer.start_as_current_span("SELECT", attributes={"db.system.name": "sqlite"}) as query:
            pass
        with tracer.start_as_current_span("handler", attributes={"http.route": "/ask"}) as step:
            told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1}
            call = tracer.start_span("chat", attributes=told)
            below = tracer.start_span("POST", set_span_in_context(call), attributes={"server.address": "api.openai.com"})
            below.end()
            call.end()
    agent += [root, query, step, call, below]  # type: ignore[list-item]  # finished spans of the SDK
    with tracer.start_as_current_span("GET /health", attributes={"tenant.id": "acme", "http.request.method": "GET"}) as root:
        with tracer.start_as_current_span("SELECT", attributes={"db.system.name": "sqlite"}) as query:
            pass
        with tracer.start_as_current_span("job", attributes={"tenant.id": "acme", "db.system.name": "sqlite"}) as payer:
            pass
    plain += [root, query, payer]  # type: ignore[list-item]  # as above
    return {"agent": agent, "plain": plain}


def test_whole_traces_that_matter_and_of_others_the_root_and_payers(place: Setting) -> None:
    port, certificates = free_port(), place.certificates
    (place.folder / "keys").write_text("key\n")
    with sink(certificates.server) as ledger:
        place.collect(
            "gateway.yaml",
            GATEWAY_GRPC=f"127.0.0.1:{port}",
            GATEWAY_HTTP=f"127.0.0.1:{free_port()}",
            TENANT_KEYS=str(place.folder / "keys"),
            GATEWAY_CERT=str(certificates.certificate),
            GATEWAY_KEY=str(certificates.key),
            SPANLEDGER_ENDPOINT=f"localhost:{ledger.ports['grpc']}",
            DECISION_WAIT="2s",
        )
        sent = traces()
        sender = Sender(port, certificates.client, "key")
        for spans in sent.values():
            for span in spans:  # one request each
                sender.send([span])
        sender.close()
        wanted = [*sent["agent"], sent["plain"][0], sent["plain"][2]]
        deadline = time.monotonic() + 60
        while len(ledger.spans()) < len(wanted):
            assert time.monotonic() < deadline, [span.name for span in ledger.spans()]
            time.sleep(0.1)
        time.sleep(2)  # whatever else would come
        came = sorted(span.span_id.hex() for span in ledger.spans())
        assert came == sorted(f"{span.context.span_id:016x}" for span in wanted)


def test_no_call_and_no_payer_of_any_captured_program_waits_in_memory(redacted: dict[str, list[bytes]]) -> None:
    """The filter's own words, over what redaction leaves of every capture: every call, agent and payer is more than plumbing."""
    (condition,) = read(CONFIGS / "gateway.yaml")["processors"]["filter/charges"]["traces"]["span"]
    assert PLUMBING.pattern.removesuffix(r"\.") in condition
    checked = 0
    for name in case_names():
        for body in redacted[name]:
            keys = _keys(body)
            for reading in readings(body):
                has_usage = reading.call is not None and reading.call.usage is not None
                if reading.parent_span_id and (has_usage or reading.payers.sources):
                    checked += 1
                    assert not all(PLUMBING.match(key) for key in keys[reading.span_id]), (name, keys[reading.span_id])
    assert checked > 500


def _keys(body: bytes) -> dict[bytes, list[str]]:
    return {
        span.span_id: [pair.key for pair in span.attributes]
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    }
