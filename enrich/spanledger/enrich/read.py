"""Spans to readings: what each span says, before anyone decides what it costs.

Every span becomes a Reading, since settlement needs the whole tree. The way of a span: its attributes are looked up as facts
(wire.py), its set of keys picks a plan (plan.py) made by the dialect that the registry finds for its scope, and the plan reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import DecodeError

from spanledger.enrich import wire
from spanledger.enrich.dialects.dialect import Dialect, all_refs, number_refs, text_refs, when_refs
from spanledger.enrich.dialects.registry import candidates
from spanledger.enrich.document_lengths import DOCUMENT_KEYS, with_length
from spanledger.enrich.interpret import PayerRefs, payer_refs, read_payers
from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.enrich.metered_plan import MeteredPlan
from spanledger.enrich.meters import meters_for, number_refs_of, text_refs_of
from spanledger.enrich.plan import Plan
from spanledger.enrich.records import NOBODY, Call, Kind, Payers, Problem, Reading, Resource
from spanledger.enrich.refs import split_ref
from spanledger.enrich.rules import Rules
from spanledger.enrich.view import TEXT_MAX, View

TIME_MAX: Final = (1 << 63) - 1
"""The last nanosecond a signed 64-bit time holds (the year 2262); later times are read as this and reported."""
_SCOPE_MAX: Final = 256
_PLANS_MAX: Final = 4096
_ORDERS_MAX: Final = 4 * _PLANS_MAX
"""Orders in which sets of keys came; one plan serves all orders of a set."""
_SCOPES_MAX: Final = 2048
_RESOURCES_MAX: Final = 2048
_EVENTS_MAX: Final = 128
_LINKS_READ_MAX: Final = 128
LINKS_MAX: Final = 16
"""A span with links to more spans of other traces works for so many that they say nothing of its payer: none is read."""
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_KEYS_ALWAYS: Final = ("service.name", "exception.type")
_SILENT: Final = Dialect(name="none")
"""Reads nothing but payers: for scopes whose dialects all decline a span."""


class Reader:
    """Reads requests by one set of rules. Keeps bounded memories of what it saw; for one thread."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        refs = {ref for dialect in rules.dialects for ref in all_refs(dialect)}
        for table in (rules.payers.span, rules.payers.resource):
            refs.update(ref for field in table.values() for ref in field)
        refs.update(rules.payers.allocation)
        refs.update(number_refs_of(rules.meters), text_refs_of(rules.meters))
        keys = {split_ref(ref)[0] for ref in refs if not ref.startswith("$")}
        volatile = {ref for dialect in rules.dialects for ref in (*number_refs(dialect), *dialect.response_id, *dialect.prompt)}
        volatile.update(number_refs_of(rules.meters))
        documents = DOCUMENT_KEYS if rules.flags.retrieved_tokens else ()
        self._facts = wire.Facts({*keys, *_KEYS_ALWAYS, *documents}, {*volatile, *documents})
        self._scopes: dict[Any, _ScopeReader] = {}
        self._by_service = any(meter.services for meter in rules.meters)
        self._resources: dict[bytes, Resource] = {}

    def read(
        self, request: bytes, *, authority: str, key_tenant: str | None, position: int, received_ns: int
    ) -> tuple[list[Reading], list[Problem]]:
        """The readings of a serialized ExportTraceServiceRequest, in its order, and what could not be read.

        Raises nothing: a malformed span or request becomes a Problem ("malformed_request", "malformed_span", "bad_id",
        "bad_time"), and the others are read.
        """
        readings: list[Reading] = []
        problems: list[Problem] = []
        about = (authority, key_tenant, position, received_ns)
        try:
            message = wire.Request.FromString(request)
        except DecodeError:
            self._read_piecewise(request, about, readings, problems)
            return readings, problems
        for resource_spans in message.resource_spans:
            resource = self._resource(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                self._scope(scope_spans.scope, resource).read(scope_spans.spans, resource, about, readings, problems)
        return readings, problems

    def _read_piecewise(
        self, request: bytes, about: tuple[str, str | None, int, int], readings: list[Reading], problems: list[Problem]
    ) -> None:
        position = about[2]
        try:
            message = wire.RawRequest.FromString(request)
        except DecodeError as error:
            problems.append(Problem("malformed_request", f"no ExportTraceServiceRequest: {error}"[:200], position))
            return
        for resource_spans in message.resource_spans:
            resource = self._resource(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                spans = []
                for data in scope_spans.spans:
                    try:
                        spans.append(wire.Span.FromString(data))
                    except DecodeError as error:
                        problems.append(Problem("malformed_span", f"no Span: {error}"[:200], position))
                self._scope(scope_spans.scope, resource).read(spans, resource, about, readings, problems)

    def _scope(self, data: bytes, resource: Resource) -> _ScopeReader:
        key = (data, resource.service) if self._by_service else data
        found = self._scopes.get(key)
        if found is None:
            name, version = _scope_of(data)
            found = _ScopeReader(self._rules, self._facts, name, version, resource.service)
            if len(self._scopes) >= _SCOPES_MAX:
                self._scopes.clear()
            self._scopes[key] = found
        return found

    def _resource(self, data: bytes) -> Resource:
        found = self._resources.get(data)
        if found is None:
            found = self._read_resource(data)
            if len(self._resources) >= _RESOURCES_MAX:
                self._resources.clear()
            self._resources[data] = found
        return found

    def _read_resource(self, data: bytes) -> Resource:
        try:
            facts = self._facts.of(wire.ResourceMessage.FromString(data).attributes)
        except DecodeError:
            return Resource(None, NOBODY)
        view = View(facts, None)
        service = view.text(("service.name",))
        if service is not None and service.startswith("unknown_service"):
            service = None
        refs = payer_refs(self._rules.payers.resource, self._rules.payers.allocation, facts, "resource")
        return Resource(service, read_payers(view, refs, "resource"))


class _ScopeReader:
    """Reads the spans of one instrumentation scope."""

    def __init__(self, rules: Rules, facts: wire.Facts, name: str, version: str, service: str | None) -> None:
        self._rules = rules
        self._meters = meters_for(rules.meters, name, service)
        self._facts = facts
        self._dialects = candidates(rules.dialects, name, version)
        self._scope = f"{name}@{version}" if version else name
        self._plans: dict[tuple[str | None, ...], Plan | MeteredPlan] = {}
        self._picked: dict[tuple[str, frozenset[str]], Plan | MeteredPlan] = {}
        self._payers: dict[PayerRefs, dict[Any, Payers]] = {}
        self._by_values = any(map(_decided_by_values, self._dialects))
        self._usage_events = frozenset(event.encode() for dialect in self._dialects for event in dialect.usage_events)
        self._event_refs = _event_refs(self._dialects)
        self._with_links = bool(rules.payers.from_links)
        self._with_documents = rules.flags.retrieved_tokens

    def read(
        self, spans: Any, resource: Resource, about: tuple[str, str | None, int, int], readings: list[Reading], problems: list[Problem]
    ) -> None:
        """Append a reading for every span that has sane ids."""
        authority, key_tenant, position, received_ns = about
        event_refs, with_links, with_documents = self._event_refs, self._with_links, self._with_documents
        scope, plans, fact, new, append = self._scope, self._plans, self._facts.__getitem__, tuple.__new__, readings.append
        for span in spans:
            trace_id, span_id, start_ns, end_ns = span.trace_id, span.span_id, span.start_time_unix_nano, span.end_time_unix_nano
            if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE or span_id == _NO_SPAN:
                problems.append(Problem("bad_id", "trace or span id of the wrong length or all zero", position, trace_id, span_id))
                continue
            if end_ns > TIME_MAX or start_ns > TIME_MAX:
                problems.append(Problem("bad_time", "a time after the year 2262 was read as its end", position, trace_id, span_id))
                start_ns, end_ns = min(start_ns, TIME_MAX), min(end_ns, TIME_MAX)
            facts = dict(map(fact, span.attributes[:]))
            if event_refs and span.events:
                facts = self._with_event_keys(span, facts)
            plan = plans.get(tuple(facts)) or self._plan(facts, span)
            kind, operation, payers, call, failed = plan.read(facts, span)
            if with_documents and kind == "retrieval" and call is not None:
                call = with_length(facts, call)
            if status := span.status:
                failed = failed or wire.is_error(status)
            if call is not None and (failed or (call[9] is None and kind == "inference")) and span.events:
                kind, operation, call = self._with_events(span, facts, kind, operation, call, failed)
            append(
                new(
                    Reading,
                    (
                        authority,
                        trace_id,
                        span_id,
                        span.parent_span_id,
                        start_ns,
                        end_ns,
                        kind,
                        operation,
                        scope,
                        resource,
                        payers,
                        call,
                        failed,
                        position,
                        received_ns,
                        key_tenant,
                        _links_of(span.links, trace_id) if with_links else (),
                    ),
                )
            )

    def _plan(self, facts: dict[str | None, wire.Value], span: Any) -> Plan | MeteredPlan:
        keys = tuple(facts)
        present = frozenset(key for key in keys if key is not None)
        dialect = self._pick(facts, span)
        plan = self._picked.get((dialect.name, present))
        if plan is None:
            if len(self._picked) >= _PLANS_MAX:
                self._picked.clear()
                self._plans.clear()
                self._payers.clear()
            plan = Plan(dialect, present, self._rules.payers, self._payers)
            if self._meters:
                plan = MeteredPlan(plan, self._meters)
            self._picked[dialect.name, present] = plan
        if not self._by_values:
            if len(self._plans) >= _ORDERS_MAX:
                self._plans.clear()
            self._plans[keys] = plan
        return plan

    def _pick(self, facts: dict[str | None, wire.Value], span: Any) -> Dialect:
        for dialect in self._dialects:
            if View(facts, span, json_scalars=dialect.json_scalars).holds(dialect.when):
                return dialect
        return _SILENT

    def _with_event_keys(self, span: Any, facts: dict[str | None, wire.Value]) -> dict[str | None, wire.Value]:
        """The span's facts and those of its events under the keys that a dialect asks for."""
        more: dict[str | None, wire.Value] = {}
        for data in span.events[-_EVENTS_MAX:]:
            try:
                event = wire.Event.FromString(data)
            except DecodeError:
                continue
            found = self._facts.of(event.attributes)
            view = View(found, span)
            more.update((key, found[key]) for key, refs in self._event_refs.items() if any(view.get(ref) is not None for ref in refs))
        return {**more, **facts} if more else facts

    def _with_events(
        self, span: Any, facts: dict[str | None, wire.Value], kind: Kind, operation: str | None, call: Call, failed: bool
    ) -> tuple[Kind, str | None, Call]:
        """The reading with what only the span's events tell: usage where the dialect says so, the type of an exception."""
        for data in span.events[:_EVENTS_MAX]:
            try:
                event = wire.Event.FromString(data)
            except DecodeError:
                continue
            if call.usage is None and event.name in self._usage_events:
                more = {**facts, **self._facts.of(event.attributes)}
                kind, operation, _, found, _ = self._plan(more, span).read(more, span)
                call = found or call
            elif failed and call.error_type is None and event.name == b"exception":
                said = self._facts.of(event.attributes).get("exception.type")
                if isinstance(said, str) and not said.startswith(PRUNED_PREFIX):
                    call = call._replace(error_type=said[:TEXT_MAX])
        return kind, operation, call


def _scope_of(data: bytes) -> tuple[str, str]:
    try:
        message = wire.Scope.FromString(data)
    except DecodeError:
        return "", ""
    name = message.name.decode("utf-8", "replace")[:_SCOPE_MAX]
    return name, message.version.decode("utf-8", "replace")[:_SCOPE_MAX]


def _links_of(links: Any, trace_id: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The spans of other traces that a span links to, sorted."""
    found = set()
    for data in links[:_LINKS_READ_MAX]:
        try:
            link = wire.Link.FromString(data)
        except DecodeError:
            continue
        if len(link.trace_id) == 16 and len(link.span_id) == 8 and link.trace_id not in (trace_id, _NO_TRACE) and link.span_id != _NO_SPAN:
            found.add((link.trace_id, link.span_id))
    return tuple(sorted(found)) if len(found) <= LINKS_MAX and len(links) <= _LINKS_READ_MAX else ()


def _event_refs(dialects: Iterable[Dialect]) -> dict[str, tuple[str, ...]]:
    """Attribute of span events -> the references into it that say something, for the dialects that read such attributes."""
    found: dict[str, tuple[str, ...]] = {}
    for dialect in dialects:
        for key in dialect.event_keys:
            refs = (*number_refs(dialect), *text_refs(dialect))
            found[key] = (*found.get(key, ()), *(ref for ref in refs if split_ref(ref)[0] == key))
    return found


def _decided_by_values(dialect: Dialect) -> bool:
    """Whether picking a dialect needs more than the set of keys a span has."""
    return bool(dialect.when.values) or any("#" in ref or ref.startswith("$") for ref in when_refs(dialect.when))
