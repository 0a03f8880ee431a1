"""Rows of the ledger: drafts, reversals, and why a correction was made."""

from __future__ import annotations

import pytest

from spanledger.enrich.book import Versions, call_of, drafts, identified, keep_price, reason_of_change, reversal, same_content
from spanledger.enrich.events import NEGATED_ON_REVERSAL, CostEvent
from spanledger.enrich.failures import Billing, FailurePolicy, FailureRule
from spanledger.enrich.money import ATTO
from spanledger.enrich.price import Priced
from spanledger.enrich.records import Call, Payers
from spanledger.enrich.settle import settle
from tests.enrich.trees import FlatPrices, chat, pays, spans

VERSIONS = Versions("rules-1", "0.1")


def event(tokens: tuple[int, int] | None = (100, 10), tenant: str | None = "acme", **more: object) -> CostEvent:
    [charge] = settle([spans(chat("a", tokens, payers=pays(tenant), **more))])
    [row] = drafts(charge, FlatPrices(), VERSIONS, 5)
    return row


def test_a_draft_names_all_that_decided() -> None:
    row = event()
    assert (row.booked_ns, row.ruleset_id, row.engine_version, row.catalog_id) == (5, "rules-1", "0.1", "rc-flat")
    assert (row.usage_state, row.price_state, row.provider_billing, row.customer_billable) == ("measured", "priced", "billed", True)
    assert row.wall_clock_ms == 1000


def test_a_silent_call_is_unpriced_never_zero() -> None:
    row = event(None, failed=True)
    assert (row.status, row.usage_state, row.price_state, row.price_reason, row.cost_usd) == (
        "error",
        "missing",
        "unpriced",
        "no_usage",
        None,
    )


def test_a_reversal_negates_counts_and_money_and_nothing_else() -> None:
    row = event()
    back = reversal(row, "suppressed", 9)
    assert (back.kind, back.ref_event_id, back.reason, back.booked_ns) == ("reversal", row.event_id, "suppressed", 9)
    for name in CostEvent._fields:
        mine, theirs = getattr(row, name), getattr(back, name)
        if name in NEGATED_ON_REVERSAL and mine is not None:
            assert theirs == -mine, name
        elif name not in ("event_id", "kind", "ref_event_id", "reason", "booked_ns", "lines"):
            assert theirs == mine, name
    assert sum(line.cost_usd for line in back.lines) == -sum(line.cost_usd for line in row.lines)


def test_ids_are_deterministic_and_number_the_history() -> None:
    row = event()
    assert row.event_id == event().event_id
    assert identified(row, 0, 7).event_id == row.event_id
    assert identified(row, 1, 7).event_id != row.event_id
    assert event(tenant="globex").event_id != row.event_id


def test_arrival_and_versions_do_not_make_a_difference() -> None:
    row = event()
    assert same_content(row, row._replace(received_ns=9, position=9, booked_ns=9, catalog_id="other", ruleset_id="other"))
    assert not same_content(row, row._replace(tenant_id="globex"))


def test_a_new_payer_keeps_the_price_and_new_usage_does_not() -> None:
    booked = event()._replace(cost_usd=1, catalog_id="old")
    assert keep_price(event(tenant="globex"), booked, FlatPrices()).cost_usd == 1
    assert keep_price(event((200, 10)), booked, FlatPrices()).cost_usd != 1


class OwnTerms(FlatPrices):
    """Flat prices; globex has half of them by contract, and every customer pays double what it costs, globex three times."""

    catalog_id = "pb-own"

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        listed = super().price(call, start_ns)
        assert listed.cost_usd is not None
        if tenant != "globex":
            return listed._replace(customer_price_usd=2 * listed.cost_usd)
        lines = tuple(line._replace(cost_usd=line.cost_usd // 2) for line in listed.lines)
        half = listed.cost_usd // 2
        return listed._replace(lines=lines, cost_usd=half, contracted_cost_usd=half, customer_price_usd=3 * half)


def under_terms(tenant: str | None, *allocation: tuple[str, int]) -> list[CostEvent]:
    [charge] = settle([spans(chat("a", (100, 10), payers=Payers(tenant, allocation=allocation)))])
    return drafts(charge, OwnTerms(), VERSIONS, 5)


def money(row: CostEvent) -> tuple[int | None, ...]:
    """(list, contracted, cost, customer) in millionths."""
    four = (row.list_cost_usd, row.contracted_cost_usd, row.cost_usd, row.customer_price_usd)
    return tuple(None if atto is None else atto * 10**6 // ATTO for atto in four)


def test_a_draft_has_every_sum_of_its_payer() -> None:
    assert money(under_terms("acme")[0]) == (110, None, 110, 220)
    assert money(under_terms("globex")[0]) == (110, 55, 55, 165)
    assert under_terms("acme")[0].event_id != event().event_id  # another customer price is another charge


def test_a_late_payer_has_its_own_terms_and_an_equal_one_keeps_what_was_booked() -> None:
    booked = under_terms(None)[0]._replace(cost_usd=1, catalog_id="old")
    assert keep_price(under_terms("acme")[0], booked, OwnTerms()).cost_usd == 1
    assert money(keep_price(under_terms("globex")[0], booked, OwnTerms())) == (110, 55, 55, 165)


def test_a_shared_call_costs_what_it_costs_all_and_each_pays_its_share_of_its_own_price() -> None:
    rows = under_terms(None, ("acme", 1), ("globex", 1))
    # the call costs 110 for everybody; acme's customer price of it would be 220, globex's 165
    assert [(row.tenant_id, money(row)) for row in rows] == [("acme", (55, None, 55, 110)), ("globex", (55, None, 55, 82))]
    assert sum(row.cost_usd or 0 for row in rows) == 110 * ATTO // 10**6


def test_what_a_failed_call_costs_and_charges() -> None:
    def failed(billing: Billing, *, customer_pays: bool | None) -> CostEvent:
        [charge] = settle([spans(chat("a", (100, 10), payers=pays("globex"), failed=True))])
        policy = FailurePolicy(rules=(FailureRule(billing=billing, with_usage=None, customer_pays=customer_pays),))
        [row] = drafts(charge, OwnTerms(), VERSIONS, 5, policy)
        return row

    assert money(failed("not_billed", customer_pays=None)) == (0, 0, 0, 0)
    assert money(failed("billed", customer_pays=False)) == (110, 55, 55, 0)
    assert money(failed("billed", customer_pays=None)) == (110, 55, 55, 165)
    assert money(failed("not_billed", customer_pays=True)) == (0, 0, 0, 165)


def test_a_call_is_read_back_from_its_row() -> None:
    [charge] = settle([spans(chat("a", (100, 10), payers=pays("acme")))])
    [row] = drafts(charge, FlatPrices(), VERSIONS, 5)
    said, call = call_of(row), charge.call
    for name in ("dialect", "usage_basis", "provider", "request_model", "response_model", "service_tier", "region", "usage"):
        assert getattr(said, name) == getattr(call, name), name
    assert call_of(event(None)).usage is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (event(), None, "suppressed"),
        (event(tenant=None), event(), "payer_found"),
        (event(), event(tenant="globex"), "attributed"),
        (event(), event((200, 10)), "revised"),
        (event(), event()._replace(prompt_hmac="5:x"), "completed"),
    ],
)
def test_reasons(old: CostEvent, new: CostEvent | None, reason: str) -> None:
    assert reason_of_change(old, new) == reason


@pytest.mark.parametrize(("text", "atto"), [("0.5", 5 * 10**17), ("1e-19", 0), ("nonsense", None), ("1e60", None)])
def test_an_emitters_cost_is_rounded_or_left_out(text: str, atto: int | None) -> None:
    assert event(extra={"emitter_cost_usd": text}).emitter_cost_usd == atto
