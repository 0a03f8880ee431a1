"""Rows of the ledger: drafts, reversals, and why a correction was made."""

from __future__ import annotations

import pytest

from spanledger.enrich.book import Versions, drafts, identified, keep_price, reason_of_change, reversal, same_content
from spanledger.enrich.events import NEGATED_ON_REVERSAL, CostEvent
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
