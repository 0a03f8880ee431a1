"""How spans from files are read and settled, span by span, with nothing stored: what `dialects test` shows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.cli.config import Config
from spanledger.cli.errors import complain
from spanledger.cli.feed import BadInput, Request, find_inputs, read_input
from spanledger.cli.parts import prices_for, pruner_for
from spanledger.cli.render import visible
from spanledger.enrich.book import Versions
from spanledger.enrich.config import policy_from, rules_from
from spanledger.enrich.dialects.dialect import Dialect, number_refs
from spanledger.enrich.engine import Engine
from spanledger.enrich.events import CostEvent
from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.enrich.merge import bears_usage
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.notes import Claim, Seeker, Session
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.payers import FIELDS
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Call, Payers, Reading, Usage
from spanledger.enrich.refs import split_ref
from spanledger.enrich.trace_memory import StoredTrace
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.otlp_json import to_protobuf

_COUNT_NAMES: Final = re.compile(r"token|usage|cost", re.IGNORECASE)
_NO_COUNT_NAMES: Final = re.compile(r"max_|limit|budget|request\.", re.IGNORECASE)
SpanId = tuple[bytes, bytes]


class SpanRow(NamedTuple):
    """How one span is read, and what settlement makes of it.

    `payers` are what the span itself claims, by field, and `found` where; `tenant_id` is who is charged in the end. `unread` are numeric
    attributes that look like usage and that the span's dialect does not read: a sign of a missing rule.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    scope: str
    kind: str
    operation: str | None
    dialect: str | None
    usage_basis: str | None
    usage_state: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    extra: Mapping[str, int]
    payers: Mapping[str, str]
    found: Mapping[str, str]
    flags: Sequence[str]
    unread: Sequence[str]
    settled: str | None
    tenant_id: str | None
    cost_usd: Decimal | None


def read_files(config: Config, paths: Sequence[Path]) -> tuple[list[SpanRow], int]:
    """Every span of the files as it is read and settled, in order of time, and how many inputs were bad (named on stderr)."""
    trial, bad = Trial(config), 0
    for source in find_inputs(paths):
        for request in read_input(source):
            wrong = str(request) if isinstance(request, BadInput) else _wrong_with(request, trial)
            if wrong is not None:
                complain(visible(wrong))
                bad += 1
    return trial.rows(), bad


def _wrong_with(request: Request, trial: Trial) -> str | None:
    """Take a request; what is wrong with it, if anything."""
    try:
        trial.take(to_protobuf(request.body) if request.encoding == "json" else request.body)
    except (MalformedRequest, TooLarge) as error:
        return f"{request.where}: {error}"
    return None


class Trial:
    """Reads export requests as a server would, pruned first, and settles all of them at once."""

    def __init__(self, config: Config) -> None:
        self._rules = rules_from(config.enrich)
        self._policy = policy_from(config.enrich)
        self._reader = Reader(self._rules)
        self._pruner = pruner_for(config, secrets.token_bytes(32))
        self._readings: list[Reading] = []
        self._looks: dict[SpanId, _Look] = {}
        self._requests = 0

    def take(self, body: bytes) -> None:
        """Read a serialized export request; MalformedRequest or TooLarge where it is none. Unreadable spans are named on stderr."""
        pruned = self._pruner.prune(body)
        position = self._requests
        found, problems = self._reader.read(pruned, authority=DEFAULT_AUTHORITY, key_tenant=None, position=position, received_ns=position)
        for problem in problems:
            complain(f"span {problem.span_id.hex() or '?'}: {visible(problem.message)}")
        self._requests += 1
        self._readings += found
        self._looks |= _looks(body)

    def rows(self) -> list[SpanRow]:
        """Every span taken so far; one that came several times is shown once."""
        versions = Versions(self._rules.ruleset_id, "")
        engine = Engine(prices_for(self._rules), self._policy, _Nothing(), versions, horizon_ns=0, payers=self._rules.payers)
        engine.add(self._readings)
        verdicts = _Verdicts(engine.tick(0, final=True).events)
        counted = {dialect.name: _counted_keys(dialect) for dialect in self._rules.dialects}
        rows: dict[SpanId, SpanRow] = {}
        for reading in sorted(self._readings, key=attrgetter("start_ns")):
            at = (reading.trace_id, reading.span_id)
            look = self._looks.get(at, _Look("", ()))
            read = counted.get(reading.call.dialect, frozenset()) if reading.call else frozenset()
            rows[at] = _row(reading, look.name, [key for key in look.counts if key not in read], verdicts)
        return list(rows.values())


class _Nothing:
    """The history of a ledger that there is none of."""

    tellers: frozenset[tuple[str, str | None, tuple[str, str]]] = frozenset()

    def traces(self, wanted: Mapping[TraceKey, Any]) -> Mapping[TraceKey, StoredTrace]:  # noqa: ARG002 - the protocol's
        """None."""
        return {}

    def linked(self, keys: Mapping[int, Any]) -> Iterable[TraceKey]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def seekers(self, keys: Iterable[int]) -> Iterable[Seeker]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def claims(self, sessions: Iterable[Session]) -> Mapping[Session, AbstractSet[Claim]]:  # noqa: ARG002 - the protocol's
        """None."""
        return {}


class _Look(NamedTuple):
    """What a span looks like before pruning: its name, and its numeric attributes that could be usage."""

    name: str
    counts: tuple[str, ...]


class _Verdicts:
    """What settlement made of each span: its charges, or the span that is charged in its place."""

    def __init__(self, events: Iterable[CostEvent]) -> None:
        self.charges: dict[SpanId, list[CostEvent]] = {}
        self.stands_in: dict[SpanId, CostEvent] = {}
        for event in events:
            self.charges.setdefault((event.trace_id, event.span_id), []).append(event)
            for other in event.suppressed_span_ids:
                trace, _, span = other.rpartition(":")
                self.stands_in[bytes.fromhex(trace) or event.trace_id, bytes.fromhex(span)] = event

    def on(self, reading: Reading) -> str | None:
        """A word on a span: charged, suppressed by another, an aggregate, without usage; None for one that says nothing of usage."""
        at = (reading.trace_id, reading.span_id)
        if charges := self.charges.get(at):
            return _charged(charges[0], len(charges))
        if stand_in := self.stands_in.get(at):
            return f"suppressed by {stand_in.span_id.hex()}"
        return "aggregate, not charged" if bears_usage(reading.call) else None


def _charged(event: CostEvent, parts: int) -> str:
    if event.usage_state == "missing":
        return "no usage"
    word = "charged for the calls below" if event.usage_state == "aggregate" else "charged"
    if parts > 1:
        word += f" in {parts} parts"
    return word if event.price_state == "priced" else f"{word}, unpriced: {event.price_reason or 'no reason'}"


def _row(reading: Reading, name: str, unread: Sequence[str], verdicts: _Verdicts) -> SpanRow:
    call = reading.call or Call("")
    usage = call.usage or Usage()
    charges = verdicts.charges.get((reading.trace_id, reading.span_id), [])
    costs = [event.cost_usd for event in charges if event.cost_usd is not None]
    payers, found = _claims(reading)
    return SpanRow(
        reading.trace_id.hex(),
        reading.span_id.hex(),
        reading.parent_span_id.hex() or None,
        name,
        reading.scope,
        reading.kind,
        reading.operation,
        call.dialect or None,
        call.usage_basis or None,
        call.usage_state if reading.call else None,
        call.provider,
        call.request_model,
        call.response_model,
        call.response_id,
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        dict(usage.extra),
        payers,
        found,
        call.flags,
        unread,
        verdicts.on(reading),
        ", ".join(sorted({event.tenant_id for event in charges if event.tenant_id})) or None,
        Decimal(text_from_atto(sum(costs))) if costs else None,
    )


def _claims(reading: Reading) -> tuple[dict[str, str], dict[str, str]]:
    """What a span and its resource claim of payers, and where each is found; the span's own claim comes first."""
    payers: dict[str, str] = {}
    found: dict[str, str] = {}
    said: Payers
    for said in (reading.payers, reading.resource.payers):
        sources = dict(said.sources)
        for field in FIELDS:
            if field not in payers and (value := getattr(said, field)) is not None:
                payers[field], found[field] = value, sources.get(field, "?")
        if said.allocation and "allocation" not in payers:
            payers["allocation"] = ", ".join(f"{tenant}={weight}" for tenant, weight in said.allocation)
            found["allocation"] = sources.get("allocation", "?")
    return payers, found


def _counted_keys(dialect: Dialect) -> frozenset[str]:
    return frozenset(split_ref(ref)[0] for ref in number_refs(dialect))


def _looks(body: bytes) -> dict[SpanId, _Look]:
    """The name and the likely counts of every span of a request, before it is pruned."""
    request = ExportTraceServiceRequest.FromString(body)
    spans = [span for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans]
    return {(span.trace_id, span.span_id): _Look(span.name, tuple(_likely_counts(span.attributes))) for span in spans}


def _likely_counts(attributes: Iterable[Any]) -> Iterator[str]:
    for each in attributes:
        value = each.value.int_value or each.value.double_value
        if value > 0 and _COUNT_NAMES.search(each.key) and not _NO_COUNT_NAMES.search(each.key):
            yield each.key
