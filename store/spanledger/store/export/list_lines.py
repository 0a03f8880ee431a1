"""What the lines of contracted entries would cost at list prices, line by line, by the very catalogs they were booked with.

An entry keeps the sum at list prices and the lines of what was paid; FOCUS wants both for each line. Their sums are those of the entries,
to the last digit: where the list prices of an entry's lines do not come to its sum (a share of a call, whose tier goes by the whole),
the difference is put on its last line, without a unit price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.enrich.money import line_cost
from spanledger.enrich.plans import Level, UnitRate
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import Call
from spanledger.store.catalogs import UnknownCatalogError, book_of
from spanledger.store.ledger import Ledger

if TYPE_CHECKING:
    import duckdb

_WIDE: Final = Context(prec=76)
_BATCH: Final = 4_096
_COLUMNS: Final = (
    "entry_number, catalog_id, kind, start_ns, tenant_id, provider, request_model, response_model, service_tier, region, input_tokens,"
    " list_cost_usd, lines"
)


class ListLine(NamedTuple):
    """A line at list prices: `amount` is the unit price for `per` of them as the line has it, None where there is none."""

    entry: int
    number: int
    amount: str | None
    list_cost_usd: Decimal


def add_list_lines(connection: duckdb.DuckDBPyConnection, ledger: Ledger, chosen: str, bound: Mapping[str, Any]) -> None:
    """Make the table `list_lines` of the chosen entries whose list cost is not their cost."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE list_lines (entry BIGINT, number BIGINT, amount VARCHAR, list_cost_usd DECIMAL(38, 18))"
    )
    reading = connection.cursor()
    rows = reading.execute(
        f"SELECT {_COLUMNS} FROM {chosen} AS entries WHERE list_cost_usd IS DISTINCT FROM cost_usd AND len(lines) > 0",  # noqa: S608 - our own text
        bound,
    )
    books: dict[str, PriceBook | None] = {}
    while batch := rows.fetchmany(_BATCH):
        found = [tuple(line) for row in batch for line in _list_lines(_book(ledger, books, row[1]), row)]
        connection.executemany("INSERT INTO list_lines VALUES (?, ?, ?, ?)", found)


def _book(ledger: Ledger, books: dict[str, PriceBook | None], catalog_id: str) -> PriceBook | None:
    if catalog_id not in books:
        try:
            books[catalog_id] = book_of(ledger.metastore, catalog_id)
        except UnknownCatalogError:
            books[catalog_id] = None
    return books[catalog_id]


def _list_lines(book: PriceBook | None, row: Sequence[Any]) -> Iterator[ListLine]:
    """The list prices of an entry's lines; an adjustment is a difference, which has no unit prices of its own."""
    entry, _, kind, start_ns, tenant, provider, request, response, tier, region, input_tokens, total, lines = row
    call = Call("", provider=provider, request_model=request, response_model=response, service_tier=tier, region=region)
    level = None
    if book is not None and kind != "adjustment":
        level = _level(book.quote(call, start_ns, tenant).listed.levels, abs(input_tokens or 0))
    costs, amounts = [], []
    for line in lines:
        rate = level.rates.get(line["unit"]) if level is not None else None
        cost = line_cost(line["quantity"], rate.atto_num, rate.atto_den) if rate is not None else _atto(line["cost_usd"])
        costs.append(cost)
        amounts.append(_amount(rate, line["per"]) if rate is not None else None)
    difference = _atto(total) - sum(costs) if total is not None else 0
    if difference:
        costs[-1] += difference
        amounts[-1] = None
    for number, (cost, amount) in enumerate(zip(costs, amounts, strict=True), 1):
        yield ListLine(entry, number, amount, Decimal(cost).scaleb(-18, _WIDE))


def _level(levels: Sequence[Level], total_input: int) -> Level | None:
    reached = [level for level in levels if level.total_input_min <= total_input]
    return max(reached, key=lambda level: level.total_input_min) if reached else None


def _amount(rate: UnitRate, per: int) -> str | None:
    """The list price for as many units as the line's own rate is for."""
    amount = _WIDE.divide(_WIDE.multiply(Decimal(rate.amount), Decimal(per)), Decimal(rate.per))
    return format(amount, "f") if amount == amount.quantize(Decimal(1).scaleb(-18), context=_WIDE) else None


def _atto(amount_usd: Decimal) -> int:
    return int(amount_usd.scaleb(18, _WIDE))
