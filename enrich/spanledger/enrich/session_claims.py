"""Who a session's spans say they are for, so that a call of the session that names no tenant can be charged to the only one named.

A claim is made where a span's session and tenant are both known from the span, its resource, those above it or its key; never by what was
itself taken from a link or a session. Claims are kept by session, a few for each value: enough to know whether all agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from spanledger.enrich.inherit import Inheritance
from spanledger.enrich.notes import Claim, Session
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.records import Reading

CLAIMANTS_MAX: Final = 4
"""Traces remembered for each claim: it stands until all of them have taken it back by a revision."""
VALUES_MAX: Final = 4
"""Tenants and users remembered of a session: with two it is settled that they differ."""
SESSIONS_MAX: Final = 100_000
"""Sessions in memory; others are asked of the ledger."""

Said = frozenset[tuple[str, str, str]]
"""(session, field, value): what the spans of a trace claim."""
Ask = Callable[[Iterable[Session]], Mapping[Session, AbstractSet[Claim]]]


class Agreed(NamedTuple):
    """The only tenant and the only user that a session's spans name; `differ`: they name several tenants."""

    tenant: str | None
    user: str | None
    differ: bool


def claims_of(spans: Mapping[bytes, Reading]) -> Said:
    """What the spans of a trace claim of their sessions."""
    nodes = list(spans.values())
    place = dict(zip(spans, range(len(nodes)), strict=True)).get
    inherited = Inheritance(nodes, [place(reading.parent_span_id, -1) for reading in nodes])
    found = set()
    for i, reading in enumerate(nodes):
        payers = inherited.of(i)
        tenant = payers.tenant if reading.key_tenant is None else reading.key_tenant
        if payers.session and tenant is not None:
            found.add((payers.session, "tenant", tenant))
            if payers.user:
                found.add((payers.session, "user", payers.user))
    return frozenset(found)


class SessionClaims:
    """The claims of the sessions at hand. `ask` gives those that are stored."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: dict[Session, frozenset[Claim]] = {}
        self._unstored: set[Session] = set()
        self._changed: set[Session] = set()

    def agreed(self, session: Session) -> Agreed:
        """What all claims of a session agree on."""
        self._load((session,))
        return _agreed(self._known[session])

    def update(self, news: Mapping[TraceKey, tuple[Said, Said]]) -> set[Session]:
        """Take in what traces claimed (before, now); the sessions that agree on something else now."""
        concerned = {(key[0], said[0]) for key, (before, now) in news.items() for said in before ^ now}
        self._load(concerned)
        judged = {session: _agreed(self._known[session]) for session in concerned}
        for key, (before, now) in news.items():
            for session in {said[0] for said in before ^ now}:
                self._set((key[0], session), key[1], {(field, value) for at, field, value in now if at == session})
        return {session for session, was in judged.items() if _agreed(self._known[session]) != was}

    def _set(self, session: Session, trace_id: bytes, claims: AbstractSet[tuple[str, str]]) -> None:
        """Replace the claims of one trace, as far as there is room."""
        known = self._known[session]
        kept = {claim for claim in known if claim[2] != trace_id}
        for field, value in sorted(claims):
            values = [claim[1] for claim in kept if claim[0] == field]
            if values.count(value) < CLAIMANTS_MAX and (value in values or len(set(values)) < VALUES_MAX):
                kept.add((field, value, trace_id))
        if kept != known:
            self._known[session] = frozenset(kept)
            self._changed.add(session)

    def take_changed(self) -> dict[Session, AbstractSet[Claim]]:
        """The claims of the sessions where they have changed since the last call, to be stored."""
        changed, self._changed = self._changed, set()
        self._unstored |= changed
        return {session: self._known[session] for session in changed}

    def committed(self) -> None:
        """All that was taken is stored: sessions may leave memory, those not asked for lately first."""
        self._unstored.clear()
        for session in list(self._known)[: max(0, len(self._known) - SESSIONS_MAX)]:
            if session not in self._changed:
                del self._known[session]

    def _load(self, sessions: Iterable[Session]) -> None:
        missing = []
        for session in sessions:
            known = self._known.pop(session, None)
            if known is None:
                missing.append(session)
            else:
                self._known[session] = known  # moved to the end: asked for most lately
        if missing:
            stored = self._ask(missing)
            self._known.update((session, frozenset(stored.get(session, ()))) for session in missing)


def _agreed(claims: AbstractSet[Claim]) -> Agreed:
    tenants = {value for field, value, _ in claims if field == "tenant"}
    users = {value for field, value, _ in claims if field == "user"}
    return Agreed(min(tenants) if len(tenants) == 1 else None, min(users) if len(users) == 1 else None, len(tenants) > 1)
