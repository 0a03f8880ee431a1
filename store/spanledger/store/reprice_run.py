"""A re-pricing as one operation over the ledger: which charges, by which prices, what it does to whom, and the entries to book.

Its run is named by its inputs: the prices, the choice of charges, and a digest of the entries there were. So the same inputs give the same
entries anywhere, and a run that is repeated finds nothing left to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import numpy as np

from spanledger.enrich.adjust import ByRun
from spanledger.enrich.book import Prices
from spanledger.enrich.events import CostEvent
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.records import DAY_NS
from spanledger.store.adjustments import COLUMNS, Identity, Repricer
from spanledger.store.batches import event_tables
from spanledger.store.coded_texts import decoded
from spanledger.store.conditions import NO_FILTERS, Conditions, Filters, conditions
from spanledger.store.ledger import Ledger
from spanledger.store.partition_pieces import Piece, pieces
from spanledger.store.query import EVERYTHING, Range, snapshot
from spanledger.store.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

THREADS: Final = 2
"""Pieces worked on at a time, beside whoever writes what was made of those before. Arrow, numpy and DuckDB let others run meanwhile."""

Progress = Callable[[int], None]
Change = Callable[["pa.Table"], "pa.Table"]
"""What if: the rows as they might have been."""


class Scope(NamedTuple):
    """Which charges are re-priced: those that start in the window and pass the filters."""

    window: Range = EVERYTHING
    filters: Filters = NO_FILTERS

    @property
    def where(self) -> Conditions:
        """As SQL over entries."""
        return conditions(self.window, self.filters)

    def inputs(self) -> dict[str, Any]:
        """What names the choice."""
        filters = {name: sorted(_values(value), key=str) for name, value in self.filters.items()}
        return {"since_ns": self.window[0], "until_ns": self.window[1], "filters": filters}


def _values(value: str | Sequence[str | None] | None) -> list[str | None]:
    return [value] if value is None or isinstance(value, str) else list(value)


def state_of(ledger: Ledger, scope: Scope) -> dict[str, Any]:
    """What names the entries in scope as they are now: their number and a digest of their ids, whatever files they lie in."""
    where = scope.where
    with snapshot(ledger, scope.window) as connection:
        asked = f"SELECT count(*), bit_xor(md5_number(event_id)) FROM entries WHERE {where.sql}"  # noqa: S608 - allow-listed names, bound values
        count, digest = connection.execute(asked, where.values).fetchone() or (0, None)
    return {"entries": count, "digest": f"{digest or 0:032x}"}


def rows_in(ledger: Ledger, scope: Scope) -> int:
    """How many rows a run reads, for its progress."""
    return sum(file.rows for file in ledger.metastore.live_files("events", start_ns=scope.window))


def repriced(
    ledger: Ledger, prices: Prices, scope: Scope, by: ByRun, tally: Callable[[Tally], object], *, change: Change | None = None,
    progress: Progress = lambda _rows: None,
) -> Iterator[tuple[int, pa.Table]]:  # fmt: skip
    """The entries that bring the charges in scope to `prices`, as (partition day, rows without numbers), partition by partition.

    While one is priced, the one before is the caller's. `tally` is given the sums at the end. `change` makes it a what-if: its entries
    are not to be booked.
    """
    with closing(Repricer(prices, by, lambda wanted: charges_ever(ledger, wanted))) as repricer, closing(_Chooser(scope)) as chooser:

        def work(piece: Piece) -> list[tuple[int, pa.Table]]:
            if change is None:
                table = piece.read(COLUMNS)
                made = repricer.reprice(table, chooser.choose(table), complete=piece.read)
            else:
                shown = with_texts(piece.read())
                made = repricer.reprice(change(shown), chooser.choose(shown), shown)
            parts = [(piece.day, made.table)] if made.table is not None else []
            return parts + tables_of(ledger, made.events)

        yield from in_threads(work, pieces(ledger, scope.window), progress)
        tally(repricer.tally)


def in_threads(
    work: Callable[[Piece], list[tuple[int, pa.Table]]], some: Iterator[Piece], progress: Progress
) -> Iterator[tuple[int, pa.Table]]:
    """What is made of pieces, in their order, some of them at a time; what was made waits for the caller, so that memory is bounded."""
    with ThreadPoolExecutor(THREADS, "reprice") as threads:
        waiting: deque[tuple[int, Future[list[tuple[int, pa.Table]]]]] = deque()
        try:
            for piece in some:
                waiting.append((piece.rows, threads.submit(work, piece)))
                if len(waiting) > THREADS:
                    yield from _done(waiting, progress)
            while waiting:
                yield from _done(waiting, progress)
        finally:
            for _, future in waiting:
                future.cancel()


def _done(waiting: deque[tuple[int, Future[list[tuple[int, pa.Table]]]]], progress: Progress) -> Iterator[tuple[int, pa.Table]]:
    rows, future = waiting.popleft()
    found = future.result()
    progress(rows)
    yield from found


def with_texts(table: pa.Table) -> pa.Table:
    """The rows with their texts themselves, for those who change them."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    return pa.table({name: decoded(table.column(name)) for name in table.column_names})


class _Chooser:
    """Says which rows are in scope."""

    def __init__(self, scope: Scope) -> None:
        self._where = scope.where
        self._connection = duckdb.connect(":memory:", config={"threads": 1})

    def close(self) -> None:
        """Let DuckDB go."""
        self._connection.close()

    def choose(self, table: pa.Table) -> np.ndarray:
        """A mask over the rows."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow

        chosen = np.zeros(table.num_rows, bool)
        if self._where.sql == "true":
            return ~chosen
        with closing(self._connection.cursor()) as cursor:
            cursor.register("rows", table.append_column("row_number", pa.array(np.arange(table.num_rows))))
            asked = f"SELECT row_number FROM rows WHERE {self._where.sql}"  # noqa: S608 - allow-listed names, bound values
            chosen[cursor.execute(asked, self._where.values).fetchnumpy()["row_number"]] = True
        return chosen


def tables_of(ledger: Ledger, events: Sequence[CostEvent]) -> list[tuple[int, pa.Table]]:
    """Entries as rows without numbers, by partition, in their order."""
    return [(day, rows.drop_columns("entry_number")) for _, day, rows in event_tables(events, ledger.config, 0)]


def charges_ever(ledger: Ledger, wanted: Iterable[tuple[Identity, int]]) -> Mapping[Identity, int]:
    """How many charges were ever booked for each (authority, trace, span, split), given with the start of the live one."""
    days: dict[TraceKey, set[int]] = {}
    identities = []
    for identity, start_ns in wanted:
        identities.append(identity)
        days.setdefault(identity[:2], set()).add(start_ns // DAY_NS)
    booked = ledger.booked(days)
    counts: dict[Identity, int] = {}
    for (authority, trace_id), entries in booked.items():
        for entry in entries:
            if entry.kind == "charge":
                identity = (authority, trace_id, entry.span_id, entry.split_index)
                counts[identity] = counts.get(identity, 0) + 1
    return {identity: counts.get(identity, 1) for identity in identities}
