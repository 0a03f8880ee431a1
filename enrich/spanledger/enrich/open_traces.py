"""What the engine remembers of a trace: its spans, what is booked of it, and how far it has been settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from spanledger.enrich.events import CostEvent
from spanledger.enrich.merge import detail
from spanledger.enrich.records import DAY_NS, Reading

TraceKey = tuple[str, bytes]
"""(authority, trace id)"""

LONGEST_DAYS: Final = 62
"""Of a span over more days than these, only its newest ones and the day of its start are looked at."""
_NEVER: Final = 1 << 62


class OpenTrace:
    """A trace in memory. Times are nanoseconds of receipt; `position` is the oldest journal position not yet settled."""

    __slots__ = (
        "booked",
        "counts",
        "days",
        "dirty",
        "first_ns",
        "key",
        "last_ns",
        "level",
        "parents",
        "partners",
        "position",
        "rooted",
        "spans",
    )

    def __init__(self, key: TraceKey) -> None:
        self.key = key
        self.spans: dict[bytes, Reading] = {}
        self.booked: dict[tuple[bytes, int], list[CostEvent]] = {}
        """Live entries (not reversed) of each (span, split): a charge, then its adjustments."""
        self.counts: dict[tuple[bytes, int], int] = {}
        """How many charges were ever booked for each (span, split)."""
        self.parents: set[bytes] = set()
        """Every span that some span names as its parent."""
        self.days: set[int] = set()
        """The days of its spans, from start to end: the ledger has been asked for the trace on each and its neighbours."""
        self.partners: dict[TraceKey, int] = {}
        """Traces that may tell of the same calls, with a day to find them on."""
        self.rooted = False
        self.dirty = False
        self.level = -1
        self.first_ns = _NEVER
        self.last_ns = 0
        self.position = _NEVER

    @property
    def complete(self) -> bool:
        """A root has come and every parent spoken of is here: nothing is known to be on its way."""
        return self.rooted and self.parents <= self.spans.keys()

    def take(self, readings: Sequence[Reading]) -> list[Reading]:
        """Remember spans; gives those that say something new, which are not copies or revisions that a better one beats."""
        spans, parents = self.spans, self.parents
        if not spans:  # the usual case, without a comparison: a new trace whose spans all differ
            new = {reading[2]: reading for reading in readings}
            if len(new) == len(readings):
                self.spans = new
                self.parents = {reading[3] for reading in readings}
                self.rooted = b"" in self.parents
                self.parents.discard(b"")
                return list(readings)
        fresh = []
        for reading in readings:
            span_id, parent = reading[2], reading[3]
            known = spans.get(span_id)
            if known is not None and not supersedes(reading, known):
                continue
            spans[span_id] = reading
            fresh.append(reading)
            if parent:
                parents.add(parent)
            else:
                self.rooted = True
        return fresh

    def touch(self, fresh: Sequence[Reading]) -> None:
        """Note that these spans came, in the order of the journal: the trace is to be settled again."""
        self.dirty = True
        first, last = fresh[0], fresh[-1]
        self.last_ns = max(self.last_ns, last.received_ns)
        self.first_ns = min(self.first_ns, first.received_ns)
        self.position = min(self.position, first.position, last.position)

    def wake(self, position: int) -> None:
        """Note that something elsewhere may have changed what is to be booked, by a span at this journal position."""
        self.dirty = True
        self.position = min(self.position, position)

    def settled(self) -> None:
        """Note that all that came so far is settled."""
        self.dirty, self.level, self.first_ns, self.position = False, -1, _NEVER, _NEVER

    def remember_booked(self, entries: Iterable[CostEvent]) -> None:
        """Take up ledger entries of this trace, in booking order."""
        for entry in entries:
            at = (entry.span_id, entry.split_index)
            if entry.kind == "reversal":
                live = self.booked.get(at, [])
                self.booked[at] = [event for event in live if entry.ref_event_id not in (event.event_id, _adjusted(event))]
            else:
                self.booked.setdefault(at, []).append(entry)
                if entry.kind == "charge":
                    self.counts[at] = self.counts.get(at, 0) + 1


def _adjusted(entry: CostEvent) -> bytes | None:
    """The charge that an adjustment goes with."""
    return entry.ref_event_id if entry.kind == "adjustment" else None


def days_of(readings: Sequence[Reading]) -> set[int]:
    """Every day (UTC, since 1970) from the starts of these spans to their ends, within bounds: what they enclose may lie on any."""
    if not readings:
        return set()
    day = readings[0][4] // DAY_NS
    from_ns = day * DAY_NS
    to_ns = from_ns + DAY_NS
    for reading in readings:
        if not from_ns <= reading[4] <= reading[5] < to_ns:
            break
    else:
        return {day}  # nearly all
    days = {reading[4] // DAY_NS for reading in readings}
    ends = {reading[5] // DAY_NS for reading in readings}
    if max(both := days | ends) - min(both) <= 1:
        return both
    for reading in readings:
        start, end = reading[4] // DAY_NS, reading[5] // DAY_NS
        days.update(range(max(start, end - LONGEST_DAYS + 1), end + 1))
        if 0 <= start - end < LONGEST_DAYS:  # another clock for the end, or a start sent wrong
            days.update(range(end, start))
    return days


def supersedes(new: Reading, old: Reading) -> bool:
    """Whether `new` counts instead of `old`, two readings of one span: a total order of their contents, never of arrival.

    A finished span beats an unfinished one, then the later end, then the one that tells more, then the larger by content.
    """
    if new[:13] == old[:13] and new[15:] == old[15:]:
        return False
    return _weight(new) > _weight(old)


def _weight(reading: Reading) -> tuple[object, ...]:
    return (reading.end_ns > 0, reading.end_ns, detail(reading), repr((*reading[:13], reading.key_tenant, *reading.links)))
