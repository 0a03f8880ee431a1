"""Traces written as trees, for tests: `trace(root(...))` gives the readings a reader would give for such spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.price import Priced, priced
from spanledger.enrich.records import NOBODY, Call, Kind, Payers, Reading, Resource, Usage

SECOND_NS = 1_000_000_000
NOON_NS = 1_795_176_000 * SECOND_NS  # 2026-11-20 12:00 UTC
ATTO = 10**18


@dataclass(frozen=True)
class Node:
    """A span of a tree; times in milliseconds from the start of its trace."""

    kind: Kind
    name: str
    children: tuple[Node, ...] = ()
    operation: str | None = None
    tokens: tuple[int, int] | None = None
    usage: Usage | None = None
    model: str = "gpt-4o-mini"
    response_id: str | None = None
    scope: str = "test@1"
    service: str = "svc"
    payers: Payers = NOBODY
    resource_payers: Payers = NOBODY
    ms: tuple[int, int] = (0, 1000)
    failed: bool = False
    state: str = "measured"
    extra: dict[str, object] = field(default_factory=dict)


def chat(name: str, tokens: tuple[int, int] | None = None, *children: Node, **more: object) -> Node:
    """An inference span."""
    return Node("inference", name, children, **{"operation": "chat", "tokens": tokens, **more})  # type: ignore[arg-type]


def agent(name: str, *children: Node, **more: object) -> Node:
    """An agent span; with tokens it restates."""
    return Node("aggregate", name, children, **{"operation": "invoke_agent", **more})  # type: ignore[arg-type]


def step(name: str, *children: Node, **more: object) -> Node:
    """A workflow, chain or step span."""
    return Node("aggregate", name, children, **{"operation": "chain", **more})  # type: ignore[arg-type]


def tool(name: str, *children: Node, **more: object) -> Node:
    """A tool span."""
    return Node("tool", name, children, **{"operation": "execute_tool", **more})  # type: ignore[arg-type]


def other(name: str, *children: Node, **more: object) -> Node:
    """A plain span (HTTP, database …)."""
    return Node("other", name, children, **more)  # type: ignore[arg-type]


def pays(tenant: str | None = None, **more: object) -> Payers:
    """Payers a span claims under tenant.id."""
    sources = (("tenant", "span:tenant.id"),) if tenant else ()
    return Payers(tenant=tenant, sources=sources, **more)  # type: ignore[arg-type]


def span_id(name: str) -> bytes:
    """The id of the span of that name."""
    return name.encode().ljust(8, b".")[:8]


def trace_id(name: str) -> bytes:
    """The id of the trace of that name."""
    return name.encode().ljust(16, b".")[:16]


def readings(
    root: Node, trace: str = "t", *, authority: str = "default", key_tenant: str | None = None, parent: bytes = b""
) -> list[Reading]:
    """The spans of a tree as readings, parents first."""
    return list(_walk(root, trace_id(trace), authority, key_tenant, parent))


def _walk(node: Node, trace: bytes, authority: str, key_tenant: str | None, parent: bytes) -> Iterator[Reading]:
    usage = node.usage or (Usage(node.tokens[0], node.tokens[1]) if node.tokens else None)
    call = None
    if node.kind == "inference" or usage is not None:
        call = Call(
            "test",
            "inclusive",
            "openai",
            node.model,
            None,
            node.response_id,
            usage=usage,
            usage_state=node.state if usage else "missing",  # type: ignore[arg-type]
        )._replace(**node.extra)
    yield Reading(
        authority,
        trace,
        span_id(node.name),
        parent,
        NOON_NS + node.ms[0] * 1_000_000,
        NOON_NS + node.ms[1] * 1_000_000,
        node.kind,
        node.operation,
        node.scope,
        Resource(node.service, node.resource_payers),
        node.payers,
        call,
        node.failed,
        0,
        NOON_NS + 2 * SECOND_NS,
        key_tenant,
    )
    for child in node.children:
        yield from _walk(child, trace, authority, key_tenant, span_id(node.name))


def spans(root: Node, trace: str = "t", **more: object) -> dict[bytes, Reading]:
    """The spans of a tree by id, as `settle` takes them."""
    return {r.span_id: r for r in readings(root, trace, **more)}  # type: ignore[arg-type]


class FlatPrices:
    """Every token at one millionth of a dollar: a catalog whose sums can be done in the head."""

    catalog_id = "rc-flat"

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        usage = call.usage
        assert usage is not None
        return priced(
            Line(unit, count, "flat", "1", 1_000_000, count * ATTO // 1_000_000)
            for unit, count in (("input", usage.input_tokens), ("output", usage.output_tokens))
            if count
        )


def net(entries: list[CostEvent]) -> list[tuple[str, str, str | None, int | None, int | None]]:
    """(trace, span, tenant, input, output) of the charges that stand, sorted."""
    undone = {e.ref_event_id for e in entries if e.kind == "reversal"}
    return sorted(
        (e.trace_id.decode().rstrip("."), e.span_id.decode().rstrip("."), e.tenant_id, e.input_tokens, e.output_tokens)
        for e in entries
        if e.kind == "charge" and e.event_id not in undone
    )
