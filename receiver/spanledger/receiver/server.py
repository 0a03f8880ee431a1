"""The receiver as a whole: both transports over one journal, started and stopped together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from spanledger.enrich.grants import Grant
from spanledger.receiver.admission import Admission
from spanledger.receiver.config import ReceiverConfig, exposure_problem, parse_address
from spanledger.receiver.grpc_server import GrpcServer
from spanledger.receiver.http_server import HttpServer
from spanledger.receiver.intake import Intake
from spanledger.receiver.journal import Journal
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.prune import Pruner
from spanledger.receiver.tls import TlsFiles

_log = logging.getLogger(__name__)


class Ports(NamedTuple):
    """The ports that are listened on; None where a transport is off."""

    grpc: int | None
    http: int | None


class ExposedWithoutKeysError(Exception):
    """The configuration would let anyone on the network write into the ledger; the message says what to do."""


class Receiver:
    """Takes OTLP requests until it is stopped. The journal is the caller's: close it after `stop`.

    `find_key` and `has_keys` are asked from many threads. `extra_metrics` adds Prometheus text to `/metrics`, as the worker's
    numbers; `is_ready` adds the caller's own condition to `/readyz`.
    """

    def __init__(
        self,
        config: ReceiverConfig,
        journal: Journal,
        pruner: Pruner,
        find_key: Callable[[str], Grant | None],
        now_ns: Callable[[], int] = time.time_ns,
        *,
        has_keys: Callable[[], bool] = lambda: True,
        extra_metrics: Callable[[], str] = lambda: "",
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        if problem := exposure_problem(config, has_keys=has_keys()):
            raise ExposedWithoutKeysError(problem)
        self.metrics = Metrics()
        self._config = config
        self._journal = journal
        self._extra_metrics = extra_metrics
        self._is_ready = is_ready
        self._running = False
        self._has_keys = has_keys
        self._admission = Admission(config, find_key, has_keys)
        self._intake = intake = Intake(journal, pruner, now_ns, self.metrics, config)
        tls = TlsFiles(config.tls) if config.tls is not None else None
        self._grpc = GrpcServer(config, self._admission, intake, self.metrics, tls) if config.grpc else None
        self._http = HttpServer(config, self._admission, intake, self.metrics, tls) if config.http else None
        self.ports = Ports(None, None)

    def start(self) -> Ports:
        """Listen on every configured address. Raises OSError when one cannot be had; then none is."""
        self._journal.watch(lambda sync: self.metrics.synced(*sync))
        http_port = grpc_port = None
        if self._http is not None and self._config.http is not None:
            http_port = self._http.start(parse_address(self._config.http), self.is_ready, self.metrics_text)
        if self._grpc is not None and self._config.grpc is not None:
            try:
                grpc_port = self._grpc.start(parse_address(self._config.grpc), self.is_ready)
            except BaseException:
                if self._http is not None:
                    self._http.stop(0)
                raise
        self.ports = Ports(grpc_port, http_port)
        self._running = True
        if not self._has_keys():
            _log.warning("no API key is configured: only this machine can send, and everything is booked to one account")
        return self.ports

    def stop(self, grace_seconds: float = 10) -> None:
        """Refuse new requests as retryable, wait for those that run until they are synced and answered, then stop listening."""
        if not self._running:
            return
        self._running = False
        self._admission.stop()
        grpc_stopped = self._grpc.begin_stop(grace_seconds) if self._grpc is not None else None
        if self._http is not None:
            self._http.stop(grace_seconds)
        if grpc_stopped is not None:
            grpc_stopped()
        self._intake.close()

    def is_ready(self) -> bool:
        """Whether a request would be taken now."""
        return self._running and self._journal.failure is None and self._is_ready()

    def metrics_text(self) -> str:
        """Everything countable, as Prometheus text."""
        gauges = [
            ("journal_position_bytes", "The synced end of the journal.", float(self._journal.position)),
            ("receiver_in_flight_bytes", "Request bodies held in memory.", float(self._admission.in_flight_bytes)),
            ("receiver_ready", "1 while requests are taken.", float(self.is_ready())),
        ]
        return self.metrics.render(gauges) + self._extra_metrics()
