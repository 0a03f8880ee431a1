"""Raw OTLP clients for the tests: one `send` for gRPC, HTTP with protobuf and HTTP with JSON, and one form of answer."""

from __future__ import annotations

import base64
import gzip as gzip_module
import http.client
import json
from typing import Any, NamedTuple

import grpc
from google.protobuf.json_format import MessageToDict, Parse
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from tests.receiver.samples import Running

TRANSPORTS = ("grpc", "http", "json")
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CONTENT_TYPES = {"http": "application/x-protobuf", "json": "application/json"}
_ID_FIELDS = ("traceId", "spanId", "parentSpanId")
_LIMITS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


class Answer(NamedTuple):
    """What came back. `code` is the gRPC status name or the HTTP status; `response` is set on success, `status` otherwise."""

    code: str | int
    response: ExportTraceServiceResponse | None = None
    status: Status | None = None
    retry_after: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def is_ok(self) -> bool:
        return self.code in ("OK", 200)

    @property
    def is_full_success(self) -> bool:
        return self.is_ok and self.response is not None and not self.response.HasField("partial_success")

    @property
    def warning(self) -> str:
        assert self.response is not None
        return self.response.partial_success.error_message

    def detail(self, kind: Any) -> Any:
        """The detail of a kind in the Status, or None."""
        assert self.status is not None
        for each in self.status.details:
            found = kind()
            if each.Unpack(found):
                return found
        return None

    @property
    def is_retryable(self) -> bool:
        """Whether a client may come back, by the specification; checks that both forms agree."""
        info = self.detail(RetryInfo)
        if isinstance(self.code, str):
            assert (self.code == "UNAVAILABLE") == (info is not None)
        else:
            assert (self.code == 503) == (info is not None) == (self.retry_after is not None)
            assert info is None or str(info.retry_delay.seconds) == self.retry_after
        return info is not None

    @property
    def is_bad_request(self) -> bool:
        return self.detail(BadRequest) is not None


def to_json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON as an exporter writes it: protobuf's mapping, then hex for the ids and numbers for the enums."""

    def hexed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _hex(item) if key in _ID_FIELDS else hexed(item) for key, item in value.items()}
        return [hexed(item) for item in value] if isinstance(value, list) else value

    return json.dumps(hexed(MessageToDict(request, use_integers_for_enums=True))).encode()


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def body_of(transport: str, request: ExportTraceServiceRequest) -> bytes:
    return to_json(request) if transport == "json" else request.SerializeToString()


def send(
    server: Running,
    transport: str,
    request: ExportTraceServiceRequest | bytes,
    *,
    gzip: bool = False,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request, or bytes as they are, and wait for the answer."""
    body = request if isinstance(request, bytes) else body_of(transport, request)
    if transport == "grpc":
        return send_grpc(server, body, gzip=gzip, headers=headers)
    return send_http(server, body, gzip=gzip, headers={"Content-Type": CONTENT_TYPES[transport], **(headers or {})})


def send_grpc(server: Running, body: bytes, *, gzip: bool = False, headers: dict[str, str] | None = None, method: str = EXPORT) -> Answer:
    with grpc.insecure_channel(server.grpc, options=_LIMITS) as channel:
        call = channel.unary_unary(method)
        metadata = tuple((headers or {}).items())
        compression = grpc.Compression.Gzip if gzip else None
        try:
            return Answer("OK", ExportTraceServiceResponse.FromString(call(body, timeout=10, metadata=metadata, compression=compression)))
        except grpc.RpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            status = Status.FromString(trailing.get("grpc-status-details-bin", b""))
            return Answer(error.code().name, status=status)


def send_http(
    server: Running,
    body: bytes | None,
    *,
    gzip: bool = False,
    headers: dict[str, str] | None = None,
    path: str = "/v1/traces",
    method: str = "POST",
) -> Answer:
    headers = dict(headers or {})
    if gzip:
        body, headers["Content-Encoding"] = gzip_module.compress(body or b""), "gzip"
    connection = http.client.HTTPConnection(*server.http, timeout=10)
    try:
        connection.request(method, path, body, headers)
        return read_answer(connection.getresponse())
    finally:
        connection.close()


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """An answer with its Status or response decoded by its content type, which must be one of the two."""
    data, content_type = response.read(), response.headers["Content-Type"]
    kind: Any = ExportTraceServiceResponse if response.status == 200 else Status
    if content_type == "application/x-protobuf":
        message = kind.FromString(data)
    else:
        assert content_type == "application/json"
        message = Parse(data, kind())
    ok = response.status == 200
    return Answer(
        response.status,
        message if ok else None,
        None if ok else message,
        response.headers.get("Retry-After"),
        {name.lower(): value for name, value in response.headers.items()},
    )
