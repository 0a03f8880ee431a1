"""Which of a model's dated rates a call is billed at."""

from datetime import UTC, datetime

import pytest

from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, Entry, Rate, rate_id
from spanledger.enrich.plans import Resolution, in_window

M = 1_000_000
BATCH = (("service_tier", "batch"),)
EU = (("region", "eu"),)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def entry(*rates: Rate, rank: int = BASE, provider: str = "openai", model: str = "gpt-x") -> Entry:
    return Entry(provider, model, rank, 0, ["equals", model], f"source {rank}", "", rates)


def amount(
    entries: list[Entry], at: str = "2026-11-20", tier: str = "", region: str | None = None, total: int = 0, unit: str = "input_tokens"
) -> str | None:
    """The amount a unit is billed at, or why not."""
    plan = Resolution(entries, tier, region).plan(ns(at))
    if plan.reason:
        return plan.reason
    level = [level for level in plan.levels if level.total_input_min <= total][-1]
    if unit in level.not_yet:
        return "not_effective_yet"
    return level.rates[unit].amount if unit in level.rates else None


def test_the_latest_that_has_begun() -> None:
    entries = [
        entry(
            Rate("input_tokens", "3", M, effective_to="2026-03-01"),
            Rate("input_tokens", "2", M, effective_from="2026-03-01", effective_to="2026-09-01T16:00:00"),
            Rate("input_tokens", "1", M, effective_from="2026-09-01T16:00:00"),
        )
    ]
    days = ["1999-01-01", "2026-02-28T23:59:59", "2026-03-01", "2026-09-01T15:59:59", "2026-09-01T16:00:00", "2200-01-01"]
    assert [amount(entries, day) for day in days] == ["3", "3", "2", "2", "1", "1"]


def test_nothing_before_the_first_date() -> None:
    entries = [entry(Rate("input_tokens", "1", M, effective_from="2026-09-01"))]
    assert amount(entries, "2026-08-31") == "not_effective_yet"
    assert amount(entries, "2026-09-01") == "1"


def test_the_overlay_wins_over_base_and_base_over_fill_and_context_over_none() -> None:
    plain = Rate("input_tokens", "1", M)
    assert amount([entry(plain), entry(Rate("input_tokens", "2", M), rank=FILL)]) == "1"
    assert amount([entry(plain), entry(Rate("input_tokens", "2", M), rank=OVERLAY)]) == "2"
    assert amount([entry(plain, Rate("input_tokens", "2", M, EU))], region="EU") == "2"
    assert amount([entry(plain, Rate("input_tokens", "2", M, EU))], region="us") == "1"
    both = entry(plain, Rate("input_tokens", "2", M, EU), Rate("input_tokens", "0.5", M, BATCH))
    assert amount([both], tier="batch", region="eu") == "0.5"
    assert amount([both, entry(Rate("input_tokens", "0.6", M, BATCH + EU), rank=FILL)], tier="batch", region="eu") == "0.6"


def test_an_overlay_replaces_the_long_context_tiers_of_what_it_replaces() -> None:
    base = entry(Rate("input_tokens", "1", M), Rate("input_tokens", "2", M, (), 200_000, ">"))
    assert amount([base], total=200_001) == "2"
    assert amount([base, entry(Rate("input_tokens", "0.5", M), rank=OVERLAY)], total=200_001) == "0.5"


def test_thresholds_and_their_operators() -> None:
    above = entry(
        Rate("input_tokens", "1", M), Rate("input_tokens", "2", M, (), 200_000, ">"), Rate("input_tokens", "3", M, (), 300_000, ">=")
    )
    assert [amount([above], total=total) for total in (0, 200_000, 200_001, 299_999, 300_000, 10**9)] == ["1", "1", "2", "2", "3", "3"]


def test_a_unit_not_yet_priced_in_the_tier_is_not_billed_at_standard() -> None:
    entries = [
        entry(
            Rate("input_tokens", "1", M),
            Rate("output_tokens", "4", M),
            Rate("input_tokens", "0.5", M, BATCH),
            Rate("output_tokens", "2", M, BATCH, effective_from="2026-12-01"),
        )
    ]
    assert amount(entries, tier="batch") == "0.5"
    assert amount(entries, tier="batch", unit="output_tokens") == "not_effective_yet"
    assert amount(entries, "2026-12-01", tier="batch", unit="output_tokens") == "2"
    assert amount(entries, tier="flex") == "no_rate_for_tier:flex"


def test_contexts_nobody_can_meet_are_never_used() -> None:
    sized = Rate("web_search_requests", "5", 1000, (("search_context_size", "low"),))
    assert amount([entry(Rate("input_tokens", "1", M), sized)], unit="web_search_requests") is None


@pytest.mark.parametrize(
    ("window", "time", "inside"),
    [
        ("01:00-04:00", "2026-11-20T01:00:00", True),
        ("01:00-04:00", "2026-11-20T03:59:59.999", True),
        ("01:00-04:00", "2026-11-20T04:00:00", False),
        ("16:30-00:30", "2026-11-20T23:00:00", True),
        ("16:30-00:30", "2026-11-20T00:29:00", True),
        ("16:30-00:30", "2026-11-20T00:30:00", False),
        ("00:00-00:00", "2026-11-20T12:00:00", True),
        ("10:00-00:00", "2026-11-20T23:59:00", True),
        ("00:00-00:00 1-5", "2026-11-20T12:00:00", True),  # a Friday
        ("00:00-00:00 1-5", "2026-11-21T12:00:00", False),
        ("00:00-00:00 6-7", "2026-11-22T12:00:00", True),
        ("00:00-00:00 1-5", "1969-12-31T12:00:00", True),  # a Wednesday
    ],
)
def test_windows(window: str, time: str, inside: bool) -> None:
    assert in_window(window, int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) * 10**9) is inside


def test_a_rate_keeps_its_id_when_others_change() -> None:
    rate = Rate("input_tokens", "1", M)
    one, other = entry(rate), entry(Rate("output_tokens", "9", M), rate)
    assert rate_id(one, rate) == rate_id(other, rate)
    assert rate_id(one, rate) != rate_id(one, rate._replace(amount="2"))
    assert rate_id(one, rate) != rate_id(entry(rate, provider="anthropic"), rate)
