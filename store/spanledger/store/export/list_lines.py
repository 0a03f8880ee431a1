"""What the lines of contracted entries would cost at list prices, line by line, by the very catalogs they were booked with.

An entry keeps the sum at list prices and the lines of what was paid; FOCUS wants both for each line. Their sums are those of the entries,
to the last digit: where the list prices of an entry's lines do not come to its sum (its catalog is not on record, a meter counted it), the
sum is shared out by what the lines cost, and unit prices follow from it. A share of a call has a share of its cost, exactly; its tokens are
whole, so what its prices are for is a quantity of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.enrich.money import divide_half_even, rational_from_text
from spanledger.enrich.plans import Level
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import Call
from spanledger.store.catalogs import UnknownCatalogError, book_of
from spanledger.store.ledger import Ledger

if TYPE_CHECKING:
    import duckdb

_WIDE: Final = Context(prec=76)
_ATTO: Final = Decimal(1).scaleb(-18)
_ROUNDING_ATTO: Final = 1_000
"""By how much the lines of a share may miss its sum: each was rounded, and a list price may be a multiple of what was paid."""
_BATCH: Final = 16_384
_COLUMNS: Final = (
    "entry_number, catalog_id, kind, start_ns, tenant_id, provider, request_model, response_model, service_tier, region, input_tokens,"
    " list_cost_usd, split_weight, lines"
)


class ListLine(NamedTuple):
    """A line at list prices: `amount` is the unit price for `per` of them as the line has it, None where there is none.

    `quantity` is how many `per` a share of a call pays for, None where the line's own quantity says it.
    """

    entry: int
    number: int
    rate_id: str | None
    amount: str | None
    at_list_usd: Decimal
    quantity: Decimal | None = None


def add_list_lines(connection: duckdb.DuckDBPyConnection, ledger: Ledger, chosen: str, bound: Mapping[str, Any]) -> None:
    """Make the table `list_lines` of the chosen entries whose list cost is not their cost, and of shares."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE list_lines"
        " (entry BIGINT, number BIGINT, rate_id VARCHAR, amount VARCHAR, at_list_usd DECIMAL(38, 18), quantity DECIMAL(38, 18))"
    )
    reading = connection.cursor()
    rows = reading.execute(
        f"SELECT {_COLUMNS} FROM {chosen} AS entries"  # noqa: S608 - our own text
        " WHERE (list_cost_usd IS DISTINCT FROM cost_usd OR split_weight IS NOT NULL) AND len(lines) > 0",
        bound,
    )
    books: dict[str, PriceBook | None] = {}
    while batch := rows.fetchmany(_BATCH):
        _insert(connection, [line for row in batch for line in list_lines(_book(ledger, books, row[1]), row)])


def _insert(connection: duckdb.DuckDBPyConnection, lines: Sequence[ListLine]) -> None:
    import pyarrow as pa  # reports import this package and must not wait for Arrow

    from spanledger.store.encode import MONEY  # as above

    types = (pa.int64(), pa.int64(), pa.string(), pa.string(), MONEY, MONEY)
    columns = [pa.array(values, kind) for values, kind in zip(zip(*lines, strict=True), types, strict=True)]
    connection.register("new_list_lines", pa.table(columns, names=list(ListLine._fields)))  # executemany would take a minute for a million
    connection.execute("INSERT INTO list_lines SELECT * FROM new_list_lines").fetchall()
    connection.unregister("new_list_lines")


def _book(ledger: Ledger, books: dict[str, PriceBook | None], catalog_id: str) -> PriceBook | None:
    if catalog_id not in books:
        try:
            books[catalog_id] = book_of(ledger.metastore, catalog_id)
        except UnknownCatalogError:
            books[catalog_id] = None
    return books[catalog_id]


def list_lines(book: PriceBook | None, row: Sequence[Any]) -> Iterator[ListLine]:
    """The list prices of an entry's lines, from the columns above; an adjustment is a difference, which has no unit prices of its own."""
    total_usd, weight, lines = row[-3:]
    paid = [_atto(line["cost_usd"]) for line in lines]
    total = sum(paid) if total_usd is None else _atto(total_usd)
    for line, made in zip(lines, _listed(book, row, paid, total), strict=True):
        yield made if weight is None else made._replace(quantity=_share(line))


def _listed(book: PriceBook | None, row: Sequence[Any], paid: Sequence[int], total: int) -> Iterable[ListLine]:
    """The lines as they are for a whole call."""
    entry, _, kind, start_ns, tenant, provider, request, response, tier, region, input_tokens, _, weight, lines = row
    if kind == "adjustment":
        return _differences(entry, paid, total)
    found = None
    if book is not None:
        call = Call("", provider=provider, request_model=request, response_model=response, service_tier=tier, region=region)
        levels = _likeliest_first(book.quote(call, start_ns, tenant).listed.levels, abs(input_tokens or 0))
        tried = (_at(level, entry, lines, total, is_share=weight is not None) for level in levels)
        found = next((made for made in tried if made is not None), None)
    return found or _shared_out(entry, lines, paid, total)


def _share(line: Mapping[str, Any]) -> Decimal | None:
    """How many `per` a share of a call pays for: its cost at the price of the line."""
    amount = Decimal(line["amount"])
    return _WIDE.divide(line["cost_usd"], amount).quantize(_ATTO, context=_WIDE) if amount else None


def _likeliest_first(levels: Sequence[Level], total_input: int) -> list[Level]:
    """The level that so much input is billed at, then the others: a share of a call is billed at the level of the whole."""
    reached = [level for level in levels if level.total_input_min <= total_input]
    first = max(reached, key=lambda level: level.total_input_min) if reached else None
    return sorted(levels, key=lambda level: level is not first)


def _at(level: Level, entry: int, lines: Sequence[Mapping[str, Any]], total: int, *, is_share: bool) -> list[ListLine] | None:
    """The lines at the rates of a level; None where it has none for one of them, or where they do not come to the entry's sum."""
    rates = [level.rates.get(line["unit"]) for line in lines]
    costs: list[int] = []
    for line, rate in zip(lines, rates, strict=True):
        if rate is None:
            return None
        numerator, denominator = rational_from_text(line["amount"])
        if is_share and numerator:  # cost / (amount / per) of them, at the list price
            paid = _atto(line["cost_usd"]) * denominator * line["per"]
            costs.append(divide_half_even(paid * rate.atto_num, numerator * rate.atto_den * 10**18))
        else:
            costs.append(divide_half_even(line["quantity"] * rate.atto_num, rate.atto_den))
    missing = total - sum(costs)
    if abs(missing) > (_ROUNDING_ATTO if is_share else 0):
        return None
    costs[-1] += missing
    return [
        ListLine(entry, number, rate.rate_id, _text(_per(Decimal(rate.amount), line["per"], rate.per)), _usd(cost))
        for number, (line, rate, cost) in enumerate(zip(lines, rates, costs, strict=True), 1)
        if rate is not None
    ]


def _per(amount: Decimal, wanted: int, per: int) -> Decimal:
    """A price for `per` of them as one for as many as are wanted."""
    return _WIDE.divide(_WIDE.multiply(amount, Decimal(wanted)), Decimal(per))


def _differences(entry: int, paid: Sequence[int], total: int) -> Iterator[ListLine]:
    """The lines of an adjustment: what its list cost changed by beside them stands on its last."""
    for number, cost in enumerate(paid, 1):
        yield ListLine(entry, number, None, None, _usd(cost if number < len(paid) else total - sum(paid[:-1])))


def _shared_out(entry: int, lines: Sequence[Mapping[str, Any]], paid: Sequence[int], total: int) -> Iterator[ListLine]:
    """The sum at list prices, shared by what the lines cost, or by quantity where they cost nothing; the last one takes what is left."""
    weights = [abs(cost) for cost in paid] if any(paid) else [abs(line["quantity"]) for line in lines]
    whole = sum(weights)
    last = max((at for at, weight in enumerate(weights) if weight), default=len(lines) - 1)
    costs = [divide_half_even(total * weight, whole) if weight and at != last else 0 for at, weight in enumerate(weights)]
    costs[last] = total - sum(costs)
    for number, (line, cost) in enumerate(zip(lines, costs, strict=True), 1):
        amount = _per(_usd(cost), line["per"], line["quantity"]) if line["quantity"] else None
        yield ListLine(entry, number, None, _text(amount) if amount is not None and amount >= 0 else None, _usd(cost))


def _text(amount: Decimal) -> str:
    return format(amount.quantize(_ATTO, context=_WIDE), "f")


def _usd(atto: int) -> Decimal:
    return Decimal(atto).scaleb(-18, _WIDE)


def _atto(amount_usd: Decimal) -> int:
    return int(amount_usd.scaleb(18, _WIDE))
