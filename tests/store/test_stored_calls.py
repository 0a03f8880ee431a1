"""Calls read back from the ledger are those that were charged: whole, once, and only those that prices change."""

from __future__ import annotations

from pathlib import Path

from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent
from spanledger.enrich.meters import METERED_SPLIT
from spanledger.enrich.split import split_event
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING
from spanledger.store.stored_calls import StoredCall, names_of_calls, stored_calls
from tests.store.samples import NOON, event

NAMES = ("openai", "gpt-4o", "gpt-4o-2024-08-06", "default", None)


def calls_of(folder: Path, *events: CostEvent) -> list[StoredCall]:
    with Ledger.open(folder) as ledger:
        ledger.commit(events, [], position=1, open_position=1, booked_ns=NOON)
        return sorted(stored_calls(ledger, EVERYTHING, names_of_calls(ledger, EVERYTHING)), key=lambda call: call.start_ns)


def test_a_call_has_its_names_usage_and_payer(tmp_path: Path) -> None:
    charged = event(input_tokens=900, cache_read_tokens=300, usage=(("web_search_requests", 2),), region="eu")
    (found,) = calls_of(tmp_path, charged)
    assert (found.authority, found.start_ns, found.payers, found.customer_billable) == ("default", NOON, (("acme", 1),), True)
    assert found.call.usage is not None
    assert (found.call.usage.input_tokens, found.call.usage.cache_read_tokens) == (900, 300)
    assert found.call.usage.extra == (("web_search_requests", 2),)
    assert found.call[2:5] == ("openai", "gpt-4o", "gpt-4o-2024-08-06")
    assert (found.call.service_tier, found.call.region) == ("default", "eu")


def test_a_shared_call_is_whole_with_the_weights_of_its_payers(tmp_path: Path) -> None:
    shared = event(input_tokens=1_001, output_tokens=7, usage=(("web_search_requests", 1),))
    parts = split_event(shared, [("acme", 2), ("globex", 1)])
    parts = [part._replace(event_id=n.to_bytes(16, "big")) for n, part in enumerate(parts, 10)]
    (found,) = calls_of(tmp_path, *parts)
    assert found.call.usage is not None
    assert (found.call.usage.input_tokens, found.call.usage.output_tokens) == (1_001, 7)
    assert dict(found.call.usage.extra)["web_search_requests"] == 1
    assert found.payers == (("acme", 2), ("globex", 1))


def test_what_no_price_changes_is_left_out(tmp_path: Path) -> None:
    undone = event(1)
    others = [
        event(2, usage_state="missing"),
        event(3, provider_billing="not_billed"),
        event(4, split_index=METERED_SPLIT, cost_surface="tool_execution"),
    ]
    found = calls_of(tmp_path, undone, reversal(undone, "suppressed", NOON), *others, event(5, start_ns=NOON + 5))
    assert [call.start_ns for call in found] == [NOON + 5]


def test_names_choose_calls(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        other = event(2, response_model="gpt-4o-mini")
        ledger.commit([event(1), other, event(3)], [], position=1, open_position=1, booked_ns=NOON)
        assert names_of_calls(ledger, EVERYTHING) == {NAMES: 2, ("openai", "gpt-4o", "gpt-4o-mini", "default", None): 1}
        assert len(list(stored_calls(ledger, EVERYTHING, [NAMES]))) == 2
        assert list(stored_calls(ledger, EVERYTHING, [])) == []
        assert names_of_calls(ledger, (NOON + 1, None)) == {}
