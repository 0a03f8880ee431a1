"""Work shared with other processes comes back whole and in order, also when one of them dies over it."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from spanledger.store.sharing import crew


def square(number: int) -> int:
    return number * number


def die_once(marker: Path, parent: int, number: int) -> int:
    """The first other process that gets here is killed, as one that takes too much memory is."""
    if os.getpid() != parent and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("is_worth_it", [False, True])
def test_results_come_in_the_order_of_the_tasks_and_each_is_told_once(is_worth_it: bool) -> None:
    told: list[int] = []
    with crew(is_worth_it=is_worth_it) as hands:
        assert hands.map(square, range(200), told.append) == [number * number for number in range(200)]
        assert sorted(told) == [number * number for number in range(200)]
        assert hands.map(square, []) == []


def test_what_a_dead_process_had_in_hand_is_done_again(tmp_path: Path) -> None:
    with crew(is_worth_it=True) as hands:
        assert hands.map(partial(die_once, tmp_path / "dead", os.getpid()), range(20_000)) == [*range(20_000)]
    assert (tmp_path / "dead").exists() or os.cpu_count() == 1, "nobody died"


def test_an_error_is_an_error() -> None:
    with crew(is_worth_it=True) as hands, pytest.raises(ZeroDivisionError):
        hands.map(partial(divmod, 1), [1, 0, 2])
