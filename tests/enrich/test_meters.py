"""Meters: which spans they match, what they count, and what it costs; every sum is in a comment beside its assertion."""

from __future__ import annotations

import random
from typing import Any

import pytest

from spanledger.enrich.meters import METERED_SPLIT, MeteredPrices, price_metered, rate_at, whole_quantity
from tests.cli.otlp import SECOND_NS, chat, span
from tests.enrich.metering import Metered, configured, surfaces
from tests.enrich.trees import ATTO, FlatPrices

SEARCH = """
[[enrich.meters]]
name = "web-search"
tools = ["web_search"]
rates = [{ amount = "10", per = 1000 }]
"""
COMPUTE = """
[[enrich.meters]]
name = "sandbox"
surface = "compute"
kinds = ["other"]
services = ["shop"]
attributes = { "sandbox.size" = ["small", "large"] }
estimated = true
rates = [
  { unit = "cpu_ms", attribute = "sandbox.cpu_seconds", scale = 1000, amount = "0.000014", per = 1000 },
  { unit = "wall_clock_ms", amount = "0.0036", per = 3600000 },
]
"""
VENDOR = """
[[enrich.meters]]
name = "vendor-agent"
surface = "remote_agent"
operations = ["invoke_agent"]
span_kinds = ["client"]
rates = [
  { amount = "0.05" },
  { unit = "input_tokens", amount = "3", per = 1000000 },
  { unit = "output_tokens", amount = "15", per = 1000000 },
]
"""
ROOT = span(1, 1, {"tenant.id": "acme"}, name="POST /ask")


def tool(number: int, name: str = "web_search", *, failed: bool = False, parent: int = 1, **attributes: Any) -> Any:
    made = span(
        1, number, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **attributes}, parent=parent, name="execute_tool"
    )
    return made | ({"status": {"code": 2}} if failed else {})


def agent(number: int, **attributes: Any) -> Any:
    return span(
        1, number, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", **attributes}, parent=1, name="invoke_agent"
    )


def test_a_tool_at_a_flat_price_is_a_charge_beside_the_calls() -> None:
    metered = Metered(SEARCH)
    metered.send(ROOT, tool(2), chat(1, 3, None, parent=2))
    # 10 USD per 1,000 calls = 0.01 USD; the chat inside: 1,100 tokens at a millionth of a dollar
    assert surfaces(metered.current) == [("tool_execution", "acme", ATTO // 100), ("inference", "acme", 1100 * ATTO // 1_000_000)]
    search = metered.current[0]
    assert (search.tool_name, search.usage, search.usage_basis, search.split_index) == (
        "web_search",
        (("calls", 1),),
        "meter:web-search",
        METERED_SPLIT,
    )
    assert [(line.unit, line.quantity, line.amount, line.per, line.rate_id) for line in search.lines] == [
        ("calls", 1, "10", 1000, "meter:web-search:calls")
    ]
    assert (search.usage_state, search.price_state, search.provider_billing, search.input_tokens) == ("measured", "priced", "billed", None)


def test_without_a_meter_a_tool_is_no_charge() -> None:
    metered = Metered("")
    metered.send(ROOT, tool(2), chat(1, 3, None, parent=2))
    assert [event.cost_surface for event in metered.current] == ["inference"]
    assert all(reading.call is None or reading.call.usage is None for reading in metered.read(tool(2)))


def test_another_tool_is_not_metered() -> None:
    metered = Metered(SEARCH)
    assert metered.send(ROOT, tool(2, "calculator")) == []


def test_own_compute_is_counted_from_a_pruned_spans_attributes_and_its_duration() -> None:
    metered = Metered(COMPUTE)
    [event] = metered.send(span(1, 1, {"tenant.id": "acme", "sandbox.size": "large", "sandbox.cpu_seconds": 0.35}, name="run"))
    # 350 ms of CPU at 0.000014 USD a second = 0.0000049; 1 s at 0.0036 USD an hour = 0.000001
    assert (event.cost_surface, event.cost_usd) == ("compute", 4_900_000_000_000 + 1_000_000_000_000)
    assert event.usage == (("calls", 1), ("cpu_ms", 350), ("wall_clock_ms", 1000))
    assert (event.usage_state, event.provider_billing, event.dialect) == ("estimated", "assumed", "meter")


def test_a_condition_that_does_not_hold_meters_nothing() -> None:
    metered = Metered(COMPUTE)
    assert metered.send(span(1, 1, {"sandbox.size": "huge", "sandbox.cpu_seconds": 0.35})) == []
    elsewhere = COMPUTE.replace('["shop"]', '["warehouse"]')
    assert Metered(elsewhere).send(span(1, 1, {"sandbox.size": "large", "sandbox.cpu_seconds": 0.35})) == []


def test_a_quantity_that_the_span_does_not_tell_leaves_it_unpriced_never_zero() -> None:
    [event] = Metered(COMPUTE).send(span(1, 1, {"sandbox.size": "large"}))
    assert (event.price_state, event.price_reason, event.cost_usd, event.lines) == ("unpriced", "no_quantity:cpu_ms", None, ())


def test_a_remote_agents_tokens_are_charged_at_its_own_rates_and_once() -> None:
    usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "gen_ai.request.model": "gpt-4o"}
    metered = Metered(VENDOR)
    metered.send(ROOT, agent(2, **usage))
    # 0.05 + 1,000 * 3/1e6 + 100 * 15/1e6 = 0.05 + 0.003 + 0.0015
    assert surfaces(metered.current) == [("remote_agent", "acme", 54_500_000_000_000_000)]
    assert metered.current[0].agent == "helper"
    plain = Metered("")  # without the meter the agent's usage stands in for calls that nobody told of
    plain.send(ROOT, agent(2, **usage))
    assert surfaces(plain.current) == [("inference", "acme", 1100 * ATTO // 1_000_000)]


def test_a_fee_for_each_run_stands_beside_the_usage_of_the_same_span() -> None:
    fee = VENDOR[: VENDOR.index("rates")] + 'rates = [{ amount = "0.05" }]\n'
    usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "gen_ai.request.model": "gpt-4o"}
    metered = Metered(fee)
    metered.send(ROOT, agent(2, **usage))
    assert surfaces(metered.current) == [("inference", "acme", 1100 * ATTO // 1_000_000), ("remote_agent", "acme", ATTO // 20)]
    one, other = metered.current
    assert (one.span_id, one.usage_state, one.usage) == (other.span_id, "aggregate", ())
    assert len({one.event_id, other.event_id}) == 2


def test_a_late_root_puts_the_payer_right_by_linked_entries() -> None:
    metered = Metered(SEARCH)
    metered.send(tool(2))
    assert surfaces(metered.current) == [("tool_execution", None, ATTO // 100)]
    metered.send(ROOT)
    assert surfaces(metered.current) == [("tool_execution", "acme", ATTO // 100)]
    assert [(event.kind, event.reason) for event in metered.ledger.events] == [
        ("charge", None),
        ("reversal", "payer_found"),
        ("charge", "payer_found"),
    ]
    assert sum(event.cost_usd or 0 for event in metered.ledger.events) == ATTO // 100


def test_order_batches_and_repetition_do_not_count() -> None:
    spans = [ROOT, tool(2), chat(1, 3, None, parent=2), tool(4, parent=2), agent(5), tool(6, parent=5)]
    together = Metered(SEARCH)
    together.send(*spans)
    told = [(e.span_id, e.split_index, e.tenant_id, e.cost_usd, e.usage) for e in together.current]
    for seed in range(20):
        order = random.Random(seed)  # noqa: S311 - a seeded shuffle, no secret
        shuffled = order.sample(spans, len(spans)) + order.sample(spans, 2)
        apart = Metered(SEARCH)
        for each in shuffled:
            apart.send(each)
        assert [(e.span_id, e.split_index, e.tenant_id, e.cost_usd, e.usage) for e in apart.current] == told


def test_shared_work_splits_a_metered_charge_exactly() -> None:
    metered = Metered('[enrich.payers]\nallocation = ["shares"]\n' + SEARCH)
    events = metered.send(tool(2, shares='{"acme": 2, "globex": 1}'))
    # 0.01 USD = 1e16 atto in parts of 2 and 1
    assert surfaces(events) == [("tool_execution", "acme", 6_666_666_666_666_667), ("tool_execution", "globex", 3_333_333_333_333_333)]
    assert [event.split_index for event in events] == [METERED_SPLIT, METERED_SPLIT + 1]


def test_failed_spans_cost_nothing_where_the_meter_says_so() -> None:
    assert len(Metered(SEARCH).send(ROOT, tool(2, failed=True))) == 1
    assert Metered(SEARCH + "charge_failed = false\n").send(ROOT, tool(2, failed=True)) == []


def test_inference_is_never_metered() -> None:
    everything = SEARCH.replace('tools = ["web_search"]', 'scopes = ["test.*"]')
    events = Metered(everything).send(chat(1, 1))
    assert [event.cost_surface for event in events] == ["inference"]


def test_the_first_meter_that_matches_counts() -> None:
    second = SEARCH.replace("web-search", "other").replace('"10"', '"20"')
    [event] = Metered(SEARCH + second).send(tool(2))
    assert event.usage_basis == "meter:web-search"


def test_a_stored_charge_keeps_its_price_when_its_meter_is_gone() -> None:
    metered = Metered(SEARCH)
    metered.send(tool(2))
    metered._engine.replace_prices(MeteredPrices(FlatPrices(), ()))
    metered.send(ROOT)
    assert surfaces(metered.current) == [("tool_execution", "acme", ATTO // 100)]


DATED = """
[[enrich.meters]]
name = "search"
tools = ["web_search"]
rates = [
  { amount = "0.010", effective_to = 2026-01-01 },
  { amount = "0.014", effective_from = 2026-01-01, effective_to = 2027-01-01 },
]
"""


@pytest.mark.parametrize(
    ("year", "amount"),
    [(2025, "0.010"), (2026, "0.014"), (2027, None)],
)
def test_a_rate_holds_for_its_days(year: int, amount: str | None) -> None:
    meter = configured(DATED).meters[0].meter()
    start_ns = (year - 1970) * 366 * 86_400 * SECOND_NS  # in January or February of the year
    rate = rate_at(meter, "calls", start_ns)
    assert (rate.amount if rate else None) == amount
    priced = price_metered(meter, {"calls": 1}, start_ns)
    assert priced.reason == (None if amount else "not_effective_yet")


@pytest.mark.parametrize(
    ("value", "scale", "quantity"),
    [
        (0.1, 1000, 100),
        ("12.5", 1, 12),  # half to even
        (13.5, 1, 14),
        (2**40, 1, 2**40),
        (0, 1, 0),
        (0.0, 1000, 0),
        (-1, 1, None),
        (float("nan"), 1, None),
        (float("inf"), 1, None),
        (1e300, 1, None),
        ("1e-999999999", 1, None),
        (True, 1, None),
        ("many", 1, None),
        (None, 1, None),
        (10**18, 10, None),
    ],
)
def test_a_quantity_is_a_whole_number_of_units_or_unknown(value: object, scale: int, quantity: int | None) -> None:
    assert whole_quantity(value, scale) == quantity


def test_meters_are_part_of_the_rules_id_and_the_default_rules_keep_theirs() -> None:
    from spanledger.enrich.rules import default_rules

    assert Metered("").rules.ruleset_id == default_rules().ruleset_id
    assert len({Metered(text).rules.ruleset_id for text in ("", SEARCH, SEARCH.replace('"10"', '"11"'))}) == 3
