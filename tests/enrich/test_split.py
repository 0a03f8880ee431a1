"""Splitting: integer parts by weight that sum exactly to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.book import Versions, drafts
from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.money import ATTO
from spanledger.enrich.settle import settle
from spanledger.enrich.split import largest_remainder, split_event
from tests.enrich.trees import FlatPrices, chat, pays, spans

WEIGHTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=12)


def test_the_left_over_goes_to_the_largest_remainders() -> None:
    # 100 by 1:1:1 = 33.33 each; the first part takes the one left over
    assert largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    # 10 by 1:2 = 3.33 and 6.67: the one left over goes to the second
    assert largest_remainder(10, [1, 2]) == [3, 7]


@given(st.integers(-(10**30), 10**30), WEIGHTS)
def test_parts_sum_to_the_whole_and_none_is_off_by_one(whole: int, weights: list[int]) -> None:
    parts = largest_remainder(whole, weights)
    assert sum(parts) == whole
    total = sum(weights)
    assert all(abs(part * total - whole * weight) < total for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize("weights", [[], [0], [1, -1]])
def test_weights_must_be_positive(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        largest_remainder(1, weights)


def shared(contract: bool) -> CostEvent:
    """A call of 100 + 11 tokens, at a list price of 1 and 3 atto-USD a token, under a contract at 1 and 2."""
    [charge] = settle([spans(chat("a", (100, 11), payers=pays("acme")))])
    [row] = drafts(charge, FlatPrices(), Versions("r", "0"), 5)
    lines = (Line("input", 100, "flat", "1", ATTO, 100), Line("output", 11, "flat", "2", ATTO, 22))
    return row._replace(lines=lines, cost_usd=122, list_cost_usd=133, contracted_cost_usd=122 if contract else None)


WEIGHTED = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 1000)), min_size=1, max_size=6, unique_by=lambda one: one[0])


@given(WEIGHTED, st.booleans(), st.lists(st.one_of(st.none(), st.integers(0, 10**20)), min_size=6, max_size=6))
def test_the_parts_of_every_column_sum_and_each_tenant_pays_its_share_of_its_own_price(
    allocation: list[tuple[str, int]], contract: bool, prices: list[int | None]
) -> None:
    whole = shared(contract)
    weights = [weight for _, weight in allocation]
    parts = split_event(whole, allocation, prices[: len(allocation)])
    for name in ("list_cost_usd", "cost_usd", "input_tokens", "output_tokens"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name), name
    assert [part.contracted_cost_usd for part in parts] == [part.cost_usd if contract else None for part in parts]
    assert all(part.cost_usd == sum(line.cost_usd for line in part.lines) for part in parts)
    for n, part in enumerate(parts):
        price = prices[n]
        assert part.customer_price_usd == (None if price is None else largest_remainder(price, weights)[n])


def test_one_customer_price_for_all_is_split_without_a_rest() -> None:
    whole = shared(contract=False)._replace(customer_price_usd=10)
    assert [part.customer_price_usd for part in split_event(whole, [("a", 1), ("b", 1), ("c", 1)])] == [4, 3, 3]
