"""Taking a re-pricing back: one more run, whose entries leave every charge as it was before, where it is still as the run left it.

Nothing is deleted. What has changed since (another run, a revision) is left alone and counted: taking back would undo that too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import duckdb
import numpy as np

from spanledger.enrich.adjust import AMOUNTS, REPRICED, ByRun, corrections, net_of, same_price
from spanledger.enrich.adjust import closing as closing_of
from spanledger.enrich.book import identified, reversal
from spanledger.enrich.events import TOKEN_COUNTS, CostEvent
from spanledger.enrich.open_traces import OpenTrace
from spanledger.store import line_arrays
from spanledger.store.adjustments import COLUMNS, Identity, Repriced, Sequences, adjustments, live_charges
from spanledger.store.booked_amounts import Booked
from spanledger.store.coded_texts import decoded, encoded, is_text
from spanledger.store.index import trace_keys_of
from spanledger.store.ledger import Ledger
from spanledger.store.partition_pieces import Piece, pieces
from spanledger.store.reprice_run import Progress, Scope, charges_ever, in_threads, tables_of
from spanledger.store.tally import CHANGED, TAKEN, UNCHANGED, Tally, tally_of
from spanledger.store.wide_integers import difference, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa


class _Touched(NamedTuple):
    """A charge that the run touched: as it was before, and as it stands now."""

    before: CostEvent
    live: tuple[CostEvent, ...]

    @property
    def needs_a_charge(self) -> bool:
        """Whether it takes a new charge, whose id is made of how many there were: it loses its price, or, where the run was itself an undo,
        gets it back.
        """
        return self.before.cost_usd is None or net_of(self.live).cost_usd is None


def undone(
    ledger: Ledger, run_id: str, scope: Scope, by: ByRun, tally: Callable[[Tally], object], *, progress: Progress = lambda _rows: None
) -> Iterator[tuple[int, pa.Table]]:
    """The entries that take a run back, as (partition day, rows without numbers). `scope` is the run's own."""
    with closing(Undoer(run_id, by, lambda wanted: charges_ever(ledger, wanted))) as undoer:

        def work(piece: Piece) -> list[tuple[int, pa.Table]]:
            made = undoer.undo(piece.read(COLUMNS), piece.read)
            parts = [(piece.day, made.table)] if made.table is not None else []
            return parts + tables_of(ledger, made.events)

        yield from in_threads(work, pieces(ledger, scope.window), progress)
        tally(undoer.tally)


class Undoer:
    """Takes a run back, and keeps the tally: by columns where it made an adjustment that is a charge's last entry, else charge by charge.

    May be used by several threads at a time.
    """

    def __init__(self, run_id: str, by: ByRun, sequences: Sequences) -> None:
        self.tally = Tally()
        self._run_id, self._by, self._sequences = run_id, by, sequences
        self._connection = duckdb.connect(":memory:", config={"threads": 2})
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let DuckDB go."""
        self._connection.close()

    def undo(self, table: pa.Table, complete: Callable[[], pa.Table] | None = None, *, by_columns: bool = True) -> Repriced:
        """The entries for the charges among these rows, which are all that there are of their traces in the partition. `complete` gives
        the table with all columns, where it has only COLUMNS."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow

        mine = is_text(table.column("run_id"), self._run_id)
        if not mine.any():
            return Repriced(None, [])
        keys = trace_keys_of(table)
        made, others = None, mine
        if by_columns:
            with closing(self._connection.cursor()) as cursor:
                charges, last = _last_touched(cursor, table, mine)
                plain = np.zeros(table.num_rows, bool)
                plain[last] = True
                odd = np.unique(keys[mine & ~plain])
                charges = charges[~np.isin(keys[charges], odd)]
                others = np.isin(keys, odd) & mine
                if len(charges):
                    made = self._columnar(cursor, table, mine, charges)
        if not others.any():
            return Repriced(made, [])
        rows = (table if complete is None else complete()).filter(pa.array(np.isin(keys, np.unique(keys[others]))))
        with self._lock:
            return Repriced(made, self._singly(rows))

    def _columnar(self, connection: duckdb.DuckDBPyConnection, table: pa.Table, mine: np.ndarray, charges: np.ndarray) -> pa.Table:
        """The adjustments that leave these charges as they were without the run."""
        import pyarrow as pa  # as above

        from spanledger.store.encode import MONEY  # as above

        earlier = table.filter(pa.array(~mine))
        now = Booked(connection, table, charges)
        before = Booked(connection, earlier, (np.cumsum(~mine) - 1)[charges])
        differences = [difference(was, held) for was, held in zip(before.values, now.values, strict=True)]
        present = [was | held for was, held in zip(before.present, now.present, strict=True)]
        money = [to_arrow(values, MONEY, held) for values, held in zip(differences, present, strict=True)]
        everyone = np.arange(len(charges))
        taken_back = now.lines(everyone).moved(len(before.pool.per)).negative()
        lines = line_arrays.to_column(line_arrays.joined(before.lines(everyone), taken_back), before.pool.followed_by(now.pool))
        names = [encoded(table.column(name)) for name in ("tenant_id", "response_model", "request_model")]
        outcome = np.full(len(charges), CHANGED, np.int8)
        sums = tally_of(names, charges, everyone, outcome, now.values, everyone, differences)
        with self._lock:
            self.tally.merge(sums)
        catalogs = decoded(earlier.column("catalog_id").take(pa.array(before.last)))
        return adjustments(connection, self._by, table, charges, money, lines, catalogs)

    def _singly(self, rows: pa.Table) -> list[CostEvent]:
        from spanledger.store.event_rows import from_table  # Arrow: as above

        found = _touched(from_table(rows), self._run_id, self.tally)
        anew = [(_identity(each.live[0]), each.live[0].start_ns) for each in found if each.needs_a_charge]
        sequences = self._sequences(anew) if anew else {}
        return [entry for each in found for entry in _back(each, sequences.get(_identity(each.live[0]), 0), self._by)]


_LAST: Final = """
    SELECT charge, last FROM (
        SELECT c.n AS charge, arg_max(a.n, a.entry_number) AS last
        FROM charges c JOIN adjusted a ON a.ref_event_id = c.event_id GROUP BY c.n
    ) WHERE last IN (SELECT n FROM adjusted WHERE mine) ORDER BY charge
"""


def _last_touched(connection: duckdb.DuckDBPyConnection, table: pa.Table, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The live charges of which the last adjustment is the run's, and these adjustments, as rows."""
    import pyarrow as pa  # as above

    charges = np.flatnonzero(live_charges(table))
    held = np.flatnonzero(is_text(table.column("kind"), "adjustment"))
    adjusted = table.select(["ref_event_id", "entry_number"]).take(pa.array(held))
    adjusted = adjusted.append_column("n", pa.array(held)).append_column("mine", pa.array(mine[held]))
    connection.register("adjusted", adjusted)
    connection.register("charges", pa.table({"n": pa.array(charges), "event_id": table.column("event_id").take(pa.array(charges))}))
    found = connection.sql(_LAST).fetchnumpy()
    connection.unregister("adjusted")
    connection.unregister("charges")
    return found["charge"], found["last"]


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
    return same_price(now, after) and all(getattr(now, name) == getattr(after, name) for name in (*TOKEN_COUNTS, "usage"))


def _count(sums: Tally, before: CostEvent, after: CostEvent, *, untouched: bool) -> None:
    booked = [getattr(after, name) or 0 for name in AMOUNTS]
    back = [(getattr(before, name) or 0) - held for name, held in zip(AMOUNTS, booked, strict=True)]
    outcome = UNCHANGED if not untouched else TAKEN if before.cost_usd is None else CHANGED
    sums.add((after.tenant_id, after.response_model or after.request_model), outcome, booked, back if untouched else [0] * len(AMOUNTS))


def _back(each: _Touched, sequence: int, by: ByRun) -> list[CostEvent]:
    """The entries that leave a charge as it was before."""
    before, live = each.before, each.live
    mine = by._replace(catalog_id=before.catalog_id)
    money = {name: getattr(before, name) for name in (*AMOUNTS, "lines", "price_state", "price_reason", "catalog_id")}
    wanted = live[0]._replace(**money)
    if before.cost_usd is not None:
        return corrections(live, wanted, sequence, mine)
    closed = closing_of(live, REPRICED, by.booked_ns)
    entries = [] if closed is None else [closed._replace(run_id=by.run_id)]
    entries.append(reversal(live[0], REPRICED, by.booked_ns)._replace(run_id=by.run_id))
    new = wanted._replace(ref_event_id=live[0].event_id, reason=REPRICED, run_id=by.run_id, engine_version=by.engine_version)
    return [*entries, identified(new, sequence, by.booked_ns)]


def _identity(event: CostEvent) -> Identity:
    return event.authority, event.trace_id, event.span_id, event.split_index
