"""Traces in memory: spans are taken in, stored spans of the same traces come back from the ledger, the oldest leave.

A trace in memory always has all its spans, those that just came and those in the ledger: what is settled depends on the spans alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, Protocol

from spanledger.enrich.events import CostEvent
from spanledger.enrich.link_index import LinkIndex
from spanledger.enrich.links import response_key
from spanledger.enrich.notes import Noted
from spanledger.enrich.open_traces import OpenTrace, TraceKey, days_of
from spanledger.enrich.records import DAY_NS, Reading

_MINUTE_NS: Final = 60_000_000_000
_LONGEST_CALL_NS: Final = 60 * _MINUTE_NS
"""A span of one response may start this long after another of it that is still running; twins start within a minute."""


class StoredTrace(NamedTuple):
    """A trace as the ledger has it: its spans, and every entry booked for it in booking order."""

    readings: tuple[Reading, ...]
    booked: tuple[CostEvent, ...]


class History(Noted, Protocol):
    """What the ledger knows of traces that are no longer in memory."""

    @property
    def tellers(self) -> AbstractSet[tuple[str, str | None, tuple[str, str]]] | None:
        """Who has ever told of calls: (authority, service, (scope, dialect)); None where they are unknown or too many."""

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> Mapping[TraceKey, StoredTrace]:
        """The stored ones among `wanted`; the ints are days (UTC, since 1970) to look on, with their neighbours.

        Also looked on are the days that were stored with a batch as those of a wide trace.
        """

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> Iterable[TraceKey]:
        """Traces with a stored span that has one of these link keys and starts on one of these days or a neighbour."""


class TraceMemory:
    """Every trace at hand by key, and those of them that wait to be settled (`pending`).

    `horizon_ns` is the start of the latest span the ledger holds: spans later than that cannot have stored twins; None asks always.
    """

    def __init__(self, history: History, horizon_ns: int | None) -> None:
        self._history = history
        self.traces: dict[TraceKey, OpenTrace] = {}
        self.pending: dict[TraceKey, OpenTrace] = {}
        self._incoming: dict[TraceKey, list[Reading]] = {}
        self._links = LinkIndex(lambda: (reading for trace in self.traces.values() for reading in trace.spans.values()), history.tellers)
        self.spans_held = 0
        self._touched = 0
        """How many traces the last `take_in` that brought anything brought it of: they are the last of `traces`."""
        self._wide: dict[TraceKey, set[int]] = {}
        self.on_recall: Callable[[OpenTrace], None] | None = None
        """Told of each trace that came back from the ledger, before anything new is added to it."""
        self._horizon_ns = (1 << 63) if horizon_ns is None else horizon_ns

    @property
    def waiting(self) -> int:
        """Traces that wait to be settled."""
        return len(self.pending) + len(self._incoming)

    def add(self, readings: Iterable[Reading]) -> None:
        """Put spans aside for the next `take_in`."""
        incoming = self._incoming
        for reading in readings:
            key = (reading[0], reading[1])
            known = incoming.get(key)
            if known is None:
                incoming[key] = [reading]
            else:
                known.append(reading)

    def take_wide(self) -> dict[TraceKey, set[int]]:
        """The traces over more than two days, seen since the last call, with the days their spans start on."""
        wide, self._wide = self._wide, {}
        return wide

    def reopen(self, keys: Mapping[TraceKey, AbstractSet[int]], open_position: int) -> None:
        """Take up stored traces that were waiting; what lies before `open_position` was settled."""
        for key in self.recall(keys):
            trace = self.traces[key]
            spans = sorted(trace.spans.values(), key=lambda r: (r.position, r.received_ns))
            waiting = [reading for reading in spans if reading.position >= open_position]
            if not waiting and key not in keys:
                continue  # a partner: its own spans are settled
            trace.touch(waiting or [spans[-1]._replace(position=open_position)])
            self.pending[key] = trace

    def wake(self, key: TraceKey, position: int) -> None:
        """Have a trace in memory settled again, because of what came at this journal position elsewhere."""
        trace = self.traces[key]
        trace.wake(position)
        self.pending[key] = trace

    def shrink(self, spans_max: int) -> None:
        """Let traces that wait for nothing leave, the oldest first, until no more than so many spans are held."""
        excess = self.spans_held - spans_max
        if excess <= 0:
            return
        for key in list(self.traces):
            if excess <= 0:
                break
            if key in self.pending:
                continue
            trace = self.traces.pop(key)
            excess -= len(trace.spans)
            self._forget(trace)

    def too_many(self, spans_max: int) -> frozenset[TraceKey]:
        """The waiting traces that must be settled as they are, so that no more than so many spans are held: the least recently used.

        Those that something came of just now are spared up to two and a half times as many, since what comes next would fetch them
        again, which is slow and takes memory of its own; and the last always: a trace may be larger than memory may hold.
        """
        excess = self.spans_held - spans_max
        if excess <= 0:
            return frozenset()
        found = []
        spared = len(self.traces) - self._touched
        for number, (key, trace) in enumerate(self.traces.items()):
            if number == spared:
                excess -= spans_max * 3 // 2
            if excess <= 0 or number == len(self.traces) - 1:
                break
            if key in self.pending:
                found.append(key)
            excess -= len(trace.spans)
        return frozenset(found)

    def take_in(self) -> list[Reading]:
        """Take in what was added; the spans that say something new. Their traces are pending then."""
        incoming, self._incoming = self._incoming, {}
        self._touched = len(incoming) or self._touched
        traces = self.traces
        unknown: dict[TraceKey, set[int]] = {}
        for key, readings in incoming.items():
            days, known = days_of(readings), traces.get(key)
            if known is None or not days <= known.days:
                unknown[key] = days
        grown = set(self.recall(unknown)) if unknown else set()
        fresh: list[Reading] = []
        for key, readings in incoming.items():
            trace = traces.pop(key, None) or OpenTrace(key)
            traces[key] = trace  # moved to the end: the most recently used
            if key in unknown:
                self._cover(trace, unknown[key], readings)
            before = len(trace.spans)
            news = trace.take(readings)
            if not news and not (key in grown and trace.dirty):
                continue
            fresh += news
            self.spans_held += len(trace.spans) - before
            trace.touch(news or readings)
            self.pending[key] = trace
        self._link(fresh)
        return fresh

    def recall(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> list[TraceKey]:
        """Bring stored traces back into memory, with those that may tell of the same calls."""
        recalled: list[TraceKey] = []
        while wanted:
            found = self._history.traces(wanted)
            readings: list[Reading] = []
            for key, stored in found.items():
                known = self.traces.get(key)
                days = days_of(stored.readings)
                if known is not None and days <= known.days:
                    continue
                trace = self.traces[key] = known or OpenTrace(key)
                self._cover(trace, days, stored.readings)
                before = len(trace.spans)
                news = trace.take(stored.readings)
                # What memory knows of a span's entries is ahead of the ledger: of those, nothing is taken up.
                trace.remember_booked([event for event in stored.booked if (event.span_id, event.split_index) not in trace.counts])
                self.spans_held += len(trace.spans) - before
                if self.on_recall is not None:
                    self.on_recall(trace)
                if known is not None:
                    trace.dirty = trace.dirty or bool(news)
                readings += news if known is not None else trace.spans.values()
                recalled.append(key)
            wanted = self._partners_to_recall(readings)
        return recalled

    def _cover(self, trace: OpenTrace, days: set[int], readings: Iterable[Reading]) -> None:
        """Note the days of spans that are about to be taken; where they lie apart, the ledger must be told."""
        trace.days |= days
        if max(trace.days) - min(trace.days) > 1:
            starts = {reading.start_ns // DAY_NS for readings in (trace.spans.values(), readings) for reading in readings}
            self._wide.setdefault(trace.key, set()).update(starts)

    def _link(self, fresh: Sequence[Reading]) -> None:
        """Find the traces that may tell of the same calls as these spans, in memory and in the ledger."""
        wanted = self._partners_to_recall(fresh)
        if wanted:
            self.recall(wanted)

    def _partners_to_recall(self, readings: Sequence[Reading]) -> dict[TraceKey, set[int]]:
        """Register the link keys of these spans; note partners in memory; say which stored traces must be recalled."""
        asked: dict[int, set[int]] = defaultdict(set)
        calls = [reading for reading in readings if reading[6] == "inference"]
        for reading, (other, other_day) in self._links.add(calls):
            self._pair((reading.authority, reading.trace_id), reading.start_ns // DAY_NS, other, other_day)
        ask_ns = self._horizon_ns + _LONGEST_CALL_NS
        for reading in calls:
            if reading[4] > ask_ns:  # the usual case: later than anything stored
                continue
            if reading.start_ns <= self._horizon_ns + _MINUTE_NS:
                for link in self._links.keys_to_ask(reading):
                    asked[link].add(reading.start_ns // DAY_NS)
            elif (response := response_key(reading)) is not None:
                asked[response].add(reading.start_ns // DAY_NS)
        if not asked:
            return {}
        wanted: dict[TraceKey, set[int]] = defaultdict(set)
        days = set().union(*asked.values())
        for key in self._history.linked(asked):
            if key not in self.traces:
                wanted[key] |= days
        return wanted

    def _pair(self, one: TraceKey, one_day: int, other: TraceKey, other_day: int) -> None:
        for mine, theirs, day in ((one, other, other_day), (other, one, one_day)):
            trace = self.traces.get(mine)
            if trace is not None:
                trace.partners[theirs] = day

    def _forget(self, trace: OpenTrace) -> None:
        self.spans_held -= len(trace.spans)
        self._links.remove(trace.key, trace.spans.values())
        self._horizon_ns = max(self._horizon_ns, max((r.start_ns for r in trace.spans.values() if r.kind == "inference"), default=0))

    def cluster(self, trace: OpenTrace) -> list[OpenTrace]:
        """The traces that may tell of common calls, directly or through others; evicted ones come back from the ledger."""
        found = {trace.key: trace}
        todo = [trace]
        while todo:
            at = todo.pop()
            gone = {key: {day} for key, day in at.partners.items() if key not in self.traces}
            if gone:
                self.recall(gone)
            for key in at.partners:
                partner = self.traces.get(key)
                if partner is not None and key not in found:
                    found[key] = partner
                    todo.append(partner)
        return sorted(found.values(), key=lambda t: t.key)
