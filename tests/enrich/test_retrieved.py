"""What retrieval may have put into a prompt: an estimate from the lengths of documents, beside the counts, and no part of any price."""

from __future__ import annotations

import pytest

from spanledger.enrich.book import Versions, call_of, drafts
from spanledger.enrich.charge import Charge
from spanledger.enrich.engine import Engine, Policy
from spanledger.enrich.findings import FlagRules
from spanledger.enrich.price import Catalog
from spanledger.enrich.records import RETRIEVED_TOKENS, Call, Reading, Usage
from spanledger.enrich.retrieved import LENGTH_FLAG, RETRIEVED_ESTIMATE
from tests.enrich.metering import configured
from tests.enrich.test_engine import MemoryLedger, run
from tests.enrich.trees import FlatPrices, Node, agent, chat, other, pays, readings, tool


def retrieval(name: str, characters: int, *children: Node, ms: tuple[int, int] = (0, 100)) -> Node:
    """A retriever's span with documents of so many characters."""
    call = {"dialect": "test", "flags": (f"{LENGTH_FLAG}{characters}",)}
    return Node("retrieval", name, children, "retrieval", ms=ms, extra={"call": Call(**call)})  # type: ignore[arg-type]


def spans_of(root: Node) -> list[Reading]:
    calls = {}
    todo = [root]
    while todo:
        node = todo.pop()
        todo += node.children
        if node.kind == "retrieval":
            calls[node.name.encode().ljust(8, b".")[:8]] = node.extra["call"]
    found = readings(root)
    return [span._replace(call=calls[span.span_id]) if span.span_id in calls else span for span in found]


def settled(*batches: list[Reading], rules: FlagRules = FlagRules(retrieved_tokens=True)) -> MemoryLedger:  # noqa: B008 - frozen
    ledger = MemoryLedger()
    for batch in batches:
        run(Engine(FlatPrices(), Policy(), ledger, Versions("", ""), flags=rules), ledger, batch)
    return ledger


def estimates(ledger: MemoryLedger) -> dict[str, int]:
    undone = {event.ref_event_id for event in ledger.events if event.kind == "reversal"}
    stands = [event for event in ledger.events if event.kind == "charge" and event.event_id not in undone]
    assert all((RETRIEVED_ESTIMATE in event.flags) is (RETRIEVED_TOKENS in dict(event.usage)) for event in stands)
    return {event.span_id.decode().rstrip("."): dict(event.usage).get(RETRIEVED_TOKENS, 0) for event in stands}


def rag(characters: int, tokens: int = 1000) -> Node:
    return other("rag", retrieval("r", characters), chat("c", (tokens, 10), ms=(200, 300)), payers=pays("acme"))


@pytest.mark.parametrize(("characters", "tokens"), [(400, 100), (401, 101), (1, 1), (4000, 1000), (9999, 1000)])
def test_four_characters_are_a_token_and_never_more_than_the_input(characters: int, tokens: int) -> None:
    ledger = settled(spans_of(rag(characters)))
    assert estimates(ledger) == {"c": tokens}
    assert ledger.events[0].input_tokens == 1000


def test_nothing_is_estimated_unless_configured() -> None:
    assert estimates(settled(spans_of(rag(400)), rules=FlagRules(fallback_models=True))) == {"c": 0}


@pytest.mark.parametrize(
    "root",
    [
        other("rag", retrieval("r", 400, ms=(0, 400)), chat("c", (1000, 10), ms=(200, 300))),  # not over yet
        other("top", agent("one", retrieval("r", 400)), agent("two", chat("c", (1000, 10), ms=(200, 300)))),  # another agent's
        agent("one", retrieval("r", 400), tool("t", chat("c", (1000, 10), ms=(200, 300)))),  # beyond a tool
        other("rag", retrieval("r", 400), chat("c", (1000, 10), operation="embeddings", ms=(200, 300))),
    ],
)
def test_only_retrievals_before_a_call_under_the_same_agent_count(root: Node) -> None:
    assert estimates(settled(spans_of(root))) == {"c": 0}


def test_a_retrieval_by_a_tool_of_the_agent_counts_and_one_inside_another_does_not() -> None:
    root = agent("a", tool("t", retrieval("r", 400, retrieval("inner", 400))), chat("c", (1000, 10), ms=(200, 300)))
    assert estimates(settled(spans_of(root))) == {"c": 100}


def test_a_retrieval_that_comes_late_is_added_without_changing_the_money() -> None:
    first, late, call = spans_of(rag(400))
    for batches in (([first, call], [late]), ([late], [call], [first]), ([first, late, call],)):
        ledger = settled(*batches)
        assert estimates(ledger) == {"c": 100}
        assert sum(event.cost_usd or 0 for event in ledger.events) == 1010 * 10**12
        assert all(event.reason != "revised" for event in ledger.events)


def test_a_late_estimate_keeps_the_price_it_was_booked_at() -> None:
    ledger = MemoryLedger()
    first, late, call = spans_of(rag(400))
    engine = Engine(FlatPrices(), Policy(), ledger, Versions("", ""), flags=FlagRules(retrieved_tokens=True))
    run(engine, ledger, [first, call])
    engine.replace_prices(Catalog.shipped())
    run(engine, ledger, [late])
    assert [event.cost_usd for event in ledger.events] == [1010 * 10**12, -1010 * 10**12, 1010 * 10**12]
    assert estimates(ledger) == {"c": 100}


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "gpt-4.1-mini"])
def test_no_price_is_made_of_an_estimate(model: str) -> None:
    usage = Usage(250_000, 700, 100, reasoning_tokens=200)
    call = Call("test", provider="openai", request_model=model, usage=usage, usage_state="measured")
    estimated = call._replace(usage=usage._replace(extra=((RETRIEVED_TOKENS, 10**9),)))
    (reading,) = readings(chat("c"))
    rows = []
    for said in (call, estimated):
        charge = Charge(reading._replace(call=said), said, pays("acme"), None, (), "inference", "measured", False)
        rows += drafts(charge, Catalog.shipped(), Versions("", ""), 0)
    assert rows[0].cost_usd
    assert rows[1] == rows[0]._replace(usage=((RETRIEVED_TOKENS, 10**9),), event_id=rows[1].event_id)
    assert call_of(rows[0]) == call_of(rows[1])


def test_it_is_a_setting() -> None:
    assert configured("[enrich.flags]\nretrieved_tokens = true\n").flags.rules() == FlagRules(retrieved_tokens=True)
