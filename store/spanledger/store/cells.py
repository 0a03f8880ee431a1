"""One cell of a report taken apart: the entries behind a figure, the rates that made it, and how it came about; all of it adds up to it.

Everything is asked of one snapshot, so the parts cannot disagree with each other while the ledger grows.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.store.calls import CALL_KEY, METERED, NET
from spanledger.store.conditions import NO_FILTERS, Basis, Conditions, Filters, conditions
from spanledger.store.entries import decimal_text, read_rows, standing
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, Range, snapshot

MONEY: Final = ("list_cost_usd", "contracted_cost_usd", "cost_usd", "customer_price_usd")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_MODEL: Final = "coalesce(response_model, request_model)"
_SUMS: Final = ", ".join(f"sum({name}) AS {name}" for name in MONEY)
_TOKEN_SUMS: Final = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _TOKENS)


class RateSum(NamedTuple):
    """All lines of a cell at one rate. `example` is an entry that was priced with it, as far as a price book needs to know it."""

    unit: str
    rate_id: str
    amount: str
    per: int
    quantity: int
    cost_usd: str
    example: dict[str, Any]


class Cell(NamedTuple):
    """What a figure consists of. Money is decimal text or None where nothing is known of it.

    `totals` has the money columns, the token columns, `calls` as reports count them, and the numbers of entries: `entries`, `unpriced`
    and `without_customer_price`; `models`
    the same by provider and model; `rates` their lines; `booked` every entry by kind, reason and run. `top` are the costliest entries
    as `events` gives them, `rest` the totals of all others. By the basis `start`, entries are calls as they stand; by `booked`, what
    was booked.
    """

    totals: dict[str, Any]
    models: list[dict[str, Any]]
    rates: list[RateSum]
    booked: list[dict[str, Any]]
    top: list[dict[str, Any]]
    rest: dict[str, Any]


def cell(
    ledger: Ledger,
    *,
    window: Range = EVERYTHING,
    filters: Filters = NO_FILTERS,
    as_of_ns: int | None = None,
    basis: Basis = "start",
    count: int = 10,
    by_customer_price: bool = False,
) -> Cell:
    """The cell of a report that these conditions make, with its `count` costliest entries. Raises QueryError for unknown names."""
    where = conditions(window, filters, as_of_ns=as_of_ns, basis=basis)
    every = f"(SELECT * FROM entries WHERE {where.sql})"  # noqa: S608 - allow-listed names, bound values
    with snapshot(ledger, window if basis == "start" else EVERYTHING) as connection:
        current = standing(connection, every) if basis == "start" else f"SELECT * FROM {every}"  # noqa: S608 - as above
        connection.execute(f"CREATE TEMP TABLE cell AS {current}", where.values)
        (totals,) = _records(connection, "")
        models = _records(connection, f"provider, {_MODEL} AS model")
        price = "customer_price_usd" if by_customer_price else "cost_usd"
        first = f"SELECT * FROM cell ORDER BY abs({price}) DESC NULLS LAST, entry_number LIMIT {count:d}"  # noqa: S608 - our own names
        top = list(read_rows(connection.execute(first)))
        return Cell(totals, models, _rates(connection, every, where), _booked(connection, every, where), top, _rest(totals, top))


def _records(connection: duckdb.DuckDBPyConnection, by: str) -> list[dict[str, Any]]:
    selected, names = (f"{by}, ", "provider, model, ") if by else ("", "")
    cursor = connection.execute(
        f"SELECT {selected}count(*) AS entries, count(*) FILTER (WHERE kind <> 'adjustment' AND cost_usd IS NULL) AS unpriced,"  # noqa: S608 - our own text
        " count(*) FILTER (WHERE kind <> 'adjustment' AND customer_price_usd IS NULL) AS without_customer_price,"
        f" {_TOKEN_SUMS}, {_SUMS} FROM cell{' GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST, provider, model' if by else ''}"
    )
    found = _plain(cursor)
    counted = connection.execute(
        f"SELECT {names}sum(CASE WHEN shared THEN sign(net) ELSE net END) AS calls FROM"  # noqa: S608 - as above
        f" (SELECT {selected}{CALL_KEY} AS call, split_weight IS NOT NULL AS shared, sum({NET}) AS net FROM cell"
        f" WHERE NOT {METERED} GROUP BY ALL) GROUP BY ALL"
    ).fetchall()
    calls = {tuple(key): int(count or 0) for *key, count in counted}
    return [{**row, "calls": calls.get((row["provider"], row["model"]) if by else (), 0)} for row in found]


def _plain(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description or ()]
    return [
        {name: decimal_text(value) if isinstance(value, Decimal) else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


_EXAMPLE: Final = ("catalog_id", "provider", "response_model", "request_model", "service_tier", "region", "tenant_id", "start_ns")


def _rates(connection: duckdb.DuckDBPyConnection, every: str, where: Conditions) -> list[RateSum]:
    example = ", ".join(f"arg_max({name}, entry_number) FILTER (WHERE line.quantity > 0) AS {name}" for name in _EXAMPLE)
    cursor = connection.execute(
        "SELECT line.unit AS unit, line.rate_id AS rate_id, line.amount AS amount, line.per AS per, sum(line.quantity) AS quantity,"  # noqa: S608 - our own names
        f" sum(line.cost_usd) AS cost_usd, {example} FROM (SELECT *, unnest(lines) AS line FROM {every})"
        " GROUP BY ALL HAVING quantity <> 0 OR cost_usd <> 0 ORDER BY cost_usd DESC, rate_id, unit",
        where.values,
    )
    return [
        RateSum(**{name: row[name] for name in RateSum._fields[:-1]}, example={name: row[name] for name in _EXAMPLE})
        for row in _plain(cursor)
    ]


def _booked(connection: duckdb.DuckDBPyConnection, every: str, where: Conditions) -> list[dict[str, Any]]:
    question = f"SELECT kind, reason, run_id AS run, count(*) AS entries, {_SUMS} FROM {every} GROUP BY ALL"  # noqa: S608 - as above
    found = _plain(connection.execute(question, where.values))
    return sorted(found, key=lambda row: (row["kind"] != "charge", row["kind"], row["reason"] or "", row["run"] or ""))


def _rest(totals: dict[str, Any], top: list[dict[str, Any]]) -> dict[str, Any]:
    """What the totals are more than the entries shown."""
    rest: dict[str, Any] = {"entries": totals["entries"] - len(top)}
    with localcontext(prec=76):
        for name in MONEY:
            shown = sum((Decimal(entry[name]) for entry in top if entry[name] is not None), Decimal())
            rest[name] = None if totals[name] is None else decimal_text(Decimal(totals[name]) - shown)
    return rest
