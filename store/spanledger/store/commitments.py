"""What the ledger has of commitments: how much was used towards each in its periods, what is booked for them, and what is still to book.

Used is what calls cost the company, net of corrections, by when they started. A call counts towards one commitment: that of the narrowest
contract that is for it and has one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from spanledger.enrich.adjust import AMOUNTS, ByRun, closing, corrections, net_of, same_price
from spanledger.enrich.book import identified, reversal
from spanledger.enrich.commitments import Books, Commitment, Period, Settled, charge_of, commitment_for, committed_usd, trace_of
from spanledger.enrich.events import CostEvent
from spanledger.enrich.open_traces import OpenTrace, TraceKey
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import DAY_NS, Call
from spanledger.store.calls import METERED, NET
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot

SETTLED_AGAIN: Final = "commitment_settled_again"
TAKEN_BACK: Final = "commitment_taken_back"
_ATTO: Final = 10**18

Held = tuple[Commitment, Period]


class Booked(NamedTuple):
    """What the ledger has of a commitment's period: all its entries, those that stand, and how many charges there ever were."""

    entries: tuple[CostEvent, ...]
    live: tuple[CostEvent, ...]
    charges: int

    @property
    def net(self) -> CostEvent | None:
        """The charge that stands, with what adjustments leave of it."""
        return net_of(self.live) if self.live else None


# -- use -----------------------------------------------------------------------------------------------------------------


def settled(ledger: Ledger, book: PriceBook, held: Sequence[Held]) -> list[Settled]:
    """Each commitment's period with its use so far. One look at the ledger for all of them. Raises ValueError without an exchange rate."""
    if not held:
        return []
    edges = sorted({edge for _, period in held for edge in (period.from_ns, period.to_ns)})
    first, last = edges[0], edges[-1]
    edges = sorted({*edges, *(edge for edge in book.alias_edges() if first < edge < last)})
    used: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for start_ns, call, tenant, cost_usd, unpriced in _sums(ledger, edges):
        live = {id(one.item): n for n, (one, period) in enumerate(held) if period.from_ns <= start_ns < period.to_ns}
        found = commitment_for(book.contracts_for(call, start_ns, tenant), {key: held[n][0] for key, n in live.items()}) if live else None
        if found is not None:
            sums = used[live[id(found.item)]]
            sums[0] += cost_usd
            sums[1] += unpriced
    return [Settled(one, period, committed_usd(one, period), *used[n]) for n, (one, period) in enumerate(held)]


def _sums(ledger: Ledger, edges: Sequence[int]) -> Iterable[tuple[int, Call, str | None, int, int]]:
    """Net cost and unpriced calls between one edge and the next, by all that decides which contract a call is under."""
    columns = "provider, request_model, response_model, service_tier, region, tenant_id"
    with snapshot(ledger, (edges[0], edges[-1])) as connection:
        connection.execute("CREATE TEMP TABLE parts AS SELECT unnest($edges)::BIGINT AS part_ns", {"edges": list(edges)})
        asked = (
            f"SELECT part_ns, {columns}, sum(cost_usd),"  # noqa: S608 - our own text, bound values
            f" sum({NET}) FILTER (WHERE price_state = 'unpriced' AND usage_state <> 'missing')"
            f" FROM entries ASOF JOIN parts ON start_ns >= part_ns WHERE start_ns < $last AND NOT ({METERED}) GROUP BY ALL"
        )
        rows = connection.execute(asked, {"last": edges[-1]}).fetchall()
    for part_ns, provider, request_model, response_model, tier, region, tenant, cost, unpriced in rows:
        call = Call("", "", provider, request_model, response_model, service_tier=tier, region=region)
        yield part_ns, call, tenant, _atto(cost), int(unpriced or 0)


def _atto(usd: Any) -> int:
    if usd is None:
        return 0
    numerator, denominator = usd.as_integer_ratio()  # exact, whatever the precision of the context
    return int(numerator) * _ATTO // int(denominator)


# -- what is booked ------------------------------------------------------------------------------------------------------


def booked(ledger: Ledger, held: Sequence[Held], authority: str) -> dict[Held, Booked]:
    """What the ledger has of each; an authority is whose ledger it is in."""
    wanted = {(authority, trace_of(*each)): {each[1].to_ns // DAY_NS} for each in held}
    found = ledger.booked(wanted)
    return {each: _booked((authority, trace_of(*each)), found.get((authority, trace_of(*each)), ())) for each in held}


def _booked(key: TraceKey, entries: Sequence[CostEvent]) -> Booked:
    trace = OpenTrace(key)
    trace.remember_booked(entries)
    live = next((tuple(held) for held in trace.booked.values() if held), ())
    return Booked(tuple(entries), live, sum(entry.kind == "charge" for entry in entries))


def state_of(found: Mapping[Held, Booked]) -> str:
    """A digest of what is booked, for naming a run: what was taken back is booked again as another run."""
    ids = sorted(entry.event_id for each in found.values() for entry in each.entries)
    return hashlib.sha256(b"".join(ids)).hexdigest()[:32]


def entries_for(each: Settled, found: Booked, by: Books) -> list[CostEvent]:
    """The entries that bring what is booked to what a period is settled at: a charge, or an adjustment of it; none where it stands."""
    wanted = charge_of(each, by)
    if not found.live:
        return [identified(wanted, found.charges, by.booked_ns)] if wanted.cost_usd else []
    run = ByRun(by.run_id, by.catalog_id, by.booked_ns, by.engine_version)
    return [entry._replace(reason=SETTLED_AGAIN) for entry in corrections(found.live, wanted, found.charges, run)]


def taken_back(ledger: Ledger, run_id: str, by: Books) -> tuple[list[CostEvent], int]:
    """The entries that leave every period as it was before a run, and how many periods were settled again since, which stay."""
    with snapshot(ledger) as connection:
        rows = connection.execute(
            "SELECT DISTINCT authority, trace_id, start_ns FROM entries WHERE run_id = $run ORDER BY trace_id", {"run": run_id}
        ).fetchall()
    keys = {(authority, bytes(trace_id)): {start_ns // DAY_NS} for authority, trace_id, start_ns in rows}
    made: list[CostEvent] = []
    kept = 0
    for key, entries in ledger.booked(keys).items():
        mine = [n for n, entry in enumerate(entries) if entry.run_id == run_id]
        before, after, now = (_booked(key, entries[:upto]) for upto in (mine[0], mine[-1] + 1, len(entries)))
        if now.net is None or after.net is None or not same_price(now.net, after.net):
            kept += 1
            continue
        made += _undo(before, now, by)
    return made, kept


def _undo(before: Booked, now: Booked, by: Books) -> list[CostEvent]:
    was, charge = before.net, now.live[0]
    run = ByRun(by.run_id, by.catalog_id if was is None else was.catalog_id, by.booked_ns, by.engine_version)
    if was is not None:
        wanted = charge._replace(**{name: getattr(was, name) for name in (*AMOUNTS, "lines", "catalog_id")})
        return [entry._replace(reason=TAKEN_BACK) for entry in corrections(now.live, wanted, now.charges, run)]
    closed = closing(now.live, TAKEN_BACK, by.booked_ns)
    entries = ([] if closed is None else [closed]) + [reversal(charge, TAKEN_BACK, by.booked_ns)]
    return [entry._replace(run_id=by.run_id) for entry in entries]
