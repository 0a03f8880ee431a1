"""The load every bench shares: traces of LLM agents, the same bytes for the same seed.

    python benchmarks/load.py --out DIR [--requests 64] [--seed 1]

writes `plain.bin` and `text.bin` (with 2-8 KB of messages on each chat span): export requests of 512 spans, each behind its
length in 4 bytes, little-endian. A trace is a tree as agents make it: an HTTP server span on top, a workflow, an agent, and
turns of a chat, a tool, a database and sometimes a retrieval span. A quarter of the spans are provider calls. In a third of the
traces only the root says who pays; half of the agents restate the usage below them. Children leave before their parents, and
traces interleave over requests. 200 tenants, skewed; 24 models of four providers.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

START_NS = 1_795_132_800_000_000_000  # 2026-11-20 00:00 UTC
MS = 1_000_000
SPANS_PER_REQUEST = 512
OPEN_TRACES = 24
INTERNAL, SERVER, CLIENT = 1, 2, 3
MODELS = [
    *(("openai", name) for name in ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "o4-mini", "o3")),
    *(("anthropic", name) for name in ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1", "claude-sonnet-4-0")),
    *(("gcp.gemini", name) for name in ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.0-flash")),
    *(("mistral_ai", name) for name in ("mistral-large-latest", "mistral-small-latest", "codestral-latest", "ministral-8b-latest")),
    *(("openai", name) for name in ("text-embedding-3-small", "text-embedding-3-large", "gpt-4-turbo", "gpt-3.5-turbo")),
]
WORDS = ["the", "agent", "reads", "an", "invoice", "and", "asks", "whether", "a", "refund", "was", "promised"]
WORDS += ["to", "the", "customer", "last", "week"]
Pairs = list[tuple[str, Any]]


def set_attributes(target: Any, pairs: Pairs) -> None:
    for key, value in pairs:
        attribute = target.add(key=key)
        if isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, int):
            attribute.value.int_value = value
        elif isinstance(value, float):
            attribute.value.double_value = value
        elif isinstance(value, list):
            for item in value:
                attribute.value.array_value.values.add(string_value=item)
        else:
            attribute.value.string_value = value


def prose(rng: random.Random, size: int) -> str:
    return " ".join(rng.choices(WORDS, k=size // 5))[:size]


def reasons(model: str) -> bool:
    return model[:2] in ("o3", "o4") or "gpt-5" in model or "2.5" in model


class Trace:
    """Builds one trace; `spans` ends up with children before their parents. The order of the draws is the load: do not change it."""

    def __init__(self, rng: random.Random, start_ns: int, with_text: bool) -> None:
        self.rng, self.start_ns, self.with_text = rng, start_ns, with_text
        self.tenant = min(int(rng.expovariate(0.02)), 199)
        self.user = self.tenant * 100 + rng.randrange(50)
        self.is_root_only = rng.random() < 1 / 3
        self.payer: Pairs = [("tenant.id", f"tenant-{self.tenant:03d}"), ("user.id", f"user-{self.user:05d}")]
        self.session = ("gen_ai.conversation.id", f"sess-{self.user * 10 + rng.randrange(5):07d}")
        self.agent_name = ("gen_ai.agent.name", f"agent-{self.tenant % 12}")
        self.trace_id = rng.randbytes(16)
        self.root, self.workflow, self.agent = (rng.randbytes(8) for _ in range(3))
        self.spans: list[Span] = []
        self.totals = [0, 0]
        at_ns = start_ns + 5 * MS
        for _ in range(rng.randint(3, 8)):
            at_ns = self.turn(at_ns)
        self.frame()

    def add(self, name: str, kind: int, parent: bytes, start_ns: int, ms: int, pairs: Pairs, span_id: bytes = b"") -> None:
        span = Span(trace_id=self.trace_id, span_id=span_id or self.rng.randbytes(8), parent_span_id=parent, name=name, flags=257)
        span.kind = kind  # type: ignore[assignment]  # an enum is an int
        span.start_time_unix_nano, span.end_time_unix_nano = start_ns, start_ns + ms * MS
        set_attributes(span.attributes, pairs)
        self.spans.append(span)

    def turn(self, at_ns: int) -> int:
        rng = self.rng
        self.call(at_ns)
        at_ns += MS
        mine = [] if self.is_root_only else self.payer[:1]
        tool = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "search"),
            ("gen_ai.tool.type", "function"),
            ("gen_ai.tool.call.id", f"call_{rng.getrandbits(64):x}"),
            ("tool.retries", 0),
            ("tool.ok", True),
            ("thread.name", "MainThread"),
        ]
        self.add("execute_tool search", INTERNAL, self.agent, at_ns, 30, tool + mine)
        query = [
            ("db.system.name", "postgresql"),
            ("db.namespace", "orders"),
            ("db.operation.name", "SELECT"),
            ("server.address", "pg.internal"),
            ("server.port", 5432),
            ("db.collection.name", "orders"),
            ("db.response.returned_rows", rng.randrange(50)),
        ]
        self.add("SELECT orders", CLIENT, self.spans[-1].span_id, at_ns, 4, query + mine)
        if rng.random() < 0.4:
            lookup = [
                ("gen_ai.operation.name", "retrieval"),
                ("db.system.name", "qdrant"),
                ("retrieval.top_k", 8),
                ("server.address", "qdrant.internal"),
                ("server.port", 6334),
                ("retrieval.collection", "kb"),
                ("retrieval.cached", False),
            ]
            self.add("retrieve kb", CLIENT, self.agent, at_ns, 9, lookup + mine)
        return at_ns + rng.randint(5, 50) * MS

    def call(self, at_ns: int) -> None:
        rng = self.rng
        provider, model = MODELS[min(int(rng.expovariate(0.2)), len(MODELS) - 1)]
        is_embedding = "embedding" in model
        inputs = rng.randrange(200, 30_000)
        read = int(inputs * rng.random() * 0.7) if rng.random() < 0.6 and not is_embedding else 0
        write = rng.randrange(0, max(1, (inputs - read) // 3)) if provider == "anthropic" and rng.random() < 0.4 else 0
        outputs = 0 if is_embedding else rng.randrange(20, 3_000)
        operation = "embeddings" if is_embedding else "chat"
        pairs: Pairs = [
            ("gen_ai.operation.name", operation),
            ("gen_ai.provider.name", provider),
            ("gen_ai.request.model", model),
            ("gen_ai.response.model", model),
            ("gen_ai.response.id", f"resp-{rng.getrandbits(96):024x}"),
            ("gen_ai.request.max_tokens", 4096),
            ("gen_ai.request.temperature", 0.7),
            ("gen_ai.response.finish_reasons", ["stop"]),
            self.session,
            ("gen_ai.usage.input_tokens", inputs),
            ("gen_ai.usage.output_tokens", outputs),
            ("server.address", f"api.{provider}.example"),
            ("server.port", 443),
            ("gen_ai.output.type", "text"),
            self.agent_name,
        ]
        if read:
            pairs.append(("gen_ai.usage.cache_read.input_tokens", read))
        if write:
            pairs.append(("gen_ai.usage.cache_creation.input_tokens", write))
        if reasons(model):
            pairs.append(("gen_ai.usage.reasoning.output_tokens", rng.randrange(outputs)))
        if not self.is_root_only:
            pairs += self.payer
        if self.with_text and not is_embedding:
            size = rng.randrange(2_048, 8_192)
            pairs.append(("gen_ai.input.messages", prose(rng, size * 3 // 4)))
            pairs.append(("gen_ai.output.messages", prose(rng, size // 4)))
        self.add(f"{operation} {model}", CLIENT, self.agent, at_ns, rng.randint(200, 4_000), pairs)
        self.totals[0] += inputs
        self.totals[1] += outputs

    def frame(self) -> None:
        """The spans around the turns; they end last."""
        restated: Pairs = []
        if self.rng.random() < 0.5:
            restated = [("gen_ai.usage.input_tokens", self.totals[0]), ("gen_ai.usage.output_tokens", self.totals[1])]
        agent = [("gen_ai.operation.name", "invoke_agent"), self.agent_name, self.session, *restated]
        self.add("invoke_agent support", INTERNAL, self.workflow, self.start_ns + 3 * MS, 9_000, agent, self.agent)
        workflow: Pairs = [("gen_ai.operation.name", "invoke_workflow"), ("gen_ai.workflow.name", "answer")]
        self.add("invoke_workflow answer", INTERNAL, self.root, self.start_ns + 2 * MS, 9_100, workflow, self.workflow)
        root = [
            ("http.request.method", "POST"),
            ("url.path", "/v1/answers"),
            ("url.scheme", "https"),
            ("http.response.status_code", 200),
            ("http.route", "/v1/answers"),
            ("server.address", "app.example"),
            ("user_agent.original", "app/1.2"),
            *self.payer,
        ]
        self.add("POST /v1/answers", SERVER, b"", self.start_ns, 9_200, root, self.root)


def service(number: int) -> Pairs:
    return [
        ("service.name", f"svc-{number:02d}"),
        ("service.version", "1.4.0"),
        ("deployment.environment.name", ("prod", "staging")[number % 2]),
        ("host.name", f"ip-10-0-{number}-17"),
        ("k8s.pod.name", f"svc-{number:02d}-7d9f"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "python"),
    ]


def requests(count: int, seed: int, with_text: bool, size: int = SPANS_PER_REQUEST) -> Iterator[bytes]:
    """Serialized export requests of `size` spans each."""
    rng = random.Random(seed)
    under_way: list[list[Span]] = []
    start_ns = START_NS
    for _ in range(count):
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        set_attributes(resource_spans.resource.attributes, service(rng.randrange(50)))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name, scope_spans.scope.version = "opentelemetry.instrumentation.genai.openai", "1.3b0"
        while len(scope_spans.spans) < size:
            while len(under_way) < OPEN_TRACES:
                start_ns += rng.randint(1, 40) * MS
                under_way.append(Trace(rng, start_ns, with_text).spans)
            index = rng.randrange(len(under_way))
            taken = under_way[index][: min(rng.randint(1, 9), size - len(scope_spans.spans))]
            scope_spans.spans.extend(taken)
            del under_way[index][: len(taken)]
            if not under_way[index]:
                del under_way[index]
        yield request.SerializeToString()


def read_frames(path: Path) -> list[bytes]:
    """The requests of a file that `main` wrote."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, with_text in (("plain", False), ("text", True)):
        with (options.out / f"{name}.bin").open("wb") as file:
            for request in requests(options.requests, options.seed, with_text):
                file.write(len(request).to_bytes(4, "little") + request)


if __name__ == "__main__":
    main()
