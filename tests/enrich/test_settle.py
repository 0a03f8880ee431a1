"""Which spans are one call, which restate others, and who pays: a tree in, the charges out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.charge import Charge
from spanledger.enrich.records import Payers, Reading, Usage
from spanledger.enrich.settle import settle, settle_any
from tests.enrich.trees import Node, agent, chat, other, pays, readings, span_id, spans, step, tool


def charged(*traces: dict[bytes, Reading]) -> list[tuple[str, int | None, int | None]]:
    """(span, input, output) of every charge with usage."""
    return sorted(
        (c.reading.span_id.decode().rstrip("."), c.call.usage.input_tokens, c.call.usage.output_tokens)
        for c in settle(traces)
        if c.call.usage is not None
    )


def only(*traces: dict[bytes, Reading]) -> Charge:
    charges = settle(traces)
    assert len(charges) == 1, charges
    return charges[0]


def test_an_agent_that_restates_its_calls_is_not_charged() -> None:
    tree = other("http", agent("agent", chat("a", (10, 1)), chat("b", (20, 2)), tokens=(30, 3)))
    assert charged(spans(tree)) == [("a", 10, 1), ("b", 20, 2)]


def test_a_cumulative_agent_is_not_charged_either() -> None:
    # an agent object that sums over its whole life: more than its own calls
    assert charged(spans(agent("agent", chat("a", (10, 1)), tokens=(500, 90)))) == [("a", 10, 1)]


def test_a_wrapper_and_the_call_inside_are_one() -> None:
    charge = only(spans(chat("outer", (10, 1), chat("inner", (10, 1), scope="sdk@1"))))
    assert charge.reading.span_id == span_id("inner")
    assert [span for _, span in charge.suppressed] == [span_id("outer")]


def test_three_in_one_are_one() -> None:
    assert charged(spans(chat("a", (10, 1), step("s", chat("b", (10, 1), other("h", chat("c", (10, 1)))))))) == [("c", 10, 1)]


def test_the_span_with_usage_is_the_charge_when_the_inner_one_is_silent() -> None:
    charge = only(spans(chat("outer", (10, 1), chat("inner", scope="sdk@1"))))
    assert (charge.reading.span_id, charge.usage_state) == (span_id("outer"), "measured")


def test_the_fuller_teller_lends_the_ttl_and_the_cache_split() -> None:
    inner = chat("inner", usage=Usage(100, 10, 40, 30, 10, 20, 5), scope="anthropic@2")
    charge = only(spans(chat("outer", (100, 10), inner, payers=pays("acme"))))
    assert charge.call.usage == Usage(100, 10, 40, 30, 10, 20, 5)
    assert charge.payers.tenant == "acme"
    assert charge.tenant_source == "ancestor:tenant.id"


def test_a_zero_without_detail_does_not_beat_a_known_part() -> None:
    inner = chat("inner", usage=Usage(100, 10, 0, None, None, None, 0))
    charge = only(spans(chat("outer", None, inner, usage=Usage(100, 10, 40), scope="rich@1")))
    assert charge.call.usage is not None
    assert charge.call.usage.cache_read_tokens == 40


def test_an_inference_span_over_several_calls_restates_them() -> None:
    assert charged(spans(chat("outer", (30, 3), chat("a", (10, 1)), chat("b", (20, 2))))) == [("a", 10, 1), ("b", 20, 2)]


def test_a_wrapper_around_such_an_aggregate_restates_too() -> None:
    tree = chat("top", (30, 3), chat("outer", (30, 3), chat("a", (10, 1)), chat("b", (20, 2))))
    assert charged(spans(tree)) == [("a", 10, 1), ("b", 20, 2)]


def test_attempts_are_calls_of_their_own() -> None:
    tree = chat("outer", (10, 1), chat("first", failed=True), chat("second", (10, 1)))
    assert [(c.reading.span_id.decode().rstrip("."), c.usage_state) for c in settle([spans(tree)])] == [
        ("second", "measured"),
        ("first", "missing"),
    ]


def test_an_aggregate_stands_for_silent_calls() -> None:
    charge = only(spans(agent("agent", chat("a"), chat("b"), tokens=(30, 3))))
    assert (charge.reading.span_id, charge.usage_state, charge.stands_for_others) == (span_id("agent"), "aggregate", True)
    assert [span for _, span in charge.suppressed] == [span_id("a"), span_id("b")]


def test_the_innermost_aggregate_stands() -> None:
    tree = step("task", step("turn1", chat("a"), tokens=(10, 1)), step("turn2", chat("b"), tokens=(20, 2)), tokens=(30, 3))
    assert charged(spans(tree)) == [("turn1", 10, 1), ("turn2", 20, 2)]


def test_calls_on_the_two_sides_of_a_tool_are_distinct() -> None:
    tree = chat("planner", (10, 1), tool("tool", chat("worker", (10, 1))))
    assert charged(spans(tree)) == [("planner", 10, 1), ("worker", 10, 1)]


def test_a_sub_agent_under_a_tool_with_equal_counts_in_another_scope_is_not_a_twin() -> None:
    tree = chat("planner", (10, 1), tool("tool", chat("worker", (10, 1), scope="other@1", ms=(10, 20))))
    assert charged(spans(tree)) == [("planner", 10, 1), ("worker", 10, 1)]


def test_twins_under_keys_of_two_tenants_are_two_calls() -> None:
    outer = chat("ours", (10, 1), ms=(5, 95))
    inner = chat("theirs", (10, 1), scope="other@1", ms=(10, 90))
    assert len(charged(spans(outer, "t1", key_tenant="acme"), spans(inner, "t2", key_tenant="globex"))) == 2
    assert len(charged(spans(outer, "t1", key_tenant="acme"), spans(inner, "t2", key_tenant=None))) == 1
    assert len(charged(spans(outer, "t1", key_tenant="acme"), spans(inner, "t2", key_tenant="acme"))) == 1


def test_siblings_with_one_response_id_are_one_call() -> None:
    tree = other("http", chat("a", (10, 1), response_id="r1"), chat("b", (10, 1), response_id="r1", scope="sdk@1"))
    assert len(charged(spans(tree))) == 1


@pytest.mark.parametrize(
    "second",
    [
        chat("b", (11, 1), response_id="r1"),
        chat("b", (10, 1), response_id="r1", model="claude-sonnet-4-5"),
        chat("b", (10, 1), response_id="r1", ms=(5000, 6000)),
    ],
    ids=["other counts", "other model", "other time"],
)
def test_a_response_id_alone_is_not_enough(second: Node) -> None:
    assert len(charged(spans(other("http", chat("a", (10, 1), response_id="r1"), second)))) == 2


def test_an_invented_response_id_joins_nothing() -> None:
    made_up = {"response_id_unique": False}
    tree = other("http", chat("a", (10, 1), response_id="r1", extra=made_up), chat("b", (10, 1), response_id="r1", extra=made_up))
    assert len(charged(spans(tree))) == 2


def test_detached_tellers_in_two_traces_are_one_call() -> None:
    framework = spans(step("chain", chat("lc", (10, 1), scope="langchain@1", ms=(5, 95))), "t1")
    sdk = spans(chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), response_id="r1"), "t2")
    assert charged(framework, sdk) == [("sdk", 10, 1)]


@pytest.mark.parametrize(
    "sdk",
    [
        chat("sdk", (10, 1), scope="langchain@1", ms=(10, 90)),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), service="elsewhere"),
        chat("sdk", (10, 1), scope="openai@1", ms=(50, 150)),
        chat("sdk", (10, 2), scope="openai@1", ms=(10, 90)),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), model="claude-sonnet-4-5"),
    ],
    ids=["same scope", "other service", "not within", "other counts", "other model"],
)
def test_spans_that_merely_look_alike_are_two_calls(sdk: Node) -> None:
    assert len(charged(spans(chat("lc", (10, 1), scope="langchain@1", ms=(5, 95)), "t1"), spans(sdk, "t2"))) == 2


@pytest.mark.parametrize(("dialect", "calls"), [("node", 1), ("test", 2)])
def test_one_scope_that_tells_of_a_call_in_two_dialects_is_two_tellers(dialect: str, calls: int) -> None:
    # Traceloop's LangChain JS: the graph's node and the model below it, each the root of a trace of its own
    node = chat("node", (10, 1), ms=(0, 100), response_id="r1", extra={"dialect": dialect})
    model = chat("model", (10, 1), ms=(10, 60))
    assert len(charged(spans(node, "t1"), spans(model, "t2"))) == calls


LATER = {"flags": ("call_time_untold",), "dialect": "message"}


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        (chat("message", (10, 1), scope="autogen@1", ms=(120, 121), extra=LATER), 1),
        (chat("message", (10, 1), scope="autogen@1", ms=(120, 121)), 2),
        (chat("message", (10, 1), scope="autogen@1", ms=(80, 120), extra=LATER), 2),
        (chat("message", (10, 2), scope="autogen@1", ms=(120, 121), extra=LATER), 2),
        (chat("message", (10, 1), scope="autogen@1", ms=(70_000, 70_001), extra=LATER), 2),
    ],
    ids=["afterwards", "of an emitter that tells in time", "before the end", "other counts", "long after"],
)
def test_an_emitter_that_tells_of_calls_after_they_have_ended(message: Node, calls: int) -> None:
    assert len(charged(spans(chat("sdk", (10, 1), scope="openai@1", ms=(0, 100), response_id="r1"), "t1"), spans(message, "t2"))) == calls


def test_tellers_side_by_side_under_one_step_are_one_call_even_one_after_the_other() -> None:
    tree = step("step", chat("lc", (10, 1), scope="llama@1", ms=(0, 20)), chat("sdk", (10, 1), scope="openai@1", ms=(25, 90)))
    assert len(charged(spans(tree))) == 1


def test_clocks_that_round_to_milliseconds_still_hold_one_span_within_the_other() -> None:
    outer = readings(chat("lc", (10, 1), scope="langchain@1", ms=(18, 31)), "t1")[0]
    inner = readings(chat("sdk", (10, 1), scope="openai@1", ms=(21, 31)), "t2")[0]
    for late_ns, calls in ((900_000, 1), (1_100_000, 2)):
        assert len(charged({outer.span_id: outer}, {inner.span_id: inner._replace(end_ns=inner.end_ns + late_ns)})) == calls


def test_twins_pair_one_to_one() -> None:
    framework = [spans(chat(f"lc{n}", (10, 1), scope="langchain@1", ms=(5, 95)), f"f{n}") for n in range(3)]
    sdk = [spans(chat(f"sdk{n}", (10, 1), scope="openai@1", ms=(10 + n, 90)), f"s{n}") for n in range(2)]
    assert len(charged(*framework, *sdk)) == 3


SILENT = chat("silent", None, scope="framework@1", ms=(5, 95))


def test_a_silent_span_beside_the_teller_of_its_call_is_no_call_of_its_own() -> None:
    sdk = chat("sdk", (10, 1), scope="openai@1", ms=(10, 90))
    charge = only(spans(step("step", SILENT, sdk)))
    assert (charge.reading.span_id, [span for _, span in charge.suppressed]) == (span_id("sdk"), [span_id("silent")])
    silent_too = chat("sdk", None, scope="openai@1", ms=(10, 90))
    assert len(settle([spans(step("step", SILENT, silent_too))])) == 1


@pytest.mark.parametrize(
    "other_call",
    [
        chat("sdk", (10, 1), scope="framework@1", ms=(10, 90)),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 120)),
        chat("sdk", (10, 1), scope="openai@1", ms=(200, 290)),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), failed=True),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), operation="embeddings"),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), model="o3"),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), model=""),
        chat("sdk", (10, 1), scope="openai@1", ms=(10, 90), service="another"),
        step("deeper", chat("sdk", (10, 1), scope="openai@1", ms=(10, 90))),
        tool("tool", chat("sdk", (10, 1), scope="openai@1", ms=(10, 90))),
    ],
    ids=["one teller", "not within", "later", "failed", "operation", "model", "no model", "service", "elsewhere", "under a tool"],
)
def test_a_silent_span_that_only_resembles_a_call_stays_one(other_call: Node) -> None:
    assert len(settle([spans(step("step", SILENT, other_call))])) == 2


def test_silent_spans_pair_one_to_one() -> None:
    silent = [chat(f"lc{n}", None, scope="framework@1", ms=(5 + n, 95 + n)) for n in range(3)]
    sdk = [chat(f"sdk{n}", (10 + n, 1), scope="openai@1", ms=(10 + n, 90 + n)) for n in range(2)]
    charges = settle([spans(step("step", *silent, *sdk))])
    assert sorted((c.reading.span_id.decode().rstrip("."), len(c.suppressed)) for c in charges) == [("lc2", 0), ("sdk0", 1), ("sdk1", 1)]


@pytest.mark.parametrize(
    ("lost", "charges"),
    [
        (chat("call", (10, 1), ms=(10, 90)), [("call", 10, 1)]),
        (chat("call", (10, 1), ms=(10, 2000)), [("agent", 30, 3), ("call", 10, 1)]),
        (chat("call", (31, 1), ms=(10, 90)), [("agent", 30, 3), ("call", 31, 1)]),
    ],
    ids=["within", "not within", "more than the agent tells of"],
)
def test_an_agent_may_restate_a_call_whose_step_was_dropped(lost: Node, charges: list[tuple[str, int, int]]) -> None:
    tree = agent("agent", chat("silent"), tokens=(30, 3), ms=(0, 100))
    below = {reading.span_id: reading for reading in readings(lost, parent=b"dropped.")}
    assert charged({**spans(tree), **below}) == charges
    # a call that is a root of its own hangs on nothing that is missing
    assert charged({**spans(tree), **spans(lost)})[0] == ("agent", 30, 3)


def test_two_calls_at_once_with_three_tellers_each_stay_two() -> None:
    # a framework over an SDK, and a message afterwards; both runs have the same counts at the same time
    def run(n: int) -> list[dict[bytes, Reading]]:
        told = chat(f"fw{n}", (10, 1), chat(f"sdk{n}", (10, 1), scope="openai@1", ms=(6, 94)), scope="framework@1", ms=(5, 95))
        return [spans(told, f"t{n}"), spans(chat(f"msg{n}", (10, 1), scope="autogen@1", ms=(96, 97), extra=LATER), f"m{n}")]

    for order in ((1, 2), (2, 1)):
        assert len(charged(*(trace for n in order for trace in run(n)))) == 2


def test_a_pair_takes_no_teller_of_another_response() -> None:
    one = chat("fw", (10, 1), chat("sdk", (10, 1), scope="openai@1", ms=(6, 94), response_id="r1"), scope="framework@1", ms=(5, 95))
    other_call = chat("other", (10, 1), scope="elsewhere@1", ms=(10, 90), response_id="r2")
    assert len(charged(spans(one, "t1"), spans(other_call, "t2"))) == 2


def test_a_tenant_on_the_root_reaches_every_call_below() -> None:
    tree = other("http", agent("agent", tool("tool", agent("sub", chat("a", (10, 1))))), payers=pays("acme", session="s1"))
    charge = only(spans(tree))
    assert (charge.payers.tenant, charge.payers.session, charge.tenant_source) == ("acme", "s1", "ancestor:tenant.id")


def test_the_nearest_claim_wins_field_by_field_and_resource_comes_before_ancestors() -> None:
    tree = other(
        "http",
        agent("agent", chat("a", (10, 1), payers=Payers(user="u1"), resource_payers=pays("from-resource")), payers=pays("from-agent")),
        payers=pays("from-root", session="s1"),
    )
    charge = only(spans(tree))
    assert (charge.payers.tenant, charge.payers.user, charge.payers.session) == ("from-resource", "u1", "s1")


def test_embeddings_of_a_retrieval_are_memory_retrieval() -> None:
    embed = chat("embed", (10, 0), operation="embeddings")
    tree = agent("agent", Node("retrieval", "kb", (embed,), operation="retrieval"), chat("a", (1, 1)))
    assert sorted(c.cost_surface for c in settle([spans(tree)])) == ["inference", "memory_retrieval"]


def test_parents_in_a_circle_end_quietly() -> None:
    a, b = readings(chat("a", (10, 1), chat("b", (10, 1))))
    looped = {a.span_id: a._replace(parent_span_id=b.span_id), b.span_id: b}
    assert len(settle([looped])) == 1
    own = readings(chat("a", (10, 1)))[0]
    assert len(settle([{own.span_id: own._replace(parent_span_id=own.span_id)}])) == 1


def test_nothing_in_nothing_out() -> None:
    assert settle([]) == []
    assert settle([spans(other("http"))]) == []


# -- generated traces whose truth is known ------------------------------------------------------------------------------


class Builder:
    """Grows a random tree of agents, steps, tools, wrappers and calls, and remembers the calls really made."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.truth, self.count, self.clock = rng, [], 0, 0

    def name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def call(self) -> Node:
        """A provider call told once, by nested wrappers, or with a failed attempt before it."""
        rng = self.rng
        self.clock += 100
        tokens = (1000 + self.count * 7, 50 + self.count)
        ms = (self.clock + 10, self.clock + 90)
        node = chat(self.name(), tokens, ms=ms, scope="sdk@1", response_id=f"r{self.count}" if rng.random() < 0.5 else None)
        for _ in range(rng.randrange(3)):
            node = chat(
                self.name(),
                tokens if rng.random() < 0.7 else None,
                other(self.name(), node),
                ms=(ms[0] - 5, ms[1] + 5),
                scope=f"w{rng.random()}",
            )
        if rng.random() < 0.2:
            node = chat(self.name(), tokens, chat(self.name(), failed=True, ms=ms), node, ms=ms, scope="retry@1")
        self.truth.append(tokens)
        return node

    def grow(self, depth: int) -> tuple[Node, int, int]:
        """A subtree with the sum of its calls' tokens, for whoever restates it."""
        rng, children, total = self.rng, [], [0, 0]
        for _ in range(rng.randint(1, 3)):
            if depth == 0 or rng.random() < 0.5:
                before = len(self.truth)
                children.append(self.call())
                for tokens in self.truth[before:]:
                    total = [total[0] + tokens[0], total[1] + tokens[1]]
            else:
                child, i, o = self.grow(depth - 1)
                children.append(child)
                total = [total[0] + i, total[1] + o]
        make = rng.choice([agent, step, tool, other])
        restated = {"tokens": (total[0], total[1])} if make in (agent, step) and rng.random() < 0.5 else {}
        return make(self.name(), *children, **restated), total[0], total[1]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_generated_call_is_charged_once(rng: random.Random) -> None:
    builder = Builder(rng)
    tree, _, _ = builder.grow(3)
    got = readings(tree)
    rng.shuffle(got)
    charges = settle([{r.span_id: r for r in got}])
    assert sorted((c.call.usage.input_tokens, c.call.usage.output_tokens) for c in charges if c.call.usage) == sorted(builder.truth)
    assert charges == settle_any([{r.span_id: r for r in got}])
