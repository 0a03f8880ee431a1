"""Payers along span links: what neither a span nor anything above it says, it takes from the spans it links to in other traces.

Background jobs and queue consumers are traces of their own that point back at the request they work for. The nearest linking
span counts, and all that it links to must agree: of a batch made of two tenants' messages nobody knows which share is whose.
Every bound is on what the spans say, never on what came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from spanledger.enrich.inherit import lend_payers, own_payers, source_along
from spanledger.enrich.open_traces import OpenTrace, TraceKey
from spanledger.enrich.records import DAY_NS, NOBODY, Payers, Reading

HOPS_MAX: Final = 4
"""Links followed one after another: a job that a job started is still the first request's."""
LINKING_MAX: Final = 8
"""Linking spans looked at on the way from a call to its root, nearest first."""
TRACES_MAX: Final = 256
"""Linked traces looked at for one trace, through all hops."""
BEFORE_DAYS: Final = 7
"""A linked span starts at most this long before the span that links to it, and at most AFTER_DAYS after: further links lead nowhere."""
AFTER_DAYS: Final = 1

Traces = Mapping[TraceKey, OpenTrace]


class Lent(NamedTuple):
    """Payers with what links lend them; where the tenant was found, if by a link; and whether linked spans name several tenants."""

    payers: Payers
    source: str | None
    differ: bool


class LinkedPayers:
    """Follows links among the traces at hand, once for each span. `asked` notes what every linked span was found to say itself."""

    def __init__(self, fields: Sequence[str], traces: Traces) -> None:
        self._fields, self._traces = fields, traces
        self._said: dict[tuple[TraceKey, bytes, int], tuple[Payers, str | None] | None] = {}
        self.asked: dict[TraceKey, dict[bytes, Payers | None]] = {}

    def lend(self, authority: str, spans: Iterable[tuple[bytes, bytes]], payers: Payers, *, keyed: bool) -> Lent:
        """`payers` with what they lack from the links of these spans (trace id, span id) and of those above them.

        `keyed`: the tenant is a key's, and no link changes it.
        """
        source, differ = None, False
        for trace_id, span_id in spans:
            trace = self._traces.get((authority, trace_id))
            if trace is None:
                continue
            payers, found, differs = self._follow(_linking(trace.spans, span_id), payers, HOPS_MAX, keyed=keyed)
            source, differ = source or found, differ or differs
        if source is not None:
            source = f"link:{source.partition(':')[2] or source}"
        return Lent(payers, source, differ and not _says(payers, "tenant"))

    def _follow(self, linking: Iterable[Reading], payers: Payers, hops: int, *, keyed: bool) -> tuple[Payers, str | None, bool]:
        """What linking spans lend, the nearest first: a field that the links of one span do not agree on stays unknown."""
        source, blocked = None, {"tenant"} if keyed else set[str]()
        for reading in linking:
            said = [found for target in reading.links if (found := self._at(reading, target, hops - 1)) is not None]
            for field in self._fields:
                if field in blocked or _says(payers, field):
                    continue
                lenders = [one for one in said if _says(one[0], field)]
                if len({_value(one[0], field) for one in lenders}) > 1:
                    blocked.add(field)
                elif lenders and field == "tenant":
                    payers = payers._replace(tenant=lenders[0][0].tenant, allocation=lenders[0][0].allocation)
                    source = min(key or "span" for _, key in lenders)
                elif lenders:
                    payers = payers._replace(**{field: getattr(lenders[0][0], field)})
        return payers, source, "tenant" in blocked and not keyed

    def _at(self, linking: Reading, target: tuple[bytes, bytes], hops: int) -> tuple[Payers, str | None] | None:
        """What a linked span, those above it and its own links say, and where its tenant is from; None for one not here or too far."""
        key, span_id = (linking.authority, target[0]), target[1]
        trace = self._traces.get(key)
        reading = None if trace is None else trace.spans.get(span_id)
        if reading is None or trace is None or not is_near(linking, reading):
            self.asked.setdefault(key, {}).setdefault(span_id, None)
            return None
        at = (key, span_id, hops)
        if at not in self._said:
            own, source = said_by(trace.spans, reading)
            self.asked.setdefault(key, {})[span_id] = own
            if hops > 0:
                own, further, _ = self._follow(_linking(trace.spans, span_id), own, hops, keyed=False)
                source = source or further
            self._said[at] = own, source
        return self._said[at]


def said_by(spans: Mapping[bytes, Reading], reading: Reading) -> tuple[Payers, str | None]:
    """What a span and those above it say, the key's tenant first, and where the tenant is from."""
    way_up = list(_upwards(spans, reading))
    payers = NOBODY
    for each in reversed(way_up):
        payers = lend_payers(own_payers(each), payers)
    if reading.key_tenant is not None:
        return payers._replace(tenant=reading.key_tenant, allocation=()), "key"
    return payers, source_along(way_up, payers.tenant) or ("allocation" if payers.allocation else None)


def is_near(linking: Reading, linked: Reading) -> bool:
    """Whether a link leads from one span to another within the days that are looked at."""
    return linking.start_ns - BEFORE_DAYS * DAY_NS <= linked.start_ns <= linking.start_ns + AFTER_DAYS * DAY_NS


def linked_traces(trace: OpenTrace) -> dict[TraceKey, set[int]]:
    """The traces that a trace's spans link to, and the days on which a linked span may start (each day stands for its neighbours, too)."""
    found: dict[TraceKey, set[int]] = {}
    for reading in trace.spans.values():
        if reading[16]:
            day = reading.start_ns // DAY_NS
            for trace_id, _ in reading.links:
                found.setdefault((reading.authority, trace_id), set()).update(range(day - BEFORE_DAYS + 1, day + AFTER_DAYS))
    return found


def lacks(payers: Payers, fields: Sequence[str], *, keyed: bool) -> bool:
    """Whether a call lacks one of these payers; with a key's tenant, it lacks no tenant."""
    return any(not _says(payers, field) and not (keyed and field == "tenant") for field in fields)


def changed(before: Mapping[bytes, Payers | None], spans: Mapping[bytes, Reading]) -> bool:
    """Whether spans that were asked for payers say something else now."""
    return any((said_by(spans, spans[span_id])[0] if span_id in spans else None) != said for span_id, said in before.items())


def has_links(readings: Iterable[Reading]) -> bool:
    """Whether one of the spans links to another trace."""
    return any(reading[16] for reading in readings)


def _linking(spans: Mapping[bytes, Reading], span_id: bytes) -> list[Reading]:
    """The linking spans from a span upwards, the nearest first."""
    found: list[Reading] = []
    start = spans.get(span_id)
    if start is not None:
        for reading in _upwards(spans, start):
            if reading.links:
                found.append(reading)
                if len(found) == LINKING_MAX:
                    break
    return found


def _upwards(spans: Mapping[bytes, Reading], reading: Reading) -> Iterator[Reading]:
    """A span and those above it. Parent cycles end quietly."""
    at: Reading | None = reading
    steps = 0
    while at is not None and steps <= len(spans):
        yield at
        at, steps = spans.get(at.parent_span_id), steps + 1


def _says(payers: Payers, field: str) -> bool:
    return bool(payers.tenant is not None or payers.allocation) if field == "tenant" else bool(getattr(payers, field))


def _value(payers: Payers, field: str) -> object:
    return (payers.tenant, payers.allocation) if field == "tenant" else getattr(payers, field)
