from __future__ import annotations

import pytest

from spanledger.enrich import beyond
from spanledger.enrich.linked_payers import AFTER_DAYS, BEFORE_DAYS, LINKING_MAX, LinkedPayers, changed, linked_traces
from spanledger.enrich.open_traces import OpenTrace
from spanledger.enrich.records import DAY_NS, NOBODY, Payers, Reading
from tests.enrich.test_beyond import BY_LINKS, linked, settled, tenants
from tests.enrich.trees import NOON_NS, Node, chat, other, pays, readings, span_id, trace_id


def trace_of(spans: list[Reading]) -> OpenTrace:
    trace = OpenTrace((spans[0].authority, spans[0].trace_id))
    trace.take(spans)
    return trace


def test_a_shared_request_lends_its_split() -> None:
    request = readings(other("http", payers=Payers(allocation=(("acme", 1), ("globex", 2)))), "request")
    job = linked(readings(other("job", chat("worked", (30, 0))), "job"), ("request", "http"))
    ledger = settled(BY_LINKS, job, request)
    assert [(e.tenant_id, e.input_tokens) for e in ledger.events if e.kind == "charge" and e.tenant_id] == [("acme", 10), ("globex", 20)]


def test_a_link_to_a_span_that_is_not_there_lends_nothing() -> None:
    request = readings(other("http", payers=pays("acme")), "request")
    job = linked(readings(other("job", chat("worked", (1, 1))), "job"), ("request", "missing"))
    assert tenants(settled(BY_LINKS, request, job))["worked"] == ("", "")


def test_only_so_many_linking_spans_are_looked_at_on_the_way_up() -> None:
    request = trace_of(readings(other("http", payers=pays("acme")), "request"))
    silent = trace_of(readings(other("silent"), "silent"))
    tree: Node = chat("worked", (1, 1))
    for n in range(LINKING_MAX + 1):
        tree = other(f"s{n}", tree)
    for place, found in ((LINKING_MAX, "acme"), (LINKING_MAX + 1, None)):  # the request is linked from the span so far up
        spans = readings(tree, "job")[::-1]
        links = {span.span_id: "silent" if n != place else "request" for n, span in enumerate(spans)}
        targets = {"silent": span_id("silent"), "request": span_id("http")}
        job = trace_of([span._replace(links=((trace_id(to := links[span.span_id]), targets[to]),)) if span.kind == "other" else span
                        for span in spans])  # fmt: skip
        traces = {trace.key: trace for trace in (request, silent, job)}
        lent = LinkedPayers(("tenant",), traces).lend("default", [(trace_id("job"), span_id("worked"))], NOBODY, keyed=False)
        assert lent.payers.tenant == found


def test_only_so_many_linked_traces_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beyond, "TRACES_MAX", 2)
    requests = [readings(other("http", payers=pays("acme")), f"request{n}") for n in range(4)]
    calls = [chat(f"c{n}", (n + 1, 1)) for n in range(4)]
    root, *rest = readings(other("job", *calls), "job")
    rest = [linked([span], (f"request{n}", "http"))[0] for n, span in enumerate(rest)]
    for batches in ((*requests, [root, *rest]), ([root, *rest], *requests)):
        assert [tenants(settled(BY_LINKS, *batches))[f"c{n}"][0] for n in range(4)] == ["acme", "acme", "", ""]


def test_the_days_asked_for_are_those_on_which_a_linked_span_may_start() -> None:
    job = trace_of(linked(readings(other("job"), "job"), ("request", "http")))
    (days,) = linked_traces(job).values()
    day = NOON_NS // DAY_NS
    searched = {each + n for each in days for n in (-1, 0, 1)}  # as every look-up of a trace does
    assert set(range(day - BEFORE_DAYS, day + AFTER_DAYS + 1)) <= searched


def test_what_spans_were_told_is_compared_with_what_they_say_now() -> None:
    spans = trace_of(readings(other("http", payers=pays("acme")), "request")).spans
    assert not changed({}, spans)
    assert not changed({span_id("http"): pays("acme"), span_id("missing"): None}, spans)
    assert changed({span_id("http"): None}, spans)
    assert changed({span_id("http"): pays("globex")}, spans)
    assert changed({span_id("missing"): pays("acme")}, spans)
