"""The OTLP server checklist, C1 to C40: each test carries the numbers it covers and runs over real sockets.

C39, the real exporters, is in test_exporters.py and test_node_exporters.py. Where a case ends in the ledger (billed once, the rows of
both encodings alike) it is tested here up to the journal.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.grants import Grant
from spanledger.receiver.prune import Bounds, Pruner
from tests.receiver.samples import (
    KEPT,
    SECRET,
    SPAN_ID,
    TRACE_ID,
    FailingStorage,
    HeldStorage,
    Running,
    attribute,
    attributes_of,
    make_request,
    make_span,
    running,
    value_of,
)
from tests.receiver.wire import CONTENT_TYPES, EXPORT, TRANSPORTS, body_of, send, send_grpc, send_http, to_json
from tests.reliability.attacks import H2Client, frame_floods

MIB = 1 << 20
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
over_http = pytest.mark.parametrize("transport", ["http", "json"])
zipped_or_not = pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as found:
        yield found


def json_of(**span: object) -> bytes:
    span = {"traceId": TRACE_ID.hex(), "spanId": SPAN_ID.hex(), **span}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


# -- the good ways ------------------------------------------------------------------------------------------------------


@every_transport
@zipped_or_not
def test_c1_c2_c3_c5_a_request_is_acknowledged_and_stored(server: Running, transport: str, zipped: bool) -> None:
    answer = send(server, transport, make_request(make_span("chat gpt-4o", {"gen_ai.usage.input_tokens": 12})), gzip=zipped)
    assert answer.is_full_success
    if transport != "grpc":
        assert answer.headers["content-type"] == {"http": "application/x-protobuf", "json": "application/json"}[transport]
    (record,) = server.records()
    assert (record.authority, record.key_tenant, record.key_id, record.received_ns) == ("default", None, None, 7)
    (span,) = server.spans()
    assert (span.trace_id, span.span_id, span.name) == (TRACE_ID, SPAN_ID, "chat")
    assert attributes_of(span) == {"gen_ai.usage.input_tokens": 12}


@over_http
def test_c4_parameters_of_the_content_type_are_fine(server: Running, transport: str) -> None:
    content_type = {"http": "application/x-protobuf; charset=utf-8", "json": 'Application/JSON;charset="UTF-8"'}[transport]
    assert send(server, transport, make_request(), headers={"Content-Type": content_type}).is_full_success
    assert len(server.spans()) == 1


@every_transport
@zipped_or_not
def test_c8_an_empty_request_succeeds_and_stores_nothing(server: Running, transport: str, zipped: bool) -> None:
    assert send(server, transport, ExportTraceServiceRequest(), gzip=zipped).is_full_success
    assert server.records() == []


@every_transport
def test_c9_a_resource_without_spans_succeeds(server: Running, transport: str) -> None:
    request = make_request()
    del request.resource_spans[0].scope_spans[:]
    assert send(server, transport, request).is_full_success
    assert server.records() == []


def test_c25_the_same_payload_is_stored_as_the_same_bytes(server: Running) -> None:
    span = make_span(
        "chat", {"gen_ai.request.model": "gpt-4o", "prompt": "hello", "n": 3, "list": ["a", 1], "map": {"k": 1.5}, "b": b"\x01"}
    )
    span.events.add(name="exception", time_unix_nano=5)
    span.status.code, span.kind = 2, 3  # type: ignore[assignment]  # enums are integers
    for transport in TRANSPORTS:
        for zipped in (False, True):
            assert send(server, transport, make_request(span), gzip=zipped).is_full_success
    assert len(server.records()) == 6
    assert len({record.request for record in server.records()}) == 1


@every_transport
def test_c28_every_type_of_attribute_is_accepted(server: Running, transport: str) -> None:
    values: dict[str, object] = {"bytes": b"\x00\xff", "map": {"a": {"b": 1}}, "mixed": [1, "a", True, None, [2.5]], "empty": None, "": 5}
    assert send(server, transport, make_request(make_span("chat", values))).is_full_success
    kept = attributes_of(server.spans()[0])
    assert kept["map"] == {"a": {"b": 1}}
    assert (kept["empty"], kept[""]) == (None, 5)
    assert kept["mixed"][2:] == [True, None, [2.5]]  # type: ignore[index]


@every_transport
def test_c27_duplicate_keys_are_stored_as_sent(server: Running, transport: str) -> None:
    span = make_span("chat")
    for count in (5, 7):
        attribute(span, "gen_ai.usage.input_tokens", count)
    assert send(server, transport, make_request(span)).is_full_success
    assert [value_of(each.value) for each in server.spans()[0].attributes] == [5, 7]


@pytest.mark.parametrize(("transport", "calls"), [("grpc", 64), ("http", 200), ("json", 100)])
def test_c30_many_at_once_are_all_acknowledged_and_stored_once(server: Running, transport: str, calls: int) -> None:
    with ThreadPoolExecutor(calls) as pool:
        answers = list(pool.map(lambda number: send(server, transport, make_request(make_span("chat", number=number))), range(calls)))
    assert all(answer.is_full_success for answer in answers)
    assert len({span.span_id for span in server.spans()}) == len(server.spans()) == calls


@every_transport
def test_c31_the_same_request_twice_succeeds_twice(server: Running, transport: str) -> None:
    """Both are in the journal; that they are one charge is settled by their ids."""
    assert send(server, transport, make_request()).is_full_success
    assert send(server, transport, make_request()).is_full_success
    first, second = server.records()
    assert first == second


@every_transport
def test_c31_the_same_request_at_once_succeeds_every_time(server: Running, transport: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(server, transport, make_request()), range(8)))
    assert all(answer.is_full_success for answer in answers)
    assert len(server.records()) == 8
    assert len(set(server.records())) == 1


@every_transport
def test_c32_a_client_that_leaves_before_the_answer_has_stored_its_spans(tmp_path: Path, transport: str) -> None:
    storage = HeldStorage()
    with running(tmp_path, storage=storage) as server:
        body = body_of(transport, make_request())
        if transport == "grpc":
            with grpc.insecure_channel(server.grpc) as channel:
                call = channel.unary_unary(EXPORT).future(body, timeout=10)
                assert storage.is_syncing.wait(5)
                call.cancel()
        else:
            with socket.create_connection(server.http) as client:
                client.sendall(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPES[transport]}\r\n".encode())
                client.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                assert storage.is_syncing.wait(5)
        storage.may_sync.set()
        assert send(server, transport, body).is_full_success
        first, second = server.records()
        assert first.request == second.request


# -- bodies that are not as they should be ------------------------------------------------------------------------------


def broken_gzip(body: bytes) -> dict[str, bytes]:
    packed = gzip.compress(body)
    return {"cut off": packed[:-3], "junk behind": packed + b"junk", "not gzip at all": body, "empty": b""}


@over_http
@pytest.mark.parametrize("fault", ["cut off", "junk behind", "not gzip at all", "empty"])
def test_c6_broken_gzip_is_refused_for_good_and_stores_nothing(server: Running, transport: str, fault: str) -> None:
    answer = send(server, transport, broken_gzip(body_of(transport, make_request()))[fault], headers={"Content-Encoding": "gzip"})
    assert (answer.code, answer.is_retryable, answer.is_bad_request) == (400, False, True)
    assert server.records() == []


def call_by_hand(server: Running, body: bytes, encoding: str) -> str:
    """How a gRPC call ends whose message claims to be compressed so, whatever it is."""
    client = H2Client(("127.0.0.1", int(server.grpc.rpartition(":")[2])))
    try:
        return client.call(body, encoding=encoding)
    finally:
        client.close()


@pytest.mark.parametrize("fault", ["cut off", "junk behind", "not gzip at all"])
def test_c6_broken_gzip_is_refused_over_grpc_too(server: Running, fault: str) -> None:
    assert call_by_hand(server, gzip.compress(make_request().SerializeToString()), "gzip") == "grpc 0", "the control"
    ended = call_by_hand(server, broken_gzip(make_request().SerializeToString())[fault], "gzip")
    if fault == "not gzip at all":  # the library does not tell whether a message says that it is packed: it is read as what it is
        assert ended == "grpc 0"
        assert len({record.request for record in server.records()}) == 1
        assert call_by_hand(server, b"\xff\xff", "gzip") == "grpc 3"
    else:
        assert ended == "grpc 3"
        assert len(server.records()) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_c7_an_unknown_compression_is_refused_over_grpc_too(server: Running, encoding: str) -> None:
    assert call_by_hand(server, gzip.compress(make_request().SerializeToString()), encoding) in ("grpc 3", "grpc 12", "grpc 13")
    assert server.records() == []


@over_http
@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_c7_an_unknown_compression_is_refused(server: Running, transport: str, encoding: str) -> None:
    answer = send(server, transport, make_request(), headers={"Content-Encoding": encoding})
    assert (answer.code, answer.is_retryable) == (415, False)
    assert server.records() == []


@pytest.mark.parametrize("transport", ["grpc", "http"])
@zipped_or_not
@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x7fabc", make_request().SerializeToString()[:-1]], ids=["noise", "length", "cut"])
def test_c10_malformed_protobuf_is_refused_for_good(server: Running, transport: str, body: bytes, zipped: bool) -> None:
    answer = send(server, transport, body, gzip=zipped)
    assert answer.code in ("INVALID_ARGUMENT", 400)
    assert answer.is_bad_request
    assert not answer.is_retryable
    assert answer.status is not None
    assert answer.status.code == 3
    assert server.records() == []


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff", b"[" * 50_000, b'{"resourceSpans": 5}'])
def test_c11_malformed_json_is_refused_in_json(server: Running, body: bytes) -> None:
    answer = send(server, "json", body)
    assert (answer.code, answer.is_bad_request, answer.is_retryable) == (400, True, False)
    assert answer.headers["content-type"] == "application/json"


def request_of_size(size: int) -> bytes:
    span = make_span("chat", {"padding": "x" * (size - 1000)})
    spare = size - len(make_request(span).SerializeToString())
    attribute(span, "more", b"y" * (spare - 40))
    missing = size - len(make_request(span).SerializeToString())
    span.attributes[-1].value.bytes_value += b"y" * missing
    body = make_request(span).SerializeToString()
    assert len(body) == size
    return body


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, max_request_mib=1, max_in_flight_mib=4) as found:
        yield found


@every_transport
@zipped_or_not
def test_c12_c13_c14_the_limit_holds_after_inflation_and_is_inclusive(small_server: Running, transport: str, zipped: bool) -> None:
    if transport == "json":
        exact = json_of().ljust(MIB)
        above = exact + b" "
    else:
        exact, above = request_of_size(MIB), request_of_size(MIB + 1)
    assert send(small_server, transport, exact, gzip=zipped).is_full_success
    answer = send(small_server, transport, above, gzip=zipped)
    assert answer.code in ("RESOURCE_EXHAUSTED", 413)
    assert not answer.is_retryable
    assert len(small_server.records()) == 1


def test_c13_a_bomb_a_thousand_times_its_size_is_refused(small_server: Running) -> None:
    answer = send_http(small_server, bytes(300 * MIB), gzip=True, headers={"Content-Type": "application/x-protobuf"})
    assert (answer.code, answer.is_retryable) == (413, False)


def test_c13_a_body_without_a_length_is_bounded_too(small_server: Running) -> None:
    connection = http.client.HTTPConnection(*small_server.http, timeout=10)
    chunks = (bytes(MIB // 4) for _ in range(5))
    connection.request("POST", "/v1/traces", chunks, {"Content-Type": "application/x-protobuf"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_c15_only_post_is_allowed(server: Running) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = send_http(server, None, method=method)
        assert (answer.code, answer.headers["allow"], answer.is_retryable) == (405, "POST", False)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {}, {"Content-Type": "application/protobuf"}])
def test_c16_another_content_type_is_refused(server: Running, headers: dict[str, str]) -> None:
    answer = send_http(server, make_request().SerializeToString(), headers=headers)
    assert (answer.code, answer.is_retryable) == (415, False)
    assert server.records() == []


@over_http
@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1/metrics", "/v1/logs", "/v1development/profiles", "/%2e%2e/etc"])
def test_c17_c38_nothing_else_is_served_over_http(server: Running, transport: str, path: str) -> None:
    content_type = {"http": "application/x-protobuf", "json": "application/json"}[transport]
    answer = send_http(server, b"{}", path=path, headers={"Content-Type": content_type})
    assert (answer.code, answer.headers["content-type"], answer.is_retryable) == (404, content_type, False)


@pytest.mark.parametrize("method", ["metrics.v1.MetricsService/Export", "logs.v1.LogsService/Export", "trace.v1.TraceService/Other"])
def test_c38_metrics_and_logs_are_unimplemented_over_grpc(server: Running, method: str) -> None:
    answer = send_grpc(server, make_request().SerializeToString(), method=f"/opentelemetry.proto.collector.{method}")
    assert (answer.code, answer.is_retryable) == ("UNIMPLEMENTED", False)
    assert server.records() == []


# -- OTLP/JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace_id", [TRACE_ID.hex(), TRACE_ID.hex().upper(), TRACE_ID.hex().title()])
def test_c18_hex_of_any_case_is_the_same_id(server: Running, trace_id: str) -> None:
    assert send(server, "json", json_of(traceId=trace_id)).is_full_success
    assert server.spans()[0].trace_id == TRACE_ID


@pytest.mark.parametrize("bad", [base64.b64encode(TRACE_ID).decode(), TRACE_ID.hex()[:-1], TRACE_ID.hex()[:-2], "xyz"])
def test_c19_an_id_that_is_not_hex_is_never_wrongly_decoded(server: Running, bad: str) -> None:
    answer = send(server, "json", json_of(traceId=bad))
    assert answer.is_ok
    assert "1 spans have no valid trace" in answer.warning
    assert (server.spans()[0].trace_id, server.spans()[0].span_id) == (b"", SPAN_ID)


def test_c20_an_enum_by_name_is_refused(server: Running) -> None:
    answer = send(server, "json", json_of(kind="SPAN_KIND_SERVER"))
    assert (answer.code, answer.is_bad_request) == (400, True)
    assert "kind" in answer.status.message  # type: ignore[union-attr]


def test_c21_c22_names_that_are_not_ours_are_ignored(server: Running) -> None:
    answer = send(server, "json", json_of(parent_span_id="x", somethingNew={"a": [1]}, name="chat"))
    assert answer.is_full_success
    assert (server.spans()[0].name, server.spans()[0].parent_span_id) == ("chat", b"")


def test_c21_c22_names_that_are_not_ours_are_ignored_at_every_level(server: Running) -> None:
    odd = {"somethingNew": {"a": [1, {"b": None}]}, "trace_id": "00", "start_time_unix_nano": 7, "dropped_attributes_count": 7}
    value = {"key": "n", "value": {"intValue": "3", **odd}, **odd}
    event = {"name": "exception", "timeUnixNano": "5", "attributes": [value], **odd}
    link = {"traceId": TRACE_ID.hex(), "spanId": SPAN_ID.hex(), "attributes": [value], **odd}
    status = {"code": 2, **odd}
    span = {"traceId": TRACE_ID.hex(), "spanId": SPAN_ID.hex(), "attributes": [value], "events": [event], "links": [link], "status": status}
    scope = {"name": "test.scope", "attributes": [value], **odd}
    scope_spans = {"scope": scope, "spans": [span | odd], **odd}
    resource_spans = {"resource": {"attributes": [value], **odd}, "scopeSpans": [scope_spans], "scope_spans": [{"spans": [span]}], **odd}
    assert send(server, "json", json.dumps({"resourceSpans": [resource_spans], "resource_spans": [1], **odd}).encode()).is_full_success
    (found,) = server.spans()
    assert (found.trace_id, found.start_time_unix_nano, found.dropped_attributes_count) == (TRACE_ID, 0, 0)
    assert attributes_of(found) == {"n": 3}
    assert (found.status.code, len(found.events), len(found.links)) == (2, 1, 1)


@pytest.mark.parametrize(("wire", "read"), [('"9007199254740993"', 2**53 + 1), ("9007199254740993", 2**53 + 1), ('"-7"', -7), ("-7", -7)])
def test_c23_integers_are_exact(server: Running, wire: str, read: int) -> None:
    body = json_of(attributes=[{"key": "n", "value": {"intValue": "?"}}]).replace(b'"?"', wire.encode())
    assert send(server, "json", body).is_full_success
    assert attributes_of(server.spans()[0]) == {"n": read}


def test_c23_what_is_no_integer_is_refused(server: Running) -> None:
    assert send(server, "json", json_of(attributes=[{"key": "n", "value": {"intValue": "1e3"}}])).code == 400


def test_c24_nan_and_infinity_are_doubles(server: Running) -> None:
    values = [{"key": name, "value": {"doubleValue": name}} for name in ("NaN", "Infinity", "-Infinity")]
    assert send(server, "json", json_of(attributes=values)).is_full_success
    assert [repr(value) for value in attributes_of(server.spans()[0]).values()] == ["nan", "inf", "-inf"]


# -- spans that cannot be read ------------------------------------------------------------------------------------------


@every_transport
@pytest.mark.parametrize("ids", [{"trace_id": b""}, {"trace_id": bytes(16)}, {"span_id": b""}, {"span_id": bytes(8)}])
def test_c26_c29_a_span_without_an_id_goes_to_quarantine_and_the_others_stay(
    server: Running, transport: str, ids: dict[str, bytes]
) -> None:
    request = make_request(*(make_span("chat", number=number) for number in range(99)), make_span("chat", **ids))
    answer = send(server, transport, request)
    assert answer.is_ok
    assert answer.response is not None
    assert answer.response.partial_success.rejected_spans == 0
    assert answer.warning == "1 spans have no valid trace, span or parent id and are in quarantine"
    assert len(server.spans()) == 100
    assert server.receiver.metrics.count("quarantined_spans_total") == 1


@every_transport
def test_c29_spans_beyond_the_bound_are_reported_as_rejected(tmp_path: Path, transport: str) -> None:
    with running(tmp_path, pruner=Pruner(KEPT, SECRET, bounds=Bounds(spans=5))) as server:
        answer = send(server, transport, make_request(*(make_span("chat", number=number) for number in range(7))))
        assert answer.is_ok
        assert answer.response is not None
        assert answer.response.partial_success.rejected_spans == 2
        assert "2 spans exceed the bound" in answer.warning
        assert len(server.spans()) == 5


# -- trouble of the server's own ----------------------------------------------------------------------------------------


@every_transport
@pytest.mark.parametrize("call", ["write", "sync"])
def test_c33_a_disk_that_fails_is_retryable_and_never_ok(tmp_path: Path, transport: str, call: str) -> None:
    storage = FailingStorage(call)
    with running(tmp_path, storage=storage) as server:
        assert send(server, transport, make_request()).is_full_success
        storage.is_broken = True
        for _ in range(2):
            answer = send(server, transport, make_request())
            assert answer.is_retryable
            assert answer.retry_after in (None, "3")
        assert len(server.records()) == 1
        assert server.receiver.metrics.count("rejected_total", reason="journal_unavailable") == 2


@every_transport
def test_c34_overload_is_retryable_and_what_is_stored_was_acknowledged(tmp_path: Path, transport: str) -> None:
    storage = HeldStorage()
    body = request_of_size(MIB * 3 // 4) if transport != "json" else json_of().ljust(MIB * 3 // 4)
    with running(tmp_path, storage=storage, max_request_mib=1, max_in_flight_mib=2) as server, ThreadPoolExecutor(2) as pool:
        held = [pool.submit(send, server, transport, body) for _ in range(2)]
        while server.receiver._admission.in_flight_bytes < MIB * 3 // 2:
            assert not any(answer.done() for answer in held)
        assert send(server, transport, body).is_retryable
        storage.may_sync.set()
        assert all(answer.result(10).is_full_success for answer in held)
        assert send(server, transport, body).is_full_success
        assert len(server.records()) == 3
        assert server.receiver._admission.in_flight_bytes == 0


def test_c34_grpc_calls_that_wait_for_a_thread_are_bounded(tmp_path: Path) -> None:
    storage = HeldStorage()
    with running(tmp_path, storage=storage, grpc_threads=1, max_waiting_requests=2) as server, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, server, "grpc", make_request()) for _ in range(8)]
        while sum(answer.done() for answer in answers) < 6:
            pass
        refused = [answer.result() for answer in answers if answer.done()]
        assert all(answer.is_retryable for answer in refused)
        storage.may_sync.set()
        assert sum(answer.result(10).is_full_success for answer in answers) == 2 == len(server.records())


@every_transport
def test_c35_stopping_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path, transport: str) -> None:
    acknowledged: list[bytes] = []
    others: list[object] = []
    started = threading.Barrier(9)

    def keep_sending(server: Running, first: int) -> None:
        for number in range(first, first + 100_000):
            span = make_span("chat", number=number)
            try:
                answer = send(server, transport, make_request(span))
            except OSError:
                return  # nothing listens any more
            if answer.is_full_success:
                acknowledged.append(span.span_id)
            else:
                others.append(answer.code)
                assert answer.code in ("UNAVAILABLE", "CANCELLED", 503), "the specification lets a client try again"
                return
            if number == first + 3:
                started.wait(10)

    with running(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(keep_sending, server, number << 32) for number in range(8)]
        started.wait(10)
        server.receiver.stop(5)
        for sender in senders:
            sender.result(10)
        stored = {span.span_id for span in server.spans()}
    assert len(acknowledged) >= 32
    assert set(acknowledged) <= stored


# -- keys ---------------------------------------------------------------------------------------------------------------

KEYS = {
    "good": Grant("key1", "acme", "team-a", frozenset({"ingest"})),
    "reader": Grant("key2", "acme", None, frozenset({"read"})),
}


@pytest.fixture
def locked_server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, keys=KEYS, max_request_mib=1, max_in_flight_mib=4) as found:
        yield found


@every_transport
@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer good"}, {"authorization": "bearer  good "}, {"x-api-key": "good"}, {"x-spanledger-key": "good"}]
)
def test_c36_a_good_key_lets_in_and_is_on_record(locked_server: Running, transport: str, headers: dict[str, str]) -> None:
    assert send(locked_server, transport, make_request(), headers=headers).is_full_success
    (record,) = locked_server.records()
    assert (record.authority, record.key_tenant, record.key_id) == ("acme", "team-a", "key1")


@every_transport
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer bad"}, {"authorization": "Basic good"}, {"authorization": "good"}, {"x-api-key": ""}]
)
def test_c36_a_missing_or_bad_key_is_refused_for_good(locked_server: Running, transport: str, headers: dict[str, str]) -> None:
    answer = send(locked_server, transport, make_request(), headers=headers)
    assert answer.code in ("UNAUTHENTICATED", 401)
    assert not answer.is_retryable
    assert locked_server.records() == []


@every_transport
def test_c36_a_key_without_the_scope_is_forbidden(locked_server: Running, transport: str) -> None:
    answer = send(locked_server, transport, make_request(), headers={"x-api-key": "reader"})
    assert answer.code in ("PERMISSION_DENIED", 403)
    assert not answer.is_retryable
    assert locked_server.records() == []


@every_transport
@zipped_or_not
def test_c37_the_key_is_checked_before_the_body(locked_server: Running, transport: str, zipped: bool) -> None:
    """A body above the limit with a bad key is about the key; with a good one about the body."""
    body = bytes(2 * MIB)
    assert send(locked_server, transport, body, gzip=zipped, headers={"x-api-key": "bad"}).code in ("UNAUTHENTICATED", 401)
    assert send(locked_server, transport, body, gzip=zipped, headers={"x-api-key": "good"}).code in ("RESOURCE_EXHAUSTED", 413)


def test_c37_the_answer_comes_without_the_body(locked_server: Running) -> None:
    with socket.create_connection(locked_server.http, timeout=5) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 900000\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 401 ")


# -- slow and hostile connections ---------------------------------------------------------------------------------------


def test_c40_a_slow_body_is_cut_and_others_do_not_notice(tmp_path: Path) -> None:
    with running(tmp_path, body_timeout_seconds=0.3) as server:
        with socket.create_connection(server.http, timeout=5) as client:
            client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
            assert send(server, "json", make_request()).is_full_success
            assert client.recv(64).startswith(b"HTTP/1.1 408 ")
            while client.recv(4096):
                pass
        assert len(server.records()) == 1


def test_c40_grpc_calls_without_a_message_are_cut_and_give_their_threads_back(tmp_path: Path) -> None:
    never = threading.Event()

    def wait() -> Iterator[bytes]:
        never.wait(10)
        yield b""

    with running(tmp_path, body_timeout_seconds=0.3, grpc_threads=2) as server, grpc.insecure_channel(server.grpc) as channel:
        slow = [channel.stream_unary(EXPORT).future(wait(), timeout=10) for _ in range(2)]
        assert send(server, "grpc", make_request()).is_full_success, "after the slow ones were cut"
        assert all(call.code().name in ("CANCELLED", "DEADLINE_EXCEEDED") for call in slow)
        never.set()
        for _ in range(500):  # the client knows before the server's thread has counted it
            if server.receiver.metrics.count("rejected_total", reason="no_message") == 2:
                break
            time.sleep(0.01)
        else:
            pytest.fail("a call was cut and not counted")


def test_c10_a_grpc_call_without_any_message_is_malformed(server: Running) -> None:
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(EXPORT)(iter([]), timeout=5)
    assert caught.value.code().name == "INVALID_ARGUMENT"


def test_c40_a_slow_head_is_cut(tmp_path: Path) -> None:
    with running(tmp_path, idle_timeout_seconds=0.3) as server, socket.create_connection(server.http, timeout=5) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: ")
        assert client.recv(64) == b""


def test_c40_a_head_that_is_too_long_is_refused_and_not_logged(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(server.http, timeout=5) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.0 400 ")
    assert "aaa" not in caplog.text
    assert send(server, "http", make_request()).is_full_success


@pytest.mark.parametrize("flood", [name for name in frame_floods() if name != "continuations"])
def test_c40_a_flood_of_http2_frames_does_not_keep_others_out(server: Running, flood: str) -> None:
    """Rapid resets and their like: the connection is closed or borne, and who comes beside it and after it is served."""
    piece = frame_floods()[flood]
    with socket.create_connection(("127.0.0.1", int(server.grpc.rpartition(":")[2])), timeout=5) as client:
        with contextlib.suppress(OSError, TimeoutError):  # it may be closed under the flood
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            for number in range(10):
                client.sendall(piece(number))
        assert send(server, "grpc", make_request()).is_full_success
    assert send(server, "grpc", make_request()).is_full_success
    assert len(server.records()) == 2


def test_c40_a_head_that_is_too_long_is_refused_over_grpc_too(server: Running) -> None:
    for metadata in ((("x-long", "a" * 40_000),), tuple((f"x-{number}", "a" * 100) for number in range(1000))):
        with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary(EXPORT)(make_request().SerializeToString(), metadata=metadata, timeout=10)
        assert send(server, "grpc", make_request()).is_full_success
    assert len(server.records()) == 2


def test_c2_the_raw_bytes_of_success_are_an_empty_message(server: Running) -> None:
    connection = http.client.HTTPConnection(*server.http, timeout=5)
    for body, content_type, expected in [
        (make_request().SerializeToString(), "application/x-protobuf", b""),
        (to_json(make_request()), "application/json", b"{}"),
    ]:
        connection.request("POST", "/v1/traces", body, {"Content-Type": content_type})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, expected)
    connection.close()
