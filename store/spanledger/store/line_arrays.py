"""Priced lines of many calls at once: flat arrays with the number of lines a call has, as Arrow keeps lists, and never a row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spanledger.enrich.plans import UnitRate
from spanledger.store.wide_integers import Wide, equal, from_arrow, negated, to_arrow, zeros

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("unit", "rate_id", "amount")


class Lines(NamedTuple):
    """The lines of some calls end to end: `counts` says how many each call has. The columns are those of a line."""

    counts: np.ndarray
    unit: pa.Array
    quantity: np.ndarray
    rate_id: pa.Array
    amount: pa.Array
    per: np.ndarray
    cost: Wide

    @property
    def starts(self) -> np.ndarray:
        """Where the lines of each call begin, and at last where all end."""
        return np.concatenate(([0], np.cumsum(self.counts)))


def of_column(column: pa.ChunkedArray) -> Lines:
    """The lines of a column of the events table."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    counts = array.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    flat = array.flatten()
    unit, quantity, rate_id, amount, per, cost = flat.flatten()
    return Lines(counts, unit, quantity.to_numpy(), rate_id, amount, per.to_numpy(), from_arrow(cost))


def of_billed(level: np.ndarray, quantities: np.ndarray, costs: Wide, levels: Sequence[tuple[UnitRate | None, ...]]) -> Lines:
    """The lines of billed calls: one for each quantity that is not zero, in the order of the units, at the rates of the call's level."""
    import pyarrow as pa  # here: reports import this package and must not wait for Arrow

    mask = quantities != 0
    row, slot = np.nonzero(mask)
    width = quantities.shape[1]
    rates = [rate for level_rates in levels for rate in level_rates]
    number = level[row].astype(np.int64) * width + slot
    used, at = np.unique(number, return_inverse=True)
    kept = [rates[n] for n in used.tolist()]
    held = [rate for rate in kept if rate is not None]
    if len(held) != len(kept):
        raise ValueError("a quantity is billed at no rate")
    indices = pa.array(at.astype(np.int32))

    def texts(name: str) -> pa.Array:
        return pa.array([getattr(rate, name) for rate in held], pa.string()).take(indices)

    per = np.array([rate.per for rate in held], np.int64)[at] if held else np.zeros(0, np.int64)
    return Lines(mask.sum(axis=1), texts("unit"), quantities[mask], texts("rate_id"), texts("amount"), per, costs[mask])


def taken(lines: Lines, calls: np.ndarray) -> Lines:
    """The lines of these calls, in their order."""
    counts = lines.counts[calls]
    return _at(lines, counts, ranges(lines.starts[:-1][calls], counts))


def kept(lines: Lines, mask: np.ndarray) -> Lines:
    """The lines for which the mask holds."""
    owner = np.repeat(np.arange(len(lines.counts)), lines.counts)
    return _at(lines, np.bincount(owner[mask], minlength=len(lines.counts)), np.flatnonzero(mask))


def _at(lines: Lines, counts: np.ndarray, at: np.ndarray) -> Lines:
    import pyarrow as pa  # as above

    where = pa.array(at)
    texts = [getattr(lines, name).take(where) for name in TEXTS]
    return Lines(counts, texts[0], lines.quantity[at], texts[1], texts[2], lines.per[at], lines.cost[at])


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """All integers of the ranges that start at `starts` and have `counts` numbers."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    found: np.ndarray = np.arange(total) - np.repeat(before - starts, counts)
    return found


def negative(lines: Lines) -> Lines:
    """The lines that take these back."""
    return lines._replace(quantity=-lines.quantity, cost=negated(lines.cost))


def joined(one: Lines, other: Lines) -> Lines:
    """For each call its lines of `one`, then those of `other`."""
    import pyarrow as pa  # as above

    counts = one.counts + other.counts
    total = int(counts.sum())
    order = np.empty(total, np.int64)
    starts = np.cumsum(counts) - counts
    first = ranges(starts, one.counts)
    order[first] = np.arange(len(first))
    order[ranges(starts + one.counts, other.counts)] = np.arange(len(first), total)
    where = pa.array(order)
    texts = [pa.concat_arrays([getattr(one, name), getattr(other, name)]).take(where) for name in TEXTS]
    quantity, per = (np.concatenate((getattr(one, name), getattr(other, name)))[order] for name in ("quantity", "per"))
    return Lines(counts, texts[0], quantity, texts[1], texts[2], per, np.concatenate((one.cost, other.cost))[order])


def same_bill(one: Lines, other: Lines) -> np.ndarray:
    """For each call whether both have the same quantities and costs of the same units, in the same order."""
    import pyarrow.compute as pc  # as above

    same: np.ndarray = one.counts == other.counts
    calls = np.flatnonzero(same)
    a, b = taken(one, calls), taken(other, calls)
    if len(a.quantity):
        lines = (a.quantity == b.quantity) & equal(a.cost, b.cost) & pc.equal(a.unit, b.unit).to_numpy(zero_copy_only=False)
        owner = np.repeat(calls, a.counts)
        same[owner[~lines]] = False
    return same


def to_column(lines: Lines) -> pa.Array:
    """The lines as a column of the events table."""
    import pyarrow as pa  # as above

    from spanledger.store.encode import LINE_ITEM, MONEY  # as above

    columns = [lines.unit, pa.array(lines.quantity), lines.rate_id, lines.amount, pa.array(lines.per), to_arrow(lines.cost, MONEY)]
    items = pa.StructArray.from_arrays(columns, fields=list(LINE_ITEM))
    return pa.ListArray.from_arrays(pa.array(lines.starts.astype(np.int32)), items)


def empty(calls: int) -> Lines:
    """No lines for so many calls."""
    import pyarrow as pa  # as above

    none, texts = np.zeros(0, np.int64), pa.array([], pa.string())
    return Lines(np.zeros(calls, np.int64), texts, none, texts, texts, none, zeros(0))
