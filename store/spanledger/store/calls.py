"""What counts as a provider call, in SQL, once for all reports: a shared call is one, a reversed call none, and what meters charge none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.enrich.meters import METERED_SPLIT

METERED: Final = f"split_index >= {METERED_SPLIT}"
"""Whether an entry is what a meter charged, which is cost and no call."""
NET: Final = "CASE kind WHEN 'charge' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END"
CALL_KEY: Final = "encode(authority) || trace_id || span_id"

_CALLS: Final = "CASE WHEN metered THEN 0 WHEN shared IS NULL THEN net * entries ELSE sign(entries) END"
"""The calls of a row of the first sums: those of a shared call are its parts, net of reversals, and are one call."""
_CHARGES: Final = "CASE WHEN shared IS NULL THEN net * entries ELSE entries END"

Row = tuple[Any, ...]


def calls(condition: str = "true") -> str:
    """The measure of first sums that counts the calls for which a condition on the columns `apart` holds."""
    return f"coalesce(sum({_CALLS}) FILTER (WHERE {condition}), 0)"


def charges(condition: str = "true") -> str:
    """The same for charges that stand: of calls, each part of a shared one, and of meters."""
    return f"coalesce(sum({_CHARGES}) FILTER (WHERE {condition}), 0)"


class Grouping(NamedTuple):
    """The parts of a report's question: the dimensions as SQL with their names, and what to select from with the values it binds."""

    connection: duckdb.DuckDBPyConnection
    dimensions: tuple[str, ...]
    names: tuple[str, ...]
    source: str
    values: dict[str, Any]


class FirstSums:
    """Entries summed by dimensions and by what the counts tell apart, which is then summed again: quicker than filtered aggregates.

    `apart`: name -> expression of the columns that conditions of counts name; `sums`: name -> aggregate, to be summed again. Only parts
    of shared calls, which are few, are summed by call too, so that each is counted once; files tell that they have none.
    """

    def __init__(self, asked: Grouping, apart: Mapping[str, str], sums: Mapping[str, str], values: Mapping[str, Any] | None = None) -> None:
        self._connection, self._names, self._apart = asked.connection, asked.names, tuple(apart)
        columns = [*asked.dimensions, *(f"{text} AS {name}" for name, text in apart.items()), f"{METERED} AS metered"]
        totals = [f"{text} AS {name}" for name, text in sums.items()]
        whole = [*columns, f"{NET} AS net", "NULL::BLOB AS shared", "count(*) AS entries", *totals]
        shared = [*columns, "1 AS net", f"{CALL_KEY} AS shared", f"sum({NET}) AS entries", *totals]
        select = "SELECT {} FROM {} AND split_weight IS {} GROUP BY ALL"
        union = " UNION ALL ".join(
            select.format(", ".join(listed), asked.source, null) for listed, null in ((whole, "NULL"), (shared, "NOT NULL"))
        )
        self._connection.execute(f"CREATE TEMP TABLE first_sums AS {union}", {**asked.values, **(values or {})})

    def rows(self, measures: Sequence[str]) -> list[Row]:
        """The measures of each combination of the dimensions, after these; only of rows in which a charge stands or that cost something.

        A reversed call whose charge was moved elsewhere leaves a row of zeros, which says nothing.
        """
        listed = ", ".join((*self._names, *measures, f"{charges()} AS standing"))
        found = self._connection.execute(f"SELECT {listed} FROM first_sums GROUP BY ALL").fetchall()  # noqa: S608 - allow-listed names
        return list(_speaking(found, len(self._names)))

    def counts(self, measures: Sequence[str]) -> Row:
        """Measures that count calls, over all rows: a shared call has parts in several, and is one."""
        apart = ", ".join((*self._apart, "metered", "net", "shared"))
        again = f"SELECT {apart}, sum(entries) AS entries FROM first_sums GROUP BY ALL"  # noqa: S608 - our own text
        return self._connection.execute(f"SELECT {', '.join(measures)} FROM ({again})").fetchone() or ()  # noqa: S608 - as above


def _speaking(found: Sequence[Row], dimensions: int) -> Iterator[Row]:
    for row in found:
        if any(row[dimensions:]):
            yield row[:-1]
