"""The settling engine: keeps open traces, settles them when they are ready, and turns differences into ledger entries.

What is booked at last depends on the spans alone: a trace is always settled from all its spans, those in memory and
those in the ledger, and the result is compared with what is booked. Time decides only how soon that happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, NamedTuple

from spanledger.enrich.adjust import closing, net_of
from spanledger.enrich.beyond import Beyond
from spanledger.enrich.book import Prices, Versions, drafts, identified, keep_price, reason_of_change, reversal, same_content
from spanledger.enrich.charge import Charge
from spanledger.enrich.events import CostEvent
from spanledger.enrich.failures import SHIPPED_POLICY, FailurePolicy
from spanledger.enrich.findings import NO_FLAGS, FlagRules, flagged
from spanledger.enrich.notes import NO_NOTES, Notes
from spanledger.enrich.open_traces import OpenTrace, TraceKey
from spanledger.enrich.payers import DEFAULT_RULES, PayerRules
from spanledger.enrich.records import Reading
from spanledger.enrich.settle import settle
from spanledger.enrich.trace_memory import History, StoredTrace, TraceMemory

__all__ = ["Batch", "Engine", "History", "Policy", "StoredTrace"]

_SECOND_NS: Final = 1_000_000_000
_KNOWN_PAYERS, _CALLS, _EVERYTHING = 0, 1, 2
"""How far a trace may be settled: only measured calls whose payer is known; every call; aggregates standing for calls too."""


_EVENTS_MAX: Final = 50_000
"""A tick that has so many entries leaves the rest to the next: a flood of traces may all have waited long enough at one moment."""


class Policy(NamedTuple):
    """How long to wait for what may still come. Seconds of silence of a trace, except `hold_seconds`.

    `quiet_seconds`: calls with a known payer are booked after this much silence, and `hold_seconds` after they came even
    without any, so that long traces show. `payer_wait_seconds`: how long a call without a payer waits for its root.
    `aggregate_wait_seconds`: how long an aggregate waits for the calls it may restate. `spans_max` bounds memory: beyond it the
    traces that nothing came of for longest are settled as they are and left to the ledger, which brings them back when more comes.
    """

    quiet_seconds: float = 1.5
    hold_seconds: float = 3.0
    payer_wait_seconds: float = 30.0
    aggregate_wait_seconds: float = 10.0
    spans_max: int = 200_000


class Batch(NamedTuple):
    """What a tick decided: entries to book, new spans to store, and the oldest journal position still waiting (None: none).

    `wide`: traces over more than two days, with the days their spans start on, to be stored with the batch; so are the `notes`.
    """

    events: list[CostEvent]
    readings: list[Reading]
    open_position: int | None
    wide: Mapping[TraceKey, AbstractSet[int]] = MappingProxyType({})
    notes: Notes = NO_NOTES


class Engine:
    """Settles spans into ledger entries. Call `add` for what came, `tick` now and then, store the batches, then `committed`.

    `horizon_ns` is the start of the latest span the ledger holds: spans later than that cannot have stored twins. The
    default asks the ledger always. `failures` says what failed calls cost, `flags` what is remarked on calls, `payers` whether
    payers are also looked for beyond a trace.
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
        payers: PayerRules = DEFAULT_RULES,
    ) -> None:
        self._failures = failures
        self._flags = flags if flags.any else None
        self._prices, self._policy, self._versions = prices, policy, versions
        self._memory = TraceMemory(history, horizon_ns)
        self._beyond = Beyond(payers, self._memory, history) if payers.from_links or payers.from_session else None

    @property
    def open_traces(self) -> int:
        """Traces that wait to be settled."""
        return self._memory.waiting

    @property
    def spans_held(self) -> int:
        """Spans in memory."""
        return self._memory.spans_held

    def replace_prices(self, prices: Prices) -> None:
        """Price from now on by another catalog; what is booked keeps its price."""
        self._prices = prices

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in spans, in any order, any number of times."""
        self._memory.add(readings)

    def reopen(self, keys: Mapping[TraceKey, AbstractSet[int]], open_position: int = 0) -> None:
        """Take up stored traces that were waiting when the process last stopped; `keys` says which days they are on.

        What lies before the ledger's `open_position` was settled: it must not make the position go back.
        """
        self._memory.reopen(keys, open_position)

    def tick(self, now_ns: int, *, final: bool = False) -> Batch:
        """Settle what is ready at `now_ns`; with `final`, everything.

        Batches must be stored in the order of their ticks, and `committed` called only when all of them are.
        """
        memory = self._memory
        fresh, pending = memory.take_in(), memory.pending
        if self._beyond is not None:
            self._beyond.take_in(fresh)
        events: list[CostEvent] = []
        done: set[TraceKey] = set()
        hurried = memory.too_many(self._policy.spans_max)
        for key, trace in list(pending.items()):
            if key in done:
                continue
            if len(events) >= _EVENTS_MAX and not final:
                break
            cluster = memory.cluster(trace) if trace.partners else [trace]
            if len(cluster) > 1:
                done.update(member.key for member in cluster)
            level = self._ready(cluster, now_ns, final=final or (bool(hurried) and any(member.key in hurried for member in cluster)))
            if level is None or (level <= max(t.level for t in cluster) and not any(t.dirty for t in cluster)):
                continue
            deferred = self._settle(cluster, level, now_ns, events)
            for member in cluster:
                if deferred:
                    member.dirty, member.level, member.first_ns = False, level, 1 << 62
                    pending[member.key] = member
                else:
                    member.settled()
                    pending.pop(member.key, None)
        waiting = [trace.position for trace in pending.values()]
        notes = NO_NOTES if self._beyond is None else self._beyond.take_notes()
        return Batch(events, fresh, min(waiting) if waiting else None, memory.take_wide(), notes)

    def committed(self) -> None:
        """The last batch is in the ledger: traces that wait for nothing may leave memory, the oldest first."""
        self._memory.shrink(self._policy.spans_max)
        if self._beyond is not None:
            self._beyond.committed()

    # -- settling ----------------------------------------------------------------------------------------------------

    def _ready(self, cluster: Sequence[OpenTrace], now_ns: int, *, final: bool) -> int | None:
        """How far the cluster may be settled now, or None for not yet."""
        if final:
            return _EVERYTHING
        policy = self._policy
        silence = now_ns - max(t.last_ns for t in cluster)
        complete = all(t.complete for t in cluster) and not (self._beyond is not None and any(map(self._beyond.awaits, cluster)))
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
        if self._beyond is not None:
            charges = self._beyond.lend(charges, cluster)
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
        if self._beyond is not None:
            charges = self._beyond.lend(charges, (trace,))
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
            current = net_of(live)
            row = keep_price(row, current, self._prices)
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
        """Reverse the live charge of a span, after its adjustments are taken back, and say why."""
        reason = reason_of_change(live[0], new)
        closed = closing(live, reason, now_ns)
        if closed is not None:
            events.append(closed)
        events.append(reversal(live[0], reason, now_ns))
        trace.booked[at] = []
        return reason


def _waits(charge: Charge, rows: Sequence[CostEvent], level: int) -> bool:
    if charge.stands_for_others:
        return True
    return level == _KNOWN_PAYERS and (charge.usage_state == "missing" or any(row.tenant_id is None for row in rows))
