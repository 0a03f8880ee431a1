"""What both transports do with a request once its bytes are there: prune, journal, and say what to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from enum import IntEnum
from typing import Final, NamedTuple

from spanledger.enrich.grants import Grant
from spanledger.receiver.answers import Accepted
from spanledger.receiver.apart import Apart
from spanledger.receiver.bounds import Pruned
from spanledger.receiver.config import ReceiverConfig
from spanledger.receiver.effort import Effort
from spanledger.receiver.errors import Laborious, TooLarge
from spanledger.receiver.inflate import gunzip, told_size
from spanledger.receiver.journal import Journal, Record
from spanledger.receiver.metrics import Metrics
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner


class Taken(NamedTuple):
    """A request on its way to the disk: `durable` resolves when it may be acknowledged, None when there was nothing to store."""

    durable: Future[int] | None
    accepted: Accepted


class Lane(IntEnum):
    """Where a request is read. A small one must not wait for a large one, nor an honest one long for one made to take long."""

    QUICK = 0
    BULKY = 1
    APART = 2


class OtherLane(Exception):  # noqa: N818 - it is a direction, not an error
    """The request is more than it seemed: take it again in this lane, from a thread that may wait."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(lane.name)
        self.lane = lane


QUICK_BYTES_MAX = 32 << 10
_EFFORT: Final = {Lane.QUICK: 5_000, Lane.BULKY: 61_440}
"""What a request may cost in a lane, see effort.py. Bulky are at most 4096 spans of nothing, or some 2500 as they usually are."""
BULKY_AT_ONCE = 2
"""Bulky requests of a transport that are read at once: one is pruned while another is inflated. The others wait as they were sent, which
takes no more memory than is counted; and a transport with very many threads does not keep the other from its turn."""
_JSON_SHARE = 4
"""JSON takes so many times as long to read as protobuf of the same size, and much more memory."""


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
        # One at a time in each: threads that compete for the interpreter would all finish last instead of one after the other,
        # and what a hostile body takes in memory while it is read is taken once. Two compete fairly.
        self._turns = {lane: threading.Lock() for lane in (Lane.QUICK, Lane.BULKY)}
        self._bulky = {transport: threading.Semaphore(BULKY_AT_ONCE) for transport in ("grpc", "http")}
        self._bytes_max = {Lane.QUICK: QUICK_BYTES_MAX, Lane.BULKY: config.large_bytes}
        self._ratio_max = config.max_inflation
        self._apart = Apart(
            pruner.recipe,
            bytes_max=config.request_bytes_max,
            ratio_max=config.max_inflation,
            memory_bytes=config.large_memory_mib << 20,
        )

    def lane_of(self, body: bytes | bytearray, *, is_json: bool = False, is_gzip: bool = False) -> Lane:
        """Where to begin with a body, from its size; `take` finds out what is not what it says."""
        size_bytes = max(len(body), told_size(body)) if is_gzip else len(body)
        return next((lane for lane in self._bytes_max if size_bytes <= self._most(lane, is_json=is_json)), Lane.APART)

    def take(
        self,
        grant: Grant,
        body: bytes | bytearray,
        transport: str,
        *,
        is_json: bool = False,
        is_gzip: bool = False,
        lane: Lane = Lane.QUICK,
    ) -> Taken:
        """Prune and queue a body. Raises MalformedRequest, TooLarge, JournalUnavailable, or OtherLane."""
        received_ns = self._now_ns()
        if lane is Lane.APART:
            pruned, size_bytes = self._examine_apart(body, is_json=is_json, is_gzip=is_gzip)
        else:
            pruned, size_bytes = self._examine(body, lane, transport, is_json=is_json, is_gzip=is_gzip)
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

    def _most(self, lane: Lane, *, is_json: bool) -> int:
        return self._bytes_max[lane] // _JSON_SHARE if is_json else self._bytes_max[lane]

    def _examine(self, body: bytes | bytearray, lane: Lane, transport: str, *, is_json: bool, is_gzip: bool) -> tuple[Pruned, int]:
        """Read a body here; OtherLane if it is too much for this one."""
        bytes_max = self._most(lane, is_json=is_json)
        if len(body) > bytes_max:
            raise OtherLane(max(self.lane_of(body, is_json=is_json), Lane(lane + 1)))
        effort = Effort(_EFFORT[lane])
        try:
            with self._bulky[transport] if lane is Lane.BULKY else nullcontext():
                whole = gunzip(body, bytes_max, self._ratio_max) if is_gzip else bytes(body)
                with self._turns[lane]:
                    return self._pruner.examine(to_protobuf(whole, effort) if is_json else whole, effort), len(whole)
        except (TooLarge, Laborious):
            raise OtherLane(Lane(lane + 1)) from None

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
