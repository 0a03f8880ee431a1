from concurrent.futures import ThreadPoolExecutor
from gzip import compress
from pathlib import Path

import pytest

from spanledger.enrich.grants import Grant
from spanledger.receiver.admission import KEYLESS
from spanledger.receiver.answers import Accepted
from spanledger.receiver.bounds import Bounds
from spanledger.receiver.errors import MalformedRequest
from spanledger.receiver.intake import QUICK_BYTES_MAX, Intake, Lane, OtherLane
from spanledger.receiver.journal import Journal, Record, read_from
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.prune import Pruner
from tests.receiver.samples import KEPT, SECRET, make_request, make_span
from tests.receiver.wire import to_json

GRANT = Grant("key1", "acme", "team-a", frozenset({"ingest"}))


def test_what_is_taken_is_recorded_with_its_sender_and_time(tmp_path: Path) -> None:
    metrics, pruner = Metrics(), Pruner(KEPT, SECRET)
    body = make_request(make_span("chat", {"text": "hello"})).SerializeToString()
    with Journal(tmp_path / "journal") as journal:
        intake = Intake(journal, pruner, lambda: 42, metrics)
        for grant in (GRANT, KEYLESS):
            taken = intake.take(grant, body, "grpc")
            assert taken.durable is not None
            taken.durable.result(5)
            assert taken.accepted == Accepted()
        kept = pruner.prune(body)
        records = [record for _, record in read_from(tmp_path / "journal")]
    assert records == [Record("acme", "team-a", "key1", 42, kept), Record("default", None, None, 42, kept)]
    assert metrics.count("spans_total") == 2
    assert metrics.count("received_bytes_total", transport="grpc") == 2 * len(body)


def test_json_is_translated_and_what_is_malformed_leaves_no_trace(tmp_path: Path) -> None:
    metrics = Metrics()
    with Journal(tmp_path / "journal") as journal:
        intake = Intake(journal, Pruner(KEPT, SECRET), lambda: 42, metrics)
        taken = intake.take(GRANT, to_json(make_request()), "http", is_json=True)
        assert taken.durable is not None
        for is_json in (False, True):
            with pytest.raises(MalformedRequest):
                intake.take(GRANT, b"{", "http", is_json=is_json)
        assert intake.take(GRANT, b"", "http").durable is None
    assert len(list(read_from(tmp_path / "journal"))) == 1
    assert metrics.count("spans_total") == 1


def test_everything_that_was_left_out_is_said_and_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    request = make_request(*(make_span("chat", {"a": 1, "b": 2}, number=number) for number in range(3)))
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    request.resource_spans.append(request.resource_spans[0])
    with Journal(tmp_path / "journal") as journal:
        pruner = Pruner(KEPT, SECRET, bounds=Bounds(scopes=1, spans=2, attributes=1))
        taken = Intake(journal, pruner, lambda: 42, metrics).take(GRANT, request.SerializeToString(), "grpc")
    assert taken.accepted.rejected_spans == 1
    assert taken.accepted.warning.split("; ") == [
        "1 spans have no valid trace, span or parent id and are in quarantine",
        "1 spans exceed the bound on spans in a request and were dropped",
        "1 resources or scopes exceed the bound in a request and were dropped",
        "2 attributes, events or links exceed the bound on a span and were dropped",
    ]
    assert metrics.count("quarantined_spans_total") == 1
    assert [metrics.count("dropped_total", what=what) for what in ("spans", "scopes", "parts")] == [1, 1, 2]


def test_a_body_begins_in_the_lane_of_its_size(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        intake = Intake(journal, Pruner(KEPT, SECRET), lambda: 42, Metrics())
        for size, lane in ((0, Lane.QUICK), (QUICK_BYTES_MAX, Lane.QUICK), (QUICK_BYTES_MAX + 1, Lane.BULKY), (3 << 20, Lane.APART)):
            assert intake.lane_of(bytes(size)) is lane
            assert intake.lane_of(compress(bytes(size)), is_gzip=True) is lane
        assert intake.lane_of(bytes(QUICK_BYTES_MAX), is_json=True) is Lane.BULKY


def test_what_is_more_than_it_seemed_goes_on_in_the_next_lane_and_is_stored_once(tmp_path: Path) -> None:
    many = make_request(*(make_span("c", number=number) for number in range(2000)))
    body = compress(many.SerializeToString())[:-4] + bytes(4)  # it says that it is empty, and its size is not believed
    two = compress(many.SerializeToString()) + compress(b"")  # it says so of its last member
    with Journal(tmp_path / "journal") as journal:
        intake = Intake(journal, Pruner(KEPT, SECRET), lambda: 42, Metrics())
        for lie in (body, two):
            assert intake.lane_of(lie, is_gzip=True) is Lane.QUICK
            with pytest.raises(OtherLane) as told:
                intake.take(GRANT, lie, "http", is_gzip=True)
            assert told.value.lane is Lane.BULKY
        with pytest.raises(MalformedRequest):
            intake.take(GRANT, body, "http", is_gzip=True, lane=Lane.BULKY)
        taken = intake.take(GRANT, two, "http", is_gzip=True, lane=Lane.BULKY)
        assert taken.durable is not None
        taken.durable.result(5)
    assert len(list(read_from(tmp_path / "journal"))) == 1


def test_a_small_request_does_not_wait_for_a_bulky_one(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        intake = Intake(journal, Pruner(KEPT, SECRET), lambda: 42, Metrics())
        with intake._turns[Lane.BULKY]:  # one that takes for ever
            taken = intake.take(GRANT, make_request(make_span("chat")).SerializeToString(), "grpc")
            assert taken.durable is not None
            taken.durable.result(5)


def test_bulky_bodies_wait_as_they_were_sent(tmp_path: Path) -> None:
    """Inflated, what a hundred calls sent in a MiB would be hundreds of MiB that nobody counts."""
    bulky = make_request(make_span("chat", {"text": "x" * 900_000})).SerializeToString()
    quick = make_request(make_span("chat")).SerializeToString()
    with Journal(tmp_path / "journal") as journal, ThreadPoolExecutor(1) as pool:
        intake = Intake(journal, Pruner(KEPT, SECRET), lambda: 42, Metrics())
        room = intake._bulky["grpc"]
        with room, room:  # as many as are read at once
            waiting = pool.submit(intake.take, GRANT, compress(bulky), "grpc", is_gzip=True, lane=Lane.BULKY)
            intake.take(GRANT, compress(quick), "grpc", is_gzip=True)
            intake.take(GRANT, compress(bulky), "http", is_gzip=True, lane=Lane.BULKY)  # the other transport has room of its own
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        taken = waiting.result(5)
        assert taken.durable is not None
        taken.durable.result(5)
    assert len(list(read_from(tmp_path / "journal"))) == 3
