"""Rows to table, JSON, JSON Lines, CSV or Markdown: money as exact plain digits, and no text of a user's that can do anything.

Names come from spans, so from strangers: control characters and bidirectional marks are shown as escapes, rich markup and
Markdown are taken literally, and a CSV cell that a spreadsheet would run as a formula is quoted with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO

from spanledger.cli.options import Format

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_UNSAFE_JSON = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(value: Any) -> Any:
    """A cell in JSON's terms: ids as hex, money as an exact decimal string, times in ISO 8601."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):  # only a query of the user's own can ask for one; money never is
        return value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124 - NaN is what differs from itself
    return str(value)


def decimal_text(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros: 0.0000212."""
    if not value.is_finite():
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def visible(text: str) -> str:
    """The text with everything that could move a cursor or turn its order around shown as an escape."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def cell(value: Any, *, grouped: bool = False) -> str:
    """A cell as text, safe to show; `grouped` puts thousands separators into integers."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}" if grouped else str(value)
    if isinstance(value, str):
        return visible(value)
    return to_json(value)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that is also safe to print: what JSON itself leaves alone is escaped too."""
    text = json.dumps(plain(value), ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"), allow_nan=False)
    return _UNSAFE_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def write_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    output: Format,
    *,
    totals: Sequence[Any] | None = None,
    title: str | None = None,
    hide_empty: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Write rows in the format asked for; `hide_empty` leaves columns without any value out of tables for people.

    `totals` is one more row: set off below a table, marked by `"total": true` in JSON, left out of CSV and JSON Lines, where
    a reader would sum it again.
    """
    out = stream if stream is not None else sys.stdout
    if output is Format.jsonl:
        for row in rows:
            out.write(to_json(dict(zip(columns, row, strict=True))) + "\n")
    elif output is Format.json:
        document: dict[str, Any] = {"rows": [dict(zip(columns, row, strict=True)) for row in rows]}
        if totals is not None:
            document["totals"] = dict(zip(columns, totals, strict=True))
        out.write(to_json(document, indent=2) + "\n")
    elif output is Format.csv:
        _write_csv(columns, rows, out)
    elif output is Format.markdown:
        _write_markdown(columns, rows, totals, out)
    else:
        _write_table(columns, list(rows), totals, title, hide_empty, out)


def _write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])


def _csv_cell(value: Any) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers and money stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return "'" + visible(value)
    return cell(value)


def _write_markdown(columns: Sequence[str], rows: Iterable[Sequence[Any]], totals: Sequence[Any] | None, out: TextIO) -> None:
    kept = list(rows)
    right = _numeric(columns, kept)
    out.write("| " + " | ".join(columns) + " |\n")
    out.write("|" + "|".join(" ---: " if column in right else " --- " for column in columns) + "|\n")
    for row in kept:
        out.write("| " + " | ".join(markdown_text(cell(value)) for value in row) + " |\n")
    if totals is not None:
        out.write("| " + " | ".join(f"**{markdown_text(cell(value))}**" if cell(value) else "" for value in totals) + " |\n")


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _numeric(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> set[str]:
    """The columns whose values are all numbers: they are set flush right."""
    number = (int, Decimal, float)
    return {
        column
        for index, column in enumerate(columns)
        if (seen := [row[index] for row in rows if row[index] is not None]) and all(isinstance(value, number) for value in seen)
    }


def _write_table(
    columns: Sequence[str],
    rows: list[Sequence[Any]],
    totals: Sequence[Any] | None,
    title: str | None,
    hide_empty: bool,
    out: TextIO,
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    right = _numeric(columns, [*rows, *([totals] if totals is not None else [])])
    table = Table(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", show_footer=totals is not None, pad_edge=False)
    shown = [index for index in range(len(columns)) if not hide_empty or any(row[index] is not None for row in rows)]
    for index in shown:
        column = columns[index]
        footer = Text(cell(totals[index], grouped=True), style="bold") if totals is not None else ""
        numeric = column in right
        table.add_column(
            Text(column), footer=footer, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold", min_width=None
        )
    for row in rows:
        cells = (row[index] for index in shown)
        table.add_row(*(Text("–" if value is None else cell(value, grouped=True), style="dim" if value is None else "") for value in cells))
    console_for(out).print(table)


def console_for(out: TextIO) -> Any:
    """A rich console for a stream: as wide as the terminal, or as wide as the rows need where nobody looks."""
    import os

    from rich.console import Console

    width = None if out.isatty() or "COLUMNS" in os.environ else 10_000
    return Console(file=out, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], output: Format = Format.table, **more: Any) -> str:
    """The rows as a string, as write_rows would print them."""
    out = io.StringIO()
    write_rows(columns, rows, output, stream=out, **more)
    return out.getvalue()
