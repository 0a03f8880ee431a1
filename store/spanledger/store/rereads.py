"""Which stored spans still stand: a replay reads requests again, and what it read of a trace takes the place of what was read before.

Nothing is deleted for it. The rows that a replay stores say in which commit they came (`reread_in`) and up to which journal position the
trace was read again (`reread_to`); whatever was read earlier from below that position no longer counts. Spans that come later do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_Row = TypeVar("_Row")
TraceKey = tuple[str, bytes]
COLUMNS: Final = ("reread_in", "reread_to")

STANDING_SQL: Final = """
    SELECT * FROM {source} AS said WHERE NOT EXISTS (
        SELECT 1 FROM (SELECT DISTINCT authority, trace_id, reread_in, reread_to FROM {source} WHERE reread_in IS NOT NULL) AS again
        WHERE again.authority = said.authority AND again.trace_id = said.trace_id
            AND again.reread_in > coalesce(said.reread_in, 0) AND said.position < again.reread_to
    )
"""
"""The rows of a table of spans that still stand."""


class Reread(NamedTuple):
    """The commit of a replay that stored a row, and the journal position below which it replaces what was read of the trace before."""

    commit: int
    to: int


def stands(position: int, mine: Reread | None, of_trace: Iterable[Reread]) -> bool:
    """Whether a row still counts, given every reread of its trace."""
    since = 0 if mine is None else mine.commit
    return not any(each.commit > since and position < each.to for each in of_trace)


def standing(rows: Sequence[tuple[_Row, int, Reread | None]]) -> list[_Row]:
    """Those of a trace's (row, position, reread) that still count, in their order."""
    again = {reread for _, _, reread in rows if reread is not None}
    if not again:
        return [row for row, _, _ in rows]
    return [row for row, position, reread in rows if stands(position, reread, again)]


def rereads_of(rows: pa.Table) -> list[Reread | None] | None:
    """What each row of the spans table says of replays; None where none was stored by one, which is the usual case."""
    if COLUMNS[0] not in rows.column_names or rows.column(COLUMNS[0]).null_count == rows.num_rows:
        return None
    pairs = zip(rows.column(COLUMNS[0]).to_pylist(), rows.column(COLUMNS[1]).to_pylist(), strict=True)
    return [None if commit is None else Reread(commit, to) for commit, to in pairs]


def without_replaced(rows: pa.Table) -> pa.Table:
    """These rows without those that others among them replace. What is replaced from elsewhere stays."""
    said = rereads_of(rows)
    if said is None:
        return rows
    keys = list(zip(rows.column("authority").to_pylist(), rows.column("trace_id").to_pylist(), strict=True))
    again: Mapping[TraceKey, set[Reread]] = _by_trace(keys, said)
    positions = rows.column("position").to_numpy()
    keep = np.ones(rows.num_rows, np.bool_)
    for row, key in enumerate(keys):
        of_trace = again.get(key)
        if of_trace is not None and not stands(int(positions[row]), said[row], of_trace):
            keep[row] = False
    return rows.filter(keep)


def _by_trace(keys: Sequence[TraceKey], said: Sequence[Reread | None]) -> dict[TraceKey, set[Reread]]:
    found: defaultdict[TraceKey, set[Reread]] = defaultdict(set)
    for key, reread in zip(keys, said, strict=True):
        if reread is not None:
            found[key].add(reread)
    return dict(found)


def marked(rows: pa.Table, reread: Reread) -> pa.Table:
    """Rows of the spans table as those of a replay."""
    import pyarrow as pa  # see files.write_parquet

    for name, value in zip(COLUMNS, reread, strict=True):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.repeat(pa.scalar(value, pa.int64()), rows.num_rows))
    return rows
