from __future__ import annotations

import numpy as np
import pytest

from spanledger.store.days import DAY_NS, FAR_FUTURE, FAR_PAST, day_number, day_text, days_to_search, partition_days

TODAY = 20_778


def partition(start_ns: int, received_day: int = TODAY) -> int:
    return int(partition_days(np.array([start_ns]), np.array([received_day * DAY_NS]))[0])


@pytest.mark.parametrize(
    ("start_day", "expected"),
    [
        (TODAY, TODAY),
        (TODAY - 400, TODAY - 400),
        (TODAY - 401, FAR_PAST),
        (TODAY + 2, TODAY + 2),
        (TODAY + 3, FAR_FUTURE),
        (0, FAR_PAST),
    ],
)
def test_a_believable_day_is_its_own_partition_and_others_share_two(start_day: int, expected: int) -> None:
    assert partition(start_day * DAY_NS) == expected


def test_the_last_nanosecond_of_2262_is_a_date_like_any_other() -> None:
    assert partition(2**63 - 1) == FAR_FUTURE


def test_a_wrong_clock_of_receipt_makes_no_impossible_day() -> None:
    assert partition(-5 * DAY_NS, received_day=-5) == FAR_PAST


def test_a_million_dates_make_a_bounded_number_of_partitions() -> None:
    starts = np.arange(1_000_000, dtype=np.int64) * (2**63 // 1_000_000)
    assert len(np.unique(partition_days(starts, np.full(len(starts), TODAY * DAY_NS)))) <= 405


@pytest.mark.parametrize(("day", "text"), [(0, "1970-01-01"), (TODAY, "2026-11-21"), (FAR_FUTURE, "9999-12-31")])
def test_day_names(day: int, text: str) -> None:
    assert day_text(day) == text
    assert day_number(text) == day


def test_a_look_up_covers_neighbours_and_the_far_partitions() -> None:
    assert days_to_search([TODAY]) == {TODAY - 1, TODAY, TODAY + 1, FAR_PAST, FAR_FUTURE}
