"""Sends OTLP requests over gRPC or HTTP, one attempt at a time: it went through, or an error that says when to try again."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse

from spanledger.cli.forward_config import ForwardConfig

_ANSWER_BYTES_MAX: Final = 4 << 20
_METHODS: Final = {
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}


class SendError(Exception):
    """It did not go through, or it is not known whether it did. `wait_seconds` is what the receiver asked for."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Answer(NamedTuple):
    """What the receiver said of a request that it took: how many records it refused, and why."""

    rejected: int
    message: str


class Sender:
    """A connection to the configured receiver, made when it is first needed and again after an error."""

    def __init__(self, config: ForwardConfig) -> None:
        self._config = config
        self._transport: _Grpc | _Http | None = None

    def logs(self, request: ExportLogsServiceRequest) -> Answer:
        """Send log records. Raises SendError."""
        told = ExportLogsServiceResponse.FromString(self._send("logs", request.SerializeToString())).partial_success
        return Answer(told.rejected_log_records, told.error_message)

    def metrics(self, request: ExportMetricsServiceRequest) -> Answer:
        """Send points. Raises SendError."""
        told = ExportMetricsServiceResponse.FromString(self._send("metrics", request.SerializeToString())).partial_success
        return Answer(told.rejected_data_points, told.error_message)

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _send(self, signal: str, body: bytes) -> bytes:
        try:
            if self._transport is None:
                self._transport = _Grpc(self._config) if self._config.protocol == "grpc" else _Http(self._config)
            return self._transport.send(signal, body, _headers(self._config))
        except SendError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SendError(f"{type(error).__name__}: {error}") from error
        except ValueError as error:  # its words quote the header that cannot be sent, which may be a secret
            self.close()
            raise SendError(f"{type(error).__name__}: a header of [forward] has a character that no header may have") from None


def _headers(config: ForwardConfig) -> dict[str, str]:
    read = {name: Path(file).read_text("utf-8").strip() for name, file in config.header_files.items()}
    return {name.lower(): value for name, value in (config.headers | read).items()}


def _bytes_of(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


class _Grpc:
    """OTLP/gRPC."""

    def __init__(self, config: ForwardConfig) -> None:
        import grpc

        parts = urlsplit(config.endpoint or "")
        secure = parts.scheme == "https"
        target = f"{parts.netloc}" if parts.port else f"{parts.netloc}:{443 if secure else 4317}"
        if secure:
            tls = config.tls
            credentials = grpc.ssl_channel_credentials(_bytes_of(tls.ca_file), _bytes_of(tls.private_key), _bytes_of(tls.certificate))
            self._channel = grpc.secure_channel(target, credentials)
        else:
            self._channel = grpc.insecure_channel(target)
        self._timeout = config.timeout_seconds
        self._calls: dict[str, Callable[..., bytes]] = {}

    def send(self, signal: str, body: bytes, headers: dict[str, str]) -> bytes:
        import grpc

        call = self._calls.get(signal)
        if call is None:
            call = self._calls[signal] = self._channel.unary_unary(_METHODS[signal])  # bytes in, bytes out
        try:
            return call(body, timeout=self._timeout, metadata=tuple(headers.items()))
        except grpc.RpcError as error:
            raise SendError(f"{error.code().name}: {error.details()}", _retry_info(error)) from None

    def close(self) -> None:
        self._channel.close()


def _retry_info(error: Any) -> float | None:
    """The delay of a RetryInfo, which is how a receiver under load asks for patience."""
    from google.protobuf.message import DecodeError
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    try:
        status = Status.FromString(details) if details is not None else Status()
    except DecodeError:
        return None
    for detail in status.details:
        found = RetryInfo()
        if detail.Unpack(found):
            return float(found.retry_delay.ToTimedelta().total_seconds())
    return None


class _Http:
    """OTLP/HTTP with protobuf, over one connection that is kept open."""

    def __init__(self, config: ForwardConfig) -> None:
        parts = urlsplit(config.endpoint or "")
        self._path = parts.path.rstrip("/")
        host = parts.hostname or ""
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            tls = config.tls
            context = ssl.create_default_context(cafile=tls.ca_file)
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate, tls.private_key)
            self._connection = http.client.HTTPSConnection(host, parts.port, timeout=config.timeout_seconds, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, parts.port or 4318, timeout=config.timeout_seconds)

    def send(self, signal: str, body: bytes, headers: dict[str, str]) -> bytes:
        told = {"content-type": "application/x-protobuf", "user-agent": "spanledger", **headers}
        self._connection.request("POST", f"{self._path}/v1/{signal}", body, told)
        answer = self._connection.getresponse()
        content = answer.read(_ANSWER_BYTES_MAX)
        if answer.status != http.HTTPStatus.OK:
            wait = answer.headers.get("retry-after", "")
            raise SendError(f"HTTP {answer.status} {answer.reason}", float(wait) if wait.isdecimal() else None)
        return content

    def close(self) -> None:
        self._connection.close()
