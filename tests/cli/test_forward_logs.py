"""Entries as log records: linked to their span, complete, exact to the last digit, and under an id that stays."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from spanledger.cli.forward_logs import log_record, logs_request, record_bytes
from spanledger.enrich.events import COLUMNS
from spanledger.enrich.money import text_from_atto
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


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=300),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.integers(-(10**38), 10**38)),
    st.lists(st.text(max_size=5), max_size=4),
    st.booleans(),
)
def test_the_bytes_are_what_protobuf_makes_of_them(text: str, number: int | None, atto: int | None, texts: list[str], flag: bool) -> None:
    """Read by protobuf and written again they are the same, and every value comes out as it went in."""
    text = text.encode("utf-8", "replace").decode()
    entry = event(3, tenant_id=text, user_id=text, input_tokens=number, cost_usd=atto, flags=tuple(texts), customer_billable=flag)
    raw = record_bytes(2**62, entry)
    record = LogRecord.FromString(raw)
    assert len(record.SerializeToString()) == len(raw)
    told = attributes(record)
    assert told["spanledger.entry_number"] == 2**62
    assert (told["spanledger.tenant_id"], told["spanledger.user_id"], told["spanledger.customer_billable"]) == (text, text, flag)
    assert told.get("spanledger.input_tokens") == number
    assert told.get("spanledger.cost_usd") == (None if atto is None else text_from_atto(atto))
    assert [value.string_value for value in told["spanledger.flags"].values] == texts if texts else "spanledger.flags" not in told
