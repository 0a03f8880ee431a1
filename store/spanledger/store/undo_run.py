"""Taking a re-pricing back: one more run, whose entries leave every charge as it was before, where it is still as the run left it.

Nothing is deleted. What has changed since (another run, a revision) is left alone and counted: taking back would undo that too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spanledger.enrich.adjust import AMOUNTS, COUNTS, REPRICED, ByRun, closing, corrections, net_of, same_price
from spanledger.enrich.book import identified, reversal
from spanledger.enrich.events import CostEvent
from spanledger.enrich.open_traces import OpenTrace
from spanledger.store.adjustments import Identity
from spanledger.store.index import trace_keys_of
from spanledger.store.ledger import Ledger
from spanledger.store.partition_pieces import pieces
from spanledger.store.reprice_run import Progress, Scope, charges_ever, tables_of
from spanledger.store.tally import CHANGED, LOST, UNCHANGED, Tally

if TYPE_CHECKING:
    import pyarrow as pa


class _Touched(NamedTuple):
    """A charge that the run touched: as it was before, and as it stands now."""

    before: CostEvent
    live: tuple[CostEvent, ...]


def undone(
    ledger: Ledger, run_id: str, scope: Scope, by: ByRun, tally: Callable[[Tally], object], *, progress: Progress = lambda _rows: None
) -> Iterator[tuple[int, pa.Table]]:
    """The entries that take a run back, as (partition day, rows without numbers). `scope` is the run's own."""
    sums = Tally()
    for piece in pieces(ledger, scope.window):
        yield from tables_of(ledger, _taken_back(ledger, piece.read(), run_id, by, sums))
        progress(piece.rows)
    tally(sums)


def _taken_back(ledger: Ledger, table: pa.Table, run_id: str, by: ByRun, sums: Tally) -> list[CostEvent]:
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow
    import pyarrow.compute as pc  # as above

    from spanledger.store.event_rows import from_table  # as above

    mine = pc.fill_null(pc.equal(table.column("run_id"), run_id), False).to_numpy()
    if not mine.any():
        return []
    keys = trace_keys_of(table)
    entries = from_table(table.filter(pa.array(np.isin(keys, np.unique(keys[mine])))))
    found = _touched(entries, run_id, sums)
    first = [(_identity(each.live[0]), each.live[0].start_ns) for each in found if each.before.cost_usd is None]
    sequences = charges_ever(ledger, first) if first else {}
    return [entry for each in found for entry in _back(each, sequences.get(_identity(each.live[0]), 1), by)]


def _touched(entries: Sequence[CostEvent], run_id: str, sums: Tally) -> list[_Touched]:
    """The charges that the run touched and that are as it left them."""
    traces: dict[tuple[str, bytes], OpenTrace] = {}
    before: dict[Identity, CostEvent] = {}
    after: dict[Identity, CostEvent] = {}
    for entry in entries:
        key = (entry.authority, entry.trace_id)
        trace = traces.setdefault(key, OpenTrace(key))
        at, split = _identity(entry), (entry.span_id, entry.split_index)
        if entry.run_id == run_id and at not in before and trace.booked.get(split):
            before[at] = net_of(trace.booked[split])
        trace.remember_booked([entry])
        if entry.run_id == run_id and trace.booked.get(split):
            after[at] = net_of(trace.booked[split])
    found = []
    for at, was in before.items():
        live = traces[at[:2]].booked.get(at[2:], [])
        untouched = bool(live) and at in after and _is_as(net_of(live), after[at])
        _count(sums, was, after.get(at, was), untouched=untouched)
        if untouched:
            found.append(_Touched(was, tuple(live)))
    return found


def _is_as(now: CostEvent, after: CostEvent) -> bool:
    return same_price(now, after) and all(getattr(now, name) == getattr(after, name) for name in (*COUNTS, "usage"))


def _count(sums: Tally, before: CostEvent, after: CostEvent, *, untouched: bool) -> None:
    booked = [getattr(after, name) or 0 for name in AMOUNTS]
    back = [(getattr(before, name) or 0) - held for name, held in zip(AMOUNTS, booked, strict=True)]
    outcome = UNCHANGED if not untouched else LOST if before.cost_usd is None else CHANGED
    sums.add((after.tenant_id, after.response_model or after.request_model), outcome, booked, back if untouched else [0] * len(AMOUNTS))


def _back(each: _Touched, sequence: int, by: ByRun) -> list[CostEvent]:
    """The entries that leave a charge as it was before."""
    before, live = each.before, each.live
    mine = by._replace(catalog_id=before.catalog_id)
    money = {name: getattr(before, name) for name in (*AMOUNTS, "lines", "price_state", "price_reason", "catalog_id")}
    wanted = live[0]._replace(**money)
    if before.cost_usd is not None:
        return corrections(live, wanted, sequence, mine)
    closed = closing(live, REPRICED, by.booked_ns)
    entries = [] if closed is None else [closed._replace(run_id=by.run_id)]
    entries.append(reversal(live[0], REPRICED, by.booked_ns)._replace(run_id=by.run_id))
    new = wanted._replace(ref_event_id=live[0].event_id, reason=REPRICED, run_id=by.run_id, engine_version=by.engine_version)
    return [*entries, identified(new, sequence, by.booked_ns)]


def _identity(event: CostEvent) -> Identity:
    return event.authority, event.trace_id, event.span_id, event.split_index
