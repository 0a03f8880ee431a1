"""What a bar of reliability is: a seeded run that prints its figures, with a control that must go red when the guard is switched off.

Each `bar_<name>.py` beside this file defines one `BAR`; `test_<name>.py` runs its short form and its controls in CI, and
`scripts/reliability.py` runs the long forms.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

Figures = Mapping[str, object]


class BrokenBarError(AssertionError):
    """The bar was not held; the text says by what, with the seed that shows it again."""


class Bar(NamedTuple):
    """One promise and how it is tried.

    `run(seed, long, folder)` tries it in an empty folder and returns the figures seen, or raises `BrokenBarError`. Each of
    `controls` is the same trial with one guard switched off by a test seam; it must raise `BrokenBarError`.
    """

    name: str
    promise: str
    run: Callable[[int, bool, Path], Figures]
    controls: Mapping[str, Callable[[int, Path], Figures]]
    is_timed: bool = False
    """Part of its promise is a time, so its long form must have the machine to itself."""


def require(held: bool, broken: str) -> None:
    """Raise `BrokenBarError` saying what was broken, unless it held."""
    if not held:
        raise BrokenBarError(broken)


def bars() -> dict[str, Bar]:
    """Every bar beside this file, by name, in the order of their names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bar_*.py"))
    found = [importlib.import_module(f"tests.reliability.{name}").BAR for name in names]
    return {bar.name: bar for bar in found}


def line(bar: Bar, seed: int, *, long: bool, figures: Figures) -> str:
    """The line of figures that a run prints: JSON, so that two runs can be compared."""
    return json.dumps({"bar": bar.name, "seed": seed, "form": "long" if long else "short", **figures}, default=str)
