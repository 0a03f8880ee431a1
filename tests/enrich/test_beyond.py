"""Payers from beyond a trace: by span links and by session, whatever comes first, whatever is stored, and only as far as configured."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.beyond import LINKED_DIFFER, SESSION_DIFFERS
from spanledger.enrich.engine import Batch, Policy
from spanledger.enrich.linked_payers import BEFORE_DAYS, HOPS_MAX
from spanledger.enrich.payers import DEFAULT_RULES, LINK_FIELDS, PayerRules
from spanledger.enrich.records import DAY_NS, Payers, Reading
from tests.enrich.test_engine import NOW_NS, MemoryLedger, engine_on, run
from tests.enrich.trees import SECOND_NS, Node, agent, chat, other, pays, readings, span_id, trace_id

RULES = PayerRules(
    span=DEFAULT_RULES.span, resource=DEFAULT_RULES.resource, allocation=DEFAULT_RULES.allocation, from_links=LINK_FIELDS, from_session=True
)
BY_LINKS = PayerRules(span=RULES.span, resource=RULES.resource, from_links=("tenant", "user"))
BY_SESSION = PayerRules(span=RULES.span, resource=RULES.resource, from_session=True)


def linked(spans: list[Reading], *targets: tuple[str, str]) -> list[Reading]:
    """A trace whose first span links to these (trace, span)."""
    links = tuple(sorted((trace_id(trace), span_id(span)) for trace, span in targets))
    return [spans[0]._replace(links=links), *spans[1:]]


def stands(ledger: MemoryLedger) -> list[tuple[object, ...]]:
    """(trace, span, tenant, user, where the tenant is from, flags) of the charges that stand, sorted."""
    undone = {e.ref_event_id for e in ledger.events if e.kind == "reversal"}
    return sorted(
        (
            e.authority,
            e.trace_id.decode().rstrip("."),
            e.span_id.decode().rstrip("."),
            e.tenant_id or "",
            e.user_id or "",
            e.tenant_source or "",
            e.flags,
        )
        for e in ledger.events
        if e.kind == "charge" and e.event_id not in undone
    )


def tenants(ledger: MemoryLedger) -> dict[str, tuple[str, str]]:
    """Span -> (tenant, where it is from) of the charges that stand."""
    return {str(row[2]): (str(row[3]), str(row[5])) for row in stands(ledger)}


def settled(rules: PayerRules, *batches: list[Reading], restart: bool = False) -> MemoryLedger:
    """The ledger after these batches, each settled and stored before the next."""
    ledger = MemoryLedger()
    engine = engine_on(ledger, payers=rules)
    for batch in batches:
        if restart:
            engine = engine_on(ledger, payers=rules)
        run(engine, ledger, batch)
    return ledger


REQUEST = readings(other("http", chat("asked", (10, 1)), payers=pays("acme", user="ann")), "request")
JOB = linked(readings(other("job", chat("worked", (20, 2))), "job"), ("request", "asked"))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("batches", [(REQUEST, JOB), (JOB, REQUEST), (REQUEST[1:], JOB, REQUEST[:1]), (JOB[1:], REQUEST, JOB[:1])])
def test_a_job_is_charged_to_the_payer_of_the_request_it_links_to_in_any_order(batches: tuple[list[Reading], ...], restart: bool) -> None:
    ledger = settled(BY_LINKS, *batches, restart=restart)
    assert tenants(ledger)["worked"] == ("acme", "link:tenant.id")
    assert all(row[4] == "ann" for row in stands(ledger))


def test_nothing_is_taken_along_links_unless_configured() -> None:
    assert tenants(settled(DEFAULT_RULES, REQUEST, JOB))["worked"] == ("", "")


def test_only_the_configured_fields_are_taken() -> None:
    only = PayerRules(span=RULES.span, resource=RULES.resource, from_links=("tenant",))
    assert [row[3:5] for row in stands(settled(only, REQUEST, JOB)) if row[2] == "worked"] == [("acme", "")]


def test_what_the_trace_says_itself_comes_first() -> None:
    own = linked(readings(other("job", chat("worked", (20, 2)), payers=pays("globex")), "job"), ("request", "asked"))
    assert tenants(settled(BY_LINKS, REQUEST, own))["worked"] == ("globex", "ancestor:tenant.id")


def test_the_nearest_linking_span_counts() -> None:
    second = readings(other("http2", payers=pays("globex")), "second")
    job = linked(readings(other("job", other("step", chat("worked", (20, 2)))), "job"), ("second", "http2"))
    job[1] = job[1]._replace(links=((trace_id("request"), span_id("asked")),))
    assert tenants(settled(BY_LINKS, REQUEST, second, job))["worked"] == ("acme", "link:tenant.id")


def test_links_that_lead_to_two_tenants_lend_none_and_say_so() -> None:
    second = readings(other("http2", payers=pays("globex", user="ann")), "second")
    job = linked(JOB, ("request", "asked"), ("second", "http2"))
    ledger = settled(BY_LINKS, job, REQUEST, second)
    assert [row[3:] for row in stands(ledger) if row[2] == "worked"] == [("", "ann", "", (LINKED_DIFFER,))]
    agreeing = readings(other("http2", payers=pays("acme")), "second")
    assert tenants(settled(BY_LINKS, job, REQUEST, agreeing))["worked"] == ("acme", "link:tenant.id")


def test_another_authoritys_trace_lends_nothing() -> None:
    theirs = [reading._replace(authority="theirs") for reading in REQUEST]
    ledger = settled(RULES, theirs, JOB)
    assert tenants(ledger)["worked"] == ("", "")


def test_a_keys_tenant_is_not_changed_by_a_link_and_is_lent_by_one() -> None:
    keyed = [reading._replace(key_tenant="initech") for reading in JOB]
    assert tenants(settled(BY_LINKS, REQUEST, keyed))["worked"] == ("initech", "key")
    request = [reading._replace(key_tenant="initech") for reading in REQUEST]
    assert tenants(settled(BY_LINKS, request, JOB))["worked"] == ("initech", "link:key")


def chain_of(length: int) -> list[list[Reading]]:
    """A request and jobs that each link to the one before."""
    jobs = [readings(other("http0", payers=pays("acme")), "t0")]
    jobs += [linked(readings(other(f"job{n}", chat(f"c{n}", (n, 1))), f"t{n}"), (f"t{n - 1}", f"job{n - 1}" if n > 1 else "http0"))
             for n in range(1, length + 1)]  # fmt: skip
    return jobs


@pytest.mark.parametrize("backwards", [False, True])
def test_links_are_followed_so_far_and_no_further(backwards: bool) -> None:
    jobs = chain_of(HOPS_MAX + 2)
    ledger = settled(BY_LINKS, *(jobs[::-1] if backwards else jobs), restart=backwards)
    assert [tenants(ledger)[f"c{n}"][0] for n in range(1, HOPS_MAX + 3)] == ["acme"] * HOPS_MAX + ["", ""]


def test_links_in_a_circle_end() -> None:
    one = linked(readings(other("a", chat("ca", (1, 1))), "one"), ("two", "b"))
    two = linked(readings(other("b", chat("cb", (2, 1)), payers=Payers(user="ann")), "two"), ("one", "a"))
    ledger = settled(BY_LINKS, one, two)
    assert [row[3:5] for row in stands(ledger)] == [("", "ann"), ("", "ann")]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("days", "found"), [(0, "acme"), (BEFORE_DAYS, "acme"), (BEFORE_DAYS + 1, ""), (-1, "acme"), (-2, "")])
def test_a_linked_span_is_looked_for_on_the_days_before(days: int, found: str, restart: bool) -> None:
    job = [reading._replace(start_ns=reading.start_ns + days * DAY_NS, end_ns=reading.end_ns + days * DAY_NS) for reading in JOB]
    for batches in ((REQUEST, job), (job, REQUEST)):
        assert tenants(settled(BY_LINKS, *batches, restart=restart))["worked"][0] == found


def test_a_job_whose_request_has_not_come_waits_for_it_a_while() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, payers=BY_LINKS)
    received = JOB[0].received_ns
    assert run(engine, ledger, JOB, received + SECOND_NS, final=False).events == []
    run(engine, ledger, REQUEST, received + 2 * SECOND_NS, final=False)
    assert (tenants(ledger)["worked"][0], len(ledger.events)) == ("acme", 2)


def test_a_job_whose_request_never_comes_is_booked_unattributed() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, payers=BY_LINKS)
    run(engine, ledger, JOB, JOB[0].received_ns, final=False)
    run(engine, ledger, [], JOB[0].received_ns + 31 * SECOND_NS, final=False)
    assert tenants(ledger)["worked"] == ("", "")


def test_linked_traces_that_left_memory_are_found_again() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, Policy(spans_max=3), BY_LINKS)
    for n in range(20):
        run(engine, ledger, [r._replace(trace_id=trace_id(f"request{n}")) for r in REQUEST])
    for n in range(20):
        job = [r._replace(trace_id=trace_id(f"job{n}")) for r in JOB]
        run(engine, ledger, linked(job, (f"request{n}", "asked")))
    assert [row[3] for row in stands(ledger)] == ["acme"] * 40


def test_a_linked_trace_that_came_late_and_left_memory_is_asked_for_again() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, Policy(spans_max=1), BY_LINKS)
    run(engine, ledger, JOB)
    run(engine, ledger, REQUEST)
    for n in range(3):
        run(engine, ledger, [r._replace(trace_id=trace_id(f"other{n}")) for r in REQUEST])
    run(engine, ledger, [JOB[1]._replace(span_id=span_id("again"))])
    assert tenants(ledger)["worked"] == tenants(ledger)["again"] == ("acme", "link:tenant.id")


def test_a_linked_trace_is_taken_up_from_the_ledger_as_often_as_it_is_needed() -> None:
    ledger = settled(BY_LINKS, REQUEST)
    engine = engine_on(ledger, Policy(spans_max=1), BY_LINKS)
    for name in ("one", "two", "three"):
        run(engine, ledger, [JOB[0], JOB[1]._replace(span_id=span_id(name))])
        run(engine, ledger, readings(other("unrelated"), f"after {name}"))
    assert {row[3] for row in stands(ledger)} == {"acme"}


def test_a_link_above_a_linked_span_that_comes_last_is_followed() -> None:
    root, step = linked(readings(other("job", other("step")), "job"), ("request", "asked"))
    follower = linked(readings(other("more", chat("worked", (5, 1))), "follower"), ("job", "step"))
    assert tenants(settled(BY_LINKS, REQUEST, [step], follower, [root]))["worked"] == ("acme", "link:tenant.id")


def test_who_looks_elsewhere_is_known_before_it_is_stored() -> None:
    for first, second in ((JOB, REQUEST), (talk("b"), talk("a", "acme"))):
        ledger = MemoryLedger()
        engine = engine_on(ledger, payers=RULES)
        engine.add(first)
        batches = [engine.tick(NOW_NS, final=True)]
        engine.add(second)
        batches.append(engine.tick(NOW_NS, final=True))
        for batch in batches:
            ledger.store(batch)
        assert {row[3] for row in stands(ledger)} == {"acme"}


def test_those_who_link_are_settled_again_only_when_what_they_were_told_has_changed() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, payers=BY_LINKS)
    run(engine, ledger, REQUEST[1:])
    run(engine, ledger, JOB)
    woken: list[object] = []
    assert engine._beyond is not None
    wake = engine._beyond._memory.wake
    engine._beyond._memory.wake = lambda key, position: (woken.append(key), wake(key, position))  # type: ignore[assignment,method-assign,func-returns-value]  # a spy
    run(engine, ledger, [REQUEST[1]._replace(span_id=b"harmless")])
    assert woken == []
    run(engine, ledger, REQUEST[:1])
    assert woken == [("default", trace_id("job"))]
    assert tenants(ledger)["worked"][0] == "acme"


# -- sessions ---------------------------------------------------------------------------------------------------------


def talk(name: str, tenant: str | None = None, session: str | None = "s1", user: str | None = None) -> list[Reading]:
    """A trace of one call in a session."""
    return readings(other(f"r{name}", chat(name, (10, 1)), payers=pays(tenant, session=session, user=user)), name)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_call_takes_the_tenant_that_its_session_agrees_on(backwards: bool, restart: bool) -> None:
    traces = [talk("a", "acme", user="ann"), talk("b"), talk("c", "acme"), talk("d", session="s2"), talk("e", user="bob")]
    ledger = settled(BY_SESSION, *(traces[::-1] if backwards else traces), restart=restart)
    assert [row[3:6] for row in stands(ledger)] == [
        ("acme", "ann", "ancestor:tenant.id"),
        ("acme", "ann", "session"),
        ("acme", "", "ancestor:tenant.id"),
        ("", "", ""),
        ("acme", "bob", "session"),
    ]


def test_nothing_is_taken_from_a_session_unless_configured() -> None:
    assert tenants(settled(DEFAULT_RULES, talk("a", "acme"), talk("b")))["b"] == ("", "")


@pytest.mark.parametrize("backwards", [False, True])
def test_a_session_of_two_tenants_gives_none_and_says_so(backwards: bool) -> None:
    traces = [talk("a", "acme"), talk("b"), talk("c", "globex")]
    ledger = settled(BY_SESSION, *(traces[::-1] if backwards else traces))
    assert [row[3:] for row in stands(ledger) if row[2] == "b"] == [("", "", "", (SESSION_DIFFERS,))]


def test_a_session_of_another_authority_gives_nothing() -> None:
    theirs = [reading._replace(authority="theirs") for reading in talk("a", "acme")]
    assert tenants(settled(BY_SESSION, theirs, talk("b")))["b"] == ("", "")


def test_a_session_learns_from_a_key_and_changes_no_keys_tenant() -> None:
    keyed = [reading._replace(key_tenant="initech") for reading in talk("a")]
    other_key = [reading._replace(key_tenant="globex") for reading in talk("c")]
    assert tenants(settled(BY_SESSION, keyed, talk("b"))) == {"a": ("initech", "key"), "b": ("initech", "session")}
    assert tenants(settled(BY_SESSION, talk("b"), other_key)) == {"b": ("globex", "session"), "c": ("globex", "key")}


def test_a_claim_that_a_revision_takes_back_counts_no_longer() -> None:
    early, late = talk("a", "acme"), talk("a", "globex")
    late[0] = late[0]._replace(end_ns=late[0].end_ns + 1)
    for batches in ((early, talk("b"), late), (late, talk("b"), early), (talk("b"), late, early)):
        for restart in (False, True):
            assert tenants(settled(BY_SESSION, *batches, restart=restart))["b"] == ("globex", "session")


def test_a_span_that_a_revision_takes_out_of_the_session_claims_nothing() -> None:
    early, late = talk("a", "acme"), talk("a", "acme", session=None)
    late[0] = late[0]._replace(end_ns=late[0].end_ns + 1)
    for batches in ((early, talk("b"), late), (late, talk("b"), early)):
        for restart in (False, True):
            assert tenants(settled(BY_SESSION, *batches, restart=restart))["b"] == ("", "")


def test_the_tenant_may_stand_above_the_session_and_in_another_span() -> None:
    inside = readings(other("http", agent("agent", chat("a", (10, 1)), payers=Payers(session="s1")), payers=pays("acme")), "a")
    assert tenants(settled(BY_SESSION, talk("b"), inside))["b"] == ("acme", "session")


def test_what_was_taken_from_a_link_or_a_session_is_no_claim() -> None:
    job = linked(readings(other("job", chat("worked", (20, 2)), payers=Payers(session="s9")), "job"), ("request", "asked"))
    assert tenants(settled(RULES, REQUEST, job, talk("b", session="s9")))["b"] == ("", "")


# -- any order --------------------------------------------------------------------------------------------------------


def world(rng: random.Random) -> list[Reading]:
    """Spans of a few traces that link to each other and share sessions, some sent again with other content."""
    names = [f"t{n}" for n in range(rng.randint(2, 5))]
    found: list[Reading] = []
    for name in names:
        calls = [chat(f"{name}c{n}", (rng.randint(1, 9), 1), payers=_said(rng, 0.1)) for n in range(rng.randint(1, 2))]
        middle: Node = other(f"{name}m", *calls, payers=_said(rng, 0.2))
        start = rng.choice((0, 0, 0, 1, 5, 8)) * 86_400_000
        spans = readings(other(f"{name}r", middle, payers=_said(rng, 0.4)), name)
        for reading in spans:
            links: set[tuple[bytes, bytes]] = set()
            if rng.random() < 0.4:
                other_trace = rng.choice(names)
                links = {(trace_id(other_trace), span_id(other_trace + rng.choice("rm"))) for _ in range(rng.randint(1, 2))}
            moved = reading._replace(
                start_ns=reading.start_ns + start * 1_000_000,
                end_ns=reading.end_ns + start * 1_000_000,
                links=tuple(sorted(link for link in links if link[0] != reading.trace_id)),
                key_tenant="keyed" if rng.random() < 0.05 else None,
            )
            found.append(moved)
            if rng.random() < 0.15:
                found.append(moved._replace(end_ns=moved.end_ns + 1, payers=_said(rng, 0.5)))
            if moved.links and rng.random() < 0.2:
                found.append(moved._replace(links=()))
    if rng.random() < 0.3:
        found += [reading._replace(authority="theirs") for reading in found]
    return found


def _said(rng: random.Random, likely: float) -> Payers:
    tenant = rng.choice(("acme", "acme", "globex")) if rng.random() < likely else None
    return pays(
        tenant,
        user=rng.choice((None, None, "ann", "bob")),
        session=rng.choice((None, None, None, "s1", "s2")),
        allocation=(("x", 1), ("y", 2)) if tenant is None and rng.random() < 0.05 else (),
    )


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([BY_LINKS, BY_SESSION, RULES]))
def test_any_order_batching_duplication_and_restart_gives_the_same_payers(rng: random.Random, rules: PayerRules) -> None:
    got = world(rng)
    reference = settled(rules, got)
    sent = got + [rng.choice(got) for _ in range(len(got) // 4)]
    rng.shuffle(sent)
    sent = [reading._replace(position=n) for n, reading in enumerate(sent)]
    ledger = MemoryLedger()
    policy = Policy(spans_max=rng.choice((2, 400_000)))
    engine = engine_on(ledger, policy, rules)
    now_ns, waiting, unstored, done = NOW_NS, 0, list[Reading](), list[Batch]()
    while sent or unstored:
        if rng.random() < 0.2:  # killed: what was not stored is read from the journal again
            sent, unstored, done = unstored + sent, [], []
            engine = engine_on(ledger, policy, rules)
            engine.reopen({(r.authority, r.trace_id): {r.start_ns // DAY_NS} for r in ledger.readings if r.position >= waiting}, waiting)
        size = rng.randint(1, 5)
        batch, sent = sent[:size], sent[size:]
        unstored += batch
        now_ns += rng.randrange(40) * SECOND_NS
        engine.add(batch)
        done.append(engine.tick(now_ns, final=rng.random() < 0.3))
        if rng.random() < 0.6:
            for each in done:
                ledger.store(each)
            engine.committed()
            waiting = (sent[0].position if sent else 1 << 40) if done[-1].open_position is None else done[-1].open_position
            unstored, done = [], []
    run(engine, ledger, [], now_ns)
    assert stands(ledger) == stands(reference)
