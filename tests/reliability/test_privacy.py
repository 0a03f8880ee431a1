"""The short form of the bar of privacy, its controls, and that its search finds what there is to find."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from tests.reliability.bar_privacy import BAR
from tests.reliability.bars import BrokenBarError, line
from tests.reliability.canaries import PLACES, Markers, Planter, holds

SEED = 1


def test_the_bar_is_held(tmp_path: Path) -> None:
    figures = BAR.run(SEED, False, tmp_path)
    print(line(BAR, SEED, long=False, figures=figures))
    assert figures["found"] == 0


@pytest.mark.parametrize("control", BAR.controls)
def test_it_goes_red_without_its_guard(control: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenBarError, match="something of a canary is in"):
        BAR.controls[control](SEED, tmp_path)


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_every_place_plants_what_the_search_finds(place: int) -> None:
    rng = random.Random(SEED)
    planter = Planter(rng, Markers.drawn(rng))
    for _ in range(5):
        span = planter.request(1).resource_spans[0].scope_spans[0].spans[0]
        span.Clear()
        PLACES[place](planter, span)
        sent = span.SerializeToString()
        assert holds(sent, planter.markers.hidden) or holds(sent, planter.markers.digits)


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "a longer text before it "])
def test_the_search_finds_other_forms(before: str) -> None:
    marker = "QwErTyUi"
    text = f"{before}{marker} and more"
    forms = [text.encode(), text.lower().encode(), base64.b64encode(text.encode()), text.encode().hex().encode(), text.encode("utf-16-le")]
    assert all(holds(form, marker) for form in forms)
    assert not holds(b"QwErTyU" * 3, marker)
