"""Settles traces anew from what was read again and from what the ledger has: the second half of a replay.

The engine is the one that settles what comes in; only where it looks for spans and entries is another place. A trace counts as read again
when every span that the ledger knows of it lay within reach; of others the ledger's own spans count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanledger.cli.rereading import Reach
from spanledger.enrich.events import CostEvent
from spanledger.enrich.notes import Claim, Seeker, Session
from spanledger.enrich.open_traces import OpenTrace, TraceKey, days_of
from spanledger.enrich.records import DAY_NS, Reading
from spanledger.enrich.trace_memory import StoredTrace
from spanledger.store.files import DataFile
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range
from spanledger.store.scratch import Scratch

SLICE_TRACES: Final = 10_000
Keys = dict[TraceKey, set[int]]
"""Traces, with the days (UTC, since 1970) to look for them on."""
_NOTHING: Final = StoredTrace((), ())


class Sorted(NamedTuple):
    """The traces of a slice that can be settled anew, and how many are left alone: not whole in the archive, or not settled yet."""

    keys: Keys
    incomplete: int
    still_open: int


class Overlay:
    """What was read again, laid over the ledger: the engine's history during a replay.

    `booked`: whether it gives the entries of the ledger (and of this replay so far), or none, as if nothing had been booked yet.
    """

    def __init__(self, ledger: Ledger, scratch: Scratch, reach: Reach, *, booked: bool = True) -> None:
        self._ledger, self._scratch, self._reach = ledger, scratch, reach
        self._booked = booked
        self._ready: dict[TraceKey, StoredTrace] = {}
        self.read_again: dict[TraceKey, tuple[tuple[Reading, ...], tuple[Reading, ...]]] = {}
        """Of the traces asked for since the last `sort`, that were read again: (spans as the ledger has them, as they read now)."""
        self.stored: dict[TraceKey, StoredTrace] = {}
        """What the ledger has of the traces of the last `sort`."""
        self._elsewhere: dict[TraceKey, list[CostEvent]] = {}
        """Entries of this replay for traces of which nothing was read again."""
        known, new = ledger.tellers, scratch.tellers
        self.tellers: AbstractSet[tuple[str, str | None, tuple[str, str]]] | None = None if known is None else known | new

    def sort(self, keys: Keys) -> Sorted:
        """Look these traces up, for the engine to take up, and say which of them can be settled anew."""
        self.read_again, self.stored = {}, {}
        self._ready = self._look_up(keys)
        chosen, incomplete, still_open = dict(keys), 0, 0
        for key in keys:
            stored = self.stored.get(key, _NOTHING).readings
            if any(reading.position >= self._ledger.open_position for reading in stored):
                still_open += 1
            elif key not in self.read_again:
                incomplete += 1
            else:
                continue
            del chosen[key]
        return Sorted(chosen, incomplete, still_open)

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, StoredTrace]:
        """As the engine asks."""
        found = {key: self._ready.pop(key) for key in wanted if key in self._ready}
        rest = {key: days for key, days in wanted.items() if key not in found}
        return found | self._look_up(rest) if rest else found

    def book(self, events: Sequence[CostEvent]) -> None:
        """Remember entries of this replay: whoever asks for their traces from now on is given them too."""
        self._scratch.add(events)
        for event in events:
            key = event.authority, event.trace_id
            if key in self._elsewhere:
                self._elsewhere[key].append(event)

    def _look_up(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, StoredTrace]:
        stored = self._ledger.traces(wanted)
        self.stored.update(stored)
        again = self._scratch.traces({key: {*days, *days_of(stored.get(key, _NOTHING).readings)} for key, days in wanted.items()})
        found = {}
        for key in stored.keys() | again.keys():
            old, new = stored.get(key, _NOTHING), again.get(key, _NOTHING)
            if not new.readings:
                new = StoredTrace((), tuple(self._elsewhere.setdefault(key, [])))
            whole = self._is_whole(old.readings, new.readings)
            readings = tuple(sorted(new.readings, key=lambda reading: reading.position)) if whole else old.readings
            if whole:
                self.read_again[key] = old.readings, readings
            if readings:
                found[key] = StoredTrace(readings, (*old.booked, *new.booked) if self._booked else ())
        return found

    def _is_whole(self, old: Sequence[Reading], new: Sequence[Reading]) -> bool:
        """Whether a trace was read again as far as the ledger knows it."""
        begin, end = self._reach.begin, self._reach.end
        spans = {reading.span_id for reading in new}
        return bool(new) and all(begin <= reading.position < end and reading.span_id in spans for reading in old)

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> set[TraceKey]:
        """As the engine asks."""
        return {*self._ledger.linked(keys), *self._scratch.linked(keys)}

    def seekers(self, keys: Iterable[int]) -> Iterable[Seeker]:
        """As the engine asks."""
        return self._ledger.seekers(keys)

    def claims(self, sessions: Iterable[Session]) -> Mapping[Session, AbstractSet[Claim]]:
        """As the engine asks."""
        return self._ledger.claims(sessions)

    def changed_readings(self) -> Iterator[tuple[TraceKey, list[Reading]]]:
        """The traces asked for since the last `sort` whose spans read otherwise than the ledger has them, with the spans that count."""
        for key, (old, new) in self.read_again.items():
            counting = _counting(key, new)
            if counting != _counting(key, old):
                yield key, list(counting.values())


def _counting(key: TraceKey, readings: tuple[Reading, ...]) -> dict[bytes, Reading]:
    """Of several readings of one span the one that counts."""
    trace = OpenTrace(key)
    trace.take(readings)
    return trace.spans


class Seen:
    """Traces that were dealt with, eight bytes each: hashes in a few sorted arrays, each much larger than the next."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.int64]] = []

    def new_ones(self, keys: Iterable[TraceKey]) -> list[TraceKey]:
        """Those that were not seen before; from now on they are. (Python's hash is keyed anew for each process: nobody can aim at one.)"""
        listed = list(keys)
        hashes = np.fromiter(map(hash, listed), np.int64, len(listed))
        known = np.zeros(len(listed), np.bool_)
        for array in self._arrays:
            at = np.minimum(np.searchsorted(array, hashes), len(array) - 1)
            known |= array[at] == hashes
        if not known.all():
            self._keep(np.unique(hashes[~known]))
        return [key for key, was_known in zip(listed, known.tolist(), strict=True) if not was_known]

    def _keep(self, hashes: NDArray[np.int64]) -> None:
        while self._arrays and len(self._arrays[-1]) < 2 * len(hashes):
            hashes = np.union1d(self._arrays.pop(), hashes)
        self._arrays.append(hashes)


def slices(scratch: Scratch, window: Range) -> Iterator[tuple[Keys, int]]:
    """The traces with a span that starts in the window, some at a time, and how many spans have been looked at.

    In about the order in which they came, so that the spans of a slice lie near each other.
    """
    since, until = (-(1 << 62) if window[0] is None else window[0]), ((1 << 63) if window[1] is None else window[1])
    seen, looked = Seen(), 0
    for file in scratch.files("spans"):
        keys = _keys_of(scratch, file, since, until)
        looked += file.rows
        new = seen.new_ones(keys)
        for at in range(0, len(new), SLICE_TRACES):
            yield {key: keys[key] for key in new[at : at + SLICE_TRACES]}, looked


def _keys_of(scratch: Scratch, file: DataFile, since: int, until: int) -> Keys:
    found: Keys = {}
    for authority, trace_id, start_ns in scratch.starts(file):
        if since <= start_ns < until:
            found.setdefault((authority, trace_id), set()).add(start_ns // DAY_NS)
    return found
