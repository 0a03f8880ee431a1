"""Pruning: a request goes in as it was sent and comes out as a valid request without content, before anything is stored.

Every number, boolean, time and id is kept; a string is kept only where the rules name its key, and else becomes its length
and a keyed hash. What exceeds a bound is dropped and counted, so that one wild span does not cost the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from spanledger.enrich.kept import Kept
from spanledger.receiver import projected
from spanledger.receiver.bounds import Bounds, Pruned, decode
from spanledger.receiver.effort import Effort
from spanledger.receiver.errors import MalformedRequest
from spanledger.receiver.prune_attributes import AttributePruner
from spanledger.receiver.redact import Redactor, is_redacted

SCOPE_TEXT_MAX = 256
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_MEMO_SIZE = 4096
_MEMO_BYTES_MAX = 8192
_PART_EFFORT = 4
_SCHEMA_URL = re.compile(rb"https?://[A-Za-z0-9.-]{1,120}(?::[0-9]{1,5})?/schemas(?:/[A-Za-z0-9._-]{1,32}){1,3}")


class Recipe(NamedTuple):
    """What a pruner is made of, to make the same one in another process."""

    kept: Kept
    secret: bytes
    keep_content: bool
    bounds: Bounds


class Pruner:
    """Prunes serialized ExportTraceServiceRequests. Safe to use from many threads.

    With `keep_content` requests pass as they are; they are still checked and counted.
    """

    def __init__(self, kept: Kept, secret: bytes, keep_content: bool = False, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self.recipe = Recipe(kept, secret, keep_content, self._bounds)
        self._keep_content = keep_content
        self._redactor = Redactor(secret)
        self._attributes = AttributePruner(kept, self._redactor, depth_max=self._bounds.depth)
        self._span_names = {name.encode() for name in kept.span_names}
        self._span_name_words = {word.encode() for word in kept.span_name_words}
        self._event_names = {name.encode() for name in kept.event_names}
        self._text_max = kept.text_max
        self._names: dict[bytes, bytes] = {}
        self._resources: dict[bytes, bytes] = {}
        self._scopes: dict[bytes, bytes] = {}

    def prune(self, request: bytes) -> bytes:
        """The pruned request. Raises MalformedRequest."""
        return self.examine(request).request

    def examine(self, request: bytes, effort: Effort | None = None) -> Pruned:
        """The pruned request with what there is to report. Raises MalformedRequest, or Laborious if it takes more than the `effort`."""
        try:
            return self._request(request, effort or Effort())
        except DecodeError as error:
            raise MalformedRequest("the body is not a serialized ExportTraceServiceRequest") from error

    # -- envelopes ------------------------------------------------------------------------------------------------------

    def _request(self, data: bytes, effort: Effort) -> Pruned:
        found = Pruned()
        request = decode(data, self._bounds, found, effort)
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                found.spans += len(scope_spans.spans)
                if self._keep_content:
                    found.unidentified += sum(not _identified(span) for span in scope_spans.spans)
                else:
                    self._scope_spans(scope_spans, found, effort)
            if not self._keep_content:
                self._envelope(resource_spans, "resource", self._resources, self._resource, effort)
        if self._keep_content and not found.dropped_scopes and not found.dropped_spans:
            found.request = data
            return found
        if not self._keep_content:
            request.DiscardUnknownFields()
        found.request = request.SerializeToString()
        return found

    def _scope_spans(self, scope_spans: Any, found: Pruned, effort: Effort) -> None:
        self._envelope(scope_spans, "scope", self._scopes, self._scope, effort)
        prune_span = self._span
        for span in scope_spans.spans:
            prune_span(span, found, effort)

    def _envelope(self, holder: Any, field: str, memo: dict[bytes, bytes], prune: Callable[[bytes, Effort], bytes], effort: Effort) -> None:
        """Prune what stands around spans: a resource or a scope, and the schema URL beside it."""
        if data := getattr(holder, field):
            setattr(holder, field, self._remember(memo, data, lambda text: prune(text, effort)))
        if holder.schema_url:
            holder.schema_url = self._schema_url(holder.schema_url)

    def _resource(self, data: bytes, effort: Effort) -> bytes:
        resource = projected.Resource.FromString(data)
        resource.DiscardUnknownFields()
        self._prune_attributes(resource, effort)
        return bytes(resource.SerializeToString())

    def _scope(self, data: bytes, effort: Effort) -> bytes:
        scope = projected.Scope.FromString(data)
        scope.DiscardUnknownFields()
        scope.name = self._short(scope.name, SCOPE_TEXT_MAX)
        scope.version = self._short(scope.version, SCOPE_TEXT_MAX)
        self._prune_attributes(scope, effort)
        return bytes(scope.SerializeToString())

    # -- spans ----------------------------------------------------------------------------------------------------------

    def _span(self, span: Any, found: Pruned, effort: Effort) -> None:
        if not _identified(span):
            found.unidentified += 1
            self._blank_ids(span)
        attributes = span.attributes
        before = attributes[: self._bounds.attributes]
        after = self._attributes.prune_all(before, effort)
        if len(attributes) != len(before):
            surplus = len(attributes) - len(before)
            found.dropped_parts += surplus
            span.dropped_attributes_count += surplus
            attributes[:] = after
        elif after is not before:
            attributes[:] = after
        name = span.name
        if (kept_name := self._names.get(name)) is None:
            kept_name = self._remember(self._names, name, self._name)
        if kept_name != name:
            span.name = kept_name
        if span.trace_state:
            span.trace_state = self._redactor.text(span.trace_state)
        if span.HasField("status") and span.status.message:
            span.status.message = self._redactor.text(span.status.message)
        if span.events:
            self._events(span, found, effort)
        if span.links:
            self._links(span, found, effort)

    def _blank_ids(self, span: Any) -> None:
        """An id of a wrong length could hold anything."""
        if len(span.trace_id) != 16:
            span.trace_id = b""
        if len(span.span_id) != 8:
            span.span_id = b""
        if len(span.parent_span_id) not in (0, 8):
            span.parent_span_id = b""

    def _events(self, span: Any, found: Pruned, effort: Effort) -> None:
        kept = []
        for data in span.events[: self._bounds.events]:
            effort.spend(_PART_EFFORT)
            event = projected.Event.FromString(data)
            event.DiscardUnknownFields()
            if event.name not in self._event_names:
                event.name = self._redactor.text(event.name)
            found.dropped_parts += self._prune_attributes(event, effort)
            kept.append(event.SerializeToString())
        if surplus := len(span.events) - len(kept):
            found.dropped_parts += surplus
            span.dropped_events_count += surplus
        span.events[:] = kept

    def _links(self, span: Any, found: Pruned, effort: Effort) -> None:
        kept = []
        for data in span.links[: self._bounds.links]:
            effort.spend(_PART_EFFORT)
            link = projected.Link.FromString(data)
            link.DiscardUnknownFields()
            if len(link.trace_id) != 16 or len(link.span_id) != 8:
                link.trace_id = link.span_id = b""
            link.trace_state = self._redactor.text(link.trace_state)
            found.dropped_parts += self._prune_attributes(link, effort)
            kept.append(link.SerializeToString())
        if surplus := len(span.links) - len(kept):
            found.dropped_parts += surplus
            span.dropped_links_count += surplus
        span.links[:] = kept

    def _prune_attributes(self, holder: Any, effort: Effort) -> int:
        """Prune the attributes of anything that has them; how many exceeded the bound."""
        before = holder.attributes[: self._bounds.attributes]
        surplus = len(holder.attributes) - len(before)
        holder.attributes[:] = self._attributes.prune_all(before, effort)
        if surplus:
            holder.dropped_attributes_count += surplus
        return surplus

    # -- texts ----------------------------------------------------------------------------------------------------------

    def _name(self, name: bytes) -> bytes:
        """A span's name: whole where the rules know it, its first word where they know that, else replaced."""
        if not name or (name in self._span_names and len(name) <= self._text_max):
            return name
        word = name.split(b" ", 1)[0]
        return word if word in self._span_name_words else self._redactor.text(name)

    def _short(self, data: bytes, chars_max: int) -> bytes:
        try:
            return data if len(data.decode()) <= chars_max else self._redactor.text(data)
        except UnicodeDecodeError:
            return self._redactor.text(data)

    def _schema_url(self, data: bytes) -> bytes:
        return data if is_redacted(data) or _SCHEMA_URL.fullmatch(data) else self._redactor.text(data)

    def _remember(self, memo: dict[bytes, bytes], data: bytes, prune: Callable[[bytes], bytes]) -> bytes:
        """`prune(data)`, remembered when it is short: resources, scopes and names repeat."""
        if (pruned := memo.get(data)) is None:
            pruned = prune(data)
            if len(data) <= _MEMO_BYTES_MAX:
                if len(memo) >= _MEMO_SIZE:
                    memo.clear()
                memo[data] = pruned
        return pruned


def _identified(span: Any) -> bool:
    trace_id = span.trace_id
    span_id = span.span_id
    return (
        len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN and len(span.parent_span_id) in (0, 8)
    )
