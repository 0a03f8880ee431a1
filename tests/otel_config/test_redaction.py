"""The redaction in a real Collector, over every captured program: no content passes, and every count that is not inside of content."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.kept import PRUNED_PREFIX, kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.conformance.road import RULES, case_names, requests
from tests.otel_config.collector import CONFIGS, Collector
from tests.ports import free_port

PIPELINE = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: "{out}"}}}}
extensions: {{health_check: {{endpoint: "${{env:HEALTH}}"}}}}
service:
  extensions: [health_check]
  pipelines: {{traces: {{receivers: [otlp], processors: [transform/redact], exporters: [file]}}}}
"""
CALLS = ("autogen/agent", "autogen/agent_alone", "js-genkit/agent", "js-genkit/chat", "js-genkit/fail", "js-langfuse/agent", "mlflow/chat",
         "js-traceloop/agent", "js-traceloop/tenants_workflow_props", "js-traceloop/workflow")  # fmt: skip
"""The usage of some call is only inside of the answer's JSON, so that redaction loses the call."""
COUNTS = ("js-openinference/agent", "js-openinference/cache", "js-openinference/chat", "js-openinference/embed", "js-openinference/fail",
          "langfuse3/multi", "langfuse5/multi", "mlflow/chat_genai", "mlflow/langchain_multi", "oi-anthropic/cache",
          "oi-anthropic/fail", "oi-dual/genai_semconv", "oi-langchain/chat")  # fmt: skip
"""A part of the usage is: what was cached, and for how long, or reasoning."""
NAMES = ("agent-framework/openinference_multi", "js-openai-agents/multi", "js-openinference/stream", "langsmith/langchain_agent",
         "oi-crewai/agent", "oi-google-genai/chat", "oi-langchain/agent", "oi-langchain/agent_multi", "oi-langchain/agent_multi_hidden",
         "oi-langchain/embed_retrieve", "oi-langchain/fail", "oi-litellm/multi", "oi-llama-index/multi",
         "oi-openai-agents/agent", "oi-openai/chat", "oi-openai/embed",
         "oi-openai/tenants_baggage", "oi-openai/tenants_root_only", "pydantic-ai/multi_subagent")  # fmt: skip
"""The response id is, or the model that answered, beside that which was asked."""
LOST = dict.fromkeys(CALLS, "calls") | dict.fromkeys(COUNTS, "counts") | dict.fromkeys(NAMES, "names")
"""What README.md says of these emitters: send their spans as they are, and leave the pruning to spanledger."""


@pytest.fixture(scope="module")
def redacted(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Every captured request as it comes out of the redaction, by case."""
    folder = tmp_path_factory.mktemp("redaction")
    out, port = folder / "out.jsonl", free_port()
    (folder / "pipeline.yaml").write_text(PIPELINE.format(port=port, out=out))
    collector = Collector(binary, folder, [folder / "pipeline.yaml", CONFIGS / "redact.yaml"], {})
    collector.start()
    sizes = {}
    for name in case_names():
        sizes[name] = len(requests(name))
        for body in requests(name):
            told = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", body, {"content-type": "application/x-protobuf"})
            with urllib.request.urlopen(told, timeout=10) as answer:  # noqa: S310 - our own loopback address
                assert answer.status == 200
    collector.stop()
    lines = iter(out.read_bytes().splitlines())
    found = {name: [to_protobuf(next(lines)) for _ in range(size)] for name, size in sizes.items()}
    assert next(lines, None) is None
    return found


def readings(body: bytes) -> list[Reading]:
    pruned = Pruner(kept_for(RULES), b"k" * 32).prune(body)
    return Reader(RULES).read(pruned, authority="default", key_tenant=None, position=0, received_ns=1)[0]


def lost_of(before: Reading, after: Reading) -> str | None:
    """What redaction took from a span, the worst of it; payers it must never."""
    assert (before.span_id, before.payers, before.resource) == (after.span_id, after.payers, after.resource)
    one, other = before.call, after.call
    if one is None or one.usage is None:
        return None
    if other is None or other.usage is None:
        return "calls"
    if one.usage != other.usage:
        return "counts"
    names = ("provider", "request_model", "response_model", "response_id", "service_tier", "region", "tool_name")
    return "names" if any(getattr(one, name) != getattr(other, name) for name in names) else None


def texts(message: Any) -> Iterator[str]:
    """Every text in attribute values, however deep."""
    for pair in message:
        yield from _inside(pair.value)


def _inside(value: Any) -> Iterator[str]:
    match value.WhichOneof("value"):
        case "string_value":
            yield value.string_value
        case "array_value":
            for item in value.array_value.values:
                yield from _inside(item)
        case "kvlist_value":
            yield from texts(value.kvlist_value.values)


def test_nothing_passes_that_spanledger_would_throw_away(redacted: dict[str, list[bytes]]) -> None:
    """What its own pruning still finds to take out are JSON texts that it reduces, and texts that are too long to be names."""
    left: dict[str, int] = {}
    for bodies in redacted.values():
        for body in bodies:
            pruned = ExportTraceServiceRequest.FromString(Pruner(kept_for(RULES), b"k" * 32).prune(body))
            for resource_spans in pruned.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        assert not span.status.message
                        for holder in (resource_spans.resource, scope_spans.scope, span, *span.events):
                            for pair in holder.attributes:
                                if any(text.startswith(PRUNED_PREFIX) for text in _inside(pair.value)):
                                    left[pair.key] = left.get(pair.key, 0) + 1
    assert left.keys() <= kept_for(RULES).json_keys.keys() | kept_for(RULES).number_keys, left


def test_every_count_and_payer_passes_that_is_not_inside_of_content(redacted: dict[str, list[bytes]]) -> None:
    found: dict[str, str] = {}
    for name, bodies in redacted.items():
        before = [each for body in requests(name) for each in readings(body)]
        after = [each for body in bodies for each in readings(body)]
        kinds = {lost_of(one, other) for one, other in zip(before, after, strict=True)}
        worst = [kind for kind in ("calls", "counts", "names") if kind in kinds]
        if worst:
            found[name] = worst[0]
    assert found == LOST
