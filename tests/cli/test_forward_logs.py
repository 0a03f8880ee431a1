"""Entries as log records: linked to their span, complete, exact to the last digit, and under an id that stays."""

from __future__ import annotations

import json

from spanledger.cli.forward_logs import log_record, logs_request
from spanledger.enrich.events import COLUMNS
from tests.cli.otlp_sink import attributes
from tests.store.samples import event

COST = 57_225_000_000_000_001
"""0.057225000000000001 USD in atto-USD: more digits than a double has."""


def test_a_charge_is_linked_to_its_span_and_says_everything() -> None:
    charge = event(7, cost_usd=COST, flags=("large_prompt",), usage=(("web_search_requests", 2),))
    record = log_record(41, charge)
    told = attributes(record)
    assert (record.trace_id, record.span_id, record.event_name) == (charge.trace_id, charge.span_id, "spanledger.cost")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (charge.end_ns, charge.booked_ns)
    assert record.body.string_value == "charge 0.057225000000000001 USD"
    assert told["log.record.uid"] == charge.event_id.hex() == told["spanledger.event_id"]
    assert told["spanledger.entry_number"] == 41
    assert (told["spanledger.cost_usd"], told["spanledger.cost_usd_double"]) == ("0.057225000000000001", 0.057225)
    assert (told["spanledger.tenant_id"], told["spanledger.input_tokens"], told["gen_ai.response.model"]) == (
        "acme",
        1000,
        "gpt-4o-2024-08-06",
    )
    assert json.loads(told["spanledger.usage"]) == {"web_search_requests": 2}
    assert [value.string_value for value in told["spanledger.flags"].values] == ["large_prompt"]
    assert sum(round(float(line["cost_usd"]) * 1e12) for line in json.loads(told["spanledger.lines"])) > 0
    silent = {
        c.name for c, value in zip(COLUMNS, charge, strict=True) if value is not None and value != () and f"spanledger.{c.name}" not in told
    }
    assert silent <= {"trace_id", "span_id", "prompt_hmac"}


def test_a_reversal_is_negative_and_names_what_it_undoes() -> None:
    told = attributes(log_record(2, event(8, kind="reversal", ref_event_id=event(7).event_id, reason="payer_found", cost_usd=-COST)))
    assert (told["spanledger.kind"], told["spanledger.reason"]) == ("reversal", "payer_found")
    assert told["spanledger.ref_event_id"] == event(7).event_id.hex()
    assert (told["spanledger.cost_usd"], told["spanledger.cost_usd_double"]) == ("-0.057225000000000001", -0.057225)


def test_what_has_no_price_has_no_cost() -> None:
    record = log_record(1, event(9, cost_usd=None, list_cost_usd=None, price_state="unpriced"))
    assert record.body.string_value == "charge unpriced"
    assert not [key for key in attributes(record) if key.startswith("spanledger.cost_usd")]


def test_the_same_entries_make_the_same_request() -> None:
    entries = [(number, event(number)) for number in range(1, 4)]
    assert logs_request(entries).SerializeToString(deterministic=True) == logs_request(entries).SerializeToString(deterministic=True)
