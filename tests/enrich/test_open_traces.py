"""An open trace: what is new in it, what supersedes what, what is booked."""

from __future__ import annotations

from spanledger.enrich.open_traces import OpenTrace, supersedes
from tests.enrich.trees import chat, other, pays, readings


def test_a_copy_says_nothing_new_and_a_worse_revision_neither() -> None:
    reading = readings(chat("a", (10, 1), ms=(0, 100)))[0]
    trace = OpenTrace(("default", reading.trace_id))
    assert trace.take([reading]) == [reading]
    assert trace.take([reading._replace(position=5, received_ns=9)]) == []
    unfinished = reading._replace(end_ns=0)
    assert trace.take([unfinished]) == []
    longer = reading._replace(end_ns=reading.end_ns + 1)
    assert trace.take([longer]) == [longer]


def test_supersedes_is_a_strict_total_order() -> None:
    variants = [readings(chat("a", (10, n), payers=pays(t)))[0] for n in (1, 2) for t in ("acme", "globex")]
    for one in variants:
        for two in variants:
            assert supersedes(one, two) + supersedes(two, one) == (one is not two)


def test_complete_is_a_root_and_no_parent_missing() -> None:
    root, middle, leaf = readings(other("root", other("middle", chat("leaf"))))
    trace = OpenTrace(("default", root.trace_id))
    trace.take([leaf])
    assert not trace.complete
    trace.take([root])
    assert not trace.complete
    trace.take([middle])
    assert trace.complete
