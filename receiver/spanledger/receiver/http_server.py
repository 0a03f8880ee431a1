"""OTLP/HTTP: POST /v1/traces in protobuf or JSON, plain or gzip, and beside it health, readiness and metrics.

aiohttp runs in a thread and a loop of its own; bodies are inflated, translated and pruned in a few more threads. The key is
checked on the request's head, before any of its body is read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from spanledger.receiver.admission import (
    MALFORMED,
    NOT_ALLOWED,
    NOT_FOUND,
    SLOW,
    TOO_LARGE,
    UNSUPPORTED,
    Admission,
    Held,
    Refused,
    refused,
    secret_of,
)
from spanledger.receiver.answers import accepted_json, accepted_protobuf, status_json, status_of
from spanledger.receiver.apart import WAITING_MAX
from spanledger.receiver.complaints import Complaints
from spanledger.receiver.config import Address, ReceiverConfig
from spanledger.receiver.intake import BULKY_AT_ONCE, Intake, Lane, OtherLane, Taken
from spanledger.receiver.metrics import Metrics, open_metrics
from spanledger.receiver.tls import RELOAD_SECONDS, TlsFiles

TRACES = "/v1/traces"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS_TEXT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_HEADER_LINE_BYTES_MAX = 16_384
_LINGER_SECONDS = 2.0
_READ_BYTES = 4096
"""aiohttp takes in a sixteenth of this in chunks of a byte at a time, while everybody else waits; large pieces it takes whole."""
_PIECES_AT_ONCE = 256
_CRUMB_BYTES = 64
_CRUMBS_SECONDS = 0.01
_ACCEPT_STEPS = 4
"""Turns of the loop until a connection that was just accepted is known to aiohttp, and so can be closed."""
_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0
_T = TypeVar("_T")
_SILENT = logging.getLogger(f"{__name__}.aiohttp")
_SILENT.disabled = True  # aiohttp would log the broken bytes of a request's head, and a key may be among them


class _Handler:
    """Answers every request to the port."""

    def __init__(self, config: ReceiverConfig, admission: Admission, intake: Intake, metrics: Metrics) -> None:
        self._config = config
        self._admission = admission
        self._intake = intake
        self._metrics = metrics
        self.pool = ThreadPoolExecutor(config.http_threads, thread_name_prefix="otlp-http")
        self.lanes = {
            Lane.QUICK: self.pool,
            Lane.BULKY: ThreadPoolExecutor(BULKY_AT_ONCE, thread_name_prefix="otlp-http-bulky"),
            Lane.APART: ThreadPoolExecutor(WAITING_MAX + 1, thread_name_prefix="otlp-http-large"),
        }
        self._crumbs = asyncio.Lock()
        self.pages: dict[str, Callable[[web.BaseRequest], web.Response]] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; it always gets an answer."""
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            if request.path != TRACES:
                return self._page(request)
            return await self._export(request, content_type)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender gets an answer
            return self._refuse(refused(error), content_type)

    def _page(self, request: web.BaseRequest) -> web.Response:
        page = self.pages.get(request.path)
        if page is None:
            raise Refused(NOT_FOUND, f"nothing is here; traces are taken at {TRACES}, metrics and logs are not taken")
        if request.method not in ("GET", "HEAD"):
            raise Refused(NOT_ALLOWED, "use GET")
        return page(request)

    async def _export(self, request: web.BaseRequest, content_type: str) -> web.Response:
        if request.method != "POST":
            raise Refused(NOT_ALLOWED, "use POST")
        grant = await self._in_thread(lambda: self._admission.authenticate(secret_of(request.headers.get), request.host))
        if content_type not in (PROTOBUF, JSON):
            raise Refused(UNSUPPORTED, f"the content type must be {PROTOBUF} or {JSON}")
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip"):
            raise Refused(UNSUPPORTED, "the content encoding must be gzip or none")
        with self._admission.hold() as held:
            body = await self._read(request, held)
            taken = await self._take(grant, body, content_type, encoding)
            if taken.durable is not None:
                held.keep_until(taken.durable)
                await asyncio.wait_for(asyncio.wrap_future(taken.durable), self._config.ack_timeout_seconds)
        self._metrics.add("requests_total", transport="http", outcome="accepted")
        encode = accepted_json if content_type == JSON else accepted_protobuf
        return web.Response(body=encode(taken.accepted), headers={"Content-Type": content_type})

    async def _read(self, request: web.BaseRequest, held: Held) -> bytearray:
        """The body as sent, within the bounds of size and time."""
        bytes_max = self._config.request_bytes_max
        too_large = Refused(TOO_LARGE, f"the body is larger than {bytes_max} bytes")
        if (request.content_length or 0) > bytes_max:
            raise too_large
        body = bytearray()
        if not request.can_read_body:
            return body
        pieces = 0
        try:
            async with asyncio.timeout(self._config.body_timeout_seconds):
                # Not `readany`, which reads on within itself as long as a connection has something.
                while any(part := await request.content.readchunk()):
                    if len(body) + len(part[0]) > bytes_max:
                        raise too_large
                    held.grow(len(part[0]))
                    body += part[0]
                    pieces += 1
                    if pieces % _PIECES_AT_ONCE == 0:
                        await self._let_others(is_crumbs=len(body) < pieces * _CRUMB_BYTES)
        except TimeoutError:
            raise Refused(SLOW, "the body took too long to arrive") from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Refused(MALFORMED, "the body ended early or its transfer encoding is broken") from error
        return body

    async def _let_others(self, *, is_crumbs: bool) -> None:
        """Between pieces of a body. Each costs as much as some KiB would, so bodies in crumbs take turns, with a pause after each."""
        if is_crumbs:
            async with self._crumbs:
                await asyncio.sleep(_CRUMBS_SECONDS)
        else:
            await asyncio.sleep(0)

    async def _take(self, grant: Any, body: bytearray, content_type: str, encoding: str) -> Taken:
        """Take a body in the threads of its lane, and go on in those of another when it turns out to be more than it seemed."""
        is_json, is_gzip = content_type == JSON, encoding == "gzip"
        lane = self._intake.lane_of(body, is_json=is_json, is_gzip=is_gzip)
        take = partial(self._intake.take, grant, body, "http", is_json=is_json, is_gzip=is_gzip)
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self.lanes[lane], partial(take, lane=lane))
            except OtherLane as other:
                lane = other.lane

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    def _refuse(self, answer: Refused, content_type: str) -> web.Response:
        refusal = answer.refusal
        self._metrics.add("requests_total", transport="http", outcome="retry" if refusal.is_retryable else "rejected")
        self._metrics.add("rejected_total", reason=refusal.reason)
        status = status_of(answer, self._config.retry_after_seconds)
        is_protobuf = content_type == PROTOBUF
        response = web.Response(
            status=refusal.http_status,
            body=status.SerializeToString() if is_protobuf else status_json(status),
            headers={"Content-Type": PROTOBUF if is_protobuf else JSON},
        )
        if refusal.is_retryable:
            response.headers["Retry-After"] = str(self._config.retry_after_seconds)
        if refusal is NOT_ALLOWED:
            response.headers["Allow"] = "POST"
        if refusal is SLOW:
            response.force_close()
        return response


def _metrics_page(request: web.BaseRequest, text: str) -> web.Response:
    """The metrics, as OpenMetrics for who asks for it."""
    if "application/openmetrics-text" in request.headers.get("Accept", ""):
        return web.Response(body=open_metrics(text).encode(), headers={"Content-Type": OPEN_METRICS_TEXT})
    return web.Response(body=text.encode(), headers={"Content-Type": METRICS_TEXT})


class HttpServer:
    """The listening side; `start` returns the port it got."""

    def __init__(self, config: ReceiverConfig, admission: Admission, intake: Intake, metrics: Metrics, tls: TlsFiles | None = None) -> None:
        self._config = config
        self._tls = tls
        self._handler = _Handler(config, admission, intake, metrics)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(Complaints())
        self._thread = threading.Thread(target=self._loop.run_forever, name="otlp-http", daemon=True)
        self._web: web.Server | None = None
        self._listening: asyncio.Server | None = None

    def start(self, address: Address, is_ready: Callable[[], bool], metrics_text: Callable[[], str]) -> int:
        """Listen. Raises OSError when the address cannot be had."""
        self._handler.pages = {
            "/healthz": lambda _: web.Response(text="ok\n"),
            "/readyz": lambda _: web.Response(text="ready\n") if is_ready() else web.Response(text="not ready\n", status=503),
            "/metrics": lambda request: _metrics_page(request, metrics_text()),
        }
        self._thread.start()
        try:
            return self._run(self._listen(address))
        except BaseException:
            self._end()
            raise

    def stop(self, grace_seconds: float) -> None:
        """Stop listening, let running requests end, cut those that take longer."""
        self._run(self._close(grace_seconds))
        self._end()

    async def _listen(self, address: Address) -> int:
        self._web = web.Server(
            self._handler.handle,
            auto_decompress=False,  # inflated with a bound, and only for those who may send
            keepalive_timeout=self._config.idle_timeout_seconds,
            lingering_time=_LINGER_SECONDS,
            max_line_size=_HEADER_LINE_BYTES_MAX,
            max_field_size=_HEADER_LINE_BYTES_MAX,
            read_bufsize=_READ_BYTES,
            access_log=None,
            logger=_SILENT,
        )
        try:
            self._listening = await self._loop.create_server(
                self._web,
                address.host,
                address.port,
                backlog=_BACKLOG,
                ssl=None if self._tls is None else self._tls.context,
                ssl_handshake_timeout=None if self._tls is None else _HANDSHAKE_SECONDS,
            )
        except OSError as error:
            raise OSError(f"cannot listen on {address.text} for OTLP/HTTP: {error.strerror}") from error
        if self._tls is not None:
            self._loop.call_later(RELOAD_SECONDS, self._renew, self._tls)
        return int(self._listening.sockets[0].getsockname()[1])

    def _renew(self, tls: TlsFiles) -> None:
        """Look for a renewed certificate, now and then."""
        tls.refresh()
        self._loop.call_later(RELOAD_SECONDS, self._renew, tls)

    async def _close(self, grace_seconds: float) -> None:
        assert self._listening is not None  # noqa: S101 - it was started
        assert self._web is not None  # noqa: S101 - as above
        for listening in self._listening.sockets:
            self._loop.remove_reader(listening)
        # A connection that asyncio has just accepted would be forgotten open if the server closed under it.
        for _ in range(_ACCEPT_STEPS):
            await asyncio.sleep(0)
        self._listening.close()
        self._web.pre_shutdown()
        await self._web.shutdown(grace_seconds)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for pool in self._handler.lanes.values():
            pool.shutdown(wait=False, cancel_futures=True)
