"""The page of what exports hold names every column of every shape, and is the one in the documents."""

from __future__ import annotations

from pathlib import Path

from spanledger.cli.shape_reference import shape_reference
from spanledger.store.export.every import SHAPES

PAGE = Path(__file__).parents[2] / "docs/warehouse-schema.md"


def test_the_page_is_that_of_the_shapes() -> None:
    assert PAGE.read_text("utf-8") == shape_reference(), "run: python -m spanledger.cli.shape_reference > docs/warehouse-schema.md"


def test_every_column_says_what_it_means() -> None:
    page = shape_reference()
    for shape in SHAPES.values():
        section = page.split(f"\n## {shape.name}\n", 1)[1].split("\n## ", 1)[0]
        assert not [column.name for column in shape.columns if f"| `{column.name}` |" not in section or not column.doc]
