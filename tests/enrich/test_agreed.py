"""Agreed rates over list rates: levels, tiers and times of both together."""

from datetime import UTC, datetime

from spanledger.enrich.agreed import Agreed, Matched, plan_at
from spanledger.enrich.agreements import Agreements, CallNames, standing
from spanledger.enrich.catalog.rows import BASE, Entry, Rate
from spanledger.enrich.plans import Plan, Resolution
from spanledger.enrich.terms import Terms

M = 1_000_000
LIST = Entry(
    "openai",
    "gpt-x",
    BASE,
    0,
    ["equals", "gpt-x"],
    "list",
    "",
    (
        Rate("input_tokens", "2", M),
        Rate("input_tokens", "4", M, (), 200_000, ">"),
        Rate("output_tokens", "8", M),
        Rate("audio_ms", "1", 1000, minimum=10_000),
    ),
)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def agreed(text: str, *, customers: bool = False, tier: str = "") -> tuple[Resolution, Agreed]:
    said = Agreements(Terms.from_toml(text).config)
    names = CallNames("openai", ("gpt-x",), tier, "")
    items = said.customers if customers else said.contracts
    matched = [Matched(found, item) for item in items if (found := standing(item, names)) is not None]
    listed = Resolution([LIST], tier, None)
    return listed, Agreed(listed, listed, matched, tier, "", whole=not customers, any_tier=customers)


def amounts(plan: Plan, unit: str) -> list[tuple[int, str | None]]:
    return [(level.total_input_min, rate.amount if (rate := level.rates.get(unit)) else None) for level in plan.levels]


def test_the_levels_of_both_are_the_levels() -> None:
    _, both = agreed(
        """
        [[contracts]]
        name = "c"
        discount = "50"
        [[contracts.rates]]
        unit = "output_tokens"
        amount = "5"
        per = 1000000
        threshold = 100000
        op = ">="
        """
    )
    plan = both.plan(0)
    assert amounts(plan, "input_tokens") == [(0, "1"), (100_000, "1"), (200_001, "2")]
    assert amounts(plan, "output_tokens") == [(0, "4"), (100_000, "5"), (200_001, "5")]
    assert plan.levels[0].rounding == {"audio_ms": (10_000, 0)}  # a discount changes no minimum


def test_where_nothing_is_agreed_the_list_itself_comes_back() -> None:
    listed, both = agreed(
        'contracts = [{ name = "c", discount = "50", units = ["images"] }, { name = "d", discount = "1", to = 2026-01-01 }]'
    )
    at = ns("2026-05-01")
    assert both.plan(at) is listed.plan(at)
    assert both.plan(ns("2025-05-01")) is not listed.plan(at)
    assert plan_at(both, at) is listed.plan(at)


def test_daily_windows_of_a_contract() -> None:
    _, both = agreed(
        """
        [[contracts]]
        name = "c"
        rates = [{ unit = "input_tokens", amount = "1", per = 1000000, window = "22:00-06:00" }]
        """
    )
    for time, expected in (("21:59:59", "2"), ("22:00:00", "1"), ("05:59:59", "1"), ("06:00:00", "2")):
        at = ns(f"2026-05-01T{time}")
        assert amounts(plan_at(both, at), "input_tokens")[0] == (0, expected)
        from_ns, to_ns, plan = both.latest
        assert from_ns <= at < to_ns
        assert plan is plan_at(both, at)
    assert both.latest[:2] == (ns("2026-05-01T06:00:00"), ns("2026-05-01T22:00:00"))


def test_customers_have_no_price_for_what_no_term_speaks_of() -> None:
    _, card = agreed('[[customers]]\nname = "c"\nrates = [{ unit = "input_tokens", amount = "9", per = 1000000 }]', customers=True)
    assert amounts(card.plan(0), "input_tokens") == [(0, "9"), (200_001, "9")]
    assert amounts(card.plan(0), "output_tokens") == [(0, None), (200_001, None)]
    _, nothing = agreed('customers = [{ name = "c", markup = "1", from = 2026-01-01 }]', customers=True)
    assert nothing.plan(0).reason == "nothing_agreed"
    assert nothing.plan(ns("2026-01-01")).reason is None


def test_a_rate_for_a_tier_holds_where_the_list_has_none() -> None:
    terms = """
        [[contracts]]
        name = "c"
        rates = [
            { unit = "input_tokens", amount = "1", per = 1000000, context = { service_tier = "flex" } },
            { unit = "input_tokens", amount = "1.5", per = 1000000 },
        ]
    """
    assert amounts(agreed(terms, tier="flex")[1].plan(0), "input_tokens") == [(0, "1")]
    assert agreed(terms, tier="scale")[1].plan(0).reason == "no_rate_for_tier:scale"  # a standard rate says nothing of it
    assert amounts(agreed(terms)[1].plan(0), "input_tokens") == [(0, "1.5"), (200_001, "1.5")]
