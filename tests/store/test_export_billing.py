"""Billing systems are told every billable entry once, under a key of its own, and what they are told adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.book import reversal
from spanledger.store.export.billing import SYSTEMS, BillingError, Selection, bill_payload, bills, without_amount
from spanledger.store.export.export import Request, billing_shape, export
from spanledger.store.export.targets import FolderTarget
from spanledger.store.ledger import Ledger
from spanledger.store.tenants import Change, Tenants
from tests.store.samples import DAY_NS, NOON, book, event

COST = Selection("default", "cost_usd", "llm_usage")
KEYS = {"stripe": "identifier", "orb": "idempotency_key", "metronome": "transaction_id", "lago": "transaction_id", "openmeter": "id"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """acme's call of 0.0125 USD; one that turned out not to be theirs; one that nobody pays; one of another account."""
    found = Ledger.open(tmp_path)
    wrong = event(2)
    book(found, event(1), wrong, reversal(wrong, "payer_found", NOON + 5), event(3, tenant_id=None), event(4, authority="other"))
    with_customer(found, "stripe_customer_id", "cus_1")
    yield found
    found.close()


def with_customer(ledger: Ledger, attribute: str, value: str) -> None:
    Tenants(ledger.metastore).change([Change("acme", attribute, value)], NOON)


def told(ledger: Ledger, system: str, chosen: Selection = COST, first: int = 1) -> list[dict[str, object]]:
    last = ledger.metastore.last_commit().entries_total
    return [bill_payload(SYSTEMS[system], chosen, "sl-x", bill) for bill in bills(ledger, SYSTEMS[system], chosen, first, last)]


def test_stripe(ledger: Ledger) -> None:
    assert told(ledger, "stripe")[:1] == [
        {
            "event_name": "llm_usage",
            "identifier": f"sl-{1:032x}",
            "timestamp": "2026-11-21T12:00:00.000000000Z",
            "payload": {"stripe_customer_id": "cus_1", "value": "12500"},
        }
    ]
    assert [one["payload"]["value"] for one in told(ledger, "stripe")] == ["12500", "12500", "-12500"]  # type: ignore[index]  # a payload


def test_lago_has_exact_cents_and_seconds_with_decimals(ledger: Ledger) -> None:
    book(ledger, event(9, cost_usd=1, start_ns=NOON + 250_000_000))
    last = told(ledger, "lago")[-1]
    assert (last["precise_total_amount_cents"], last["timestamp"]) == ("0.0000000000000001", f"{NOON // 10**9}.250")
    assert (last["external_subscription_id"], last["code"]) == ("acme", "llm_usage")


@pytest.mark.parametrize("system", ["metronome", "openmeter", "lago"])
def test_quantities_are_text_where_the_system_takes_text(ledger: Ledger, system: str) -> None:
    first = told(ledger, system)[0]
    properties = first["data" if system == "openmeter" else "properties"]
    assert isinstance(properties, dict)
    assert all(isinstance(value, str) for value in properties.values())
    assert (properties["cost_usd"], properties["input_tokens"], properties["model"]) == ("0.0125", "1000", "gpt-4o-2024-08-06")


def test_orb_has_flat_properties_with_numbers_as_numbers(ledger: Ledger) -> None:
    properties = told(ledger, "orb")[0]["properties"]
    assert isinstance(properties, dict)
    assert (properties["input_tokens"], properties["cost_micro_usd"], properties["cost_usd"]) == (1000, 12500, "0.0125")
    assert all(isinstance(value, str | int) for value in properties.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_entry_has_a_key_of_its_own_which_is_always_the_same(ledger: Ledger, system: str) -> None:
    keys = [one[KEYS[system]] for one in told(ledger, system)]
    assert len(set(keys)) == len(keys) == 3
    assert [one[KEYS[system]] for one in told(ledger, system, first=2)] == keys[1:]


def test_a_tenant_without_a_customer_is_said_and_not_passed_over(ledger: Ledger) -> None:
    book(ledger, event(5, tenant_id="globex"))
    with pytest.raises(
        BillingError, match="tenant 'globex' has no stripe_customer_id: `spanledger tenants set globex stripe_customer_id=ID`"
    ):
        told(ledger, "stripe")
    assert told(ledger, "orb")[-1]["external_customer_id"] == "globex"


def test_calls_that_are_too_old_when_they_are_booked_are_billed_as_of_then(ledger: Ledger) -> None:
    start = NOON - 40 * DAY_NS
    book(ledger, event(6, start_ns=start, end_ns=start + 1, booked_ns=NOON))
    assert told(ledger, "stripe")[-1]["timestamp"] == "2026-11-21T12:00:00.000000000Z"
    assert told(ledger, "orb")[-1]["timestamp"] == "2026-10-12T12:00:00.000000000Z"


def test_what_has_no_price_for_the_customer_is_counted(ledger: Ledger) -> None:
    priced = COST._replace(amount="customer_price_usd")
    book(ledger, event(7, customer_price_usd=10**18))
    assert [one["properties"]["cost_usd"] for one in told(ledger, "orb", priced)] == ["1"]  # type: ignore[index]  # properties
    assert without_amount(ledger, priced, 1, 99) == 2
    with pytest.raises(BillingError, match="cannot be billed"):
        told(ledger, "orb", COST._replace(amount="list_cost_usd"))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(-(10**15), 10**16), min_size=1, max_size=40), st.integers(1, 40))
def test_micro_dollars_add_up_wherever_the_run_was_cut(tmp_path_factory: pytest.TempPathFactory, amounts: list[int], cut: int) -> None:
    """The sum of what was sent is within half a micro-dollar of the exact sum, in one run or two."""
    with Ledger.open(tmp_path_factory.mktemp("ledger")) as ledger:
        book(ledger, *(event(number, cost_usd=amount) for number, amount in enumerate(amounts, 1)))
        with_customer(ledger, "stripe_customer_id", "cus_1")
        whole = [int(one["payload"]["value"]) for one in told(ledger, "stripe")]  # type: ignore[index]  # a payload
        system = SYSTEMS["stripe"]
        parts = [*bills(ledger, system, COST, 1, min(cut, len(amounts))), *bills(ledger, system, COST, cut + 1, len(amounts))]
    assert [bill.amount_micro_usd for bill in parts] == whole
    assert abs(Decimal(sum(whole)) - Decimal(sum(amounts)) / 10**12) <= Decimal("0.5")


def test_an_export_of_events_is_continued(ledger: Ledger, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "out")
    request = Request(billing_shape("orb"), "jsonl", since_last=True, bill=COST)
    assert export(ledger, target, request, now_text="now").rows == 3
    book(ledger, event(8))
    assert export(ledger, target, request, now_text="now")[:3] == (6, 6, 1)
    lines = [line for path in sorted((tmp_path / "out/orb").glob("*.jsonl")) for line in path.read_text().splitlines()]
    assert [json.loads(line) for line in lines] == told_by("orb", ledger)


def told_by(system: str, ledger: Ledger) -> list[dict[str, object]]:
    from spanledger.store.export.export import ledger_id

    last = ledger.metastore.last_commit().entries_total
    return [bill_payload(SYSTEMS[system], COST, ledger_id(ledger), bill) for bill in bills(ledger, SYSTEMS[system], COST, 1, last)]
