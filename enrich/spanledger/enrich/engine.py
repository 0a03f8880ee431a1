"""The settling engine: keeps open traces, settles them when they are ready, and turns differences into ledger entries.

What is booked at last depends on the spans alone: a trace is always settled from all its spans, those in memory and
those in the ledger, and the result is compared with what is booked. Time decides only how soon that happens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from spanledger.enrich.book import Prices, Versions, drafts, identified, keep_price, reason_of_change, reversal, same_content
from spanledger.enrich.charge import Charge
from spanledger.enrich.events import CostEvent
from spanledger.enrich.failures import SHIPPED_POLICY, FailurePolicy
from spanledger.enrich.findings import NO_FLAGS, FlagRules, flagged
from spanledger.enrich.link_index import LinkIndex
from spanledger.enrich.links import response_key
from spanledger.enrich.open_traces import DAY_NS, OpenTrace, TraceKey, days_of
from spanledger.enrich.records import Reading
from spanledger.enrich.settle import settle

_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_LONGEST_CALL_NS: Final = 60 * _MINUTE_NS
"""A span of one response may start this long after another of it that is still running; twins start within a minute."""
_KNOWN_PAYERS, _CALLS, _EVERYTHING = 0, 1, 2
"""How far a trace may be settled: only measured calls whose payer is known; every call; aggregates standing for calls too."""


class StoredTrace(NamedTuple):
    """A trace as the ledger has it: its spans, and every entry booked for it in booking order."""

    readings: tuple[Reading, ...]
    booked: tuple[CostEvent, ...]


class History(Protocol):
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


class Policy(NamedTuple):
    """How long to wait for what may still come. Seconds of silence of a trace, except `hold_seconds`.

    `quiet_seconds`: calls with a known payer are booked after this much silence, and `hold_seconds` after they came even
    without any, so that long traces show. `payer_wait_seconds`: how long a call without a payer waits for its root.
    `aggregate_wait_seconds`: how long an aggregate waits for the calls it may restate. `spans_max` bounds memory.
    """

    quiet_seconds: float = 1.5
    hold_seconds: float = 3.0
    payer_wait_seconds: float = 30.0
    aggregate_wait_seconds: float = 10.0
    spans_max: int = 400_000


class Batch(NamedTuple):
    """What a tick decided: entries to book, new spans to store, and the oldest journal position still waiting (None: none).

    `wide`: traces over more than two days, with the days their spans start on, to be stored with the batch.
    """

    events: list[CostEvent]
    readings: list[Reading]
    open_position: int | None
    wide: Mapping[TraceKey, AbstractSet[int]] = MappingProxyType({})


class Engine:
    """Settles spans into ledger entries. Call `add` for what came, `tick` now and then, store the batches, then `committed`.

    `horizon_ns` is the start of the latest span the ledger holds: spans later than that cannot have stored twins. The
    default asks the ledger always. `failures` says what failed calls cost,
    `flags` what is remarked on calls.
    """

    def __init__(
        self,
        prices: Prices,
        policy: Policy,
        history: History,
        versions: Versions,
        *,
        horizon_ns: int | None = None,
        failures: FailurePolicy = SHIPPED_POLICY,
        flags: FlagRules = NO_FLAGS,
    ) -> None:
        self._failures = failures
        self._flags = flags if flags.any else None
        self._prices, self._policy, self._history, self._versions = prices, policy, history, versions
        self._traces: dict[TraceKey, OpenTrace] = {}
        self._pending: dict[TraceKey, OpenTrace] = {}
        self._incoming: dict[TraceKey, list[Reading]] = {}
        self._links = LinkIndex(lambda: (reading for trace in self._traces.values() for reading in trace.spans.values()), history.tellers)
        self._spans_held = 0
        self._wide: dict[TraceKey, set[int]] = {}
        self._horizon_ns = (1 << 63) if horizon_ns is None else horizon_ns

    @property
    def open_traces(self) -> int:
        """Traces that wait to be settled."""
        return len(self._pending) + len(self._incoming)

    @property
    def spans_held(self) -> int:
        """Spans in memory."""
        return self._spans_held

    def replace_prices(self, prices: Prices) -> None:
        """Price from now on by another catalog; what is booked keeps its price."""
        self._prices = prices

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in spans, in any order, any number of times."""
        incoming = self._incoming
        for reading in readings:
            key = (reading[0], reading[1])
            known = incoming.get(key)
            if known is None:
                incoming[key] = [reading]
            else:
                known.append(reading)

    def reopen(self, keys: Mapping[TraceKey, AbstractSet[int]], open_position: int = 0) -> None:
        """Take up stored traces that were waiting when the process last stopped; `keys` says which days they are on.

        What lies before the ledger's `open_position` was settled: it must not make the position go back.
        """
        for key in self._recall(keys):
            trace = self._traces[key]
            spans = sorted(trace.spans.values(), key=lambda r: (r.position, r.received_ns))
            waiting = [reading for reading in spans if reading.position >= open_position]
            if not waiting and key not in keys:
                continue  # a partner: its own spans are settled
            trace.touch(waiting or [spans[-1]._replace(position=open_position)])
            self._pending[key] = trace

    def tick(self, now_ns: int, *, final: bool = False) -> Batch:
        """Settle what is ready at `now_ns`; with `final`, everything.

        Batches must be stored in the order of their ticks, and `committed` called only when all of them are.
        """
        fresh = self._merge_incoming()
        events: list[CostEvent] = []
        done: set[TraceKey] = set()
        for key, trace in list(self._pending.items()):
            if key in done:
                continue
            cluster = self._cluster(trace) if trace.partners else [trace]
            if len(cluster) > 1:
                done.update(member.key for member in cluster)
            level = self._ready(cluster, now_ns, final=final)
            if level is None or (level <= max(t.level for t in cluster) and not any(t.dirty for t in cluster)):
                continue
            deferred = self._settle(cluster, level, now_ns, events)
            for member in cluster:
                if deferred:
                    member.dirty, member.level, member.first_ns = False, level, 1 << 62
                    self._pending[member.key] = member
                else:
                    member.settled()
                    self._pending.pop(member.key, None)
        waiting = [trace.position for trace in self._pending.values()]
        wide, self._wide = self._wide, {}
        return Batch(events, fresh, min(waiting) if waiting else None, wide)

    def committed(self) -> None:
        """The last batch is in the ledger: traces that wait for nothing may leave memory, the oldest first."""
        excess = self._spans_held - self._policy.spans_max
        if excess <= 0:
            return
        for key in list(self._traces):
            if excess <= 0:
                break
            if key in self._pending:
                continue
            trace = self._traces.pop(key)
            excess -= len(trace.spans)
            self._forget(trace)

    # -- taking in ---------------------------------------------------------------------------------------------------

    def _merge_incoming(self) -> list[Reading]:
        incoming, self._incoming = self._incoming, {}
        traces = self._traces
        unknown: dict[TraceKey, set[int]] = {}
        for key, readings in incoming.items():
            days, known = days_of(readings), traces.get(key)
            if known is None or not days <= known.days:
                unknown[key] = days
        grown = set(self._recall(unknown)) if unknown else set()
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
            self._spans_held += len(trace.spans) - before
            trace.touch(news or readings)
            self._pending[key] = trace
        self._link(fresh)
        return fresh

    def _recall(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> list[TraceKey]:
        """Bring stored traces back into memory, with those that may tell of the same calls."""
        recalled: list[TraceKey] = []
        while wanted:
            found = self._history.traces(wanted)
            readings: list[Reading] = []
            for key, stored in found.items():
                known = self._traces.get(key)
                days = days_of(stored.readings)
                if known is not None and days <= known.days:
                    continue
                trace = self._traces[key] = known or OpenTrace(key)
                self._cover(trace, days, stored.readings)
                before = len(trace.spans)
                news = trace.take(stored.readings)
                # What memory knows of a span's entries is ahead of the ledger: of those, nothing is taken up.
                trace.remember_booked([event for event in stored.booked if (event.span_id, event.split_index) not in trace.counts])
                self._spans_held += len(trace.spans) - before
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
            self._recall(wanted)

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
            if key not in self._traces:
                wanted[key] |= days
        return wanted

    def _pair(self, one: TraceKey, one_day: int, other: TraceKey, other_day: int) -> None:
        for mine, theirs, day in ((one, other, other_day), (other, one, one_day)):
            trace = self._traces.get(mine)
            if trace is not None:
                trace.partners[theirs] = day

    def _forget(self, trace: OpenTrace) -> None:
        self._spans_held -= len(trace.spans)
        self._links.remove(trace.key, trace.spans.values())
        self._horizon_ns = max(self._horizon_ns, max((r.start_ns for r in trace.spans.values() if r.kind == "inference"), default=0))

    # -- settling ----------------------------------------------------------------------------------------------------

    def _cluster(self, trace: OpenTrace) -> list[OpenTrace]:
        """The traces that may tell of common calls, directly or through others; evicted ones come back from the ledger."""
        found = {trace.key: trace}
        todo = [trace]
        while todo:
            at = todo.pop()
            gone = {key: {day} for key, day in at.partners.items() if key not in self._traces}
            if gone:
                self._recall(gone)
            for key in at.partners:
                partner = self._traces.get(key)
                if partner is not None and key not in found:
                    found[key] = partner
                    todo.append(partner)
        return sorted(found.values(), key=lambda t: t.key)

    def _ready(self, cluster: Sequence[OpenTrace], now_ns: int, *, final: bool) -> int | None:
        """How far the cluster may be settled now, or None for not yet."""
        if final:
            return _EVERYTHING
        policy = self._policy
        silence = now_ns - max(t.last_ns for t in cluster)
        complete = all(t.complete for t in cluster)
        if silence >= policy.payer_wait_seconds * _SECOND_NS or (complete and silence >= policy.aggregate_wait_seconds * _SECOND_NS):
            return _EVERYTHING
        if complete:
            return _CALLS
        held = now_ns - min(t.first_ns for t in cluster)
        if silence >= policy.quiet_seconds * _SECOND_NS or held >= policy.hold_seconds * _SECOND_NS:
            return _KNOWN_PAYERS
        return None

    def _settle(self, cluster: Sequence[OpenTrace], level: int, now_ns: int, events: list[CostEvent]) -> bool:
        """Settle a cluster and append what must be booked; True if some of it has to wait for a higher level."""
        if len(cluster) == 1 and not cluster[0].counts:
            return self._settle_first(cluster[0], level, now_ns, events)
        by_trace = {trace.key[1]: trace for trace in cluster}
        deferred = False
        wanted: dict[tuple[bytes, bytes, int], CostEvent] = {}
        traces = [trace.spans for trace in cluster]
        charges = settle(traces)
        if self._flags is not None:
            charges = flagged(self._flags, charges, traces)
        for charge in charges:
            rows = drafts(charge, self._prices, self._versions, now_ns, self._failures)
            waits = level != _EVERYTHING and _waits(charge, rows, level)
            for row in rows:
                at = (row.trace_id, row.span_id, row.split_index)
                if waits and not by_trace[at[0]].booked.get(at[1:]):
                    deferred = True
                else:
                    wanted[at] = row
        for trace in cluster:
            for (span_id, split), live in list(trace.booked.items()):
                if live and (trace.key[1], span_id, split) not in wanted:
                    self._undo(trace, (span_id, split), live, None, now_ns, events)
        for (trace_id, span_id, split), row in wanted.items():
            self._book(by_trace[trace_id], (span_id, split), row, now_ns, events)
        return deferred

    def _settle_first(self, trace: OpenTrace, level: int, now_ns: int, events: list[CostEvent]) -> bool:
        """The same for a trace alone of which nothing is booked yet: there is nothing to compare with."""
        deferred = False
        charges = settle((trace.spans,))
        if self._flags is not None:
            charges = flagged(self._flags, charges, (trace.spans,))
        for charge in charges:
            rows = drafts(charge, self._prices, self._versions, now_ns, self._failures)
            if level != _EVERYTHING and _waits(charge, rows, level):
                deferred = True
                continue
            events += rows
            for row in rows:
                at = (row.span_id, row.split_index)
                trace.counts[at] = 1
                trace.booked[at] = [row]
        return deferred

    def _book(self, trace: OpenTrace, at: tuple[bytes, int], row: CostEvent, now_ns: int, events: list[CostEvent]) -> None:
        live = trace.booked.get(at)
        if live is None and at not in trace.counts:
            trace.counts[at] = 1
            trace.booked[at] = [row]
            events.append(row)
            return
        if live:
            current = next(event for event in live if event.kind == "charge")
            row = keep_price(row, current)
            if same_content(row, current):
                return
            reason = self._undo(trace, at, live, row, now_ns, events)
            row = row._replace(ref_event_id=current.event_id, reason=reason)
        sequence = trace.counts.get(at, 0)
        event = identified(row, sequence, now_ns)
        trace.counts[at] = sequence + 1
        trace.booked[at] = [event]
        events.append(event)

    def _undo(
        self,
        trace: OpenTrace,
        at: tuple[bytes, int],
        live: Sequence[CostEvent],
        new: CostEvent | None,
        now_ns: int,
        events: list[CostEvent],
    ) -> str:
        """Reverse every live entry of a span, newest first, and say why."""
        reason = reason_of_change(live[0], new)
        events.extend(reversal(event, reason, now_ns) for event in reversed(live))
        trace.booked[at] = []
        return reason


def _waits(charge: Charge, rows: Sequence[CostEvent], level: int) -> bool:
    if charge.stands_for_others:
        return True
    return level == _KNOWN_PAYERS and (charge.usage_state == "missing" or any(row.tenant_id is None for row in rows))
