"""Sending over real sockets, both protocols: headers from files, TLS that checks, and errors that say how long to wait."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.forward_logs import logs_request
from spanledger.cli.forward_send import Answer, Sender, SendError
from tests.cli.otlp_sink import Sink, sink
from tests.store.samples import event

REQUEST = logs_request([(1, event(1))])


def config(target: Sink, protocol: str, **more: Any) -> ForwardConfig:
    return ForwardConfig.model_validate({"endpoint": f"http://127.0.0.1:{target.ports[protocol]}", "protocol": protocol} | more)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_both_signals_arrive_with_headers_read_anew(tmp_path: Path, protocol: str) -> None:
    secret = tmp_path / "token"
    secret.write_text("Bearer first\n")
    with sink() as target:
        sender = Sender(config(target, protocol, headers={"X-Team": "finops"}, header_files={"Authorization": str(secret)}))
        assert sender.logs(REQUEST) == Answer(0, "")
        secret.write_text("Bearer second\n")
        assert sender.metrics(ExportMetricsServiceRequest()) == Answer(0, "")
        sender.close()
        assert [signal for signal, _ in target.requests] == ["logs", "metrics"]
        assert target.requests[0][1] == REQUEST
        assert [(found["authorization"], found["x-team"]) for found in target.headers] == [
            ("Bearer first", "finops"),
            ("Bearer second", "finops"),
        ]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_refusal_says_how_long_to_wait_and_the_next_attempt_works(protocol: str) -> None:
    with sink() as target:
        target.failing, target.wait_seconds = 1, 7
        sender = Sender(config(target, protocol))
        with pytest.raises(SendError, match=r"UNAVAILABLE|503") as refused:
            sender.logs(REQUEST)
        assert refused.value.wait_seconds == 7
        target.rejecting = 1
        assert sender.logs(REQUEST) == Answer(1, "too old")
        sender.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_nobody_there_is_an_error_like_any_other(protocol: str) -> None:
    with sink() as target:
        gone = config(target, protocol, timeout_seconds=2)
    with pytest.raises(SendError) as failed:
        Sender(gone).logs(REQUEST)
    assert failed.value.wait_seconds is None


def test_a_secret_that_cannot_be_read_is_an_error_and_is_not_sent_without(tmp_path: Path) -> None:
    with sink() as target:
        with pytest.raises(SendError, match="FileNotFoundError"):
            Sender(config(target, "http", header_files={"authorization": str(tmp_path / "none")})).logs(REQUEST)
        assert target.requests == []


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("secret", ["Bearer s3cret\r\nx: y", "Bearer s3cret\u5bc6"])
def test_a_secret_that_no_header_can_hold_is_not_quoted(tmp_path: Path, protocol: str, secret: str) -> None:
    (tmp_path / "token").write_text(secret)
    with sink() as target:
        with pytest.raises(SendError) as refused:
            Sender(config(target, protocol, header_files={"authorization": str(tmp_path / "token")})).logs(REQUEST)
        assert "s3cret" not in "".join(traceback.format_exception(refused.value, chain=False))
        assert refused.value.__cause__ is None
        assert target.requests == []


def test_tls_is_checked_against_the_configured_ca(tmp_path: Path) -> None:
    ca, other, issued = trustme.CA(), trustme.CA(), None
    issued = ca.issue_cert("localhost")
    for name, each in (("ca.pem", ca), ("other.pem", other)):
        each.cert_pem.write_to_path(str(tmp_path / name))
    credentials = grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())])
    with sink(credentials) as target:
        endpoint = f"https://localhost:{target.ports['grpc']}"
        trusted = ForwardConfig.model_validate({"endpoint": endpoint, "tls": {"ca_file": str(tmp_path / "ca.pem")}})
        sender = Sender(trusted)
        assert sender.logs(REQUEST) == Answer(0, "")
        sender.close()
        stranger = ForwardConfig.model_validate(
            {"endpoint": endpoint, "tls": {"ca_file": str(tmp_path / "other.pem")}, "timeout_seconds": 3}
        )
        with pytest.raises(SendError):
            Sender(stranger).logs(REQUEST)
        assert len(target.requests) == 1
