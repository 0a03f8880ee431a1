"""What both transports do with a request once its bytes are there: prune, journal, and say what to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from spanledger.enrich.grants import Grant
from spanledger.receiver.answers import Accepted
from spanledger.receiver.apart import Apart
from spanledger.receiver.bounds import Pruned
from spanledger.receiver.config import ReceiverConfig
from spanledger.receiver.errors import ManySpans, TooLarge
from spanledger.receiver.inflate import gunzip
from spanledger.receiver.journal import Journal, Record
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner


class Taken(NamedTuple):
    """A request on its way to the disk: `durable` resolves when it may be acknowledged, None when there was nothing to store."""

    durable: Future[int] | None
    accepted: Accepted


SPANS_MAX = 4096
"""More spans than this are read apart, however small they are."""
_JSON_SHARE = 4
"""JSON takes so many times as long to read as protobuf of the same size, and much more memory."""


class LargeRequest(Exception):  # noqa: N818 - it is a direction, not an error
    """The request is large: take it again with `apart`, from a thread that may wait."""


class Intake:
    """Takes serialized requests of authenticated senders. Safe to use from many threads."""

    def __init__(
        self, journal: Journal, pruner: Pruner, now_ns: Callable[[], int], metrics: Metrics, config: ReceiverConfig | None = None
    ) -> None:
        config = config or ReceiverConfig()
        self._journal = journal
        self._pruner = pruner
        self._now_ns = now_ns
        self._metrics = metrics
        # One at a time: threads that compete for the interpreter would all finish last instead of one after the other,
        # and what a hostile body takes in memory while it is read is taken once.
        self._working = threading.Lock()
        self._large_bytes = config.large_bytes
        self._ratio_max = config.max_inflation
        self._apart = Apart(
            pruner.recipe,
            bytes_max=config.request_bytes_max,
            ratio_max=config.max_inflation,
            memory_bytes=config.large_memory_mib << 20,
        )

    def take(
        self,
        grant: Grant,
        body: bytes | bytearray,
        transport: str,
        *,
        is_json: bool = False,
        is_gzip: bool = False,
        apart: bool = False,
    ) -> Taken:
        """Prune and queue a body. Raises MalformedRequest, TooLarge, JournalUnavailable, or LargeRequest unless it may be read `apart`."""
        received_ns = self._now_ns()
        pruned, size_bytes = (self._examine_apart if apart else self._examine)(body, is_json=is_json, is_gzip=is_gzip)
        self._metrics.add("received_bytes_total", size_bytes, transport=transport)
        self._report(pruned)
        accepted = Accepted(pruned.dropped_spans, _warning(pruned))
        if not pruned.spans:
            return Taken(None, accepted)
        record = Record(grant.authority, grant.tenant, grant.key_id or None, received_ns, pruned.request)
        return Taken(self._journal.append(record), accepted)

    def close(self) -> None:
        """No more large requests will come."""
        self._apart.close()

    def _examine(self, body: bytes | bytearray, *, is_json: bool, is_gzip: bool) -> tuple[Pruned, int]:
        """Read a body here; LargeRequest if it is better read apart."""
        bytes_max = self._large_bytes // _JSON_SHARE if is_json else self._large_bytes
        if len(body) > bytes_max:
            raise LargeRequest
        if is_gzip:
            try:
                body = gunzip(body, bytes_max, self._ratio_max)
            except TooLarge:
                raise LargeRequest from None
        with self._working:
            try:
                return self._pruner.examine(to_protobuf(bytes(body)) if is_json else bytes(body), SPANS_MAX), len(body)
            except ManySpans:
                raise LargeRequest from None

    def _examine_apart(self, body: bytes | bytearray, *, is_json: bool, is_gzip: bool) -> tuple[Pruned, int]:
        self._metrics.add("large_requests_total")
        return self._apart.examine(body, is_json=is_json, is_gzip=is_gzip)

    def _report(self, pruned: Pruned) -> None:
        add = self._metrics.add
        add("spans_total", pruned.spans)
        if pruned.unidentified:
            add("quarantined_spans_total", pruned.unidentified)
        for what, count in (("scopes", pruned.dropped_scopes), ("spans", pruned.dropped_spans), ("parts", pruned.dropped_parts)):
            if count:
                add("dropped_total", count, what=what)


def _warning(pruned: Pruned) -> str:
    """One line for `partial_success`, or "" when all is well."""
    parts = []
    if pruned.unidentified:
        parts.append(f"{pruned.unidentified} spans have no valid trace, span or parent id and are in quarantine")
    if pruned.dropped_spans:
        parts.append(f"{pruned.dropped_spans} spans exceed the bound on spans in a request and were dropped")
    if pruned.dropped_scopes:
        parts.append(f"{pruned.dropped_scopes} resources or scopes exceed the bound in a request and were dropped")
    if pruned.dropped_parts:
        parts.append(f"{pruned.dropped_parts} attributes, events or links exceed the bound on a span and were dropped")
    return "; ".join(parts)
