"""Five times what a server takes, in short, and that the bar is red without bounds or without a delay to come back after."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bar_overload import BAR
from tests.reliability.bars import BrokenBarError, line


def test_overload_loses_nothing(tmp_path: Path) -> None:
    print(line(BAR, 1, long=False, figures=BAR.run(1, False, tmp_path)))


RED = {"bounds": "MiB of bodies were held at once", "delay": "do not say when to come back"}


@pytest.mark.parametrize("control", BAR.controls)
def test_without_its_guard_the_bar_is_red(tmp_path: Path, control: str) -> None:
    with pytest.raises(BrokenBarError, match=RED[control]):
        BAR.controls[control](1, tmp_path)
