"""A call that names no model, under spans that do: a tree in, models and flags out."""

from __future__ import annotations

from spanledger.enrich.charge import Charge
from spanledger.enrich.model_above import FLAG
from spanledger.enrich.records import Usage
from spanledger.enrich.settle import settle
from tests.enrich.trees import Node, agent, chat, other, spans, step, tool

NAMELESS = {"extra": {"request_model": None, "provider": None}}


def response(name: str, tokens: tuple[int, int] | None = (10, 1)) -> Node:
    """A call with counts and without a model, as Codex tells it."""
    return chat(name, tokens, **NAMELESS)


def charges(tree: Node) -> list[Charge]:
    return sorted(settle([spans(tree)]), key=lambda charge: charge.reading.span_id)


def test_a_turn_names_the_model_of_its_responses() -> None:
    first, second = charges(
        other("http", step("turn", other("receiving", response("a")), response("b"), tokens=(20, 2), model="gpt-5-codex"))
    )
    for charge in (first, second):
        assert (charge.call.request_model, charge.call.provider, charge.call.flags) == ("gpt-5-codex", "openai", (FLAG,))


def test_the_nearest_counts_and_a_model_of_ones_own_before_it() -> None:
    [inner, own] = charges(
        agent("outer", agent("inner", response("a"), tokens=(10, 1), model="near"), chat("b", (5, 5)), tokens=(15, 6), model="far")
    )
    assert (inner.call.request_model, own.call.request_model, own.call.flags) == ("near", "gpt-4o-mini", ())


def test_nothing_is_taken_across_a_tool_or_for_a_call_without_usage() -> None:
    [below] = charges(agent("agent", tool("tool", response("a")), tokens=(10, 1), model="gpt-5"))
    assert (below.call.request_model, below.call.flags) == (None, ())
    told = charges(agent("agent", response("a", None), chat("b", (5, 5)), tokens=(5, 5), model="gpt-5"))
    assert [charge.call.request_model for charge in told] == [None, "gpt-4o-mini"]


def test_a_span_without_usage_names_nothing() -> None:
    """An agent that tells nothing of usage speaks of its own settings, not of what was called."""
    for silent in (agent("agent", response("a")), agent("agent", response("a"), usage=Usage(), model="gpt-5")):
        [charge] = charges(silent)
        assert charge.call.request_model is None


def test_a_circle_ends() -> None:
    tree = spans(step("a", step("b", response("c"))))
    first, last = tree[next(iter(tree))], [reading for reading in tree.values() if reading.kind == "aggregate"][-1]
    tree[first.span_id] = first._replace(parent_span_id=last.span_id)
    [charge] = settle([tree])
    assert charge.call.request_model is None
