"""Every shape there is, by its name."""

from __future__ import annotations

from typing import Final

from spanledger.store.errors import QueryError
from spanledger.store.export.focus import FOCUS_1_2, FOCUS_1_4
from spanledger.store.export.shapes import EVENTS, HOURLY, LINES, Shape

SHAPES: Final[dict[str, Shape]] = {shape.name: shape for shape in (EVENTS, LINES, HOURLY, FOCUS_1_2, FOCUS_1_4)}


def shape_named(name: str) -> Shape:
    """The shape of this name; raises QueryError with those there are."""
    if name not in SHAPES:
        raise QueryError(f"there is no shape {name!r}; there are {', '.join(SHAPES)}")
    return SHAPES[name]
