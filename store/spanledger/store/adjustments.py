"""The entries that bring stored charges to other prices: columnar for what is plain, one by one through the price book for the rest.

Works on the rows of one partition at a time (or a slice of its traces), for whatever corrects a charge repeats its times and so lies
beside it. Both ways give the same entries; a differential test says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import numpy as np

from spanledger.enrich.adjust import AMOUNTS, CLEARED, REPRICED, ByRun, corrections, is_whole, net_of, price_again, same_price
from spanledger.enrich.book import Prices
from spanledger.enrich.events import TOKEN_COUNTS, CostEvent
from spanledger.enrich.meters import METERED_SPLIT
from spanledger.enrich.price_book import PriceBook
from spanledger.store import line_arrays
from spanledger.store.booked_amounts import Booked
from spanledger.store.call_arrays import NEEDED, Beside, beside, calls_of, is_plain
from spanledger.store.coded_texts import decoded, encoded, is_text
from spanledger.store.columnar import Bills, bills
from spanledger.store.rate_table import CONTEXT, RateTable, context_codes, rate_table
from spanledger.store.schema import EVENT_FIELDS
from spanledger.store.tally import CHANGED, LOST, NEWLY, UNCHANGED, Tally, tally_of
from spanledger.store.wide_integers import Wide, difference, equal, to_arrow, valid

if TYPE_CHECKING:
    import pyarrow as pa

Identity = tuple[str, bytes, bytes, int]
"""(authority, trace, span, split) of a charge."""
Sequences = Callable[[Iterable[tuple[Identity, int]]], Mapping[Identity, int]]
"""How many charges were ever booked for each identity, given with the start of the live one."""
_UNKNOWN_METER: Final = "unknown_meter"
_ONLY_CHARGES: Final = frozenset(CLEARED) - {*TOKEN_COUNTS, "usage", "wall_clock_ms"}
COLUMNS: Final = tuple(field.name for field in EVENT_FIELDS if field.name not in _ONLY_CHARGES)
"""What is read of rows that columns can price: all but what only new charges repeat."""


class Repriced(NamedTuple):
    """The entries for some rows: adjustments by columns (None: none), and further ones in the order in which they are to be booked."""

    table: pa.Table | None
    events: list[CostEvent]


class Repricer:
    """Re-prices rows of the events table to `prices`, and keeps the tally. `by` says what the entries are to name as their run.

    `sequences` is asked only for calls that get their first price. May be used by several threads at a time.
    """

    def __init__(self, prices: Prices, by: ByRun, sequences: Sequences) -> None:
        self.tally = Tally()
        self._prices, self._by, self._sequences = prices, by, sequences
        self._connection = duckdb.connect(":memory:", config={"threads": 2})
        self._lock = threading.Lock()
        """Held where Python works call by call: the price book's memory and the tally are one thread's at a time."""

    def close(self) -> None:
        """Let DuckDB go."""
        self._connection.close()

    def reprice(
        self, table: pa.Table, selected: np.ndarray, shown: pa.Table | None = None, complete: Callable[[], pa.Table] | None = None
    ) -> Repriced:
        """The entries for the selected rows among these, which are all that there are of their traces in the partition. `shown` is the
        table as it is booked, where `table` asks what if. `complete` gives the table with all columns, where it has only COLUMNS."""
        live = live_charges(table)
        chosen, extra = live & selected, beside(table)
        plain = chosen & is_plain(table, extra) if isinstance(self._prices, PriceBook) else np.zeros_like(chosen)
        rows, single = np.flatnonzero(plain), chosen & ~plain
        made = None
        if len(rows):
            with closing(self._connection.cursor()) as cursor:
                made, alone = self._columnar(cursor, table, table if shown is None else shown, rows, extra)
            single[alone] = True
        if not single.any():
            return Repriced(made, [])
        whole = table if complete is None else complete()
        with self._lock:
            return Repriced(made, self._singly(whole, whole if shown is None else shown, live, single))

    # -- by columns ------------------------------------------------------------------------------------------------------

    def _columnar(
        self, connection: duckdb.DuckDBPyConnection, table: pa.Table, shown: pa.Table, rows: np.ndarray, extra: Beside
    ) -> tuple[pa.Table | None, np.ndarray]:
        """Adjustments of plain charges, and which of the rows must be priced by themselves after all."""
        from spanledger.store.encode import MONEY  # Arrow: reports import this package and must not wait for it

        billed, rates = self._billed(connection, table, rows, extra)
        old = Booked(connection, table, rows)
        alone = billed.single | (billed.priced & ~old.present[2])  # a first price is a new charge
        same = np.logical_and.reduce([equal(new, held) for new, held in zip(billed.values, old.values, strict=True)])
        rates_pool = line_arrays.pool_of(rates.rates)
        pool = rates_pool.followed_by(old.pool)
        equals = np.flatnonzero(billed.priced & same & ~alone)
        if len(equals):  # the same sum may be otherwise made up
            held = old.lines(equals).moved(len(rates_pool.per))
            same[equals] = line_arrays.same_bill(billed.lines.taken(equals), held, pool.unit_codes())
        outcome = np.where(billed.priced & ~same, CHANGED, np.where(old.present[2] & ~billed.priced, LOST, UNCHANGED)).astype(np.int8)
        changed = np.flatnonzero((outcome == CHANGED) & ~alone)
        differences = [difference(new[changed], held[changed]) for new, held in zip(billed.values, old.values, strict=True)]
        self._count(shown, rows, np.flatnonzero(~alone), outcome, old, changed, differences)
        if not len(changed):
            return None, rows[alone]
        present = [(new | held)[changed] for new, held in zip(billed.present, old.present, strict=True)]
        money = [to_arrow(values, MONEY, held) for values, held in zip(differences, present, strict=True)]
        both = line_arrays.joined(billed.lines.taken(changed), old.lines(changed).moved(len(rates_pool.per)).negative())
        return adjustments(connection, self._by, table, rows[changed], money, line_arrays.to_column(both, pool)), rows[alone]

    def _billed(self, connection: duckdb.DuckDBPyConnection, table: pa.Table, rows: np.ndarray, extra: Beside) -> tuple[Bills, RateTable]:
        import pyarrow as pa  # as above

        book = self._prices
        assert isinstance(book, PriceBook)  # noqa: S101 - the caller has looked
        calls = table.select([*CONTEXT, "tenant_id", *NEEDED])
        if len(rows) < table.num_rows:
            calls = calls.take(pa.array(rows))
        codes, contexts = context_codes(calls, book.own_tenants)
        asked = calls_of(calls, rows, extra, codes)
        with self._lock:
            rates = rate_table(book, contexts, int(asked.start_ns.min()), int(asked.start_ns.max()), extra.units)
        return bills(connection, asked, rates), rates

    def _count(
        self, shown: pa.Table, rows: np.ndarray, mine: np.ndarray, outcome: np.ndarray, old: Booked, changed: np.ndarray,
        differences: Sequence[Wide],
    ) -> None:  # fmt: skip
        """Tell the tally of the rows that are `mine`; `differences` are those of the `changed` ones, which are some of them."""
        names = [encoded(shown.column(name)) for name in ("tenant_id", "response_model", "request_model")]
        sums = tally_of(names, rows, mine, outcome, old.values, changed, differences)
        with self._lock:
            self.tally.merge(sums)

    # -- one by one ------------------------------------------------------------------------------------------------------

    def _singly(self, table: pa.Table, shown: pa.Table, live: np.ndarray, single: np.ndarray) -> list[CostEvent]:
        """The entries for charges that are priced through the book itself; parts of a shared call together."""
        import pyarrow as pa  # as above
        import pyarrow.compute as pc  # as above

        from spanledger.store import event_rows  # as above

        parts = live & valid(table.column("split_weight"))
        charges = single | parts
        ids = table.column("event_id").filter(pa.array(charges)).combine_chunks()
        corrected = pc.is_in(table.column("ref_event_id"), ids).to_numpy() & is_text(table.column("kind"), "adjustment")
        at = pa.array(np.flatnonzero(charges | corrected))
        entries = event_rows.from_table(table.take(at))
        named = {event.event_id: event for event in event_rows.from_table(shown.take(at))} if shown is not table else {}
        wanted_ids = set(table.column("event_id").filter(pa.array(single)).to_pylist())
        by_charge: dict[bytes, list[CostEvent]] = {}
        for entry in entries:
            if entry.kind == "charge":
                by_charge.setdefault(entry.event_id, []).insert(0, entry)
            elif entry.ref_event_id is not None:
                by_charge.setdefault(entry.ref_event_id, []).append(entry)
        found: list[tuple[list[CostEvent], CostEvent]] = []
        for group in _groups(by_charge.values()):
            nets = [net_of(held) for held in group]
            again = price_again(nets, self._prices) if is_whole(nets) else nets
            for held, net, wanted in zip(group, nets, again, strict=True):
                if held[0].event_id in wanted_ids:
                    outcome = _outcome(net, wanted)
                    self._count_one(named.get(net.event_id, net), net, wanted, outcome)
                    if outcome in (CHANGED, NEWLY):
                        found.append((held, wanted))
        return self._corrections(found)

    def _count_one(self, named: CostEvent, net: CostEvent, wanted: CostEvent, outcome: int) -> None:
        old = [getattr(net, name) or 0 for name in AMOUNTS]
        moved = [(getattr(wanted, name) or 0) - before for name, before in zip(AMOUNTS, old, strict=True)]
        changes = outcome in (CHANGED, NEWLY)
        self.tally.add(
            (named.tenant_id, named.response_model or named.request_model), outcome, old, moved if changes else [0] * len(AMOUNTS)
        )

    def _corrections(self, found: Sequence[tuple[list[CostEvent], CostEvent]]) -> list[CostEvent]:
        new = [(_identity(held[0]), held[0].start_ns) for held, _ in found if held[0].cost_usd is None]
        sequences = self._sequences(new) if new else {}
        entries: list[CostEvent] = []
        for held, wanted in found:
            entries += corrections(held, wanted, sequences.get(_identity(held[0]), 1), self._by)
        return entries


def adjustments(
    connection: duckdb.DuckDBPyConnection, by: ByRun, table: pa.Table, charges: np.ndarray, money: Sequence[pa.Array], lines: pa.Array,
    catalog_id: pa.Array | None = None,
) -> pa.Table:  # fmt: skip
    """The adjustments of the charges in these rows of a table; what is not said here is the charge's own. Without a `catalog_id` for
    each, that of the run is theirs."""
    import pyarrow as pa  # as above

    from spanledger.store.encode import ARROW_TYPES  # as above
    from spanledger.store.event_rows import SCHEMA  # as above

    where = pa.array(charges)
    refs = table.column("event_id").take(where)
    said: dict[str, Any] = {
        "event_id": _ids(connection, by.run_id, refs),
        "kind": "adjustment",
        "ref_event_id": refs,
        "reason": REPRICED,
        "booked_ns": by.booked_ns,
        "catalog_id": by.catalog_id if catalog_id is None else catalog_id,
        "engine_version": by.engine_version,
        "run_id": by.run_id,
        "lines": lines,
        **dict(zip(AMOUNTS, money, strict=True)),
    }
    columns = []
    for field in EVENT_FIELDS[:-1]:
        kind = ARROW_TYPES[field.type]
        if field.name in CLEARED:
            columns.append(_repeated(CLEARED[field.name], kind, len(charges)))
        elif field.name in said:
            value = said[field.name]
            columns.append(_repeated(value, kind, len(charges)) if isinstance(value, str | int) else value)
        else:
            columns.append(decoded(table.column(field.name).take(where)))
    return pa.Table.from_arrays(columns, schema=pa.schema(list(SCHEMA)[:-1]))


def _repeated(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa  # as above

    if value == ():
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], kind.value_type))
    return pa.repeat(pa.scalar(value, kind), count)


def _ids(connection: duckdb.DuckDBPyConnection, run_id: str, refs: pa.ChunkedArray) -> pa.Array:
    """The ids `enrich.adjust.adjustment_id` makes."""
    import pyarrow as pa  # as above

    connection.register("refs", pa.table({"n": pa.array(np.arange(len(refs))), "id": refs}))
    text = "SELECT unhex(left(sha256('adjustment ' || $run || ' ' || lower(hex(id))), 32)) AS id FROM refs ORDER BY n"
    found: pa.ChunkedArray = connection.sql(text, params={"run": run_id}).to_arrow_table().column("id")
    connection.unregister("refs")
    return found.cast(pa.binary(16)).combine_chunks()


def live_charges(table: pa.Table) -> np.ndarray:
    """Which rows are charges that no reversal has undone."""
    import pyarrow as pa  # as above
    import pyarrow.compute as pc  # as above

    live = is_text(table.column("kind"), "charge")
    undone = table.column("ref_event_id").filter(pa.array(is_text(table.column("kind"), "reversal"))).combine_chunks()
    return live & ~pc.is_in(table.column("event_id"), undone).to_numpy() if len(undone) else live


def _groups(charges: Iterable[list[CostEvent]]) -> list[list[list[CostEvent]]]:
    """The charges by call: a charge alone, or all parts of a shared call in their order."""
    shared: dict[tuple[str, bytes, bytes, bool], list[list[CostEvent]]] = {}
    found: list[list[list[CostEvent]]] = []
    for held in charges:
        charge = held[0]
        if charge.split_weight is None:
            found.append([held])
            continue
        key = (charge.authority, charge.trace_id, charge.span_id, charge.split_index >= METERED_SPLIT)
        if key not in shared:
            found.append(shared.setdefault(key, []))
        shared[key].append(held)
    for parts in shared.values():
        parts.sort(key=lambda held: held[0].split_index)
    return found


def _outcome(net: CostEvent, wanted: CostEvent) -> int:
    if wanted.cost_usd is None:
        return LOST if net.cost_usd is not None and wanted.price_reason != _UNKNOWN_METER else UNCHANGED
    if net.cost_usd is None:
        return NEWLY
    return UNCHANGED if same_price(net, wanted) else CHANGED


def _identity(event: CostEvent) -> Identity:
    return event.authority, event.trace_id, event.span_id, event.split_index
