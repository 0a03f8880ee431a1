"""What a customer is charged for a call, line by line, from the book that priced it; and nothing of what the call costs us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanledger.cli.explaining import Entry, FindCustomerLines
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.price_book import CustomerLine, PriceBook
from spanledger.enrich.records import Call, Usage
from spanledger.store.catalogs import UnknownCatalogError, build, parts_of
from spanledger.store.metastore import Metastore


def customer_line_finder(metastore: Metastore | None) -> FindCustomerLines:
    """Looks up by the book that an entry names. The metastore must stay open meanwhile."""
    books: dict[str, PriceBook | None] = {}

    def find(charge: Entry, by: Entry) -> Sequence[Mapping[str, Any]]:
        book_id = by["catalog_id"]
        if book_id not in books:
            books[book_id] = _book(metastore, book_id)
        book = books[book_id]
        if book is None:
            return ()
        return [_shown(line) for line in book.customer_lines(_call(charge), charge["start_ns"], charge["tenant_id"])]

    return find


def _book(metastore: Metastore | None, book_id: str) -> PriceBook | None:
    try:
        return build(metastore, parts_of(metastore, book_id))
    except UnknownCatalogError:
        return None


def _call(charge: Entry) -> Call:
    counts = {name: charge[name] for name in Usage._fields[:-1]}
    usage = Usage(**counts, extra=tuple((item["unit"], item["quantity"]) for item in charge["usage"] or ()))
    return Call(
        charge["dialect"],
        charge["usage_basis"],
        charge["provider"],
        charge["request_model"],
        charge["response_model"],
        service_tier=charge["service_tier"],
        region=charge["region"],
        usage=usage,
    )


def _shown(line: CustomerLine) -> dict[str, Any]:
    price = text_from_atto(line.price_usd)
    made = f"published price {line.published} USD / {line.per:,}, times {line.factor} as agreed" if line.published else "as agreed"
    return {
        "unit": line.unit,
        "quantity": line.quantity,
        "amount": line.amount,
        "per": line.per,
        "customer_price_usd": price,
        "arithmetic": f"{line.quantity:,} * {line.amount} / {line.per:,} = {price}",
        "agreed": made,
        "effective_from": line.effective_from or None,
        "effective_to": line.effective_to or None,
    }
