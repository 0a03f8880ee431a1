"""Bounds on what one request may hold, enforced before its spans become objects, which take many times their size in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from spanledger.receiver import projected

EAGER_BYTES_MAX = 2 << 20
"""A request up to this size is decoded at once, whatever it holds: two bytes of an empty span become about two hundred."""


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


def decode(data: bytes, bounds: Bounds, found: Pruned) -> Any:
    """The request as a projected message with no more than the bounds allow. Raises google.protobuf.message.DecodeError."""
    if len(data) <= EAGER_BYTES_MAX:
        request = projected.Request.FromString(data)
        scopes = sum(max(1, len(resource.scope_spans)) for resource in request.resource_spans)
        spans = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        if scopes <= bounds.scopes and spans <= bounds.spans:
            return request
    return projected.Request.FromString(_trim(data, bounds, found))


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
