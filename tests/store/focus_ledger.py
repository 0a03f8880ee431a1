"""A ledger with every kind of entry that FOCUS has to show, priced by books that are on record: contracts, tiers, shares, corrections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Any

from spanledger.enrich.adjust import ByRun, closing, corrections, price_again
from spanledger.enrich.book import identified, reversal
from spanledger.enrich.catalog.load import CatalogFile, pack
from spanledger.enrich.catalog.rows import MULTIPLIER, Rate, catalog_text
from spanledger.enrich.commitments import Books, Settled, charge_of, committed_usd, periods_of
from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.money import ATTO
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.split import split_event
from spanledger.enrich.terms import Terms
from spanledger.store import catalogs
from spanledger.store.ledger import Ledger
from spanledger.store.times import zone
from tests.store.pricing import BOOKS, EU, TERMS, M, catalog, entry
from tests.store.samples import DAY_NS, NOON, event

REGIONAL = catalog_text([entry("regional", Rate("input_tokens", "3", M), Rate("output_tokens", "15", M), Rate(MULTIPLIER, "1.1", 1, EU))])
AGREED = Terms.from_toml("""
    [[contracts]]
    name = "frame"
    discount = "12.5"
    from = 2026-10-01
    commitment = { amount = "100", period = "month" }
""")
LIST, DEARER, CONTRACTED = BOOKS[0], BOOKS[1], BOOKS[2]
IN_EUROPE = PriceBook(CatalogFile(REGIONAL, "regional"), (), AGREED)
OCTOBER = NOON - 40 * DAY_NS


def register(ledger: Ledger) -> None:
    """Put every book on record."""
    store, terms = ledger.metastore, Terms.from_toml(TERMS)
    files = [catalog(factor) for factor in (1, 2, 3)]
    for number, (text, label) in enumerate([(file_text(file), file.label) for file in files] + [(REGIONAL, "regional")]):
        catalogs.add(store, CatalogFile(text, label).id, "catalog", f"list-{number}", "a test", pack(text, label), NOON)
    for number, each in enumerate((terms, AGREED)):
        catalogs.add(store, each.terms_id, "terms", f"terms-{number}", "a test", each.to_bytes(), NOON)
    one, two, three = (file.id for file in files)
    for parts in (
        *(catalogs.Parts(each) for each in (one, two, three)),
        *(catalogs.Parts(each, (), terms.terms_id) for each in (one, three)),
        catalogs.Parts(CatalogFile(REGIONAL, "").id, (), AGREED.terms_id),
    ):
        catalogs.register(store, parts, NOON)


def file_text(file: CatalogFile) -> str:
    return catalog_text(list(file.entries()))


def call(number: int, model: str, book: PriceBook, **changes: Any) -> CostEvent:
    """A charge at the prices of a book."""
    return price_again([event(number, request_model=model, response_model=None, lines=(), **changes)], book)[0]


def every_kind() -> list[CostEvent]:
    """One of each, in the order of booking; what is at list prices and what is not."""
    plain = call(1, "plain", LIST)
    percentage = call(
        2, "full", CONTRACTED, tenant_id="globex", cache_read_tokens=100, reasoning_tokens=50, usage=(("web_search_requests", 3),)
    )
    fixed = call(3, "plain", CONTRACTED, customer_billable=True)
    regional = call(4, "regional", IN_EUROPE, region="eu")
    long = call(5, "long", CONTRACTED, tenant_id="globex", input_tokens=2_500)
    whole = call(6, "long", CONTRACTED, tenant_id=None, input_tokens=5_000)
    parts = [
        identified(part, 0, NOON)
        for part in price_again(list(split_event(whole, (("globex", 1), ("initech", 2), ("umbrella", 4)))), CONTRACTED)
    ]
    first = [identified(each, 0, NOON) for each in (plain, percentage, fixed, regional, long)]
    run, undo = ByRun("rp1-run", DEARER.catalog_id, NOON, "1"), ByRun("rp1-undo", CONTRACTED.catalog_id, NOON, "1")
    again = first[1]
    repriced = corrections([again], price_again([again], DEARER)[0], 1, run)
    undone = corrections([again, *repriced], again, 1, undo)
    closed = closing([first[4], *corrections([first[4]], price_again([first[4]], DEARER)[0], 1, run)], "revised", NOON)
    old = identified(call(7, "plain", LIST, start_ns=OCTOBER, end_ns=OCTOBER + 5, booked_ns=OCTOBER + 9), 0, OCTOBER + 9)
    kept = corrections([first[4]], price_again([first[4]], DEARER)[0], 1, run)
    return [
        old, *first, *parts, *repriced, *undone, *kept, *([closed] if closed is not None else []), reversal(first[4], "revised", NOON),
        reversal(old, "payer_found", NOON),
        event(8, lines=(), cost_usd=None, list_cost_usd=None, price_state="unpriced", price_reason="unknown_model"),
        event(9, provider=None, cost_surface="compute", operation="compute", request_model=None, response_model=None, split_index=1_000_000,
              usage_basis="meter:gpu", lines=(Line("gpu_ms", 90_000, "gpu", "2.5", 3_600_000, 62_500_000_000_000_000),),
              list_cost_usd=62_500_000_000_000_000, cost_usd=62_500_000_000_000_000),
        shortfall(),
        event(10, lines=(), cost_usd=0, list_cost_usd=0),
        event(11, kind="adjustment", lines=(), cost_usd=0, list_cost_usd=-7, contracted_cost_usd=0, reason="revised"),
        event(12, catalog_id="gone", list_cost_usd=20_000_000_000_000_001, contracted_cost_usd=12_500_000_000_000_000),
        event(13, provider_account="org-7", service_tier="batch", tool_name="lookup", tenant_id='a "b",\nc', agent=None, feature=None),
    ]  # fmt: skip


def shortfall() -> CostEvent:
    """What is missing of October's commitment."""
    [commitment] = IN_EUROPE.commitments(zone)
    [period, *_] = periods_of(commitment, UTC, date(2026, 10, 1), date(2026, 10, 31))
    by = Books(IN_EUROPE.catalog_id, "cm1-a", NOON - 20 * DAY_NS, "1", "default")
    return charge_of(Settled(commitment, period, committed_usd(commitment, period), 30 * ATTO), by)._replace(event_id=bytes([14] * 16))


def ledger_of(folder: Path, entries: Sequence[CostEvent]) -> Ledger:
    """A ledger of these entries, open."""
    ledger = Ledger.open(folder)
    register(ledger)
    ledger.commit(entries, [], position=1, open_position=0, booked_ns=NOON)
    return ledger
