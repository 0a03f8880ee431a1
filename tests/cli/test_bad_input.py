"""A real server under bad input: a clear answer, nothing lost, and it stays up."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator

import grpc
import pytest

from tests.cli.otlp import CHAT_USD, as_json, as_protobuf, chat
from tests.cli.runner import Server, events, server

PROTOBUF, JSON = "application/x-protobuf", "application/json"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("bad") / "data", env={"SPANLEDGER_RECEIVER__MAX_REQUEST_MIB": "1"}) as found:
        yield found


def ask(running: Server, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(running.http, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionError:
        return 413, b""  # the server has answered and hung up while we were still sending
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/traces", b"\xff\xff nonsense", {"content-type": PROTOBUF}, 400),
        ("/v1/traces", b"{", {"content-type": JSON}, 400),
        ("/v1/traces", b"[]", {"content-type": JSON}, 400),
        ("/v1/traces", b'{"resourceSpans": 7}', {"content-type": JSON}, 400),
        ("/v1/traces", b"{}", {"content-type": "text/plain"}, 415),
        ("/v1/traces", b"x", {"content-type": PROTOBUF, "content-encoding": "br"}, 415),
        ("/v1/traces", b"no gzip", {"content-type": PROTOBUF, "content-encoding": "gzip"}, 400),
        ("/v1/traces", b"x" * (1 << 20) + b"x", {"content-type": PROTOBUF}, 413),
        ("/v1/traces", gzip.compress(bytes(1 << 24)), {"content-type": PROTOBUF, "content-encoding": "gzip"}, 413),
        ("/v1/logs", b"", {"content-type": PROTOBUF}, 404),
        ("/v1/metrics", b"", {"content-type": PROTOBUF}, 404),
        ("/v1/traces/../../etc/passwd", b"", {"content-type": PROTOBUF}, 404),
        ("/", b"", {}, 404),
    ],
)
def test_bad_requests_get_a_clear_answer(running: Server, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    assert ask(running, path, body, headers)[0] == status


def test_other_methods_and_signals_are_refused(running: Server) -> None:
    assert ask(running, "/v1/traces", b"", {}, "GET")[0] == 405
    with grpc.insecure_channel(running.grpc) as channel:
        for method in (
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(EXPORT)(b"\xff\xff", timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_after_all_that_good_spans_are_taken_and_nothing_else_was(running: Server) -> None:
    assert ask(running, "/v1/traces", as_protobuf(chat(1, 1)), {"content-type": PROTOBUF})[0] == 200
    assert ask(running, "/v1/traces", gzip.compress(as_json(chat(2, 2))), {"content-type": JSON, "content-encoding": "gzip"})[0] == 200
    assert len(running.wait_for(running.folder.path, 2)) == 2
    log = running.log.read_text()
    assert "Traceback" not in log
    assert "nonsense" not in log
    assert running.process.poll() is None


def test_hostile_names_and_counts_are_taken_and_kept_apart(running: Server) -> None:
    odd = [
        chat(10, 10, "x" * 300),
        chat(11, 11, "'; DROP TABLE events; --"),
        chat(12, 12, "acme", input_tokens=-1),
        chat(13, 13, "acme", input_tokens=2**63 - 1),
        chat(14, 14, "acme", input_tokens=float("nan")),
        chat(15, 15, "acme", input_tokens="a lot"),
        chat(16, 16, "acme", start_ns=1),
        chat(17, 17, "acme", start_ns=9_214_646_400_000_000_000),
    ]
    before = len(events(running.folder.path))
    assert ask(running, "/v1/traces", as_json(*odd), {"content-type": JSON})[0] == 200
    found = running.wait_for(running.folder.path, before + len(odd))
    said = {int(event["trace_id"], 16): (event["usage_state"], event["input_tokens"], event["cost_usd"]) for event in found}
    assert {said[number] for number in (10, 11, 16, 17)} == {("measured", 1000, CHAT_USD)}
    # the counts that are nonsense are unknown, never money; the 100 output tokens beside them are 0.00006
    assert {said[number] for number in (12, 13, 14, 15)} == {("partial", None, "0.00006")}
