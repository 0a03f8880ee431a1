"""What is noted beside the ledger's spans so that payers from beyond a trace are found again: who asks, and what sessions claim.

A *seeker* is a trace whose calls look for payers elsewhere, noted under a key of where it looks: a linked trace, a session. When that
place has something new to say, its seekers are settled again. A false hit of a key costs a look, never money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import xxhash

from spanledger.enrich.open_traces import TraceKey

SEEKERS_MAX: Final = 10_000
"""Traces of one place that are settled again when it says something new; those beyond keep what was known when they were settled."""

Seeker = tuple[TraceKey, int]
"""A trace that looks for payers, and a day (UTC, since 1970) to find it on."""
Session = tuple[str, str]
"""(authority, session id)"""
Claim = tuple[str, str, bytes]
"""(payer field, value, id of the trace that says so)"""


class Notes(NamedTuple):
    """New seekers by key, and the claims of the sessions where these have changed (all of a session's claims, in place of earlier ones)."""

    seekers: Mapping[int, AbstractSet[Seeker]] = MappingProxyType({})
    claims: Mapping[Session, AbstractSet[Claim]] = MappingProxyType({})

    def and_then(self, later: Notes) -> Notes:
        """Both, to be stored at once."""
        if not (later.seekers or later.claims):
            return self
        seekers = {key: set(found) for key, found in self.seekers.items()}
        for key, found in later.seekers.items():
            seekers.setdefault(key, set()).update(found)
        return Notes(seekers, {**self.claims, **later.claims})


NO_NOTES: Final = Notes()


class Noted(Protocol):
    """What the ledger keeps of notes."""

    def seekers(self, keys: Iterable[int]) -> Iterable[Seeker]:
        """The traces noted under these keys, SEEKERS_MAX of each at most."""

    def claims(self, sessions: Iterable[Session]) -> Mapping[Session, AbstractSet[Claim]]:
        """What was claimed of these sessions."""


def linked_trace_key(trace: TraceKey) -> int:
    """The key under which seekers of a linked trace are noted: 63 bits, as SQLite's integers are signed."""
    return xxhash.xxh3_64_intdigest(f"l\0{trace[0]}\0".encode() + trace[1]) >> 1


def session_key(session: Session) -> int:
    """The key under which seekers of a session are noted."""
    return xxhash.xxh3_64_intdigest(f"s\0{session[0]}\0{session[1]}".encode("utf-8", "surrogatepass")) >> 1
