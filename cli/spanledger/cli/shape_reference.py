"""Writes docs/warehouse-schema.md out of the shapes' own definitions: `python -m spanledger.cli.shape_reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from spanledger.store.export.every import SHAPES
from spanledger.store.export.shapes import ExportColumn, ExportType, Shape

_INTRODUCTION: Final = """# Schema of exports

Written by `python -m spanledger.cli.shape_reference` out of the shapes themselves; do not edit by hand. [warehouse.md](warehouse.md) says
how to export, load and sum.

| Type | Parquet | CSV | JSON Lines |
| --- | --- | --- | --- |
| text | string | quoted where needed; NULL is empty | string |
| integer | int64 | digits | number |
| money, decimal | DECIMAL(38,18) | plain decimal, no exponent | the same, as a string |
| boolean | boolean | true, false | true, false |
| time | timestamp in microseconds, UTC | `2026-11-21T12:00:00.000000Z` | the same, as a string |
| texts | list of strings | JSON | list |
| usage | list of (unit, quantity) | JSON | list of objects |
| lines | list of (unit, quantity, rate_id, amount, per, cost_usd) | JSON | list of objects, cost_usd a string |
| JSON | string that holds JSON | the same | the same |

Files lie in `SHAPE/event_date=YYYY-MM-DD/`: readers that know Hive partitions give the column `event_date` too, the day (UTC) on which
the call started.
"""

_NAMES: Final[dict[ExportType, str]] = {
    "int": "integer",
    "bool": "boolean",
    "timestamp": "time",
    "json": "JSON",
}


def shape_reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(line for shape in SHAPES.values() for line in _section(shape))]).rstrip() + "\n"


def _section(shape: Shape) -> Iterator[str]:
    yield f"## {shape.name}\n"
    yield f"{shape.doc} Version {shape.version} of the shape.\n"
    yield "| Column | Type | NULL | Meaning |\n| --- | --- | --- | --- |"
    yield from map(_row, shape.columns)
    yield ""


def _row(column: ExportColumn) -> str:
    kind = _NAMES.get(column.type, column.type)
    return f"| `{column.name}` | {kind} | {'yes' if column.nullable else 'no'} | {column.doc.replace('|', chr(92) + '|')} |"


def main() -> None:
    """Print the page."""
    sys.stdout.write(shape_reference())


if __name__ == "__main__":
    main()
