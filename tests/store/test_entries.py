from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanledger.enrich.events import COLUMNS, Line
from spanledger.store.entries import EVENT_KEYS, events, find
from spanledger.store.ledger import Ledger
from tests.store.samples import NOON, event, plain, reading


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def book(ledger: Ledger, *entries: object, spans: tuple[object, ...] = ()) -> None:
    ledger.commit(entries, spans, position=ledger.position + 1, open_position=0, booked_ns=NOON)  # type: ignore[arg-type]  # events


def test_an_event_reads_as_the_schema_names_it(ledger: Ledger) -> None:
    book(ledger, event(1, usage=(("images", 2),), suppressed_span_ids=("00aa",), flags=("x",)))
    (found,) = events(ledger)
    assert tuple(found) == EVENT_KEYS
    assert EVENT_KEYS[: len(COLUMNS)] == tuple(column.name for column in COLUMNS)
    assert json.loads(json.dumps(found)) == found
    expected = {
        "event_id": "00000000000000000000000000000001",
        "trace_id": "00000000000000010000000000000000",
        "span_id": "0000000000000001",
        "parent_span_id": None,
        "start_ns": NOON,
        "start_time": "2026-11-21T12:00:00.000000000Z",
        "end_time": "2026-11-21T12:00:01.500000000Z",
        "event_date": "2026-11-21",
        "cost_usd": "0.0125",
        "contracted_cost_usd": None,
        "input_tokens": 1000,
        "customer_billable": True,
        "usage": [{"unit": "images", "quantity": 2}],
        "suppressed_span_ids": ["00aa"],
        "flags": ["x"],
        "entry_number": 1,
    }
    assert {key: found[key] for key in expected} == expected
    assert found["lines"][0] == {
        "unit": "input_tokens",
        "quantity": 1000,
        "rate_id": "openai/gpt-4o/input",
        "amount": "2.5",
        "per": 1000000,
        "cost_usd": "0.0025",
    }


@pytest.mark.parametrize(
    ("atto", "text"),
    [
        (0, "0"),
        (1, "0.000000000000000001"),
        (10**18, "1"),
        (-(10**20), "-100"),
        (21_200_000_000_000, "0.0000212"),
        (10**38 - 1, "9" * 20 + "." + "9" * 18),
    ],
)
def test_money_is_plain_text_without_exponent_or_padding(ledger: Ledger, atto: int, text: str) -> None:
    book(ledger, event(1, cost_usd=atto, lines=(Line("u", 1, "r", "1", 1, atto),)))
    (found,) = events(ledger)
    assert found["cost_usd"] == text
    assert found["lines"][0]["cost_usd"] == text


def test_net_is_what_no_reversal_has_undone(ledger: Ledger) -> None:
    undone = event(2, kind="reversal", ref_event_id=event(1).event_id, reason="payer_found")
    book(ledger, event(1), undone, event(3, tenant_id="found"), event(4, kind="adjustment", ref_event_id=event(3).event_id))
    assert [found["entry_number"] for found in events(ledger)] == [3, 4]
    assert [found["entry_number"] for found in events(ledger, every=True)] == [1, 2, 3, 4]


def test_net_as_of_a_time_ignores_what_was_booked_later(ledger: Ledger) -> None:
    book(ledger, event(1, booked_ns=NOON), event(2, kind="reversal", ref_event_id=event(1).event_id, booked_ns=NOON + 1))
    assert [found["entry_number"] for found in events(ledger, as_of_ns=NOON)] == [1]
    assert list(events(ledger)) == []


def test_an_empty_ledger_has_no_events(ledger: Ledger) -> None:
    assert list(events(ledger)) == []
    assert find(ledger, "ab" * 16) == ([], [])


def test_an_id_of_any_kind_leads_to_the_history_and_the_trace(ledger: Ledger) -> None:
    span = reading(1)
    root = plain(7, trace_id=span.trace_id, start_ns=NOON - 5)
    undone = event(2, kind="reversal", ref_event_id=event(1).event_id, trace_id=span.trace_id, span_id=span.span_id)
    again = event(
        3, trace_id=span.trace_id, span_id=span.span_id, suppressed_span_ids=("00000000000000aa", f"{'bb' * 16}:00000000000000cc")
    )
    stranger = event(9)
    book(ledger, event(1), undone, again, stranger, spans=(span, root, reading(9)))
    named = [
        again.event_id.hex(),
        event(1).event_id.hex().upper(),
        span.span_id.hex(),
        span.trace_id.hex(),
        " " + (span.call.response_id or "") + " ",
    ]  # type: ignore[union-attr]  # it has a call
    for text in (*named, "00000000000000aa", "00000000000000CC"):
        found = find(ledger, text)
        assert [entry["entry_number"] for entry in found.entries] == [1, 2, 3], text
        assert [each["span_id"] for each in found.spans] == [root.span_id.hex(), span.span_id.hex()], text


def test_a_span_that_was_not_charged_is_found_with_its_trace(ledger: Ledger) -> None:
    book(ledger, event(1), spans=(reading(1), plain(2)))
    found = find(ledger, plain(2).span_id.hex())
    assert found.entries == []
    assert [span["span_id"] for span in found.spans] == [plain(2).span_id.hex()]


@pytest.mark.parametrize("text", ["", "zz", "' OR 1=1 --", "%", "ab" * 500, "\x00"])
def test_nonsense_finds_nothing(ledger: Ledger, text: str) -> None:
    book(ledger, event(1), spans=(reading(1),))
    assert find(ledger, text) == ([], [])
