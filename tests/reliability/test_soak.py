"""Questions beside appending and compaction, in short, and that the bar is red without compaction or grace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bar_soak import BAR
from tests.reliability.bars import BrokenBarError, line


def test_questions_never_fail_and_files_stay_few(tmp_path: Path) -> None:
    print(line(BAR, 1, long=False, figures=BAR.run(1, False, tmp_path)))


@pytest.mark.parametrize("control", BAR.controls)
def test_without_its_guard_the_bar_is_red(tmp_path: Path, control: str) -> None:
    with pytest.raises(BrokenBarError):
        BAR.controls[control](1, tmp_path)
