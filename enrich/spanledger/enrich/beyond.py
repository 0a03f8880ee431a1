"""Payers from beyond a trace, where configured: from spans that its spans link to, and from other traces of the same session.

What a trace takes from elsewhere must not depend on which came first. So whoever looks elsewhere is noted (notes.py), in memory and in
the ledger, and whenever a place has something new to say, those who look there are settled again with it. Only within one authority.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from spanledger.enrich.charge import Charge
from spanledger.enrich.linked_payers import HOPS_MAX, TRACES_MAX, LinkedPayers, changed, has_links, lacks, linked_traces
from spanledger.enrich.notes import NO_NOTES, Noted, Notes, Seeker, linked_trace_key, session_key
from spanledger.enrich.open_traces import OpenTrace, TraceKey
from spanledger.enrich.payers import PayerRules
from spanledger.enrich.records import DAY_NS, Payers, Reading
from spanledger.enrich.session_claims import Said, SessionClaims, claims_of
from spanledger.enrich.trace_memory import TraceMemory

LINKED_DIFFER: Final = "linked_payers_differ"
"""The flag of a call whose links lead to several tenants: none of them is taken."""
SESSION_DIFFERS: Final = "session_payers_differ"
"""The flag of a call whose session's spans name several tenants: none of them is taken."""
_REMEMBERED_MAX: Final = 200_000
"""Traces of which it is remembered who asked them, and what was said; beyond, all are asked anew."""


class Beyond:
    """Looks for payers beyond traces in memory; `take_in` what is new before anything is settled."""

    def __init__(self, rules: PayerRules, memory: TraceMemory, noted: Noted) -> None:
        self._fields, self._by_session = rules.from_links, rules.from_session
        self._memory, self._noted = memory, noted
        self._sessions = SessionClaims(noted.claims)
        self._claimed: dict[TraceKey, Said] = {}
        self._seekers: dict[int, set[Seeker]] = {}
        self._stored_soon: dict[int, set[Seeker]] = {}
        self._asked: dict[TraceKey, dict[bytes, Payers | None]] = {}
        self._missing: set[tuple[TraceKey, int]] = set()
        if self._by_session:
            memory.on_recall = self._recalled

    # -- what is new -------------------------------------------------------------------------------------------------

    def take_in(self, fresh: Sequence[Reading]) -> None:
        """Note what new spans look for and say, and wake the traces that this concerns: they become pending."""
        if not fresh:
            return
        news: defaultdict[TraceKey, list[Reading]] = defaultdict(list)
        for reading in fresh:
            news[reading[0], reading[1]].append(reading)
        position = min(reading.position for reading in fresh)
        if self._fields:
            self._take_links(news, position)
        if self._by_session:
            self._take_claims(news, position)

    def _take_links(self, news: Mapping[TraceKey, Sequence[Reading]], position: int) -> None:
        if self._missing:
            self._missing = {at for at in self._missing if at[0] not in news}
        for key, readings in news.items():
            for reading in readings:
                for trace_id, _ in reading.links:
                    self._note(linked_trace_key((key[0], trace_id)), (key, reading.start_ns // DAY_NS))
            if has_links(readings):
                self._gather((self._memory.traces[key],))
        reached = {key for key, readings in news.items() if self._says_more(key, readings)}
        woken = set(reached)
        for _ in range(HOPS_MAX):
            reached = self._wake({linked_trace_key(key) for key in reached}, position) - woken
            if not reached:
                break
            woken |= reached

    def _says_more(self, key: TraceKey, readings: Sequence[Reading]) -> bool:
        """Whether those who link to a trace are to be settled again: when it is new here, later when what they were told has changed."""
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= _REMEMBERED_MAX:
                self._asked.clear()
            self._asked[key] = {}
            return True
        return bool(asked) and (has_links(readings) or changed(asked, self._memory.traces[key].spans))

    def _take_claims(self, news: Mapping[TraceKey, Sequence[Reading]], position: int) -> None:
        """Of a trace of nobody's session nothing is claimed, and nothing was."""
        changes: dict[TraceKey, tuple[Said, Said]] = {}
        for key in news:
            before, now = self._claimed.get(key, frozenset()), claims_of(self._memory.traces[key].spans)
            if before != now:
                changes[key] = before, now
                self._claimed[key] = now
        if changes:
            self._wake({session_key(session) for session in self._sessions.update(changes)}, position)

    def _recalled(self, trace: OpenTrace) -> None:
        """What a trace that came back from the ledger had claimed."""
        if trace.key not in self._claimed:
            self._claimed[trace.key] = claims_of(trace.spans)

    def _wake(self, keys: AbstractSet[int], position: int) -> set[TraceKey]:
        """Have the seekers under these keys settled again, for spans at this journal position; gives all of them."""
        if not keys:
            return set()
        found = {seeker for noted in (self._seekers, self._stored_soon) for key in keys for seeker in noted.get(key, ())}
        found.update(self._noted.seekers(keys))
        memory = self._memory
        gone: defaultdict[TraceKey, set[int]] = defaultdict(set)
        for key, day in found:
            if key not in memory.traces:
                gone[key].add(day)
        if gone:
            memory.recall(gone)
        woken = {key for key, _ in found if key in memory.traces}
        for key in woken:
            memory.wake(key, position)
        return woken

    def _note(self, key: int, seeker: Seeker) -> None:
        if seeker not in self._stored_soon.get(key, ()):
            self._seekers.setdefault(key, set()).add(seeker)

    # -- what is taken from beyond -----------------------------------------------------------------------------------

    def awaits(self, trace: OpenTrace) -> bool:
        """Whether a trace links to one that is not here (yet)."""
        return bool(self._fields) and any(key not in self._memory.traces for key in linked_traces(trace))

    def lend(self, charges: Sequence[Charge], cluster: Sequence[OpenTrace]) -> list[Charge]:
        """The charges of some traces, each with the payers that it lacks and that are known beyond its trace."""
        linked = None
        if self._fields and any(has_links(trace.spans.values()) for trace in cluster):
            linked = LinkedPayers(self._fields, self._gather(cluster))
        found = []
        for charge in charges:
            if linked is not None:
                charge = self._from_links(linked, charge)  # noqa: PLW2901 - the same charge, of whom more is known
            found.append(self._from_session(charge) if self._by_session else charge)
        if linked is not None:
            for key, said in linked.asked.items():
                if key in self._asked:  # of others, all who link to them will be asked
                    self._asked[key].update(said)
        return found

    def _gather(self, cluster: Sequence[OpenTrace]) -> dict[TraceKey, OpenTrace]:
        """These traces, those that they link to and so on, as far as the bounds allow; from the ledger where they are not in memory."""
        memory, seen = self._memory, {trace.key for trace in cluster}
        level, room = list(cluster), TRACES_MAX
        for _ in range(HOPS_MAX):
            days: defaultdict[TraceKey, set[int]] = defaultdict(set)
            for trace in level:
                for key, on in linked_traces(trace).items():
                    days[key] |= on
            wanted = sorted(days.keys() - seen)[:room]
            seen.update(wanted)
            room -= len(wanted)
            self._recall({key: days[key] for key in wanted if key not in memory.traces})
            level = [memory.traces[key] for key in wanted if key in memory.traces]
            if not level:
                break
        return {key: memory.traces[key] for key in seen if key in memory.traces}

    def _recall(self, gone: Mapping[TraceKey, AbstractSet[int]]) -> None:
        """Ask the ledger for linked traces, once on each day: many never come."""
        asked = {key: new for key, days in gone.items() if (new := {day for day in days if (key, day) not in self._missing})}
        if not asked:
            return
        self._memory.recall(asked)
        if len(self._missing) >= _REMEMBERED_MAX:
            self._missing.clear()
        self._missing.update((key, day) for key, days in asked.items() if key not in self._memory.traces for day in days)

    def _from_links(self, linked: LinkedPayers, charge: Charge) -> Charge:
        reading, payers = charge.reading, charge.payers
        keyed = reading.key_tenant is not None
        if not lacks(payers, self._fields, keyed=keyed):
            return charge
        spans = ((reading.trace_id, reading.span_id), *charge.suppressed)
        payers, source, differ = linked.lend(reading.authority, spans, payers, keyed=keyed)
        charge = charge._replace(payers=payers, tenant_source=source or charge.tenant_source)
        return _flagged(charge, LINKED_DIFFER) if differ else charge

    def _from_session(self, charge: Charge) -> Charge:
        reading, payers = charge.reading, charge.payers
        if payers.tenant is not None or payers.allocation or reading.key_tenant is not None or not payers.session:
            return charge
        session = (reading.authority, payers.session)
        self._note(session_key(session), ((reading.authority, reading.trace_id), reading.start_ns // DAY_NS))
        tenant, user, differ = self._sessions.agreed(session)
        if differ:
            return _flagged(charge, SESSION_DIFFERS)
        if tenant is None:
            return charge
        return charge._replace(payers=payers._replace(tenant=tenant, user=payers.user or user), tenant_source="session")

    # -- what is stored ----------------------------------------------------------------------------------------------

    def take_notes(self) -> Notes:
        """What was noted since the last call, to be stored with the batch."""
        claims = self._sessions.take_changed() if self._by_session else {}
        if not self._seekers and not claims:
            return NO_NOTES
        seekers, self._seekers = self._seekers, {}
        for key, found in seekers.items():
            self._stored_soon.setdefault(key, set()).update(found)
        return Notes(seekers, claims)

    def committed(self) -> None:
        """All notes taken are stored."""
        self._stored_soon.clear()
        self._sessions.committed()
        if len(self._claimed) >= _REMEMBERED_MAX:
            self._claimed = {key: said for key, said in self._claimed.items() if key in self._memory.traces}


def _flagged(charge: Charge, flag: str) -> Charge:
    return charge._replace(call=charge.call._replace(flags=tuple(sorted({*charge.call.flags, flag}))))
