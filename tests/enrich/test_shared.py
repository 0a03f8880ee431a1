"""Shared costs: parts sum exactly to the whole, and tiers are graduated; sums on paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.meters import MeterRate
from spanledger.enrich.shared import SharedCost, allot, graduated_cost, months_between

USD = 10**18


@given(st.integers(-(10**24), 10**24), st.dictionaries(st.text(max_size=3), st.integers(-5, 10**20), max_size=8))
def test_parts_sum_exactly_to_the_whole(whole: int, weights: dict[str, int]) -> None:
    parts = allot(whole, weights)
    able = {key for key, weight in weights.items() if weight > 0}
    assert parts.keys() == able
    assert sum(parts.values()) == (whole if able else 0)


def test_thirds_of_a_dollar() -> None:
    assert allot(USD, {"a": 1, "b": 1, "c": 1}) == {
        "a": 333_333_333_333_333_334,
        "b": 333_333_333_333_333_333,
        "c": 333_333_333_333_333_333,
    }
    assert allot(-USD, {"a": 1, "b": 3}) == {"a": -USD // 4, "b": -3 * USD // 4}


@pytest.mark.parametrize(("quantity", "usd"), [(0, "0"), (1000, "10"), (1001, "10.008"), (5000, "42"), (6000, "47")])
def test_each_unit_is_at_the_price_of_its_tier(quantity: int, usd: str) -> None:
    """10 USD per 1,000 up to 1,000, then 8 up to 5,000, then 5: 6,000 are 10 + 4 * 8 + 1 * 5 = 47."""
    rate = MeterRate(unit="calls", amount="10", per=1000, tiers=((1000, "8"), (5000, "5")))
    whole, _, fraction = usd.partition(".")
    assert graduated_cost(quantity, rate) == int(whole) * USD + int(fraction.ljust(18, "0") or 0)


def test_months() -> None:
    assert list(months_between("2026-11", "2027-02")) == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert list(months_between("2026-11", "2026-10")) == []


def test_amounts_of_months() -> None:
    shared = SharedCost(name="x", monthly_usd=10, months_usd={"2025-12": 7, "2026-02": 9}, first="2026-01", until="2026-04")
    assert [shared.amount_usd(month) for month in ("2025-11", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04")] == [
        0,
        7,
        10,
        9,
        10,
        0,
    ]
