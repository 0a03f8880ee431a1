"""What a re-pricing does, in sums: by payer and model how many charges change or cannot, and by how much each of the four amounts does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from spanledger.enrich.adjust import AMOUNTS
from spanledger.store.coded_texts import joint_codes
from spanledger.store.wide_integers import Wide, group_ints

if TYPE_CHECKING:
    import pyarrow as pa

UNCHANGED, CHANGED, NEWLY, LOST, TAKEN = 0, 1, 2, 3, 4
OUTCOMES: Final = ("unchanged", "changed", "newly_priced", "no_price", "unpriced_again")
"""What becomes of a charge: nothing; an adjustment; its first price; it would lose its price, and stays as it is booked; its first price
is taken back by an undo.
"""

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

    def merge(self, other: Tally) -> None:
        """Count what another has counted."""
        for cell, counts in other.counts.items():
            for outcome, count in enumerate(counts):
                self.add(cell, outcome, (), (), count)
            self.add(cell, 0, other.booked[cell], other.difference[cell], 0)

    def total(self, outcome: int) -> int:
        """How many charges have an outcome."""
        return sum(counts[outcome] for counts in self.counts.values())

    @property
    def entries(self) -> int:
        """How many entries a commit would book: an adjustment for a change, a reversal and a charge for a first price and one taken back.

        Where adjustments of a charge that is reversed must be closed, it books one more.
        """
        return self.total(CHANGED) + 2 * (self.total(NEWLY) + self.total(TAKEN))


def tally_of(
    names: Sequence[pa.DictionaryArray], rows: np.ndarray, mine: np.ndarray, outcome: np.ndarray, booked: Sequence[Wide],
    changed: np.ndarray, differences: Sequence[Wide],
) -> Tally:  # fmt: skip
    """The tally of many charges. `names` are tenant, response model and request model of a table, of which the charges are `rows`; those
    to count are `mine`, by their `outcome`. `booked` is of all charges, `differences` of the `changed` ones, which are among `mine`."""
    found = Tally()
    if not len(mine):
        return found
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    cells, size = joint_codes(names, len(names[0]))
    first = np.zeros(size, np.int64)
    first[cells[::-1]] = np.arange(len(cells))[::-1]
    tenants, responded, requested = (name.take(pa.array(first)).to_pylist() for name in names)
    titles = [(tenant, one or other) for tenant, one, other in zip(tenants, responded, requested, strict=True)]
    keys = cells[rows] * len(OUTCOMES) + outcome
    keys = keys.astype(np.uint16) if size * len(OUTCOMES) < 1 << 16 else keys  # small numbers are sorted in no time
    order, begins, which = _runs(keys, mine)
    counts = np.diff(np.append(begins, len(order))).tolist()
    sums = [group_ints(values[order], begins) for values in booked]
    for n, key in enumerate(which.tolist()):
        found.add(titles[key // len(OUTCOMES)], key % len(OUTCOMES), [values[n] for values in sums], (), counts[n])
    if len(changed):
        places, begins, which = _runs(keys[changed], np.arange(len(changed)))
        sums = [group_ints(values[places], begins) for values in differences]
        for n, key in enumerate(which.tolist()):
            found.add(titles[key // len(OUTCOMES)], CHANGED, (), [values[n] for values in sums], 0)
    return found


def _runs(keys: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some rows in the order of their keys, where in it another key begins, and these keys."""
    order = some[np.argsort(keys[some], kind="stable")]
    ordered = keys[order].astype(np.int64)
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    return order, begins, ordered[begins]
