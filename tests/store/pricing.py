"""Calls and prices in which every road of pricing is taken: thresholds, tiers, dates, hours, odd rates, contracts, customers, parts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from spanledger.enrich.adjust import ByRun, corrections, net_of, price_again
from spanledger.enrich.book import Prices, identified
from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.enrich.events import CostEvent
from spanledger.enrich.price import Priced
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import RETRIEVED_TOKENS, Call
from spanledger.enrich.split import split_event
from spanledger.enrich.terms import Terms
from tests.store.samples import DAY_NS, NOON, event

M = 1_000_000
BATCH = (("service_tier", "batch"),)
EU = (("region", "eu"),)
BY = ByRun("rp1-test", "", NOON + DAY_NS, "9.9")


def entry(model: str, *rates: Rate) -> Entry:
    return Entry("openai", model, BASE, 0, ["equals", model], "price page", "", rates)


def catalog(factor: int = 1) -> CatalogFile:
    """Models of every kind, all amounts times `factor`."""

    def rate(unit: str, amount: int, per: int = M, *more: Any, **about: Any) -> Rate:
        return Rate(unit, str(amount * factor), per, *more, **about)

    return CatalogFile(
        catalog_text(
            [
                entry("plain", rate("input_tokens", 3), rate("output_tokens", 15)),
                entry(
                    "full",
                    rate("input_tokens", 3), rate("cache_read_tokens", 1), rate("cache_write_tokens", 4), rate("output_tokens", 15),
                    rate("cache_write_1h_tokens", 6), rate("reasoning_tokens", 20), rate("web_search_requests", 10, 1000),
                ),
                entry("five", rate("input_tokens", 3), rate("cache_write_5m_tokens", 4), rate("output_tokens", 15)),
                entry(
                    "long",
                    rate("input_tokens", 2), rate("output_tokens", 8), rate("cache_read_tokens", 1),
                    rate("input_tokens", 4, M, (), 2_000, ">"), rate("output_tokens", 16, M, (), 2_000, ">"),
                    rate("input_tokens", 7, M, (), 4_000, ">="),
                ),
                entry("thirds", rate("input_tokens", 1, 3), rate("output_tokens", 2, 7), rate("cache_read_tokens", 1, 3_600)),
                entry(
                    "tiers",
                    rate("input_tokens", 4), rate("output_tokens", 8), rate("input_tokens", 2, M, BATCH), rate("output_tokens", 5, M, EU),
                ),
                entry(
                    "dated",
                    rate("input_tokens", 4, effective_to="2026-11-21"), rate("input_tokens", 5, effective_from="2026-11-21"),
                    rate("output_tokens", 8, effective_from="2026-11-20"),
                ),
                entry("hours", rate("input_tokens", 4), rate("input_tokens", 2, window="22:00-04:00"), rate("output_tokens", 8)),
                entry("fee", rate("input_tokens", 4), rate("output_tokens", 8), rate("requests", 1, 1000)),
                entry("least", rate("input_tokens", 4, minimum=1_500), rate("output_tokens", 8)),
                entry("mute", rate("output_tokens", 8)),
                entry(
                    "beside",
                    rate("input_tokens", 3), rate("cache_write_5m_tokens", 4), rate("cache_write_1h_tokens", 6), rate("output_tokens", 15),
                    rate("reasoning_tokens", 20), rate("web_search_requests", 10, 1000), rate("images", 1, 7), rate("pages", 2, 3),
                    rate("requests", 1, 1000, minimum=2), rate("containers", 3, 1, minimum=5, increment=4),
                    rate("batches_of_search", 1, 1000, BATCH),
                ),
                entry("dear", rate("input_tokens", 20_000, 1), rate("output_tokens", 10**7, 3), rate("cache_read_tokens", 10**9, 1)),
                entry("steps", rate("input_tokens", 5, 1000, increment=100), rate("output_tokens", 8, minimum=50), rate("pages", 1, 9)),
                entry("later", rate("input_tokens", 4), rate("web_search_requests", 9, 1000, effective_from="2026-11-21")),
            ]
        ),
        f"list x {factor}",
    )  # fmt: skip


TERMS = """
    [[contracts]]
    name = "all"
    models = ["full*", "long"]
    discount = "12.5"
    [[contracts]]
    name = "acme's"
    tenant = "acme"
    rates = [{ unit = "input_tokens", amount = "1.7", per = 1000000 }]
    from = 2026-11-21
    [[contracts]]
    name = "in euros"
    models = ["beside", "steps"]
    rates = [{ unit = "input_tokens", amount = "2.1", per = 1000000 }, { unit = "web_search_requests", amount = "7", per = 1000 }]
    currency = "EUR"
    [[currencies]]
    code = "EUR"
    usd = "1.08372645910283"
    [[customers]]
    name = "everyone"
    markup = "20"
    models = ["plain", "full", "thirds", "unknown", "beside", "dear"]
    [[customers]]
    name = "card"
    tenants = ["globex"]
    rates = [{ unit = "input_tokens", amount = "5", per = 1000000 }, { unit = "output_tokens", amount = "20", per = 1000000 }]
"""

MODELS = ("plain", "full", "five", "long", "thirds", "tiers", "dated", "hours", "fee", "least", "mute", "unknown", None)
MODELS = (*MODELS, "beside", "beside", "dear", "steps", "later")
UNITS = (
    "web_search_requests",
    "images",
    "pages",
    "requests",
    "containers",
    "unheard_of",
    RETRIEVED_TOKENS,
    "citation_tokens",
    "odd_tokens",
)
BOOKS = tuple(
    PriceBook(catalog(factor), (), Terms.from_toml(terms) if terms else None)
    for factor, terms in ((1, ""), (2, ""), (1, TERMS), (3, TERMS))
)


class Singly:
    """A book that does not let on that it is one: every call is priced by itself."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book

    @property
    def catalog_id(self) -> str:
        return self.book.catalog_id

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        return self.book.price(call, start_ns, tenant)


counts = st.one_of(st.none(), st.integers(0, 5_000), st.sampled_from([0, 1_999, 2_000, 2_001, 3_999, 4_000]))


@st.composite
def whole_usage(draw: st.DrawFn) -> dict[str, int | None]:
    """Counts that add up."""
    few = st.one_of(st.just(0), st.just(0), st.integers(0, 900))
    plain, said = draw(counts) or 0, draw(counts) or 0
    read, short, long, other, thought = (draw(few) for _ in range(5))
    written = short + long + other
    return {
        "input_tokens": plain + read + written,
        "output_tokens": said + thought,
        "cache_read_tokens": read or None,
        "cache_write_tokens": written if other else draw(st.sampled_from((written, None))),
        "cache_write_5m_tokens": short or None,
        "cache_write_1h_tokens": long or None,
        "reasoning_tokens": thought or None,
    }


@st.composite
def any_usage(draw: st.DrawFn) -> dict[str, int | None]:
    """Counts of which nothing is known."""
    write = draw(counts)
    return {
        "input_tokens": draw(counts),
        "output_tokens": draw(counts),
        "cache_read_tokens": draw(st.one_of(st.none(), st.integers(0, 3_000))),
        "cache_write_tokens": write,
        "cache_write_5m_tokens": draw(st.one_of(st.none(), st.integers(0, write or 900))),
        "cache_write_1h_tokens": draw(st.one_of(st.none(), st.none(), st.integers(0, 900))),
        "reasoning_tokens": draw(st.one_of(st.none(), st.integers(0, 2_000))),
    }


@st.composite
def charges(draw: st.DrawFn, number: int) -> list[CostEvent]:
    """A call as it is booked (its parts, where it is shared) under one of BOOKS, with its adjustments by others."""
    usual = draw(st.integers(0, 7)) > 0
    tokens = draw(whole_usage() if usual else any_usage())
    changes: dict[str, Any] = {
        **tokens,
        "start_ns": NOON + draw(st.sampled_from([-DAY_NS - 1, -DAY_NS, -1, 0, 11 * DAY_NS // 24, DAY_NS // 2])),
        "request_model": draw(st.sampled_from(MODELS)),
        "response_model": None if usual else draw(st.sampled_from((None, *MODELS))),
        "provider": "openai" if usual else draw(st.sampled_from(("openai", None, "nobody"))),
        "service_tier": draw(st.sampled_from((None, "default"))) if usual else draw(st.sampled_from((None, "batch", "flex"))),
        "region": draw(st.sampled_from((None, "eu"))),
        "tenant_id": draw(st.sampled_from((None, "acme", "globex"))),
    }
    if changes["request_model"] == "tiers":
        changes["service_tier"] = draw(st.sampled_from((None, "batch")))
    if draw(st.integers(0, 3)) == 0:
        changes["usage"] = tuple(draw(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 7), min_size=1, max_size=4)).items())
    odd = draw(st.integers(0, 30))
    changes |= {
        1: {"usage": (("web_search_requests", 3),)},
        2: {"status": "error", "provider_billing": "not_billed"},
        3: {"status": "error", "customer_billable": False},
        4: {"usage_state": "missing"},
        5: {"input_tokens": -5},
        6: {"output_tokens": 10**15},
        7: {"usage_basis": "meter:tool", "usage": (("calls", 1),)},
        9: {"usage": (("pages", 10**13),)},
        10: {"usage": (("pages", 2), ("pages", 3))},
        11: {"cache_write_tokens": None, "cache_write_5m_tokens": 300, "cache_write_1h_tokens": 200},
        12: dict.fromkeys(("input_tokens", "output_tokens", *CACHED), None),
    }.get(odd, {})
    whole = event(number, lines=(), **changes)
    parts = [whole]
    if odd == 8:
        parts = [part._replace(event_id=(number * 100 + n).to_bytes(16, "big")) for n, part in enumerate(split_event(whole, SHARES))]
    booked = price_again(parts, BOOKS[draw(st.integers(0, 3))])
    entries = [identified(charge, 0, NOON) for charge in booked]
    for step in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        entries += again(entries, BOOKS[draw(st.integers(0, 3))], f"rp1-before-{step}")
    return entries


CACHED = ("cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens")
SHARES = (("acme", 1), ("globex", 2), ("initech", 4))


def again(entries: list[CostEvent], prices: Prices, run_id: str) -> list[CostEvent]:
    """The adjustments a run makes of a call, as the engine's own functions have it; first prices are left out."""
    charges = [each for each in entries if each.kind == "charge"]
    live = [[charge, *(each for each in entries if each.ref_event_id == charge.event_id)] for charge in charges]
    nets = [net_of(held) for held in live]
    by = BY._replace(run_id=run_id, catalog_id=prices.catalog_id)
    pairs = zip(live, nets, price_again(nets, prices), strict=True)
    return [made for held, net, wanted in pairs if net.cost_usd is not None for made in corrections(held, wanted, 1, by)]
