"""The short form of the bar of tenants kept apart, and its controls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bar_tenants import BAR, LONG
from tests.reliability.bars import BrokenBarError, line

SEED = 1


def test_the_bar_is_held(tmp_path: Path) -> None:
    figures = BAR.run(SEED, False, tmp_path)
    print(line(BAR, SEED, long=False, figures=figures))
    assert figures["foreign"] == 0


def test_the_long_form_asks_a_hundred_thousand_times() -> None:
    assert sum(LONG.values()) == 100_000


@pytest.mark.parametrize("control", BAR.controls)
def test_it_goes_red_without_its_guard(control: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenBarError, match="told of others"):
        BAR.controls[control](SEED, tmp_path)
