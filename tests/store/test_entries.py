from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanledger.enrich.events import COLUMNS, CostEvent, Line
from spanledger.store.entries import EVENT_KEYS, events, find, net_lines
from spanledger.store.errors import QueryError
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
    book(ledger, event(1), undone, event(3, tenant_id="found"), event(4))
    assert [found["entry_number"] for found in events(ledger)] == [3, 4]
    assert [found["entry_number"] for found in events(ledger, every=True)] == [1, 2, 3, 4]


def repriced(number: int, charge: CostEvent, amount: str, cost: int) -> CostEvent:
    """The adjustment that puts another price on the output tokens of a charge: 1,000 tokens at `amount` a million are `cost` atto-USD."""
    old = charge.lines[1]
    lines = (old._replace(rate_id=f"r{number}", amount=amount, cost_usd=cost), old._replace(quantity=-1_000, cost_usd=-old.cost_usd))
    difference = cost - old.cost_usd
    return charge._replace(
        event_id=number.to_bytes(16, "big"), kind="adjustment", ref_event_id=charge.event_id, reason="repriced", run_id=f"rp1-{number}",
        catalog_id=f"cat-{number}", input_tokens=None, output_tokens=None, wall_clock_ms=0, lines=lines, cost_usd=difference,
        list_cost_usd=difference,
    )  # fmt: skip


def test_an_adjusted_call_is_one_row_at_its_present_price(ledger: Ledger) -> None:
    """0.0025 in + 0.01 out = 0.0125; the output at 8 instead of 10 a million: 0.0025 + 0.008 = 0.0105 (a difference of -0.002)."""
    adjusted = repriced(2, event(1), "8", 8 * 10**15)
    book(ledger, event(1), adjusted, event(3))
    one, other = events(ledger)
    assert (one["kind"], one["cost_usd"], one["list_cost_usd"], one["contracted_cost_usd"]) == ("charge", "0.0105", "0.0105", None)
    assert (one["input_tokens"], one["output_tokens"], one["catalog_id"], one["run_id"]) == (1000, 1000, "cat-2", "rp1-2")
    assert [(line["rate_id"], line["quantity"], line["cost_usd"]) for line in one["lines"]] == [
        ("openai/gpt-4o/input", 1000, "0.0025"),
        ("r2", 1000, "0.008"),
    ]
    assert (other["cost_usd"], other["catalog_id"], other["run_id"]) == ("0.0125", "catalog-1", None)
    assert [found["kind"] for found in events(ledger, every=True)] == ["charge", "adjustment", "charge"]


def test_adjustments_add_up_and_go_with_their_reversal(ledger: Ledger) -> None:
    first = repriced(2, event(1), "8", 8 * 10**15)
    second = repriced(3, event(1), "9", 11 * 10**15)._replace(lines=(), booked_ns=event(1).booked_ns + 10)
    undone = first._replace(event_id=bytes([9] * 16), kind="reversal", ref_event_id=first.event_id, cost_usd=2 * 10**15)
    book(ledger, event(1), first, second)
    assert [found["cost_usd"] for found in events(ledger)] == ["0.0115"]  # 0.0125 - 0.002 + 0.001
    assert [found["cost_usd"] for found in events(ledger, as_of_ns=event(1).booked_ns + 9)] == ["0.0105"]
    book(ledger, undone)
    assert [(found["cost_usd"], found["catalog_id"]) for found in events(ledger)] == [("0.0135", "cat-3")]


def test_an_adjustment_without_its_charge_stands_alone(ledger: Ledger) -> None:
    book(ledger, repriced(2, event(1), "8", 8 * 10**15))
    assert [(found["kind"], found["cost_usd"]) for found in events(ledger)] == [("adjustment", "-0.002")]


def test_lines_that_cancel_are_gone_and_the_rest_adds_up() -> None:
    line = {"unit": "input_tokens", "quantity": 3, "rate_id": "a", "amount": "1", "per": 1, "cost_usd": "3"}
    taken_back = {**line, "quantity": -3, "cost_usd": "-3"}
    assert net_lines([line, {**line, "rate_id": "b"}, taken_back]) == [{**line, "rate_id": "b"}]
    assert net_lines([line, {**taken_back, "quantity": -1, "cost_usd": "-0.5"}]) == [{**line, "quantity": 2, "cost_usd": "2.5"}]


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


def test_the_beginning_of_an_id_is_enough_where_only_one_begins_so(ledger: Ledger) -> None:
    one = event(1, event_id=bytes.fromhex("abcd12" + "00" * 13), span_id=bytes.fromhex("5a" * 8), trace_id=bytes.fromhex("7b" * 16))
    other = event(2, event_id=bytes.fromhex("abcd13" + "ff" * 13))
    book(ledger, one, other)
    for text in ("abcd12", "ABCD120", "5a5a5", "7b7b", "7b" * 9, one.event_id.hex()[:-1]):
        assert [entry["event_id"] for entry in find(ledger, text).entries] == [one.event_id.hex()], text
    assert [entry["event_id"] for entry in find(ledger, "abcd13f").entries] == [other.event_id.hex()]
    for text in ("abc", "abce", "5a" * 9, "abcd12x"):
        assert find(ledger, text).entries == [], text
    with pytest.raises(QueryError, match="abcd1 is how 2 ids begin"):
        find(ledger, "abcd1")


def test_what_is_found_as_of_a_time_had_been_booked_and_received_by_then(ledger: Ledger) -> None:
    late = reading(7, trace_id=reading(1).trace_id, received_ns=NOON + 90)
    undone = event(2, kind="reversal", ref_event_id=event(1).event_id, trace_id=event(1).trace_id, span_id=event(1).span_id)
    book(ledger, event(1, booked_ns=NOON), undone._replace(booked_ns=NOON + 90), spans=(reading(1, received_ns=NOON), late))
    found = find(ledger, event(1).span_id.hex(), as_of_ns=NOON + 89)
    assert ([each["kind"] for each in found.entries], len(found.spans)) == (["charge"], 1)
    found = find(ledger, event(1).span_id.hex(), as_of_ns=NOON + 90)
    assert ([each["kind"] for each in found.entries], len(found.spans)) == (["charge", "reversal"], 2)
