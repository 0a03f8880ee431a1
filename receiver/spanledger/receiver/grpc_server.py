"""OTLP/gRPC: the trace service over grpc.server, with bytes in and bytes out, so that nothing is decoded twice.

Keys are checked when a call starts. A call that is refused is answered by a handler that never asks for the message, so the
body of somebody without a key is neither received nor inflated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

from spanledger.enrich.grants import Grant
from spanledger.receiver.admission import MALFORMED, NO_MESSAGE, NOT_FOUND, OVERLOADED, Admission, Refused, refused, secret_of
from spanledger.receiver.answers import accepted_protobuf, status_of
from spanledger.receiver.config import Address, ReceiverConfig
from spanledger.receiver.intake import Intake, OtherLane, Taken
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.patience import Patience
from spanledger.receiver.tls import TlsFiles

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
EXPORT = f"/{SERVICE}/Export"
HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
_NOT_SERVING = b"\x08\x02"
_HEALTH_OF = (b"", b"\x0a%c%s" % (len(SERVICE), SERVICE.encode()))  # HealthCheckRequest{service}, for all and for the one here
_STATUS_KEY = "grpc-status-details-bin"
_RESPONSE_BYTES_MAX = 4 << 20
_STREAMS_MAX = 128
"""Calls at once on a connection; more wait at the client. Without it a flood of calls that are reset at once crowds out everybody else."""
_NONE_AND_GZIP = 0b101  # deflate is the bit between
_GZIP_MAGIC = b"\x1f\x8b"
"""No request begins like this: it would be a field of a wire type that does not exist."""


class _Pool(futures.ThreadPoolExecutor):
    """A thread pool that knows how many calls wait for it or run in it."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="otlp-grpc")
        self._counting = threading.Lock()
        self.pending = 0

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        with self._counting:
            self.pending += 1
        try:
            future = super().submit(*args, **kwargs)
        except BaseException:
            self._done(None)
            raise
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: object) -> None:
        with self._counting:
            self.pending -= 1


class _Services(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no type information
    """Finds the handler of a call by its path, and decides there whether the sender may go on."""

    def __init__(self, config: ReceiverConfig, admission: Admission, intake: Intake, metrics: Metrics, pool: _Pool) -> None:
        self._config = config
        self._admission = admission
        self._intake = intake
        self._metrics = metrics
        self._pool = pool
        self.refusing = futures.ThreadPoolExecutor(2, thread_name_prefix="otlp-grpc-refuse")
        self.patience = Patience(config.body_timeout_seconds, lambda: pool.pending >= config.grpc_threads)
        self.is_ready: Callable[[], bool] = lambda: True

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call that starts."""
        method = handler_call_details.method
        if method == HEALTH:
            return grpc.unary_unary_rpc_method_handler(self._health)
        if method != EXPORT:
            return self._refuse(Refused(NOT_FOUND, "only the trace service is served here: metrics and logs are not taken"))
        try:
            if self._pool.pending >= self._config.max_waiting_requests:
                raise Refused(OVERLOADED, "too many calls are waiting; try again")
            headers = dict(handler_call_details.invocation_metadata)
            grant = self._admission.authenticate(secret_of(headers.get))
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender gets an answer
            return self._refuse(refused(error))
        # As a stream of one, because the message can then be waited for with a limit; on the wire the two are the same.
        return grpc.stream_unary_rpc_method_handler(lambda requests, context: self._export(grant, requests, context))

    def _export(self, grant: Grant, requests: Iterator[bytes], context: Any) -> bytes:
        try:
            request = self._receive(requests, context)
            with self._admission.hold(len(request)) as held:
                self._admission.check_running()
                taken = self._take(grant, request)
                if taken.durable is not None:
                    held.keep_until(taken.durable)
                    taken.durable.result(self._config.ack_timeout_seconds)
        except Exception as error:  # noqa: BLE001 - as above
            self._abort(refused(error), context)
        self._metrics.add("requests_total", transport="grpc", outcome="accepted")
        return accepted_protobuf(taken.accepted)

    def _take(self, grant: Grant, request: bytes) -> Taken:
        is_gzip = request.startswith(_GZIP_MAGIC)
        lane = self._intake.lane_of(request, is_gzip=is_gzip)
        while True:
            try:
                return self._intake.take(grant, request, "grpc", is_gzip=is_gzip, lane=lane)
            except OtherLane as other:
                lane = other.lane

    def _receive(self, requests: Iterator[bytes], context: Any) -> bytes:
        with self.patience.with_call(context) as waiting:
            try:
                return next(requests)
            except (StopIteration, grpc.RpcError) as error:  # grpc raises either for a call that was cut off
                if isinstance(error, StopIteration) and not waiting.is_up:
                    raise Refused(MALFORMED, "the call carries no message") from None
                raise Refused(NO_MESSAGE, "the message did not arrive") from None

    def _refuse(self, answer: Refused) -> Any:
        def answer_at_once(_requests: object, context: Any) -> bytes:
            self._abort(answer, context)
            return b""

        answer_at_once.experimental_thread_pool = self.refusing  # type: ignore[attr-defined]  # not queued behind the busy
        return grpc.stream_unary_rpc_method_handler(answer_at_once)

    def _abort(self, answer: Refused, context: Any) -> None:
        refusal = answer.refusal
        self._metrics.add("requests_total", transport="grpc", outcome="retry" if refusal.is_retryable else "rejected")
        self._metrics.add("rejected_total", reason=refusal.reason)
        status = status_of(answer, self._config.retry_after_seconds)
        context.set_trailing_metadata(((_STATUS_KEY, status.SerializeToString()),))
        context.abort(refusal.grpc_code, answer.message)

    def _health(self, request: bytes, context: Any) -> bytes:
        if request not in _HEALTH_OF:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return _SERVING if self.is_ready() else _NOT_SERVING


class GrpcServer:
    """The listening side; `start` returns the port it got."""

    def __init__(self, config: ReceiverConfig, admission: Admission, intake: Intake, metrics: Metrics, tls: TlsFiles | None = None) -> None:
        self._tls = tls
        pool = _Pool(config.grpc_threads)
        self._services = _Services(config, admission, intake, metrics, pool)
        self._server = grpc.server(
            pool,
            handlers=[self._services],
            options=[
                ("grpc.max_receive_message_length", config.request_bytes_max),
                ("grpc.compression_enabled_algorithms_bitset", _NONE_AND_GZIP),
                ("grpc.per_message_decompression", 0),  # inflated with bounds in intake, not in whole by every thread at once
                ("grpc.max_send_message_length", _RESPONSE_BYTES_MAX),
                ("grpc.max_concurrent_streams", _STREAMS_MAX),
                ("grpc.http.overload_protection", 0),  # it ends streams without a word; ours refuses with a delay to try again after
                ("grpc.so_reuseport", 0),  # a second server on the port must fail, not take every other call
            ],
        )

    def start(self, address: Address, is_ready: Callable[[], bool]) -> int:
        """Listen. Raises OSError when the address cannot be had."""
        self._services.is_ready = is_ready
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(address.text)
            else:
                port = self._server.add_secure_port(address.text, self._tls.grpc_credentials())
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address.text} for OTLP/gRPC: it is taken, or not an address of this machine") from error
        if not port:
            raise OSError(f"cannot listen on {address.text} for OTLP/gRPC")
        self._server.start()
        return int(port)

    def begin_stop(self, grace_seconds: float) -> Callable[[], None]:
        """Refuse new calls as UNAVAILABLE, let running ones end, cut those that take longer. Call the result to wait for that."""
        ended = self._server.stop(grace_seconds)

        def wait() -> None:
            ended.wait()
            self._services.refusing.shutdown(wait=False)
            self._services.patience.stop()

        return wait
