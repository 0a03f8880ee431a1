"""The entries that bring stored charges to other prices: columnar for what is plain, one by one through the price book for the rest.

Works on the rows of one partition at a time (or a slice of its traces), for whatever corrects a charge repeats its times and so lies
beside it. Both ways give the same entries; a differential test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import numpy as np

from spanledger.enrich.adjust import AMOUNTS, CLEARED, REPRICED, ByRun, corrections, is_whole, net_of, price_again, same_price
from spanledger.enrich.book import Prices
from spanledger.enrich.events import CostEvent
from spanledger.enrich.meters import METERED, METERED_SPLIT
from spanledger.enrich.price import COUNT_MAX
from spanledger.enrich.price_book import PriceBook
from spanledger.store import line_arrays
from spanledger.store.columnar import ABSENT, COUNTS, Billed, price_calls
from spanledger.store.rate_table import CONTEXT, CONTRACTED, CUSTOMER, LISTED, SINGLE, context_codes, rate_table
from spanledger.store.schema import EVENT_FIELDS
from spanledger.store.tally import CHANGED, LOST, NEWLY, UNCHANGED, Tally
from spanledger.store.wide_integers import Wide, difference, equal, from_arrow, negated, to_arrow, valid, zeros

if TYPE_CHECKING:
    import pyarrow as pa

Identity = tuple[str, bytes, bytes, int]
"""(authority, trace, span, split) of a charge."""
Sequences = Callable[[Iterable[tuple[Identity, int]]], Mapping[Identity, int]]
"""How many charges were ever booked for each identity, given with the start of the live one."""
_UNKNOWN_METER: Final = "unknown_meter"


class Repriced(NamedTuple):
    """The entries for some rows: adjustments by columns (None: none), and further ones in the order in which they are to be booked."""

    table: pa.Table | None
    events: list[CostEvent]


class Repricer:
    """Re-prices rows of the events table to `prices`, and keeps the tally. `by` says what the entries are to name as their run.

    `sequences` is asked only for calls that get their first price.
    """

    def __init__(self, prices: Prices, by: ByRun, sequences: Sequences) -> None:
        self.tally = Tally()
        self._prices, self._by, self._sequences = prices, by, sequences
        self._connection = duckdb.connect(":memory:", config={"threads": 2})

    def close(self) -> None:
        """Let DuckDB go."""
        self._connection.close()

    def reprice(self, table: pa.Table, selected: np.ndarray, shown: pa.Table | None = None) -> Repriced:
        """The entries for the selected rows among these, which are all that there are of their traces in the partition. `shown` is the
        table as it is booked, where `table` asks what if."""
        live = live_charges(table)
        chosen = live & selected
        plain = chosen & is_plain(table) if isinstance(self._prices, PriceBook) else np.zeros_like(chosen)
        rows, single = np.flatnonzero(plain), chosen & ~plain
        made = None
        if len(rows):
            made, alone = self._columnar(table, table if shown is None else shown, rows)
            single[alone] = True
        events = self._singly(table, table if shown is None else shown, live, single) if single.any() else []
        return Repriced(made, events)

    # -- by columns ------------------------------------------------------------------------------------------------------

    def _columnar(self, table: pa.Table, shown: pa.Table, rows: np.ndarray) -> tuple[pa.Table | None, np.ndarray]:
        """Adjustments of plain charges, and which of the rows must be priced by themselves after all."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow

        from spanledger.store.encode import MONEY  # as above

        book = self._prices
        assert isinstance(book, PriceBook)  # noqa: S101 - the caller has looked
        calls = table.select([*CONTEXT, "tenant_id", "start_ns", *COUNTS]).take(pa.array(rows)).combine_chunks()
        codes, contexts = context_codes(calls, book.own_tenants)
        starts = calls.column("start_ns").to_numpy()
        rates = rate_table(book, contexts, int(starts.min()), int(starts.max()))
        asked = calls.select(["start_ns", *COUNTS]).append_column("context", pa.array(codes))
        billed = price_calls(self._connection, asked, rates)
        listed = billed.get(LISTED)
        if listed is None:  # counts of which none adds up
            return None, rows
        paid, amounts = _four(billed, listed)
        old = _Booked(self._connection, table, rows)
        alone = (listed.level < 0) | np.logical_or.reduce([each.level == SINGLE for each in billed.values()])
        alone |= paid.priced & ~old.present[2]  # a first price is a new charge
        same = np.logical_and.reduce([equal(new, held) for new, held in zip(amounts.values, old.values, strict=True)])

        def lines(at: np.ndarray) -> line_arrays.Lines:
            return line_arrays.of_billed(paid.level[at], paid.quantities[at], paid.costs[at], rates.levels)

        equals = np.flatnonzero(paid.priced & same & ~alone)
        otherwise = ~line_arrays.same_bill(lines(equals), line_arrays.taken(old.lines, equals))
        alone[equals[otherwise]] = True  # the same sum, otherwise made up
        outcome = np.where(paid.priced & ~same, CHANGED, np.where(old.present[2] & ~paid.priced, LOST, UNCHANGED)).astype(np.int8)
        changed = np.flatnonzero((outcome == CHANGED) & ~alone)
        differences = [difference(new, held) for new, held in zip(amounts.values, old.values, strict=True)]
        self._count(shown, rows, ~alone, outcome, old, differences)
        if not len(changed):
            return None, rows[alone]
        present = [(new | held)[changed] for new, held in zip(amounts.present, old.present, strict=True)]
        money = [to_arrow(values[changed], MONEY, held) for values, held in zip(differences, present, strict=True)]
        taken_back = line_arrays.negative(line_arrays.taken(old.lines, changed))
        both = line_arrays.joined(lines(changed), taken_back)
        return self._adjustments(table.take(pa.array(rows[changed])), money, line_arrays.to_column(both)), rows[alone]

    def _count(
        self, shown: pa.Table, rows: np.ndarray, mine: np.ndarray, outcome: np.ndarray, old: _Booked, differences: Sequence[Wide]
    ) -> None:
        import pyarrow as pa  # as above
        import pyarrow.compute as pc  # as above

        at = np.flatnonzero(mine)
        named = shown.select(["tenant_id", "response_model", "request_model"]).take(pa.array(rows[at]))
        cells = {"tenant": named.column("tenant_id"), "model": pc.coalesce(named.column("response_model"), named.column("request_model"))}
        changes = (outcome[at] == CHANGED)[:, None]
        moved = [np.where(changes, values[at], 0) for values in differences]
        self.tally.add_many(self._connection, cells, outcome[at], [values[at] for values in old.values], moved)

    def _adjustments(self, charges: pa.Table, money: Sequence[pa.Array], lines: pa.Array) -> pa.Table:
        """The adjustments of these charges; what is not said here is the charge's own."""
        import pyarrow as pa  # as above

        from spanledger.store.encode import ARROW_TYPES  # as above
        from spanledger.store.event_rows import SCHEMA  # as above

        count, by = charges.num_rows, self._by
        refs = charges.column("event_id")
        said: dict[str, Any] = {
            "event_id": self._ids(refs),
            "kind": "adjustment",
            "ref_event_id": refs,
            "reason": REPRICED,
            "booked_ns": by.booked_ns,
            "catalog_id": by.catalog_id,
            "engine_version": by.engine_version,
            "run_id": by.run_id,
            "lines": lines,
            **dict(zip(AMOUNTS, money, strict=True)),
        }
        columns = []
        for field in EVENT_FIELDS[:-1]:
            kind = ARROW_TYPES[field.type]
            if field.name in CLEARED:
                cleared = CLEARED[field.name]
                if cleared == ():
                    columns.append(pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], kind.value_type)))
                else:
                    columns.append(pa.repeat(pa.scalar(cleared, kind), count))
            elif field.name in said:
                value = said[field.name]
                columns.append(pa.repeat(pa.scalar(value, kind), count) if isinstance(value, str | int) else value)
            else:
                columns.append(charges.column(field.name))
        return pa.Table.from_arrays(columns, schema=pa.schema(list(SCHEMA)[:-1]))

    def _ids(self, refs: pa.ChunkedArray) -> pa.Array:
        """The ids `enrich.adjust.adjustment_id` makes."""
        import pyarrow as pa  # as above

        self._connection.register("refs", pa.table({"n": pa.array(np.arange(len(refs))), "id": refs}))
        text = "SELECT unhex(left(sha256('adjustment ' || $run || ' ' || lower(hex(id))), 32)) AS id FROM refs ORDER BY n"
        found: pa.ChunkedArray = self._connection.sql(text, params={"run": self._by.run_id}).to_arrow_table().column("id")
        self._connection.unregister("refs")
        return found.cast(pa.binary(16)).combine_chunks()

    # -- one by one ------------------------------------------------------------------------------------------------------

    def _singly(self, table: pa.Table, shown: pa.Table, live: np.ndarray, single: np.ndarray) -> list[CostEvent]:
        """The entries for charges that are priced through the book itself; parts of a shared call together."""
        import pyarrow as pa  # as above
        import pyarrow.compute as pc  # as above

        from spanledger.store import event_rows  # as above

        parts = live & valid(table.column("split_weight"))
        charges = single | parts
        ids = table.column("event_id").filter(pa.array(charges)).combine_chunks()
        corrected = pc.is_in(table.column("ref_event_id"), ids).to_numpy() & kind_is(table, "adjustment")
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


class _Four(NamedTuple):
    """The four amounts of calls, in the order of AMOUNTS, zero where there is none, and where there is one."""

    values: list[Wide]
    present: list[np.ndarray]


class _Booked:
    """What plain charges are booked at, net of their adjustments: `values`, `present` as in _Four, and `lines`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: pa.Table, rows: np.ndarray) -> None:
        import pyarrow as pa  # as above

        charges = table.select([*AMOUNTS, "event_id", "customer_billable"]).take(pa.array(rows)).combine_chunks()
        self.values = [from_arrow(charges.column(name)) for name in AMOUNTS]
        self.present = [valid(charges.column(name)) for name in AMOUNTS]
        source = rows.copy()
        adjusted = np.zeros(len(rows), bool)
        if kind_is(table, "adjustment").any():
            found = _adjusted(connection, table, charges.column("event_id"))
            at = found.column("n").to_numpy()
            adjusted[at] = True
            source[at] = found.column("last").to_numpy()
            self._net(found, at, adjusted, charges.column("customer_billable").to_numpy())
        lines = line_arrays.of_column(table.column("lines").take(pa.array(source)))
        if adjusted.any():  # the last adjustment begins with all lines that were then the charge's
            lines = line_arrays.kept(lines, (lines.quantity > 0) | ~np.repeat(adjusted, lines.counts))
        self.lines = lines

    def _net(self, found: pa.Table, at: np.ndarray, adjusted: np.ndarray, billable: np.ndarray) -> None:
        """Add the adjustments. A zero that is left of what was taken back is nothing, as `enrich.adjust.net_of` has it."""
        for n, name in enumerate(AMOUNTS):
            values = self.values[n].copy()
            values[at] = difference(values[at], negated(from_arrow(found.column(name))))
            self.values[n] = values
            self.present[n] = self.present[n].copy()
            self.present[n][at] |= valid(found.column(name))
        nothing = [equal(values, np.zeros_like(values)) & adjusted for values in self.values]
        self.present[1] &= ~(nothing[1] & ~equal(self.values[2], np.zeros_like(self.values[2])))
        self.present[3] &= ~(nothing[3] & billable)


def _adjusted(connection: duckdb.DuckDBPyConnection, table: pa.Table, charges: pa.ChunkedArray) -> pa.Table:
    """Of the charges that have adjustments: their number, the sums of these, and the row of the last one."""
    import pyarrow as pa  # as above

    rows = np.flatnonzero(kind_is(table, "adjustment"))
    taken = table.select(["ref_event_id", "entry_number", *AMOUNTS]).take(pa.array(rows)).append_column("row", pa.array(rows))
    connection.register("taken", taken)
    connection.register("charges", pa.table({"n": pa.array(np.arange(len(charges))), "event_id": charges}))
    sums = ", ".join(f"sum({name}) AS {name}" for name in AMOUNTS)
    text = f"SELECT n, {sums}, arg_max(row, entry_number) AS last FROM charges JOIN taken ON ref_event_id = event_id GROUP BY n"  # noqa: S608 - our own text
    found: pa.Table = connection.sql(text).to_arrow_table().combine_chunks()
    connection.unregister("taken")
    connection.unregister("charges")
    return found


def _four(billed: Mapping[int, Billed], listed: Billed) -> tuple[Billed, _Four]:
    """What is paid, and the four amounts: list, contracted, paid, customer's."""
    contracted, customer = billed.get(CONTRACTED), billed.get(CUSTOMER)
    nothing = zeros(len(listed.level))
    absent = np.zeros(len(listed.level), bool)
    paid = listed
    if contracted is not None:
        use = contracted.level != ABSENT
        paid = Billed(
            np.where(use, contracted.level, listed.level),
            np.where(use, contracted.priced, listed.priced),
            np.where(use[:, None], contracted.quantities, listed.quantities),
            np.where(use[:, None, None], contracted.costs, listed.costs),
            np.where(use[:, None], contracted.total, listed.total),
        )
    each = (listed, contracted, paid, customer)
    present = [absent if one is None else one.priced for one in each]
    values = [nothing if one is None else np.where(one.priced[:, None], one.total, 0) for one in each]
    return paid, _Four(values, present)


def kind_is(table: pa.Table, kind: str) -> np.ndarray:
    """Which rows are of a kind."""
    import pyarrow.compute as pc  # as above

    found: np.ndarray = pc.equal(table.column("kind"), kind).to_numpy()
    return found


def live_charges(table: pa.Table) -> np.ndarray:
    """Which rows are charges that no reversal has undone."""
    import pyarrow as pa  # as above
    import pyarrow.compute as pc  # as above

    live = kind_is(table, "charge")
    undone = table.column("ref_event_id").filter(pa.array(kind_is(table, "reversal"))).combine_chunks()
    return live & ~pc.is_in(table.column("event_id"), undone).to_numpy() if len(undone) else live


def is_plain(table: pa.Table) -> np.ndarray:
    """Which calls columns can price: not shared, not metered, with no kinds of usage but the common ones, and no policy on failures."""
    import pyarrow.compute as pc  # as above

    plain = ~valid(table.column("split_weight"))
    plain &= pc.not_equal(table.column("usage_state"), "missing").to_numpy()
    plain &= pc.equal(pc.list_value_length(table.column("usage")), 0).to_numpy()
    plain &= ~pc.starts_with(table.column("usage_basis"), METERED).to_numpy()
    failed = pc.equal(table.column("status"), "error").to_numpy()
    spared = pc.equal(table.column("provider_billing"), "not_billed").to_numpy() | ~table.column("customer_billable").to_numpy()
    plain &= ~(failed & spared)
    for name in COUNTS:
        counts = pc.fill_null(table.column(name), 0).to_numpy()
        plain &= (counts >= 0) & (counts <= COUNT_MAX)
    return plain


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
