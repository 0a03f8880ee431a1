"""What goes to a customer: of other tenants and of our cost nothing, and nothing that nobody has decided to tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanledger.cli.disclosure import cell_for_customer, for_customer, of_tenant
from spanledger.enrich.book import reversal
from spanledger.store.ledger import Ledger
from tests.cli.runner import spanledger
from tests.store.samples import NOON, event, reading

SECRETS = ("rival", "0.0125", "2.5", "openai/gpt-4o", "0.0077", "svc-1", "rp1-secret", "catalog-1", "default")
"""Another tenant, what the call costs us, our rates and their ids, the contracted cost, and what is inside the house."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call first booked to a rival, and one that acme and the rival share; customer prices 0.02 and 0.03 (acme) and 0.05 (rival)."""
    folder = tmp_path_factory.mktemp("disclosure") / "data"
    price = {"customer_price_usd": 2 * 10**16, "contracted_cost_usd": 77 * 10**14, "service_tier": None}
    wrong = event(1, tenant_id="rival", **price)
    why = {"claimed_tenant_id": "rival", "reason": "revised", "run_id": "rp1-secret"}
    right = event(3, trace_id=wrong.trace_id, span_id=wrong.span_id, **why, **price)
    shared = {"trace_id": bytes([7] * 16), "span_id": bytes([7] * 8), **price}
    mine = event(4, split_weight="1/3", **{**shared, "customer_price_usd": 3 * 10**16})
    theirs = event(5, split_index=1, split_weight="2/3", tenant_id="rival", **{**shared, "customer_price_usd": 5 * 10**16})
    with Ledger.open(folder) as ledger:
        entries = [wrong, reversal(wrong, "revised", NOON + 10**10), right, mine, theirs]
        spans = [reading(1), reading(7, trace_id=bytes([7] * 16), span_id=bytes([7] * 8))]
        ledger.commit(entries, spans, position=1, open_position=0, booked_ns=NOON)
    return folder


@pytest.mark.parametrize("output", ["html", "json", "markdown", "text"])
@pytest.mark.parametrize("asked", [["--tenant", "acme"], [f"{1:016x}", "--tenant", "acme"], ["07" * 8, "--tenant", "acme"], [f"{4:032x}"]])
def test_a_customers_page_says_nothing_of_others_or_of_our_cost(data: Path, output: str, asked: list[str]) -> None:
    answer = spanledger("explain", "--data", data, *asked, "--for", "customer", "--format", output)
    assert answer.code == 0, answer.err
    assert "acme" in answer.out
    assert "0.03" in answer.out or "0.02" in answer.out
    said = answer.out.partition("<body>")[2] or answer.out  # the style of a page has numbers of its own
    assert [secret for secret in SECRETS if secret in said] == []


def test_without_it_the_cost_is_there_and_others_still_are_not(data: Path) -> None:
    page = spanledger("explain", "--data", data, "--tenant", "acme", "--format", "html").out
    assert "0.0125" in page
    assert "rival" not in page
    everybody = spanledger("explain", "--data", data, "07" * 8).out
    assert "rival" in everybody  # the control: what is left out above is there to be found


def test_a_page_to_send_is_about_one_tenant(data: Path) -> None:
    for args in (
        ["07" * 8, "--format", "html"],
        ["--model", "gpt-4o-2024-08-06", "--format", "html"],
        ["--since", "2026-11", "--for", "customer"],
    ):
        answer = spanledger("explain", "--data", data, *args)
        assert (answer.code, answer.out) == (2, "")
        assert "--tenant" in answer.err
    answer = spanledger("explain", "--data", data, "07" * 8, "--format", "html", "--tenant", "acme", "--tenant", "rival")
    assert answer.code == 2
    assert "is not charged to nobody-knows" in spanledger("explain", "--data", data, "07" * 8, "--tenant", "nobody-knows").err


def test_what_is_new_in_a_document_stays_inside() -> None:
    charge = {
        "charged": True, "identity": {"operation": "chat", "new": "secret"}, "payers": [{"tenant": "acme", "new": "secret"}], "usage": {},
        "price": {"parts": [{"event_id": "e", "new": "secret"}], "new": "secret"}, "suppressed": [{"span_id": "s", "new": "secret"}],
        "history": [{"event_id": "e", "ref_event_id": "of-another", "new": "secret"}], "evidence": {"received": "now", "new": "secret"},
        "new": "secret",
    }  # fmt: skip
    told = for_customer(charge)
    assert "secret" not in json.dumps(told)
    assert told["history"][0]["ref_event_id"] is None
    row = {"calls": 1, "new": "secret"}
    lists = {"models": [row], "booked": [row], "top": [row], "rates": [row], "explanations": [charge]}
    cell = {"asked": {}, "totals": row, "rest": row, **lists, "new": "secret"}
    assert "secret" not in json.dumps(cell_for_customer(cell))


def test_only_the_payers_own_entries_are_kept() -> None:
    entries = [{"tenant_id": "a", "claimed_tenant_id": "b"}, {"tenant_id": "b", "claimed_tenant_id": None}, {"tenant_id": None}]
    assert of_tenant(entries, ["a"]) == [{"tenant_id": "a", "claimed_tenant_id": None}]
    assert of_tenant(entries, [None]) == [{"tenant_id": None, "claimed_tenant_id": None}]


def test_without_a_customer_price_there_is_no_page_for_a_customer(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "data") as ledger:
        ledger.commit([event(1)], [reading(1)], position=1, open_position=0, booked_ns=NOON)
    for asked in ([f"{1:016x}"], ["--tenant", "acme"]):
        answer = spanledger("explain", "--data", tmp_path / "data", *asked, "--for", "customer")
        assert (answer.code, answer.out) == (1, "")
        assert "no customer price was booked" in answer.err
