"""What has changed in the ledger since a time: corrections and late bookings of calls that had started before, and what they add up to.

A period that was reported at that time had these figures then and has those now; every entry in between is one of the changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any, Final

from spanledger.store.calls import CALL_KEY
from spanledger.store.conditions import NO_FILTERS, Filters, conditions, dimension
from spanledger.store.entries import read_rows
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.reports import Table, grouping

OF_ENTRIES: Final = ("kind", "reason", "run")
"""Dimensions that an entry has and a call has not: by these there is no before and after."""
LATE: Final = "booked_late"
"""The reason shown for what was booked for the first time: the call had started before, and its spans came later."""

_CHANGE: Final = {
    "entries": "count(*) FILTER ({0})",
    "calls": f"count(DISTINCT {CALL_KEY}) FILTER ({{0}})",
    "change_usd": "sum(cost_usd) FILTER ({0})",
}
_AROUND: Final = {"cost_before_usd": "sum(cost_usd) FILTER (WHERE booked_ns < $changed_since)", "cost_after_usd": "sum(cost_usd)"}
_CHANGED: Final = "WHERE booked_ns >= $changed_since"


def changes(
    ledger: Ledger,
    by: Sequence[str] = ("tenant", "month"),
    *,
    since_ns: int,
    until_ns: int | None = None,
    tz: str = "UTC",
    filters: Filters = NO_FILTERS,
) -> Table:
    """What was booked from `since_ns` up to `until_ns` for calls that had started before `since_ns`, by these dimensions.

    Days and months are those of the calls. `entries` and `calls` count what was booked and the calls it is about; `change_usd` is what
    it adds up to, between `cost_before_usd` and `cost_after_usd` of the same calls. Raises QueryError for names it does not know.
    """
    by = [dimension(name) for name in by]
    measures = _CHANGE if set(by) & set(OF_ENTRIES) else {**_CHANGE, **_AROUND}
    as_of = None if until_ns is None else until_ns - 1
    with grouping(ledger, by, window=(None, since_ns), tz=tz, filters=_with_late(filters), as_of_ns=as_of) as asked:
        values = {**asked.values, "changed_since": since_ns}
        columns = [f"{text.format(_CHANGED)} AS {name}" for name, text in measures.items()]
        source = asked.source if "cost_before_usd" in measures else f"{asked.source} AND booked_ns >= $changed_since"
        question = "SELECT {} FROM {} GROUP BY ALL"
        found = asked.connection.execute(question.format(", ".join((*asked.dimensions, *columns)), source), values).fetchall()
        calls = asked.connection.execute(question.format(columns[1], source), values).fetchone()
    rows = [(*_named(by, row), *row[len(by) :]) for row in found if row[len(by)]]
    return _table(by, list(measures), rows, calls[0] if calls else 0)


def _with_late(filters: Filters) -> Filters:
    """«booked late» is an entry without a reason."""
    return {
        name: [None if value == LATE else value for value in ([wanted] if wanted is None or isinstance(wanted, str) else wanted)]
        if name == "reason"
        else wanted
        for name, wanted in filters.items()
    }


def _named(by: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(LATE if name == "reason" and value is None else value for name, value in zip(by, row[: len(by)], strict=True))


def _table(by: Sequence[str], measures: Sequence[str], rows: list[tuple[Any, ...]], calls: int) -> Table:
    """In the order before, change, after; the biggest change first."""
    count = len(by)
    order = [name for name in ("entries", "calls", "cost_before_usd", "change_usd", "cost_after_usd") if name in measures]
    at = {name: count + number for number, name in enumerate(measures)}
    ranked = sorted(rows, key=lambda row: (-abs(row[at["change_usd"]] or Decimal()), [str(name) for name in row[:count]]))
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        sums = {name: _sum([row[at[name]] for row in rows]) for name in order}
    sums["calls"] = calls
    sums["entries"] = sums["entries"] or 0
    shown = [(*row[:count], *(row[at[name]] for name in order)) for row in ranked]
    return Table((*by, *order), shown, (*([None] * count), *(sums[name] for name in order)), count)


def _sum(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def changed_entries(
    ledger: Ledger, *, since_ns: int, until_ns: int | None = None, filters: Filters = NO_FILTERS
) -> Iterator[dict[str, Any]]:
    """The entries that `changes` counts, as `events` gives them, in the order of booking."""
    where = conditions((None, since_ns), _with_late(filters), as_of_ns=None if until_ns is None else until_ns - 1)
    where.add("booked_ns >= $since_changed", since_changed=since_ns)
    with snapshot(ledger, (None, since_ns)) as connection:
        chosen = f"SELECT * FROM entries WHERE {where.sql} ORDER BY entry_number"  # noqa: S608 - allow-listed names, bound values
        yield from read_rows(connection.execute(chosen, where.values))
