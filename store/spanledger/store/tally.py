"""What a re-pricing does, in sums: by payer and model how many charges change or cannot, and by how much each of the four amounts does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from spanledger.enrich.adjust import AMOUNTS
from spanledger.store.wide_integers import Wide, to_arrow

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

UNCHANGED, CHANGED, NEWLY, LOST = 0, 1, 2, 3
OUTCOMES: Final = ("unchanged", "changed", "newly_priced", "no_price")
"""What becomes of a charge: nothing; an adjustment; its first price; it would lose its price, and stays as it is booked."""

Cell = tuple[str | None, str | None]
"""(tenant, model); None is nobody, or no name."""


class Tally:
    """Counts and sums by cell. Amounts are atto-USD in the order of AMOUNTS: as booked, and the difference."""

    def __init__(self) -> None:
        self.counts: dict[Cell, list[int]] = {}
        self.booked: dict[Cell, list[int]] = {}
        self.difference: dict[Cell, list[int]] = {}

    def add(self, cell: Cell, outcome: int, booked: Sequence[int], difference: Sequence[int], count: int = 1) -> None:
        """Count charges of one cell."""
        self.counts.setdefault(cell, [0] * len(OUTCOMES))[outcome] += count
        for held, more in ((self.booked, booked), (self.difference, difference)):
            sums = held.setdefault(cell, [0] * len(AMOUNTS))
            for n, amount in enumerate(more):
                sums[n] += amount

    def add_many(
        self,
        connection: duckdb.DuckDBPyConnection,
        cells: Mapping[str, pa.Array],
        outcome: np.ndarray,
        booked: Sequence[Wide],
        difference: Sequence[Wide],
    ) -> None:
        """Count many charges, a row each; `cells` has the columns tenant and model."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow

        kind = pa.decimal128(38, 0)
        columns = {**cells, "outcome": pa.array(outcome)}
        names = [f"{what}_{n}" for what in ("booked", "difference") for n in range(len(AMOUNTS))]
        columns |= {name: to_arrow(values, kind) for name, values in zip(names, (*booked, *difference), strict=True)}
        connection.register("outcomes", pa.table(columns))
        sums = ", ".join(f"sum({name}::HUGEINT)" for name in names)
        rows = connection.execute(f"SELECT tenant, model, outcome, count(*), {sums} FROM outcomes GROUP BY ALL").fetchall()  # noqa: S608 - our own text
        connection.unregister("outcomes")
        for tenant, model, which, count, *amounts in rows:
            half = len(AMOUNTS)
            self.add((tenant, model), which, [int(a) for a in amounts[:half]], [int(a) for a in amounts[half:]], count)

    def total(self, outcome: int) -> int:
        """How many charges have an outcome."""
        return sum(counts[outcome] for counts in self.counts.values())

    @property
    def entries(self) -> int:
        """How many entries a commit would book: an adjustment for a change, a reversal and a charge for a first price."""
        return self.total(CHANGED) + 2 * self.total(NEWLY)
