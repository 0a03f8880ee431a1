from __future__ import annotations

import pytest

from spanledger.enrich import session_claims
from spanledger.enrich.records import Payers
from spanledger.enrich.session_claims import CLAIMANTS_MAX, VALUES_MAX, Agreed, Said, SessionClaims, claims_of
from tests.enrich.trees import chat, other, pays, spans

S = ("default", "s1")


def said(*pairs: tuple[str, str]) -> Said:
    return frozenset(("s1", field, value) for field, value in pairs)


def claims() -> SessionClaims:
    return SessionClaims(lambda sessions: dict.fromkeys(sessions, frozenset()))


def test_a_claim_is_a_session_and_a_tenant_of_one_span_with_those_above_it() -> None:
    tree = other("http", chat("a", (1, 1), payers=Payers(session="s1")), chat("b", (1, 1), payers=pays("globex")), payers=pays("acme"))
    assert claims_of(spans(tree)) == {("s1", "tenant", "acme")}
    tree = other("http", chat("b", (1, 1), payers=pays("globex", user="ann")), payers=Payers(session="s1"))
    assert claims_of(spans(tree)) == {("s1", "tenant", "globex"), ("s1", "user", "ann")}
    assert claims_of(spans(tree, key_tenant="initech")) == {("s1", "tenant", "initech"), ("s1", "user", "ann")}


def test_what_all_say_is_agreed_and_changes_are_told() -> None:
    sessions, none = claims(), frozenset[tuple[str, str, str]]()
    assert sessions.agreed(S) == Agreed(None, None, False)
    assert sessions.update({("default", b"1"): (none, said(("tenant", "acme")))}) == {S}
    assert sessions.update({("default", b"2"): (none, said(("tenant", "acme"), ("user", "ann")))}) == {S}  # of the user now
    assert sessions.update({("default", b"3"): (none, said(("tenant", "acme")))}) == set()
    assert sessions.agreed(S) == Agreed("acme", "ann", False)
    assert sessions.update({("default", b"4"): (none, said(("tenant", "globex")))}) == {S}
    assert sessions.agreed(S) == Agreed(None, "ann", True)
    assert sessions.update({("default", b"4"): (said(("tenant", "globex")), none)}) == {S}
    assert sessions.agreed(("other", "s1")) == Agreed(None, None, False)


def test_what_is_kept_of_a_session_is_bounded() -> None:
    sessions = claims()
    for n in range(100):
        sessions.update({("default", bytes([n])): (frozenset(), said(("tenant", "acme"), ("user", f"user{n}")))})
    (kept,) = sessions.take_changed().values()
    assert len(kept) == CLAIMANTS_MAX + VALUES_MAX
    assert sessions.agreed(S) == Agreed("acme", None, False)


def test_sessions_leave_memory_once_they_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_claims, "SESSIONS_MAX", 1)
    stored = {S: frozenset({("tenant", "acme", b"0")})}
    asked: list[object] = []
    sessions = SessionClaims(lambda wanted: asked.extend(wanted) or stored)  # type: ignore[func-returns-value]  # notes what is asked
    changed = ("default", "s2")
    sessions.update({("default", b"1"): (frozenset(), frozenset({("s2", "tenant", "x")}))})
    sessions.agreed(S)
    sessions.committed()  # s2 has not been taken yet
    assert sessions.agreed(changed).tenant == "x"
    assert list(sessions.take_changed()) == [changed]
    sessions.committed()
    assert sessions.agreed(S).tenant == "acme"
    assert asked.count(S) == 2
