"""What both transports do with a request once its bytes are there: prune, journal, and say what to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from spanledger.enrich.grants import Grant
from spanledger.receiver.answers import Accepted
from spanledger.receiver.bounds import Pruned
from spanledger.receiver.journal import Journal, Record
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner


class Taken(NamedTuple):
    """A request on its way to the disk: `durable` resolves when it may be acknowledged, None when there was nothing to store."""

    durable: Future[int] | None
    accepted: Accepted


class Intake:
    """Takes serialized requests of authenticated senders. Safe to use from many threads."""

    def __init__(self, journal: Journal, pruner: Pruner, now_ns: Callable[[], int], metrics: Metrics) -> None:
        self._journal = journal
        self._pruner = pruner
        self._now_ns = now_ns
        self._metrics = metrics
        # One at a time: threads that compete for the interpreter would all finish last instead of one after the other,
        # and what a hostile body takes in memory while it is read is taken once.
        self._working = threading.Lock()

    def take(self, grant: Grant, body: bytes, transport: str, *, is_json: bool = False) -> Taken:
        """Prune and queue an inflated body. Raises MalformedRequest or JournalUnavailable."""
        received_ns = self._now_ns()
        with self._working:
            pruned = self._pruner.examine(to_protobuf(body) if is_json else body)
        self._metrics.add("received_bytes_total", len(body), transport=transport)
        self._report(pruned)
        accepted = Accepted(pruned.dropped_spans, _warning(pruned))
        if not pruned.spans:
            return Taken(None, accepted)
        record = Record(grant.authority, grant.tenant, grant.key_id or None, received_ns, pruned.request)
        return Taken(self._journal.append(record), accepted)

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
