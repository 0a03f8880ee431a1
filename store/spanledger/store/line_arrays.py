"""Priced lines of many calls at once: flat arrays with the number of lines a call has, as Arrow keeps lists, and never a row at a time.

What a line says in words (unit, rate, amount) stays in a pool, where lines refer to it by number, until a column is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spanledger.enrich.plans import UnitRate
from spanledger.store.wide_integers import Wide, equal, from_arrow, group_sums, negated, to_arrow, zeros

if TYPE_CHECKING:
    import pyarrow as pa


class Pool(NamedTuple):
    """What lines refer to: unit, rate, amount and per of each number."""

    unit: pa.Array
    rate_id: pa.Array
    amount: pa.Array
    per: np.ndarray

    def followed_by(self, other: Pool) -> Pool:
        """Both; the numbers of the other's go on after this one's."""
        import pyarrow as pa  # here: reports import this package and must not wait for Arrow

        texts = [pa.concat_arrays([one, two]) for one, two in zip(self[:3], other[:3], strict=True)]
        return Pool(texts[0], texts[1], texts[2], np.concatenate((self.per, other.per)))

    def unit_codes(self) -> np.ndarray:
        """A number for the unit of each."""
        found: np.ndarray = self.unit.dictionary_encode().indices.to_numpy()
        return found


def pool_of(rates: Sequence[UnitRate | None]) -> Pool:
    """Rates as a pool; those that are not there are never referred to."""
    import pyarrow as pa  # as above

    texts = [
        pa.array(["" if rate is None else getattr(rate, name) for rate in rates], pa.string()) for name in ("unit", "rate_id", "amount")
    ]
    return Pool(texts[0], texts[1], texts[2], np.array([1 if rate is None else rate.per for rate in rates], np.int64))


class Lines(NamedTuple):
    """The lines of some calls end to end: `counts` says how many each call has; `ref` is where in its pool a line's words are."""

    counts: np.ndarray
    ref: np.ndarray
    quantity: np.ndarray
    cost: Wide

    @property
    def starts(self) -> np.ndarray:
        """Where the lines of each call begin, and at last where all end."""
        return np.concatenate(([0], np.cumsum(self.counts)))

    @property
    def owners(self) -> np.ndarray:
        """The call of each line."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def taken(self, calls: np.ndarray) -> Lines:
        """The lines of these calls, in their order."""
        counts = self.counts[calls]
        return self._at(counts, ranges(self.starts[:-1][calls], counts))

    def kept(self, mask: np.ndarray) -> Lines:
        """The lines for which the mask holds."""
        return self._at(np.bincount(self.owners[mask], minlength=len(self.counts)), np.flatnonzero(mask))

    def without(self, calls: np.ndarray) -> Lines:
        """No lines of the calls for which the mask holds."""
        return self.kept(~np.repeat(calls, self.counts))

    def negative(self) -> Lines:
        """The lines that take these back."""
        return self._replace(quantity=-self.quantity, cost=negated(self.cost))

    def moved(self, by: int) -> Lines:
        """The same in a pool in which their words stand further back."""
        return self._replace(ref=self.ref + by)

    def sorted_within(self, calls: np.ndarray, rank: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Lines:
        """These calls' lines by a rank, which is given the calls' places among `calls` and what the lines refer to."""
        at = ranges(self.starts[:-1][calls], self.counts[calls])
        owner = np.repeat(np.arange(len(calls)), self.counts[calls])
        order = np.arange(len(self.ref))
        order[at] = at[np.lexsort((rank(owner, self.ref[at]), owner))]
        return self._at(self.counts, order)

    def _at(self, counts: np.ndarray, at: np.ndarray) -> Lines:
        return Lines(counts, self.ref[at], self.quantity[at], self.cost[at])


def of_column(column: pa.ChunkedArray) -> tuple[Lines, Pool]:
    """The lines of a column of the events table, and their pool, in which each line stands at its own place."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    counts = array.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    unit, quantity, rate_id, amount, per, cost = array.flatten().flatten()
    return Lines(counts, np.arange(len(unit)), quantity.to_numpy(), from_arrow(cost)), Pool(unit, rate_id, amount, per.to_numpy())


def in_order(calls: int, parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Lines:
    """Lines given as (calls, each at most once; references; quantities; costs, wide or of 64 bits and not negative): a call's are those
    of the first part first."""
    counts = np.zeros(calls, np.int64)
    for at, *_ in parts:
        counts[at] += 1
    following = np.cumsum(counts) - counts
    total = int(counts.sum())
    found = Lines(counts, np.empty(total, np.int64), np.empty(total, np.int64), zeros(total))
    for at, ref, quantity, cost in parts:
        place = following[at]
        found.ref[place], found.quantity[place] = ref, quantity
        if cost.ndim == 1:
            found.cost[place, 0] = cost
        else:
            found.cost[place] = cost
        following[at] += 1
    return found


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """All integers of the ranges that start at `starts` and have `counts` numbers."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    found: np.ndarray = np.arange(total) - np.repeat(before - starts, counts)
    return found


def joined(one: Lines, other: Lines) -> Lines:
    """For each call its lines of `one`, then those of `other`; both in one pool."""
    counts = one.counts + other.counts
    total = int(counts.sum())
    starts = np.cumsum(counts) - counts
    found = Lines(counts, np.empty(total, np.int64), np.empty(total, np.int64), zeros(total))
    for lines, first in ((one, starts), (other, starts + one.counts)):
        place = ranges(first, lines.counts)
        found.ref[place], found.quantity[place], found.cost[place] = lines.ref, lines.quantity, lines.cost
    return found


def same_bill(one: Lines, other: Lines, units: np.ndarray) -> np.ndarray:
    """For each call whether both bill the same quantities and costs of the same units. `units` is the pool's `unit_codes`."""
    same: np.ndarray = one.counts == other.counts
    calls = np.flatnonzero(same)
    a, b = one.taken(calls), other.taken(calls)
    if len(a.quantity):
        alike = (a.quantity == b.quantity) & (units[a.ref] == units[b.ref]) & equal(a.cost, b.cost)
        same[calls[a.owners[~alike]]] = False
    rest = np.flatnonzero(~same)
    if len(rest):  # perhaps only in another order, or a unit in several lines
        same[rest] = _come_to_nothing(joined(one.taken(rest), other.taken(rest).negative()), units)
    return same


def _come_to_nothing(lines: Lines, units: np.ndarray) -> np.ndarray:
    """For each call whether its lines come to nothing, unit by unit."""
    found = np.ones(len(lines.counts), bool)
    if not len(lines.ref):
        return found
    width = int(units.max()) + 1
    keys = lines.owners * width + units[lines.ref]
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    left = np.add.reduceat(lines.quantity[order], begins) != 0
    for part in group_sums(lines.cost[order], begins):
        left |= part != 0
    found[keys[begins][left] // width] = False
    return found


def to_column(lines: Lines, pool: Pool) -> pa.Array:
    """The lines as a column of the events table."""
    import pyarrow as pa  # as above

    from spanledger.store.encode import LINE_ITEM, MONEY  # as above

    where = pa.array(lines.ref)
    unit, rate_id, amount = (texts.take(where) for texts in pool[:3])
    columns = [unit, pa.array(lines.quantity), rate_id, amount, pa.array(pool.per[lines.ref]), to_arrow(lines.cost, MONEY)]
    items = pa.StructArray.from_arrays(columns, fields=list(LINE_ITEM))
    return pa.ListArray.from_arrays(pa.array(lines.starts.astype(np.int32)), items)
