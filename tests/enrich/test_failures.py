"""Failed calls: what the provider bills by the shipped rules and by the user's, what that costs, and whether the customer pays."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.enrich.failures import SHIPPED_POLICY, SHIPPED_RULES, FailurePolicy, judge
from spanledger.enrich.records import UsageState
from tests.cli.otlp import chat
from tests.enrich.metering import Metered
from tests.enrich.trees import ATTO


def failed(provider: str, error: str, *, usage: bool = False, number: int = 1, end_status: int = 2) -> Any:
    counts = {} if usage else {"input_tokens": None, "output_tokens": None}
    made = chat(1, number, attributes={"error.type": error, "gen_ai.provider.name": provider}, **counts)
    return made | {"status": {"code": end_status}}


@pytest.mark.parametrize(
    ("provider", "error", "state", "billing", "customer"),
    [
        ("gcp.vertex_ai", "429", "missing", "not_billed", False),
        ("gcp.vertex_ai", "google.genai.errors.ServerError", "missing", "not_billed", False),
        ("gcp.vertex_ai", "TimeoutError", "missing", "unknown", False),  # our own clock: the provider may have gone on
        ("gcp.vertex_ai", "500", "measured", "billed", True),  # usage came, so the request had returned 200
        ("gcp.gemini", "400", "missing", "not_billed", False),
        ("gcp.gemini", "429", "missing", "unknown", False),
        ("azure.ai.openai", "openai.RateLimitError", "missing", "not_billed", False),
        ("azure.ai.openai", "400", "missing", "assumed", False),
        ("azure.ai.openai", "APITimeoutError", "missing", "assumed", False),
        ("openai", "429", "missing", "unknown", False),
        ("anthropic", None, "missing", "unknown", False),
        (None, "500", "estimated", "assumed", True),
    ],
)
def test_the_shipped_rules(provider: str | None, error: str | None, state: UsageState, billing: str, customer: bool) -> None:
    assert judge(SHIPPED_POLICY, provider, error, state) == (billing, customer)


def test_every_shipped_rule_says_whose_word_it_is() -> None:
    assert all(rule.source and rule.provider for rule in SHIPPED_RULES)


def test_a_failed_call_with_usage_is_billed_and_one_without_stays_unpriced() -> None:
    events = Metered("").send(failed("openai", "500", usage=True), failed("openai", "500", number=2))
    told, silent = sorted(events, key=lambda event: event.span_id)
    assert (told.status, told.provider_billing, told.customer_billable, told.cost_usd) == (
        "error",
        "billed",
        True,
        1100 * ATTO // 1_000_000,
    )
    assert (silent.provider_billing, silent.customer_billable, silent.price_state, silent.cost_usd) == ("unknown", False, "unpriced", None)


OURS = """
[enrich.failures]
customer_pays = "never"
[[enrich.failures.rules]]
provider = "openai"
errors = ["5*"]
with_usage = true
billing = "not_billed"
"""


def test_a_rule_of_our_own_says_that_nothing_is_billed_and_the_usage_is_kept() -> None:
    [event] = Metered(OURS).send(failed("openai", "500", usage=True))
    assert (event.provider_billing, event.price_state, event.price_reason, event.cost_usd, event.lines) == (
        "not_billed",
        "priced",
        "not_billed",
        0,
        (),
    )
    assert (event.input_tokens, event.output_tokens, event.customer_billable) == (1000, 100, False)


def test_the_policy_is_only_about_failed_calls() -> None:
    [event] = Metered(OURS).send(chat(1, 1))
    assert (event.provider_billing, event.customer_billable, event.cost_usd) == ("billed", True, 1100 * ATTO // 1_000_000)


def test_each_attempt_is_judged_by_itself() -> None:
    metered = Metered("")
    metered.send(failed("azure.ai.openai", "429"), chat(1, 2, attributes={"gen_ai.provider.name": "azure.ai.openai"}))
    rejected, answered = metered.current
    assert (rejected.provider_billing, rejected.cost_usd) == ("not_billed", None)
    assert (answered.provider_billing, answered.cost_usd) == ("billed", 1100 * ATTO // 1_000_000)


def test_a_revision_that_failed_after_all_is_priced_anew() -> None:
    metered = Metered(OURS)
    metered.send(failed("openai", "500", usage=True, end_status=0))
    assert [event.cost_usd for event in metered.current] == [1100 * ATTO // 1_000_000]
    later = failed("openai", "500", usage=True)
    metered.send(later | {"endTimeUnixNano": str(int(later["endTimeUnixNano"]) + 1)})
    assert [(event.cost_usd, event.provider_billing, event.reason) for event in metered.current] == [(0, "not_billed", "revised")]


@pytest.mark.parametrize(("pays", "told", "silent"), [("always", True, True), ("never", False, False), ("if_billed", True, False)])
def test_whether_the_customer_pays(pays: str, told: bool, silent: bool) -> None:
    policy = FailurePolicy(rules=(), customer_pays=pays)  # type: ignore[arg-type]  # the parameters are its values
    assert judge(policy, "openai", "500", "measured")[1] is told
    assert judge(policy, "openai", "500", "missing")[1] is silent
