"""The demo's customers: a small, seeded, multi-tenant agent workload told through the real OpenTelemetry SDK and exporters.

It is odd on purpose, as production is: a tenant is named on the root only, agents restate the sum of their calls, two
instrumentations see one call, a provider refuses a call, a model has no price, and one job forgot to say who it works for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

Protocol = Literal["grpc", "http"]

TENANTS = ("acme", "globex", "initech", "umbrella")
_QUESTION = "Where is my order 4711? Please answer in one short paragraph."
_SECOND_NS = 1_000_000_000


@dataclass
class Told:
    """What the workload really did, to hold the report against: provider calls by tenant, and a call worth explaining."""

    calls: dict[str | None, int] = field(default_factory=dict)
    spans: int = 0
    explain_span: str = ""

    def call(self, tenant: str | None) -> None:
        """Note one call to a provider."""
        self.calls[tenant] = self.calls.get(tenant, 0) + 1


def exporter(protocol: Protocol, endpoint: str, key: str | None = None) -> SpanExporter:
    """A real OTLP exporter: `endpoint` is host:port; HTTP goes gzipped, as many set it."""
    headers = {"authorization": f"Bearer {key}"} if key else None
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(endpoint=endpoint, insecure=True, headers=headers)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter(endpoint=f"http://{endpoint}/v1/traces", compression=Compression.Gzip, headers=headers)


class App:
    """One instrumented service with a clock of its own, so that minutes of work are told in a moment."""

    def __init__(self, service: str, span_exporter: SpanExporter, told: Told, start_ns: int, seed: int) -> None:
        self.told = told
        self.now_ns = start_ns
        self.random = random.Random(seed)  # noqa: S311 - a reproducible workload, no secret
        self.provider = TracerProvider(resource=Resource.create({"service.name": service, "deployment.environment.name": "production"}))
        self.provider.add_span_processor(BatchSpanProcessor(span_exporter, schedule_delay_millis=200))

    def pause(self, seconds: float) -> None:
        """Let time pass in the story."""
        self.now_ns += int(seconds * 1000) * 1_000_000

    @contextmanager
    def span(self, scope: str, name: str, attributes: dict[str, Any], kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
        """A span on the story's clock; what happens inside becomes its children."""
        scope_name, _, version = scope.partition("@")
        tracer = self.provider.get_tracer(scope_name, version or None)
        span = tracer.start_span(name, kind=kind, attributes=attributes, start_time=self.now_ns)
        self.told.spans += 1
        with otel.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield span  # type: ignore[misc] # start_span of the SDK's tracer gives the SDK's span
        self.pause(0.02)
        span.end(end_time=self.now_ns)

    def response_id(self, prefix: str) -> str:
        """A response id as a provider would make it, new in every run."""
        return f"{prefix}{self.random.getrandbits(60):015x}{time.time_ns() & 0xFFFFFF:06x}"

    def close(self) -> None:
        """Send what is left and stop."""
        self.provider.shutdown()


def openai_chat(app: App, model: str, tenant: str | None, input_tokens: int, output_tokens: int, **usage: Any) -> tuple[int, int]:
    """A chat completion as the OpenTelemetry instrumentation of the OpenAI SDK tells it; content included, to be pruned."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": usage.get("provider", "openai"),
        "gen_ai.request.model": model,
        "gen_ai.response.model": usage.get("response_model", model),
        "gen_ai.response.id": app.response_id("chatcmpl-"),
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{_QUESTION}"}}]}}]',
    }
    if cached := usage.get("cached"):
        attributes["gen_ai.usage.cache_read.input_tokens"] = cached
    if reasoning := usage.get("reasoning"):
        attributes["gen_ai.usage.reasoning.output_tokens"] = reasoning
    with app.span("opentelemetry.instrumentation.genai.openai@1.0b0", f"chat {model}", attributes, SpanKind.CLIENT) as span:
        app.pause(0.4 + output_tokens / 900)
        if usage.get("explain"):
            app.told.explain_span = f"{span.get_span_context().span_id:016x}"
    app.told.call(tenant)
    return input_tokens, output_tokens


def refused_chat(app: App, model: str, tenant: str | None) -> None:
    """A call that the provider turned away: no usage, an error, no charge."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "error.type": "RateLimitError",
    }
    with app.span("opentelemetry.instrumentation.genai.openai@1.0b0", f"chat {model}", attributes, SpanKind.CLIENT) as span:
        app.pause(0.2)
        span.set_status(Status(StatusCode.ERROR, "rate limit reached"))
    app.told.call(tenant)


def anthropic_message(app: App, model: str, tenant: str | None, input_tokens: int, output_tokens: int, **cache: int) -> tuple[int, int]:
    """A message as the Anthropic SDK's own spans tell it, with cache reads and writes of both lifetimes inside the input."""
    written_5m, written_1h = cache.get("written_5m", 0), cache.get("written_1h", 0)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": app.response_id("msg_"),
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "gen_ai.usage.cache_read.input_tokens": cache.get("cached", 0),
        "gen_ai.usage.cache_write.input_tokens": written_5m + written_1h,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": written_5m,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": written_1h,
        "anthropic.response.service_tier": "standard",
    }
    with app.span("com.anthropic.sdk.python@2.11.0", "anthropic.messages.create", attributes, SpanKind.CLIENT) as span:
        app.pause(0.6 + output_tokens / 700)
        if cache.get("explain"):
            app.told.explain_span = f"{span.get_span_context().span_id:016x}"
    app.told.call(tenant)
    return input_tokens, output_tokens


@contextmanager
def agent(app: App, name: str) -> Iterator[list[tuple[int, int]]]:
    """An agent that restates the sum of its calls on its own span, as most frameworks do; counting both would double the bill."""
    calls: list[tuple[int, int]] = []
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, "gen_ai.provider.name": "openai"}
    with app.span("my.agents@1.4.0", f"invoke_agent {name}", attributes) as span:
        yield calls
        span.set_attribute("gen_ai.usage.input_tokens", sum(call[0] for call in calls))
        span.set_attribute("gen_ai.usage.output_tokens", sum(call[1] for call in calls))


@contextmanager
def tool(app: App, name: str) -> Iterator[None]:
    """A tool run: the calls inside it are the tool's own."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    with app.span("my.agents@1.4.0", f"execute_tool {name}", attributes):
        app.pause(0.05)
        yield


def support_session(app: App, tenant: str, number: int) -> None:
    """A support request over HTTP: the tenant stands on the root only, an agent calls a model, a tool and a sub-agent."""
    roll = app.random.randrange
    root = {
        "tenant.id": tenant,
        "user.id": f"{tenant}-user-{roll(3)}",
        "session.id": f"{tenant}-session-{number}",
        "http.route": "/support",
    }
    with app.span("opentelemetry.instrumentation.fastapi@0.66b2", "POST /support", root, SpanKind.SERVER), agent(app, "support") as calls:
        if number % 3 == 1:
            refused_chat(app, "gpt-4.1-mini", tenant)
        size = 1800 + roll(900)
        calls.append(openai_chat(app, "gpt-4.1-mini", tenant, size, 120 + roll(200), cached=1024, response_model="gpt-4.1-mini-2025-04-14"))
        with tool(app, "find_order"):
            openai_chat(app, "gpt-5-nano", tenant, 400 + roll(100), 90 + roll(60), reasoning=64, response_model="gpt-5-nano-2025-08-07")
        calls.append(openai_chat(app, "gpt-5", tenant, size + 700, 900 + roll(600), reasoning=512, response_model="gpt-5-2025-08-07"))


def research_job(app: App, tenant: str, first: bool) -> None:
    """A research workflow on Claude with a prompt cache: written once for an hour, then read."""
    attributes = {"tenant.id": tenant, "gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "weekly-research"}
    with app.span("my.agents@1.4.0", "invoke_workflow weekly-research", attributes), agent(app, "researcher") as calls:
        calls.append(
            anthropic_message(app, "claude-sonnet-4-5-20250929", tenant, 9200, 700, written_1h=6000, written_5m=1500, explain=int(first))
        )
        for _ in range(2):
            calls.append(anthropic_message(app, "claude-sonnet-4-5-20250929", tenant, 9900, 640, cached=7500))


def doubly_seen_call(app: App, tenant: str) -> None:
    """Two instrumentations on one client: the outer span tells of the same call as the inner one."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "llm.token_count.prompt": 2325,
        "llm.token_count.completion": 294,
        "llm.token_count.total": 2619,
        "tenant.id": tenant,
    }
    with app.span("openinference.instrumentation.openai@0.1.66", "ChatCompletion", attributes):
        openai_chat(app, "gpt-4o-mini", tenant, 2325, 294, cached=1280, response_model="gpt-4o-mini-2024-07-18")


def play(grpc_endpoint: str, http_endpoint: str, *, key: str | None = None, sessions: int = 3, end_ns: int | None = None) -> Told:
    """Send the whole workload, half over gRPC and half over HTTP, and say what it did.

    The story ends at `end_ns` (default: now) and plays in the minutes before. The amounts are the same in every run.
    """
    told = Told()
    end_ns = end_ns if end_ns is not None else time.time_ns()
    start_ns = end_ns - 1800 * _SECOND_NS
    support = App("support-bot", exporter("grpc", grpc_endpoint, key), told, start_ns, seed=1)
    research = App("research", exporter("http", http_endpoint, key), told, start_ns, seed=2)
    try:
        for number in range(sessions):
            for tenant in TENANTS[:3]:
                support_session(support, tenant, number)
        doubly_seen_call(support, "globex")
        research_job(research, "acme", first=True)
        research_job(research, "umbrella", first=False)
        with research.span("my.jobs@1", "nightly-digest", {"tenant.id": "initech"}):
            openai_chat(research, "gemini-2.5-flash", "initech", 5200, 800, provider="gcp.gemini", reasoning=300)
            openai_chat(research, "initech-llm-70b-finetuned", "initech", 3000, 500, provider="initech-cloud")  # no catalog knows it
        with research.span("my.jobs@1", "reindex", {}):  # nobody said for whom
            openai_chat(research, "gpt-4o-mini", None, 1500, 60)
    finally:
        support.close()
        research.close()
    return told
