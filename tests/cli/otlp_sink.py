"""An OTLP receiver on loopback, over gRPC and HTTP, that can be told to fail: what spanledger sends on arrives here."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

REQUESTS = {"logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest, "traces": ExportTraceServiceRequest}
ANSWERS = {"logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse, "traces": ExportTraceServiceResponse}
SERVICES = {"LogsService": "logs", "MetricsService": "metrics", "TraceService": "traces"}


class Sink:
    """What came, in order. `failing` of the next requests are refused, then `after_taking` are kept and refused all the same."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.failing = 0
        self.after_taking = 0
        self.rejecting = 0
        self.wait_seconds = 0
        self.ports: dict[str, int] = {}
        self.guard = threading.Lock()

    def take(self, signal: str, body: bytes, headers: dict[str, str]) -> bytes | None:
        """The answer, or None for a refusal."""
        with self.guard:
            if self.failing > 0:
                self.failing -= 1
                return None
            self.requests.append((signal, REQUESTS[signal].FromString(body)))
            self.headers.append(headers)
            if self.after_taking > 0:
                self.after_taking -= 1
                return None
        answer: Any = ANSWERS[signal]()
        if signal == "logs" and self.rejecting:
            answer.partial_success.rejected_log_records = self.rejecting
            answer.partial_success.error_message = "too old"
            self.rejecting = 0
        return answer.SerializeToString()

    def records(self) -> list[LogRecord]:
        """Every log record that came."""
        found = [request for signal, request in list(self.requests) if signal == "logs"]
        return [record for request in found for each in request.resource_logs for scope in each.scope_logs for record in scope.log_records]

    def spans(self) -> list[Span]:
        """Every span that came."""
        found = [request for signal, request in list(self.requests) if signal == "traces"]
        return [span for request in found for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]

    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last request that had any."""
        found = [request for signal, request in self.requests if signal == "metrics"]
        return {metric.name: metric for each in found[-1].resource_metrics for scope in each.scope_metrics for metric in scope.metrics}


def attributes(record: Any) -> dict[str, Any]:
    """Attributes as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in record.attributes}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sink: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.sink.take(self.path.rsplit("/", 1)[-1], body, {name.lower(): value for name, value in self.headers.items()})
        self.send_response(200 if answer is not None else 503)
        if answer is None:
            self.send_header("retry-after", str(self.sink.wait_seconds))
        self.send_header("content-length", str(len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *told: Any) -> None:
        pass


class _Grpc(grpc.GenericRpcHandler):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def service(self, call: Any) -> Any:
        signal = next(each for name, each in SERVICES.items() if name in call.method)

        def answer(body: bytes, context: Any) -> bytes:
            said = self._sink.take(signal, body, {name: str(value) for name, value in context.invocation_metadata()})
            if said is None:
                detail = AnyMessage()
                detail.Pack(RetryInfo(retry_delay=Duration(seconds=self._sink.wait_seconds)))
                status = Status(code=14, message="away", details=[detail])
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            return said or b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def sink(credentials: grpc.ServerCredentials | None = None) -> Iterator[Sink]:
    """A running receiver; `credentials` make its gRPC side speak TLS."""
    found = Sink()
    handler = type("Handler", (_Handler,), {"sink": found})
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    calls = grpc.server(ThreadPoolExecutor(4), handlers=[_Grpc(found)])
    port = calls.add_insecure_port("127.0.0.1:0") if credentials is None else calls.add_secure_port("localhost:0", credentials)
    calls.start()
    found.ports = {"http": web.server_address[1], "grpc": port}
    try:
        yield found
    finally:
        calls.stop(0).wait()
        web.shutdown()
        web.server_close()
        thread.join()
