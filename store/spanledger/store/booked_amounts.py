"""What charges are booked at, net of their adjustments, for many charges at once: what `enrich.adjust.net_of` is for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spanledger.enrich.adjust import AMOUNTS
from spanledger.store.coded_texts import is_text
from spanledger.store.line_arrays import Lines, of_column
from spanledger.store.wide_integers import difference, equal, from_arrow, negated, valid

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Booked:
    """The four amounts of charges in the order of AMOUNTS (`values`, zero where there is none, and `present`), and their lines.

    `table` has all that there is of the charges, which are its `rows`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: pa.Table, rows: np.ndarray) -> None:
        columns = [table.column(name) for name in AMOUNTS]
        self.values = [from_arrow(column)[rows] for column in columns]
        self.present = [valid(column)[rows] for column in columns]
        self._source = rows
        self._adjusted = np.zeros(len(rows), bool)
        self._lines, self.pool = of_column(table.column("lines"))
        if is_text(table.column("kind"), "adjustment").any():
            self._net(adjustments_of(connection, table, rows), table.column("customer_billable").to_numpy()[rows])

    @property
    def last(self) -> np.ndarray:
        """The row of each charge's last entry: itself, or its last adjustment."""
        return self._source

    def lines(self, at: np.ndarray) -> Lines:
        """The lines of some of the charges: of an adjusted one those that its last adjustment begins with."""
        lines = self._lines.taken(self._source[at])
        if self._adjusted[at].any():
            lines = lines.kept((lines.quantity > 0) | ~np.repeat(self._adjusted[at], lines.counts))
        return lines

    def _net(self, found: pa.Table, billable: np.ndarray) -> None:
        """Add the adjustments. A zero that is left of what was taken back is nothing, as `enrich.adjust.net_of` has it."""
        at = found.column("n").to_numpy()
        self._adjusted[at] = True
        self._source = self._source.copy()
        self._source[at] = found.column("last").to_numpy()
        for n, name in enumerate(AMOUNTS):
            self.values[n][at] = difference(self.values[n][at], negated(from_arrow(found.column(name))))
            self.present[n][at] |= valid(found.column(name))
        nothing = [equal(values, np.zeros_like(values)) & self._adjusted for values in self.values]
        self.present[1] &= ~(nothing[1] & ~equal(self.values[2], np.zeros_like(self.values[2])))
        self.present[3] &= ~(nothing[3] & billable)


def adjustments_of(connection: duckdb.DuckDBPyConnection, table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Of the charges that have adjustments: their number among `rows`, the sums of these, and the row of the last one."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    charges = table.column("event_id").take(pa.array(rows))
    held = np.flatnonzero(is_text(table.column("kind"), "adjustment"))
    taken = table.select(["ref_event_id", "entry_number", *AMOUNTS]).take(pa.array(held)).append_column("row", pa.array(held))
    connection.register("taken", taken)
    connection.register("charges", pa.table({"n": pa.array(np.arange(len(rows))), "event_id": charges}))
    sums = ", ".join(f"sum({name}) AS {name}" for name in AMOUNTS)
    text = f"SELECT n, {sums}, arg_max(row, entry_number) AS last FROM charges JOIN taken ON ref_event_id = event_id GROUP BY n"  # noqa: S608 - our own text
    found: pa.Table = connection.sql(text).to_arrow_table().combine_chunks()
    connection.unregister("taken")
    connection.unregister("charges")
    return found
