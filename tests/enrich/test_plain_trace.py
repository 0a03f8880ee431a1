"""The short way through settlement gives what the long way gives, or stands aside."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.plain_trace import plain_charges
from spanledger.enrich.records import Payers, Reading
from spanledger.enrich.settle import settle_any
from tests.enrich.trees import Node, agent, chat, other, pays, readings, spans, step, tool


def test_an_agents_calls_are_settled_the_short_way() -> None:
    tree = other("http", agent("agent", chat("a", (10, 1)), tool("t", chat("b", (20, 2))), tokens=(30, 3)), payers=pays("acme"))
    charges = plain_charges(spans(tree))
    assert charges is not None
    assert [(c.payers.tenant, c.tenant_source, c.call.usage.input_tokens) for c in charges if c.call.usage] == [
        ("acme", "ancestor:tenant.id", 10),
        ("acme", "ancestor:tenant.id", 20),
    ]


@pytest.mark.parametrize(
    "tree",
    [
        chat("a", (10, 1), chat("b", (10, 1))),
        other("http", chat("a", (10, 1)), chat("b", (20, 2), scope="other@1")),
        other("http", chat("a", (10, 1), response_id="r"), chat("b", (10, 1), response_id="r")),
        agent("agent", chat("a"), tokens=(10, 1)),
        other("http", chat("a", (10, 1)), agent("aside", tokens=(5, 5))),
        other("http", chat("a", (10, 0), operation="embeddings")),
    ],
    ids=["nested", "two tellers", "one id twice", "silent call", "an aggregate of its own", "embeddings"],
)
def test_it_stands_aside_for_anything_else(tree: Node) -> None:
    assert plain_charges(spans(tree)) is None


class Plain:
    """Random trees that are mostly plain: agents, steps and tools over calls that mostly have usage, claims anywhere, gaps."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.count = rng, 0

    def claims(self) -> Payers:
        rng = self.rng
        return Payers(
            tenant=rng.choice([None, None, "acme", "globex"]), user=rng.choice([None, "u1"]), session=rng.choice([None, "s1"]),
            allocation=rng.choice([(), (), (("a", 1), ("b", 2))]), sources=(("tenant", "span:tenant.id"),),
        )  # fmt: skip

    def grow(self, depth: int) -> Node:
        rng = self.rng
        self.count += 1
        name = f"n{self.count}"
        if depth == 0 or rng.random() < 0.4:
            return chat(name, (self.count * 10, 1) if rng.random() < 0.95 else None, payers=self.claims(), resource_payers=self.claims())
        children = [self.grow(depth - 1) for _ in range(rng.randint(1, 3))]
        make = rng.choice([agent, step, tool, other])
        tokens = {"tokens": (rng.randrange(100), 5)} if make in (agent, step) and rng.random() < 0.3 else {}
        return make(name, *children, payers=self.claims(), **tokens)


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_both_ways_agree(rng: random.Random) -> None:
    got: list[Reading] = readings(Plain(rng).grow(3))
    kept = [r for r in got if rng.random() < 0.95] or got
    rng.shuffle(kept)
    trace = {r.span_id: r for r in kept}
    short = plain_charges(trace)
    assert short is None or short == settle_any([trace])
