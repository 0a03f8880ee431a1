"""The calls of rows of the events table as arrays that are priced at once, and which rows cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from spanledger.enrich.catalog.units import INSTEAD_OF_TOKENS, PARTS, REQUESTS
from spanledger.enrich.events import TOKEN_COUNTS
from spanledger.enrich.meters import METERED
from spanledger.enrich.price import COUNT_MAX
from spanledger.enrich.records import RETRIEVED_TOKENS
from spanledger.store.coded_texts import encoded, is_text
from spanledger.store.columnar import Calls, disjoint
from spanledger.store.wide_integers import valid

if TYPE_CHECKING:
    import pyarrow as pa

NEEDED: Final = (*TOKEN_COUNTS, "usage", "start_ns", "status", "usage_state", "provider_billing", "customer_billable")
"""The columns of a call, but for what makes its context."""
_UNITS_MAX: Final = 24
"""Kinds of things counted beside tokens; calls with further ones are priced one by one."""


class Beside(NamedTuple):
    """What rows count beside their tokens: rows, units (a number of `units`) and quantities; `odd` says which rows have something that
    columns cannot price."""

    rows: np.ndarray
    codes: np.ndarray
    quantities: np.ndarray
    units: tuple[str, ...]
    odd: np.ndarray


def beside(table: pa.Table) -> Beside:
    """What the rows of a table count beside their tokens."""
    column = table.column("usage")
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    odd = np.zeros(table.num_rows, bool)
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    if not len(rows):
        return Beside(rows, rows, rows, (), odd)
    unit, quantity = array.flatten().flatten()
    texts = encoded(unit)
    names, codes = texts.dictionary.to_pylist(), texts.indices.to_numpy().astype(np.int64)
    quantities = quantity.to_numpy()
    counted = codes != (names.index(RETRIEVED_TOKENS) if RETRIEVED_TOKENS in names else -1)
    rows, codes, quantities = rows[counted], codes[counted], quantities[counted]
    units = sorted(name for name in names if name not in PARTS and not name.endswith("_tokens") and name != REQUESTS)[:_UNITS_MAX]
    number = np.array([units.index(name) if name in units else -1 for name in names], np.int64)[codes]
    strange = (number < 0) | (quantities < 0) | (quantities > COUNT_MAX)
    keys = np.sort(rows * (len(names) + 1) + codes)
    odd[rows[strange]] = True
    odd[keys[1:][keys[1:] == keys[:-1]] // (len(names) + 1)] = True
    return Beside(rows, number, quantities, tuple(units), odd)


def is_plain(table: pa.Table, extra: Beside) -> np.ndarray:
    """Which calls columns can price: not shared, not metered, with kinds of usage that columns know."""
    import pyarrow.compute as pc  # here: reports import this package and must not wait for Arrow

    plain: np.ndarray = ~extra.odd & ~valid(table.column("split_weight"))
    basis = encoded(table.column("usage_basis"))
    metered = pc.fill_null(pc.starts_with(basis.dictionary, METERED), False).to_numpy(zero_copy_only=False)
    plain &= ~metered[basis.indices.to_numpy()]
    for name in TOKEN_COUNTS:
        column = table.column(name)
        if column.null_count < len(column):
            counts = pc.fill_null(column, 0).to_numpy()
            plain &= (counts >= 0) & (counts <= COUNT_MAX)
    return plain


def calls_of(table: pa.Table, rows: np.ndarray, extra: Beside, contexts: np.ndarray) -> Calls:
    """These rows' calls. `table` has these rows only, `extra` is of the table they were taken from."""
    import pyarrow.compute as pc  # as above

    counts = [pc.fill_null(table.column(name), 0).to_numpy() for name in TOKEN_COUNTS]
    present = [valid(table.column(name)) for name in TOKEN_COUNTS]
    is_open = np.zeros(len(rows), bool)
    further = [np.zeros(len(rows), np.int64) for _ in extra.units]
    if len(extra.rows):
        place = np.full(len(extra.odd), -1, np.int64)
        place[rows] = np.arange(len(rows))
        at = place[extra.rows]
        is_open[at[at >= 0]] = True
        for code, quantities in enumerate(further):
            mine = (extra.codes == code) & (at >= 0)
            quantities[at[mine]] = extra.quantities[mine]
    tokens, whole, sound = disjoint(counts, present, is_open)
    has_tokens = np.logical_or.reduce([count != 0 for count in counts])
    for unit, quantities in zip(extra.units, further, strict=True):
        if unit in INSTEAD_OF_TOKENS:
            quantities[has_tokens] = 0
    missing = is_text(table.column("usage_state"), "missing")
    failed = is_text(table.column("status"), "error") & ~missing
    unbilled = failed & is_text(table.column("provider_billing"), "not_billed")
    given = failed & ~table.column("customer_billable").to_numpy()
    start_ns = table.column("start_ns").to_numpy()
    missing = missing | ~(is_open | present[0] | present[1] | has_tokens)
    return Calls(contexts, start_ns, [*tokens, *further], whole, sound, is_open, missing, unbilled, given)
