"""The engine: any order, batching, duplication and restart of the same spans gives the same net ledger."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.book import Versions
from spanledger.enrich.engine import Batch, Engine, Policy
from spanledger.enrich.events import CostEvent
from spanledger.enrich.links import link_keys
from spanledger.enrich.merge import teller
from spanledger.enrich.notes import NO_NOTES, Claim, Seeker, Session
from spanledger.enrich.open_traces import TraceKey, days_of
from spanledger.enrich.payers import DEFAULT_RULES, PayerRules
from spanledger.enrich.records import DAY_NS, Payers, Reading
from spanledger.enrich.trace_memory import StoredTrace
from tests.enrich.test_settle import Builder
from tests.enrich.trees import ATTO, NOON_NS, SECOND_NS, FlatPrices, agent, chat, net, other, pays, readings, step

VERSIONS = Versions("rules", "0")
NOW_NS = NOON_NS + 10 * SECOND_NS


class MemoryLedger:
    """A ledger in memory that answers the engine as the real one does: by day and its neighbours."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[CostEvent] = []
        self.asked = 0
        self.wide: dict[TraceKey, set[int]] = {}
        self.noted = NO_NOTES

    @property
    def tellers(self) -> set[tuple[str, str | None, tuple[str, str]]]:
        return {(r.authority, r.resource.service, teller(r)) for r in self.readings if r.kind == "inference"}

    def store(self, batch: Batch) -> None:
        self.noted = self.noted.and_then(batch.notes)
        self.readings += batch.readings
        self.events += batch.events
        for key, days in batch.wide.items():
            self.wide.setdefault(key, set()).update(days)

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, StoredTrace]:
        self.asked += 1
        out = {}
        for key, days in wanted.items():
            rows: list[Reading] = []
            searched, asked = set[int](), days | self.wide.get(key, set())
            while asked:
                searched |= {day + n for day in asked for n in (-1, 0, 1)}
                rows = [r for r in self.readings if (r.authority, r.trace_id) == key and r.start_ns // DAY_NS in searched]
                asked = {day + n for day in days_of(rows) for n in (-1, 0, 1)} - searched if rows else set()
            if rows:
                booked = (e for e in self.events if (e.authority, e.trace_id) == key and e.start_ns // DAY_NS in searched)
                out[key] = StoredTrace(tuple(rows), tuple(booked))
        return out

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> Iterable[TraceKey]:
        for reading in self.readings:
            day = reading.start_ns // DAY_NS
            if any(abs(day - d) <= 1 for key in link_keys(reading) for d in keys.get(key, ())):
                yield reading.authority, reading.trace_id

    def seekers(self, keys: Iterable[int]) -> set[Seeker]:
        return {seeker for key in keys for seeker in self.noted.seekers.get(key, ())}

    def claims(self, sessions: Iterable[Session]) -> dict[Session, AbstractSet[Claim]]:
        return {session: self.noted.claims[session] for session in sessions if session in self.noted.claims}


def engine_on(ledger: MemoryLedger, policy: Policy | None = None, payers: PayerRules = DEFAULT_RULES) -> Engine:
    return Engine(FlatPrices(), policy or Policy(), ledger, VERSIONS, payers=payers)


def run(engine: Engine, ledger: MemoryLedger, batch: Iterable[Reading], now_ns: int = NOW_NS, *, final: bool = True) -> Batch:
    engine.add(batch)
    result = engine.tick(now_ns, final=final)
    ledger.store(result)
    engine.committed()
    return result


def test_a_complete_trace_is_booked_at_once_with_its_sum() -> None:
    ledger = MemoryLedger()
    tree = other("http", agent("agent", chat("a", (1000, 10)), tokens=(1000, 10)), payers=pays("acme"))
    batch = run(engine_on(ledger), ledger, readings(tree), final=False)
    assert net(ledger.events) == [("t", "a", "acme", 1000, 10)]
    # (1000 + 10) tokens at a millionth of a dollar
    assert batch.events[0].cost_usd == 1010 * ATTO // 1_000_000
    assert batch.open_position is None


def test_a_call_without_its_root_waits_then_is_booked_unattributed_then_corrected() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger)
    root, call = readings(other("http", chat("a", (10, 1)), payers=pays("acme")))
    received = call.received_ns
    assert run(engine, ledger, [call], received + 5 * SECOND_NS, final=False) == Batch([], [call], 0)
    run(engine, ledger, [], received + 31 * SECOND_NS, final=False)
    assert net(ledger.events) == [("t", "a", None, 10, 1)]
    batch = run(engine, ledger, [root], received + 3600 * SECOND_NS, final=False)
    assert [(e.kind, e.reason, e.tenant_id, e.cost_usd) for e in batch.events] == [
        ("reversal", "payer_found", None, -11 * ATTO // 1_000_000),
        ("charge", "payer_found", "acme", 11 * ATTO // 1_000_000),
    ]
    assert batch.events[0].ref_event_id == batch.events[1].ref_event_id == ledger.events[0].event_id


def test_a_known_payer_is_booked_after_a_short_silence_and_a_long_trace_shows_too() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger)
    call = readings(chat("a", (10, 1), payers=pays("acme")), parent=b"missing.")[0]
    received = call.received_ns
    assert run(engine, ledger, [call], received + SECOND_NS, final=False).events == []
    assert len(run(engine, ledger, [], received + 2 * SECOND_NS, final=False).events) == 1


def test_an_aggregate_waits_for_its_inside() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger)
    outer, inner = readings(agent("agent", chat("a", (10, 1)), tokens=(10, 1), payers=pays("acme")))
    assert run(engine, ledger, [outer], outer.received_ns + SECOND_NS, final=False).events == []
    run(engine, ledger, [inner], outer.received_ns + 2 * SECOND_NS, final=False)
    run(engine, ledger, [], outer.received_ns + 60 * SECOND_NS, final=False)
    assert net(ledger.events) == [("t", "a", "acme", 10, 1)]
    assert len(ledger.events) == 1


def test_an_aggregate_already_charged_is_undone_when_its_inside_comes_after_all() -> None:
    ledger = MemoryLedger()
    outer, inner = readings(agent("agent", chat("a", (10, 1)), tokens=(10, 1), payers=pays("acme")))
    run(engine_on(ledger), ledger, [outer])
    assert net(ledger.events) == [("t", "agent", "acme", 10, 1)]
    run(engine_on(ledger), ledger, [inner])  # another process, days later
    assert net(ledger.events) == [("t", "a", "acme", 10, 1)]
    assert sum(e.cost_usd or 0 for e in ledger.events) == 11 * ATTO // 1_000_000


def test_the_same_export_again_changes_nothing_even_after_a_restart() -> None:
    ledger = MemoryLedger()
    tree = readings(other("http", chat("a", (10, 1)), payers=pays("acme")))
    run(engine_on(ledger), ledger, tree)
    again = [r._replace(position=99, received_ns=r.received_ns + 400 * DAY_NS) for r in tree]
    assert run(engine_on(ledger), ledger, again) == Batch([], [], None)


def test_a_revision_is_chosen_by_content_not_by_arrival() -> None:
    early = readings(chat("a", (10, 1), payers=pays("acme"), ms=(0, 500)))[0]
    late = readings(chat("a", (10, 7), payers=pays("acme"), ms=(0, 900)))[0]
    for order in ([early, late], [late, early]):
        ledger = MemoryLedger()
        for reading in order:
            run(engine_on(ledger), ledger, [reading])
        assert net(ledger.events) == [("t", "a", "acme", 10, 7)]


def test_the_keys_tenant_beats_every_claim_and_the_claim_is_recorded() -> None:
    ledger = MemoryLedger()
    run(engine_on(ledger), ledger, readings(chat("a", (10, 1), payers=pays("mallory")), key_tenant="acme"))
    event = ledger.events[0]
    assert (event.tenant_id, event.tenant_source, event.claimed_tenant_id) == ("acme", "key", "mallory")


def test_one_authority_cannot_touch_anothers_trace_even_with_its_ids() -> None:
    ledger = MemoryLedger()
    mine = readings(chat("a", (10, 1), payers=pays("acme"), response_id="r1"), authority="one")
    forged = readings(agent("a", chat("b", (9, 9)), tokens=(1, 1), response_id="r1"), authority="two")
    run(engine_on(ledger), ledger, mine)
    run(engine_on(ledger), ledger, forged)
    assert net([e for e in ledger.events if e.authority == "one"]) == [("t", "a", "acme", 10, 1)]


def test_detached_tellers_meet_across_traces_and_restarts() -> None:
    framework = readings(step("chain", chat("lc", (10, 1), scope="langchain@1", ms=(5, 95)), payers=pays("acme")), "t1")
    sdk = readings(chat("sdk", (10, 1), scope="openai@1", ms=(10, 90)), "t2")
    for first, second in ((framework, sdk), (sdk, framework)):
        ledger = MemoryLedger()
        run(engine_on(ledger), ledger, first)
        run(engine_on(ledger), ledger, second)
        assert [row[2:] for row in net(ledger.events)] == [("acme", 10, 1)]


def test_shared_work_is_split_so_that_the_parts_sum_to_the_whole() -> None:
    ledger = MemoryLedger()
    shared = Payers(allocation=(("acme", 1), ("globex", 2)))
    run(engine_on(ledger), ledger, readings(chat("a", (100, 0), payers=shared)))
    assert [(e.tenant_id, e.split_weight, e.input_tokens) for e in ledger.events] == [("acme", "1/3", 33), ("globex", "2/3", 67)]
    assert sum(e.cost_usd or 0 for e in ledger.events) == 100 * ATTO // 1_000_000


def test_memory_is_bounded_and_what_left_it_comes_back() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, Policy(spans_max=10))
    trees = [readings(other("http", chat("a", (10 + n, 1)), payers=pays("acme")), f"t{n}") for n in range(50)]
    for tree in trees:
        run(engine, ledger, tree[1:])
    assert engine.spans_held <= 10
    for tree in trees:
        run(engine, ledger, tree[:1])
    assert [row[2] for row in net(ledger.events)] == ["acme"] * 50


def test_traces_that_wait_are_settled_as_they_are_when_memory_is_short() -> None:
    """A flood of calls whose roots come later: they are booked with nobody, leave memory, and are put right by their roots."""
    ledger = MemoryLedger()
    engine = engine_on(ledger, Policy(spans_max=10))
    trees = [readings(other("http", chat("a", (10 + n, 1)), payers=pays("acme")), f"t{n}") for n in range(50)]
    for tree in trees:
        run(engine, ledger, tree[1:], final=False)
        assert engine.spans_held <= 11
    assert engine.open_traces == 10
    assert [row[2] for row in net(ledger.events)] == [None] * 40
    for tree in reversed(trees):
        run(engine, ledger, tree[:1], final=False)
    run(engine, ledger, [])
    assert [row[2] for row in net(ledger.events)] == ["acme"] * 50
    patient = engine_on(MemoryLedger(), Policy(spans_max=1_000))  # the negative control: where there is room, they wait
    for tree in trees:
        run(patient, MemoryLedger(), tree[1:], final=False)
    assert patient.open_traces == 50


def test_traces_that_grow_are_spared_up_to_a_second_bound_and_one_alone_always() -> None:
    ledger = MemoryLedger()
    engine = engine_on(ledger, Policy(spans_max=20))
    for n in range(25):
        calls = [readings(chat(f"{trace}{n}", (10 + n, 1), ms=(n, n + 1)), trace, parent=b"dropped.") for trace in "ab"]
        run(engine, ledger, [reading for call in calls for reading in call], final=False)
    assert (engine.spans_held, engine.open_traces, ledger.events) == (50, 2, [])
    calls = [readings(chat(f"{trace}25", (10, 1)), trace, parent=b"dropped.") for trace in "ab"]
    run(engine, ledger, [reading for call in calls for reading in call], final=False)
    assert (engine.spans_held, engine.open_traces, len(net(ledger.events))) == (26, 1, 26)
    for n in range(60):
        run(engine, ledger, readings(chat(f"d{n}", (10 + n, 1), ms=(n, n + 1)), "d", parent=b"dropped."), final=False)
    assert engine.spans_held == 60


def test_a_tick_leaves_to_the_next_what_is_too_much_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.enrich.engine._EVENTS_MAX", 20)
    ledger = MemoryLedger()
    engine = engine_on(ledger)
    for n in range(50):
        engine.add(readings(chat(f"c{n}", (10 + n, 1), payers=pays("acme")), f"t{n}"))
    assert [len(run(engine, ledger, [], final=False).events) for _ in range(4)] == [20, 20, 10, 0]
    for n in range(50, 100):
        engine.add(readings(chat(f"c{n}", (10 + n, 1), payers=pays("acme")), f"t{n}"))
    assert len(run(engine, ledger, []).events) == 50  # at the end, everything


def test_waiting_traces_survive_a_restart() -> None:
    ledger = MemoryLedger()
    _root, call = readings(other("http", chat("a", (10, 1)), payers=pays("acme")))
    run(engine_on(ledger), ledger, [call], call.received_ns, final=False)
    restarted = engine_on(ledger)
    restarted.reopen({("default", call.trace_id): {call.start_ns // DAY_NS}})
    assert restarted.open_traces == 1
    run(restarted, ledger, [], call.received_ns + 31 * SECOND_NS, final=False)
    assert net(ledger.events) == [("t", "a", None, 10, 1)]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_order_batching_duplication_and_restart_gives_the_same_net_ledger(rng: random.Random) -> None:
    builder = Builder(rng)
    got: list[Reading] = []
    for n in range(rng.randint(1, 3)):
        tree, _, _ = builder.grow(2)
        before = rng.choice((0, 0, 4, 9)) * 86_400_000  # milliseconds that the root starts before its calls
        got += readings(other(f"root{n}", tree, payers=pays(f"tenant{n}"), ms=(-before, 1_000_000)), f"trace{n}")
    reference = MemoryLedger()
    run(engine_on(reference), reference, got)
    assert sorted((i, o) for *_, i, o in net(reference.events) if i is not None) == sorted(builder.truth)

    sent = got + [rng.choice(got) for _ in range(len(got) // 5)]
    rng.shuffle(sent)
    ledger = MemoryLedger()
    policy = Policy(spans_max=rng.choice((1, 5, 400_000)))
    engine = engine_on(ledger, policy)
    while sent:
        size = rng.randint(1, 5)
        batch, sent = sent[:size], sent[size:]
        if rng.random() < 0.2:
            engine = engine_on(ledger, policy)
        run(engine, ledger, batch, NOW_NS + rng.randrange(100) * SECOND_NS, final=rng.random() < 0.5)
    engine = engine_on(ledger)
    engine.reopen({(r.authority, r.trace_id): {r.start_ns // DAY_NS} for r in got})
    run(engine, ledger, [])
    assert net(ledger.events) == net(reference.events)
    assert sum(e.cost_usd or 0 for e in ledger.events) == sum(e.cost_usd or 0 for e in reference.events)


def test_a_stored_span_of_a_long_call_is_found_by_its_response_id() -> None:
    ledger = MemoryLedger()
    run(engine_on(ledger), ledger, readings(chat("outer", (10, 1), response_id="r1", ms=(0, 600_000)), "t1"))
    later = Engine(FlatPrices(), Policy(), ledger, VERSIONS, horizon_ns=NOON_NS)  # as after a restart: the stored span starts at noon
    run(later, ledger, readings(chat("inner", (10, 1), response_id="r1", scope="sdk@1", ms=(300_000, 400_000)), "t2"))
    assert len(net(ledger.events)) == 1


def days_apart(days: int) -> tuple[Reading, Reading]:
    """A root that pays, and a call inside it that starts so many days later."""
    root, call = readings(other("http", chat("a", (10, 1)), payers=pays("acme"), ms=(-days * 86_400_000, 2_000)))
    return root, call


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_root_that_began_days_before_its_call_pays_for_it_in_either_order(order: tuple[int, int]) -> None:
    ledger, spans = MemoryLedger(), days_apart(4)
    for at in order:
        run(engine_on(ledger), ledger, [spans[at]])
    assert net(ledger.events) == [("t", "a", "acme", 10, 1)]


def test_a_late_span_of_a_trace_over_days_takes_no_payer_away() -> None:
    ledger, (root, call) = MemoryLedger(), days_apart(4)
    for reading in (root, call):
        run(engine_on(ledger), ledger, [reading])
    for late in (root.start_ns, call.start_ns):
        harmless = root._replace(span_id=late.to_bytes(8, "big"), parent_span_id=root.span_id, start_ns=late, end_ns=late, payers=Payers())
        assert run(engine_on(ledger), ledger, [harmless]).events == []


def test_a_root_in_a_running_engine_brings_back_stored_calls_of_all_its_days() -> None:
    ledger, (root, call) = MemoryLedger(), days_apart(4)
    early = call._replace(span_id=b"early...", start_ns=root.start_ns + SECOND_NS, end_ns=root.start_ns + 2 * SECOND_NS)
    run(engine_on(ledger), ledger, [early])
    engine = engine_on(ledger)
    for reading in (call, root):
        run(engine, ledger, [reading])
    assert [row[2] for row in net(ledger.events)] == ["acme", "acme"]


def test_a_span_sent_again_with_an_earlier_start_is_charged_once() -> None:
    for days in (9, -9):
        ledger, [call] = MemoryLedger(), readings(chat("a", (10, 1), payers=pays("acme")))
        moved = call._replace(start_ns=call.start_ns - days * DAY_NS, end_ns=call.end_ns + (days < 0))
        for reading in (call, moved):
            run(engine_on(ledger), ledger, [reading])
        assert len(net(ledger.events)) == 1, days


def test_what_is_taken_up_again_does_not_make_the_open_position_go_back() -> None:
    ledger = MemoryLedger()
    _, first = readings(other("http", chat("a", (10, 1)), payers=pays("acme")))
    second = first._replace(span_id=b"second..", position=700)
    run(engine_on(ledger), ledger, [first])
    run(engine_on(ledger), ledger, [second], final=False)
    engine = engine_on(ledger)
    engine.reopen({("default", first.trace_id): {first.start_ns // DAY_NS}}, 700)
    assert engine.tick(second.received_ns).open_position == 700
