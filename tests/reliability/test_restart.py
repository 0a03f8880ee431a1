from pathlib import Path

import pytest

from tests.reliability.bar_restart import BAR
from tests.reliability.bars import BrokenBarError, line


def test_the_short_form(tmp_path: Path) -> None:
    print(line(BAR, 1, long=False, figures=BAR.run(1, False, tmp_path)))


@pytest.mark.parametrize("guard", BAR.controls)
def test_without_a_guard_it_goes_red(tmp_path: Path, guard: str) -> None:
    with pytest.raises(BrokenBarError, match="it settles first"):
        BAR.controls[guard](1, tmp_path)
