"""The short form of the bar of tenants kept apart, and its controls."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from spanledger.cli.access import STANCES, Stance
from tests.reliability.bar_tenants import BAR, LONG, _command
from tests.reliability.bars import BrokenBarError, line
from tests.reliability.foreign import World

SEED = 1


def test_the_bar_is_held(tmp_path: Path) -> None:
    figures = BAR.run(SEED, False, tmp_path)
    print(line(BAR, SEED, long=False, figures=figures))
    assert figures["foreign"] == 0


def test_the_long_form_asks_a_hundred_thousand_times() -> None:
    assert sum(LONG.values()) == 100_000


def test_every_command_that_shows_rows_is_asked() -> None:
    rng, world = random.Random(SEED), World(Path(), "key", "marker", frozenset(("ab" * 16,)), ("cd" * 16,))
    asked = {" ".join(_command(world, rng)) for _ in range(3000)} | {"sql"}
    shown = {path for path, stance in STANCES.items() if stance is Stance.ROWS}
    assert [path for path in shown if not any(words.startswith(path) for words in asked)] == []


@pytest.mark.parametrize("control", BAR.controls)
def test_it_goes_red_without_its_guard(control: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenBarError, match="told of others"):
        BAR.controls[control](SEED, tmp_path)
