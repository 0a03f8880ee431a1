"""Bounds on what one request may hold, enforced before its spans become objects, which take many times their size in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from spanledger.receiver import projected
from spanledger.receiver.effort import Effort

_VARINT, _LENGTH = 0, 2  # wire types
_FIXED_BYTES = {1: 8, 5: 4}
EAGER_BYTES_MAX = 2 << 20
"""A larger request is cut to its bounds before it is decoded: two bytes of an empty span become about two hundred."""
_UNCOUNTED_BYTES_MAX = 16 << 10
"""So little is decoded before anybody counts what it holds."""
_ENVELOPE_EFFORT = 2
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
    if request is None:
        _spend_on_envelopes(data, effort)
    scopes, spans = _counts(projected.CountedRequest.FromString(data) if request is None else request)
    effort.spend(scopes * _SCOPE_EFFORT + spans * _SPAN_EFFORT)
    if scopes > bounds.scopes or spans > bounds.spans:
        return projected.Request.FromString(_trim(data, bounds, found))
    return projected.Request.FromString(data) if request is None else request


def _spend_on_envelopes(data: bytes, effort: Effort) -> None:
    """Spend what decoding the resources and scopes costs, of which there are few in a request that is well meant."""
    for number, start, end in _parts(data, 0, len(data), effort):
        if number == 1:
            for _ in _parts(data, start, end, effort):
                pass


def _parts(data: bytes, at: int, end: int, effort: Effort) -> Iterator[tuple[int, int, int]]:
    """The number and place of each field that has a length; what is broken ends it, for the decoder says so in full."""
    while at < end:
        effort.spend(_ENVELOPE_EFFORT)
        tag, at = _varint(data, at, end)
        wire_type = tag & 7
        if wire_type in _FIXED_BYTES:
            at += _FIXED_BYTES[wire_type]
            continue
        if wire_type not in (_VARINT, _LENGTH):
            effort.spend(len(data))  # a group, which no exporter sends, may hide anything
        size, at = _varint(data, at, end)
        if wire_type == _LENGTH:
            yield tag >> 3, at, min(at + size, end)
            at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends, at most at `end`."""
    value = shift = 0
    while at < end and shift < 70:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            break
    return value, at


def _counts(request: Any) -> tuple[int, int]:
    """How many scopes and spans a decoded request has; a resource without a scope counts as one."""
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
