from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.links import link_keys
from spanledger.enrich.records import NO_USAGE, NOBODY, Call, Payers, Reading, Resource, Usage
from spanledger.store import span_rows
from spanledger.store.parquet import options
from tests.store.samples import plain, reading

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = TEXT.filter(bool)  # an empty string on the wire is None in the records
MAYBE = st.none() | NAME
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
WEIGHTS = st.lists(st.tuples(TEXT, st.integers(1, 2**62)), max_size=2).map(tuple)
PAYERS = st.builds(Payers, *[MAYBE] * 8, WEIGHTS, PAIRS)
USAGE = st.builds(Usage, *[st.none() | INT64] * 7, st.lists(st.tuples(TEXT, INT64), max_size=2).map(tuple))
CALLS = st.builds(
    Call,
    dialect=TEXT,
    usage_basis=TEXT,
    provider=MAYBE,
    request_model=MAYBE,
    response_model=MAYBE,
    response_id=MAYBE,
    response_id_unique=st.booleans(),
    service_tier=MAYBE,
    region=MAYBE,
    usage=st.none() | USAGE,
    usage_state=st.sampled_from(["measured", "partial", "estimated", "aggregate", "missing"]),
    emitter_cost_usd=MAYBE,
    error_type=MAYBE,
    attempt=st.none() | INT64,
    tool_name=MAYBE,
    prompt_hmac=MAYBE,
    flags=st.lists(TEXT, max_size=2).map(tuple),
)
READINGS = st.builds(
    Reading,
    authority=TEXT,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.just(b"") | st.binary(min_size=8, max_size=8),
    start_ns=INT64,
    end_ns=INT64,
    kind=st.sampled_from(["inference", "aggregate", "tool", "retrieval", "other"]),
    operation=MAYBE,
    scope=TEXT,
    resource=st.builds(Resource, MAYBE, PAYERS),
    payers=PAYERS,
    call=st.none() | CALLS,
    failed=st.booleans(),
    position=INT64,
    received_ns=INT64,
    key_tenant=MAYBE,
)


@given(st.lists(READINGS, max_size=6))
def test_any_reading_comes_back_from_arrow_as_it_was(readings: list[Reading]) -> None:
    assert span_rows.from_table(span_rows.to_table(readings, link_keys)) == readings


def test_parquet_keeps_no_call_no_usage_and_empty_usage_apart(tmp_path: Path) -> None:
    call = Call(dialect="otel-genai")
    readings = [
        plain(1),
        reading(2, call=call),
        reading(3, call=call._replace(usage=NO_USAGE)),
        reading(4, call=call._replace(usage=Usage(extra=(("images", 2),)))),
    ]
    path = tmp_path / "s.parquet"
    pq.write_table(span_rows.to_table(readings, link_keys), path, **options("spans"))
    assert span_rows.from_table(pq.read_table(path)) == readings


def test_link_keys_are_stored_beside_their_span() -> None:
    spans = [plain(1), reading(2), reading(3, kind="tool")]
    table = span_rows.to_table(spans, link_keys)
    first, second = link_keys(spans[1])
    assert table.column("link_key_1").to_pylist() == [None, first, None]
    assert table.column("link_key_2").to_pylist() == [None, second, None]


def test_payers_text_holds_what_is_set_and_nothing_else() -> None:
    assert span_rows.payers_text(NOBODY) is None
    assert span_rows.payers_text(Payers(tenant="ü", allocation=(("a", 2),))) == '{"tenant":"ü","allocation":[["a",2]]}'
