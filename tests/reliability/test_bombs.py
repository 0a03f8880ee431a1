"""Hostile input, in short, and that the bar is red when a bound is lifted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bar_bombs import BAR
from tests.reliability.bars import BrokenBarError, line


def test_hostile_input_gets_nowhere(tmp_path: Path) -> None:
    print(line(BAR, 1, long=False, figures=BAR.run(1, False, tmp_path)))


LANES = "p99 of a healthy client|under laborious memory grew by"
"""What lanes prevent: without them such bodies are decoded among all others, which takes time and, as they come together, memory."""


@pytest.mark.parametrize("control", BAR.controls)
def test_without_its_guard_the_bar_is_red(tmp_path: Path, control: str) -> None:
    with pytest.raises(BrokenBarError, match=LANES if control == "lanes" else None):
        BAR.controls[control](1, tmp_path)
