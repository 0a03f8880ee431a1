"""Splitting: integer parts by weight that sum exactly to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.split import largest_remainder

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
