"""Bounds on what one request may hold, enforced before its spans become objects, which take many times their size in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from spanledger.receiver import projected
from spanledger.receiver.effort import Effort

EAGER_BYTES_MAX = 2 << 20
"""A larger request is cut to its bounds before it is decoded: two bytes of an empty span become about two hundred."""
_UNCOUNTED_BYTES_MAX = 16 << 10
"""So little is decoded before anybody counts what it holds."""
_SCOPE_EFFORT = 10
_SPAN_EFFORT = 15


class Bounds(NamedTuple):
    """How much of one request is read; what exceeds a bound is dropped and counted."""

    scopes: int = 16_384
    spans: int = 262_144
    attributes: int = 1_024
    events: int = 1_024
    links: int = 1_024
    depth: int = 16


@dataclass(slots=True)
class Pruned:
    """A pruned request and what there is to report about it.

    `unidentified` spans have an id of a wrong length or of zeros: they are passed on (a wrong length as an empty id), and
    whoever reads them puts them in quarantine. `dropped_*` exceeded a bound; a span's own drop counters include its part.
    """

    request: bytes = b""
    spans: int = 0
    unidentified: int = 0
    dropped_scopes: int = 0
    dropped_spans: int = 0
    dropped_parts: int = 0


def decode(data: bytes, bounds: Bounds, found: Pruned, effort: Effort) -> Any:
    """The request as a projected message with no more than the bounds allow.

    Raises google.protobuf.message.DecodeError, or Laborious before anything is decoded that takes long: it cannot be interrupted.
    """
    if len(data) > EAGER_BYTES_MAX:
        return projected.Request.FromString(_trim(data, bounds, found))
    request = projected.Request.FromString(data) if len(data) <= _UNCOUNTED_BYTES_MAX else None
    scopes, spans = _counts(data) if request is None else _decoded_counts(request)
    effort.spend(scopes * _SCOPE_EFFORT + spans * _SPAN_EFFORT)
    if scopes > bounds.scopes or spans > bounds.spans:
        return projected.Request.FromString(_trim(data, bounds, found))
    return projected.Request.FromString(data) if request is None else request


def _counts(data: bytes) -> tuple[int, int]:
    """How many scopes and spans there are, from slices: what is in them is not looked at."""
    scopes = spans = 0
    for resource_data in projected.RawRequest.FromString(data).resource_spans:
        resource = projected.RawResourceSpans.FromString(resource_data)
        scopes += max(1, len(resource.scope_spans))
        for scope_data in resource.scope_spans:
            spans += len(projected.RawScopeSpans.FromString(scope_data).spans)
    return scopes, spans


def _decoded_counts(request: Any) -> tuple[int, int]:
    scopes = sum(max(1, len(resource.scope_spans)) for resource in request.resource_spans)
    return scopes, sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _trim(data: bytes, bounds: Bounds, found: Pruned) -> bytes:
    """The request without what exceeds the bounds on scopes and spans, which is added to what was `found`."""
    request = projected.RawRequest.FromString(data)
    scopes_left, spans_left = bounds.scopes, bounds.spans
    kept = []
    for resource_data in request.resource_spans[:scopes_left]:
        if scopes_left <= 0:
            break
        resource = projected.RawResourceSpans.FromString(resource_data)
        scopes = resource.scope_spans[:scopes_left]
        found.dropped_scopes += len(resource.scope_spans) - len(scopes)
        scopes_left -= max(1, len(scopes))
        for index, scope_data in enumerate(scopes):
            scope = projected.RawScopeSpans.FromString(scope_data)
            if len(scope.spans) > spans_left:
                found.dropped_spans += len(scope.spans) - spans_left
                del scope.spans[spans_left:]
                scopes[index] = scope.SerializeToString()
            spans_left -= len(scope.spans)
        resource.scope_spans[:] = scopes
        kept.append(resource.SerializeToString())
    found.dropped_scopes += len(request.resource_spans) - len(kept)
    return bytes(projected.RawRequest(resource_spans=kept).SerializeToString())
