import json
import logging
import socket
import time
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest

from spanledger.enrich.grants import Grant
from spanledger.receiver.config import ReceiverConfig
from spanledger.receiver.grpc_server import HEALTH, SERVICE
from spanledger.receiver.journal import Journal
from spanledger.receiver.prune import Pruner
from spanledger.receiver.server import ExposedWithoutKeysError, Ports, Receiver
from tests.receiver.samples import KEPT, SECRET, FailingStorage, HeldStorage, Running, make_request, make_span, running
from tests.receiver.wire import TRANSPORTS, body_of, send, send_grpc


def get(server: Running, path: str) -> tuple[int, str]:
    connection = HTTPConnection(*server.http, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def check_health(server: Running, request: bytes) -> bytes:
    with grpc.insecure_channel(server.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        return bytes(channel.unary_unary(HEALTH)(request, timeout=5))


def receiver(journal: Journal, **settings: object) -> Receiver:
    config = ReceiverConfig.model_validate({"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", **settings})
    return Receiver(config, journal, Pruner(KEPT, SECRET), lambda _secret: None, has_keys=lambda: False)


def test_health_readiness_and_metrics_over_http(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = FailingStorage("sync")
    with running(tmp_path, storage=storage) as server:
        assert get(server, "/healthz") == (200, "ok\n")
        assert get(server, "/readyz") == (200, "ready\n")
        assert send(server, "http", make_request()).is_full_success
        status, text = get(server, "/metrics")
        assert status == 200
        assert "spanledger_receiver_spans_total 1\n" in text
        assert 'spanledger_receiver_requests_total{transport="http",outcome="accepted"} 1\n' in text
        assert f"spanledger_journal_position_bytes {server.journal.position}\n" in text
        assert "spanledger_receiver_journal_sync_seconds_count 1\n" in text
        assert "spanledger_receiver_ready 1\n" in text
        storage.is_broken = True
        with caplog.at_level(logging.CRITICAL):
            assert not send(server, "http", make_request()).is_ok
        assert get(server, "/readyz") == (503, "not ready\n")
        assert get(server, "/healthz") == (200, "ok\n")
        assert "spanledger_receiver_ready 0\n" in get(server, "/metrics")[1]


def test_the_pages_need_no_key_and_only_get(tmp_path: Path) -> None:
    with running(tmp_path, keys={"good": Grant("k", "acme", None, frozenset({"ingest"}))}) as server:
        assert get(server, "/readyz")[0] == 200
        request = urllib.request.Request(f"http://127.0.0.1:{server.http[1]}/metrics", data=b"", method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)  # noqa: S310 - a URL of ours
        assert caught.value.code == 405
        caught.value.close()


def test_health_over_grpc(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert check_health(server, b"") == b"\x08\x01"
        assert check_health(server, b"\x0a%c%s" % (len(SERVICE), SERVICE.encode())) == b"\x08\x01"
        assert send_grpc(server, b"\x0a\x05other", method=HEALTH).code == "NOT_FOUND"


def test_the_callers_own_metrics_and_readiness_are_shown(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        config = ReceiverConfig(grpc=None, http="127.0.0.1:0")
        found = Receiver(
            config,
            journal,
            Pruner(KEPT, SECRET),
            lambda _secret: None,
            has_keys=lambda: False,
            extra_metrics=lambda: "worker_lag_bytes 5\n",
            is_ready=lambda: False,
        )
        ports = found.start()
        assert ports.grpc is None
        server = Running(found, journal, tmp_path)
        try:
            assert get(server, "/readyz")[0] == 503
            assert get(server, "/metrics")[1].endswith("worker_lag_bytes 5\n")
        finally:
            found.stop()


def test_without_a_key_the_server_says_so_and_starts_on_loopback_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), running(tmp_path):
        pass
    assert "no API key is configured: only this machine can send" in caplog.text
    with Journal(tmp_path / "journal") as journal, pytest.raises(ExposedWithoutKeysError, match="spanledger keys create"):
        receiver(journal, grpc="0.0.0.0:0")


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_a_port_that_is_taken_is_an_error_and_nothing_stays_open(tmp_path: Path, transport: str) -> None:
    label = {"grpc": "gRPC", "http": "HTTP"}[transport]
    with socket.create_server(("127.0.0.1", 0)) as taken, Journal(tmp_path / "journal") as journal:
        port = taken.getsockname()[1]
        found = receiver(journal, **{transport: f"127.0.0.1:{port}"})
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port} for OTLP/{label}"):
            found.start()
        assert found.ports == Ports(None, None)
        found.stop()


def test_two_servers_cannot_share_a_port(tmp_path: Path) -> None:
    with running(tmp_path) as server, Journal(tmp_path / "other") as journal:
        with pytest.raises(OSError, match="cannot listen"):
            receiver(journal, grpc=server.grpc, http=None).start()
        with pytest.raises(OSError, match="cannot listen"):
            receiver(journal, grpc=None, http=f"127.0.0.1:{server.http[1]}").start()


def test_stopping_twice_and_without_load_is_quick_and_closes_the_ports(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert send(server, "grpc", make_request()).is_full_success
        server.receiver.stop(30)
        server.receiver.stop(30)
        for port in server.receiver.ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=1)  # type: ignore[arg-type]
        assert not server.receiver.is_ready()


def test_an_idle_connection_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with running(tmp_path) as server, socket.create_connection(server.http, timeout=5) as client:
        time.sleep(0.05)
        server.receiver.stop(30)
        assert client.recv(10) == b""


def test_a_key_in_a_request_is_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class FaultyPruner(Pruner):
        def examine(self, request: bytes, effort: object = None) -> object:  # type: ignore[override]
            raise ZeroDivisionError(request)

    keys = {"canary-key": Grant("k", "acme", None, frozenset({"ingest"}))}
    told: list[str] = []
    with caplog.at_level(logging.DEBUG), running(tmp_path, keys=keys, pruner=FaultyPruner(KEPT, SECRET)) as server:
        for transport in ("grpc", "http", "json"):
            answer = send(server, transport, make_request(make_span("chat canary")), headers={"x-api-key": "canary-key"})
            assert answer.is_retryable, "a fault of ours must not cost the sender its spans"
            assert "try again" in answer.status.message  # type: ignore[union-attr]
            told.append(answer.status.message.partition("(")[2].partition(")")[0])  # type: ignore[union-attr]
    assert "ZeroDivisionError" in caplog.text
    assert caplog.records[-1].__dict__["request"] in told, "the sender is told the id that the log has"
    assert "canary" not in caplog.text
    assert "canary-key" not in json.dumps(server.receiver.metrics_text())


def test_a_body_in_crumbs_is_read_like_any_other(tmp_path: Path) -> None:
    body = make_request(*(make_span("chat", number=number) for number in range(20))).SerializeToString()
    assert len(body) > 600, "more pieces than are taken in one go"
    crumbs = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body))) + b"0\r\n\r\n"
    head = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(tmp_path) as server, socket.create_connection(server.http, timeout=20) as client:
        client.sendall(head + crumbs)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert len(server.spans()) == 20
        client.sendall(head.replace(b"Transfer-Encoding: chunked", b"Content-Length: 0"))
        assert client.recv(4096).startswith(b"HTTP/1.1 200"), "the connection goes on, also with no body at all"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_hanging_disk_leaves_in_memory_is_counted_after_the_answer_too(tmp_path: Path, transport: str) -> None:
    """The sender is told to come back, and so are all others once there is no room: a queue that nobody counts would grow and grow."""
    storage = HeldStorage()
    body = body_of(transport, make_request())
    with running(tmp_path, storage=storage, ack_timeout_seconds=0.3) as server:
        admission = server.receiver._admission
        assert send(server, transport, body).is_retryable
        assert admission.in_flight_bytes == len(body)
        storage.may_sync.set()
        deadline = time.monotonic() + 10
        while admission.in_flight_bytes:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(server.records()) == 1, "it was queued, and is stored all the same"
