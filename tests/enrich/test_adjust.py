"""Re-pricing and what comes after it: adjustments add up, go with their charge, and vanish there and back."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.adjust import AMOUNTS, ByRun, corrections, is_whole, net_lines, net_of, price_again, same_price
from spanledger.enrich.book import Versions, drafts
from spanledger.enrich.engine import Engine, Policy
from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.open_traces import OpenTrace
from spanledger.enrich.price import Priced, priced, unpriced
from spanledger.enrich.records import Call, Usage
from spanledger.enrich.settle import settle
from tests.enrich.test_engine import MemoryLedger, run
from tests.enrich.trees import ATTO, chat, other, pays, readings, spans

MICRO = ATTO // 1_000_000
Key = tuple[bytes, bytes, int]


class Rate:
    """So many millionths of a dollar for each token; a contract and a customer's price as factors; some models without a price."""

    def __init__(
        self, micro: int, *, contract: int | None = None, customer: int | None = None, unknown: frozenset[str] = frozenset()
    ) -> None:
        self.catalog_id = f"rc-{micro}-{contract}-{customer}-{'-'.join(sorted(unknown))}"
        self.micro, self.contract, self.customer, self.unknown = micro, contract, customer, unknown

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        if call.request_model in self.unknown:
            return unpriced("unknown_model")
        usage = call.usage
        assert usage is not None
        counts = (("input_tokens", usage.input_tokens), ("output_tokens", usage.output_tokens))
        lists = priced(self._line(unit, count, self.micro) for unit, count in counts if count)
        found = lists
        if self.contract is not None:
            mine = priced(self._line(unit, count, self.contract) for unit, count in counts if count)
            found = mine._replace(list_cost_usd=lists.cost_usd, contracted_cost_usd=mine.cost_usd)
        if self.customer is not None and lists.cost_usd is not None:
            found = found._replace(customer_price_usd=lists.cost_usd * self.customer)
        return found

    def _line(self, unit: str, count: int, micro: int) -> Line:
        return Line(unit, count, f"{unit}@{micro}", str(micro), 1_000_000, count * micro * MICRO)


def by(prices: Rate, run_id: str = "rp1-1") -> ByRun:
    return ByRun(run_id, prices.catalog_id, 77, "9.9")


def booked(prices: Rate, **more: object) -> list[CostEvent]:
    """The charges of one call."""
    [charge] = settle([spans(chat("a", (100, 10), payers=more.pop("payers", pays("acme")), **more))])  # type: ignore[arg-type]
    return drafts(charge, prices, Versions("rules", "0"), 5)


def test_an_adjustment_is_the_difference_and_counts_nothing() -> None:
    """100 + 10 tokens at 2 and then 3 millionths of a dollar: 220 and 330, so 110 more."""
    [charge] = booked(Rate(2))
    dearer = Rate(3)
    [wanted] = price_again([charge], dearer)
    [entry] = corrections([charge], wanted, 1, by(dearer))
    assert (entry.kind, entry.ref_event_id, entry.reason, entry.run_id) == ("adjustment", charge.event_id, "repriced", "rp1-1")
    assert (entry.list_cost_usd, entry.contracted_cost_usd, entry.cost_usd, entry.customer_price_usd) == (
        110 * MICRO,
        None,
        110 * MICRO,
        None,
    )
    assert sum(line.cost_usd for line in entry.lines) == entry.cost_usd
    assert (entry.input_tokens, entry.output_tokens, entry.wall_clock_ms, entry.usage) == (None, None, 0, ())
    assert (entry.tenant_id, entry.trace_id, entry.span_id, entry.start_ns) == (
        charge.tenant_id,
        charge.trace_id,
        charge.span_id,
        charge.start_ns,
    )
    assert (entry.catalog_id, entry.engine_version, entry.booked_ns) == (dearer.catalog_id, "9.9", 77)
    net = net_of([charge, entry])
    assert same_price(net, wanted)
    assert net.lines == wanted.lines
    assert corrections([charge, entry], wanted, 1, by(dearer, "rp1-2")) == [], "a second time there is nothing to do"


def test_all_four_amounts_are_corrected_there_and_back() -> None:
    plain, terms = Rate(2), Rate(2, contract=1, customer=3)
    [charge] = booked(plain)
    [there] = corrections([charge], *price_again([charge], terms), 1, by(terms))
    # list stays 220, the contract costs 110, the customer pays 3 x 220
    assert [getattr(there, name) for name in AMOUNTS] == [0, 110 * MICRO, -110 * MICRO, 660 * MICRO]
    [back] = corrections([charge, there], *price_again([charge], plain), 1, by(plain, "rp1-2"))
    assert [getattr(back, name) for name in AMOUNTS] == [0, -110 * MICRO, 110 * MICRO, -660 * MICRO]
    assert net_of([charge, there, back])._replace(catalog_id=charge.catalog_id) == charge
    assert net_lines([there, back]) == ()


def test_what_had_no_price_gets_a_new_charge_and_what_would_lose_its_price_keeps_it() -> None:
    without, with_price = Rate(2, unknown=frozenset({"gpt-4o-mini"})), Rate(2)
    [charge] = booked(without)
    assert charge.cost_usd is None
    back, new = corrections([charge], *price_again([charge], with_price), 1, by(with_price))
    assert (back.kind, back.ref_event_id, back.run_id, back.input_tokens) == ("reversal", charge.event_id, "rp1-1", -100)
    assert (new.kind, new.ref_event_id, new.run_id, new.price_state, new.cost_usd) == (
        "charge",
        charge.event_id,
        "rp1-1",
        "priced",
        220 * MICRO,
    )
    assert len({charge.event_id, back.event_id, new.event_id}) == 3
    assert corrections([new], *price_again([new], without), 2, by(without)) == []


def test_the_parts_of_a_shared_call_are_priced_as_one_call_and_sum() -> None:
    """110 tokens at 7 are 770 millionths: shared 1 : 2 : 4 they are 110, 220 and 440."""
    shared = pays(allocation=(("a", 1), ("b", 2), ("c", 4)))
    parts = booked(Rate(2), payers=shared)
    again = price_again(parts, Rate(7))
    assert [part.cost_usd for part in again] == [110 * MICRO, 220 * MICRO, 440 * MICRO]
    assert again == [part._replace(event_id=before.event_id) for part, before in zip(booked(Rate(7), payers=shared), parts, strict=True)]
    assert is_whole(parts)
    assert not is_whole(parts[1:])


def test_a_failed_call_keeps_what_was_decided_of_it() -> None:
    [charge] = booked(Rate(2, customer=3), failed=True)
    [free] = price_again([charge._replace(provider_billing="not_billed")], Rate(5, customer=3))
    assert (free.cost_usd, free.price_state, free.price_reason) == (0, "priced", "not_billed")
    [unpaid] = price_again([charge._replace(customer_billable=False)], Rate(5, customer=3))
    assert (unpaid.cost_usd, unpaid.customer_price_usd) == (550 * MICRO, 0)
    [silent] = booked(Rate(2), usage=Usage(), state="missing")
    assert price_again([silent], Rate(5))[0].cost_usd is None


def reprice(ledger: MemoryLedger, prices: Rate, number: int) -> list[CostEvent]:
    """Re-price all that stands, as a run does."""
    entries: list[CostEvent] = []
    for trace in traces_of(ledger.events).values():
        for at, live in trace.booked.items():
            if live:
                [wanted] = price_again([net_of(live)], prices)
                entries += corrections(live, wanted, trace.counts[at], by(prices, f"rp1-{number}"))
    ledger.events += entries
    return entries


def traces_of(entries: Iterable[CostEvent]) -> dict[bytes, OpenTrace]:
    traces: dict[bytes, OpenTrace] = {}
    for entry in entries:
        traces.setdefault(entry.trace_id, OpenTrace(("default", entry.trace_id))).remember_booked([entry])
    return traces


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_corrections_of_what_was_repriced_keep_its_price(rng: random.Random) -> None:
    """Spans, late payers, revisions, restarts and re-pricing in any sequence: what stands has the price of the last catalog it was
    booked or re-priced at, and the ledger adds up to what stands."""
    trees = [
        readings(other(f"root{n}", chat(f"a{n}", (100 + n, 10)), chat(f"b{n}", (7, n), model="odd"), payers=pays("acme")), f"t{n}")
        for n in range(3)
    ]
    todo = [[reading] for tree in trees for reading in tree]
    todo += [[tree[1]._replace(end_ns=tree[1].end_ns + 1, call=tree[1].call._replace(usage=Usage(500, 50)))] for tree in trees[:2]]  # type: ignore[union-attr]
    catalogs = [Rate(2), Rate(3, contract=1), Rate(5, customer=2), Rate(2, unknown=frozenset({"odd"}))]
    rng.shuffle(todo)
    ledger, current = MemoryLedger(), rng.choice(catalogs)
    engine = Engine(current, Policy(), ledger, Versions("rules", "0"))
    last: dict[Key, str] = {}
    usage: dict[Key, int | None] = {}

    def expect(entries: Iterable[CostEvent]) -> None:
        """Note the catalog whose price each call is to have: a new usage gets the current one, a run its own, corrections keep it."""
        for entry in entries:
            at = (entry.trace_id, entry.span_id, entry.split_index)
            if entry.kind == "charge" and (usage.get(at, -1) != entry.input_tokens or entry.run_id):
                usage[at], last[at] = entry.input_tokens, entry.catalog_id
            elif entry.kind == "adjustment" and entry.run_id:
                last[at] = entry.catalog_id

    for number, batch in enumerate(todo):
        if rng.random() < 0.5:
            prices = rng.choice(catalogs)
            expect(reprice(ledger, prices, number))
            assert reprice(ledger, prices, 1000 + number) == [], "a second time there is nothing to do"
            engine = Engine(current, Policy(), ledger, Versions("rules", "0"))  # as the worker does after an outside commit
        if rng.random() < 0.2:
            engine = Engine(current := rng.choice(catalogs), Policy(), ledger, Versions("rules", "0"))
        expect(run(engine, ledger, batch).events)
    by_id = {prices.catalog_id: prices for prices in catalogs}
    sums: dict[Key, list[int]] = defaultdict(lambda: [0] * 4)
    for entry in ledger.events:
        for n, name in enumerate(AMOUNTS):
            sums[entry.trace_id, entry.span_id, entry.split_index][n] += getattr(entry, name) or 0
    standing = {(key, *at): live for key, trace in traces_of(ledger.events).items() for at, live in trace.booked.items() if live}
    for at, total in sums.items():
        live = standing.get(at)
        if live is None:
            assert total == [0] * 4
            continue
        [wanted] = price_again([live[0]], by_id[last[at]])
        assert same_price(net_of(live), wanted)
        assert total == [getattr(wanted, name) or 0 for name in AMOUNTS]
        assert net_of(live).lines == wanted.lines
    assert len({entry.event_id for entry in ledger.events}) == len(ledger.events)


@pytest.mark.parametrize("closes", [True, False])
def test_the_control_a_reversal_alone_would_leave_the_adjustment_behind(closes: bool) -> None:
    ledger = MemoryLedger()
    root, call = readings(other("http", chat("a", (100, 10)), payers=pays("acme")))
    run(Engine(Rate(2), Policy(), ledger, Versions("rules", "0")), ledger, [call])
    reprice(ledger, Rate(3), 1)
    batch = run(Engine(Rate(2), Policy(), ledger, Versions("rules", "0")), ledger, [root])
    assert [(e.kind, e.reason, e.tenant_id, e.cost_usd) for e in batch.events] == [
        ("adjustment", "payer_found", None, -110 * MICRO),
        ("reversal", "payer_found", None, -220 * MICRO),
        ("charge", "payer_found", "acme", 330 * MICRO),
    ]
    entries = ledger.events if closes else [e for e in ledger.events if e is not batch.events[0]]
    unattributed = sum(e.cost_usd or 0 for e in entries if e.tenant_id is None)
    assert (unattributed == 0) == closes
