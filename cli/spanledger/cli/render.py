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

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_UNSAFE_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~])")
_FOLDED_WIDTH_MIN = 16
"""Text is folded to no less than this in a table."""
_RICH_ROWS_MAX = 500
_HEADER_WIDTH_MIN = 8
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
        return value if value == value and abs(value) != float("inf") else str(value)
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
    optional: Sequence[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Write rows in the format asked for; on a terminal that is too narrow, tables do without the `optional` columns, in that order.

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
        _write_table(columns, list(rows), totals, title, optional, out)


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
    optional: Sequence[str],
    out: TextIO,
) -> None:
    """A table as wide as its rows; on a narrow terminal first without optional columns, then as one block a row. No digit is ever cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = console_for(out)
    right = _numeric(columns, [*rows, *([totals] if totals is not None else [])])
    texts = [[cell(value, grouped=True) for value in row] for row in rows]
    footers = [cell(value, grouped=True) for value in totals] if totals is not None else None
    shown = _that_fit(columns, [*texts, *([footers] if footers else [])], right, optional, console.width)
    if len(rows) > _RICH_ROWS_MAX:
        _write_long(columns, [*texts, *([footers] if footers else [])], right, out)
        return
    if shown is None:
        _write_blocks(columns, texts, footers, console)
        return
    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(title) if title else None,
        title_justify="left",
        show_footer=footers is not None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index in shown:
        numeric = columns[index] in right
        footer = Text(footers[index], style="bold") if footers else ""
        header = Text(_header(columns[index], max((len(text[index]) for text in texts), default=0)))
        table.add_column(header, footer=footer, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row, text in zip(rows, texts, strict=True):
        table.add_row(*(Text("-", style="dim") if row[index] is None else Text(text[index]) for index in shown))
    console.print(table)
    if hidden := [
        columns[index].replace("_", " ") for index in range(len(columns)) if index not in shown and any(text[index] for text in texts)
    ]:
        console.print(Text(f"left out for the width: {', '.join(hidden)}; --format json has everything", style="dim"))


def _header(column: str, width: int) -> str:
    """A column's name, broken where it is wider than what stands below it."""
    lines: list[str] = []
    for word in column.split("_"):
        if lines and len(lines[-1]) + 1 + len(word) <= max(width, _HEADER_WIDTH_MIN):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _that_fit(
    columns: Sequence[str], texts: Sequence[Sequence[str]], right: set[str], optional: Sequence[str], width: int
) -> list[int] | None:
    """The columns to show: without optional ones that say nothing or are too much, the first of them going first; None: too narrow."""
    needed = []
    for index, column in enumerate(columns):
        longest = max((len(text[index]) for text in texts), default=0)
        header = max(map(len, _header(column, longest).split("\n")))
        needed.append(max(header, longest if column in right else min(longest, _FOLDED_WIDTH_MIN)))
    empty = {index for index, column in enumerate(columns) if column in optional and not any(text[index] for text in texts)}
    shown = [index for index in range(len(columns)) if index not in empty]
    for leaving in (None, *map(columns.index, optional)):
        if leaving in shown:
            shown.remove(leaving)
        if sum(needed[index] + 2 for index in shown) <= width:
            return shown
    return None


def _write_long(columns: Sequence[str], texts: Sequence[Sequence[str]], right: set[str], out: TextIO) -> None:
    """A table of very many rows, for a pager or a pipe: aligned and plain, written as fast as it is read."""
    widths = [max(len(column), *(len(text[index]) for text in texts)) for index, column in enumerate(columns)]
    aligns = [">" if column in right else "<" for column in columns]
    line = "  ".join(f"{{:{align}{width}}}" for align, width in zip(aligns, widths, strict=True)).format
    out.write(line(*(column.replace("_", " ") for column in columns)).rstrip() + "\n")
    for text in texts:
        out.write(line(*text).rstrip() + "\n")


def _write_blocks(columns: Sequence[str], texts: Sequence[Sequence[str]], footers: Sequence[str] | None, console: Any) -> None:
    """One line a value, for terminals too narrow for a table."""
    from rich.text import Text

    name_width = max(map(len, columns), default=0)
    for text in [*texts, *([footers] if footers else [])]:
        for column, value in zip(columns, text, strict=True):
            console.print(Text(f"{column.replace('_', ' '):<{name_width}}  {value or '-'}"), soft_wrap=True)
        console.print()


def console_for(out: TextIO) -> Any:
    """A rich console for a stream: as wide as the terminal, or as wide as the rows need where nobody looks."""
    import os

    from rich.console import Console

    class Patient(Console):
        """A console whose reader may leave early: rich would end the process with status 1, the command line decides itself."""

        def on_broken_pipe(self) -> None:
            """Let the error through."""
            raise BrokenPipeError

    width = None if out.isatty() or "COLUMNS" in os.environ else 10_000
    return Patient(file=out, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], output: Format = Format.table, **more: Any) -> str:
    """The rows as a string, as write_rows would print them."""
    out = io.StringIO()
    write_rows(columns, rows, output, stream=out, **more)
    return out.getvalue()
