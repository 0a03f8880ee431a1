"""What an explanation consists of, before it is text, Markdown or HTML: blocks of plain strings, which each way of writing makes safe.

Names in it come from spans, so from strangers. Nobody escapes while building a page: only the writers do, and they do it to everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from spanledger.cli.render import cell, markdown_text

_WIDTH = 18


class Heading(NamedTuple):
    """A section begins. `level` 2 or 3; `anchor` is one of our own ids, to be linked to."""

    text: str
    level: int = 2
    anchor: str | None = None


class Facts(NamedTuple):
    """Names and values; a value may be of any kind that a report can show."""

    rows: Sequence[tuple[str, Any]]


class Item(NamedTuple):
    """A line of a list with maybe a remark under it and, in HTML, the address that the remark names."""

    text: str
    note: str | None = None
    link: str | None = None


class Items(NamedTuple):
    """A list."""

    items: Sequence[Item]


class Grid(NamedTuple):
    """A table. Numbers are set flush right; `anchors` are the sections that the rows' first cells lead to."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    totals: Sequence[Any] | None = None
    anchors: Sequence[str | None] = ()


class Note(NamedTuple):
    """A sentence of our own, with values in it."""

    text: str


Block = Heading | Facts | Items | Grid | Note


class Page(NamedTuple):
    """A whole explanation."""

    title: str
    blocks: Sequence[Block]


def page_text(page: Page) -> str:
    """The page for a terminal."""
    return "\n".join([cell(page.title), *(line for block in page.blocks for line in _text_lines(block))]) + "\n"


def _text_lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level):
            shown = cell(text)
            yield from ("", shown, ("─" if level == 2 else "·") * len(shown))
        case Facts(rows):
            for name, value in rows:
                yield f"  {cell(name):<{_WIDTH}} {cell(value)}"
        case Items(items):
            for text, note, _ in items:
                yield f"  {cell(text)}"
                if note:
                    yield f"      {cell(note)}"
        case Grid():
            yield from _text_grid(block)
        case Note(text):
            yield f"  {cell(text)}"


def _text_grid(grid: Grid) -> Iterator[str]:
    rows = [[cell(value, grouped=True) for value in row] for row in (*grid.rows, *([grid.totals] if grid.totals is not None else []))]
    right = numeric(grid)
    names = [cell(name.replace("_", " ")) for name in grid.columns]
    widths = [max(len(name), *(len(row[at]) for row in rows), 0) for at, name in enumerate(names)]
    for row in (names, *rows):
        cells = (
            f"{text:>{width}}" if at in right else f"{text:<{width}}" for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip()


def numeric(grid: Grid) -> set[int]:
    """The columns of a grid that hold numbers, or text that stands for one."""
    return {at for at, name in enumerate(grid.columns) if name.endswith(("_usd", "calls", "tokens", "quantity", "entries", "per"))}


def page_markdown(page: Page) -> str:
    """The page as a Markdown document."""
    lines = [f"# {_md(page.title)}"]
    before: Block | None = None
    for block in page.blocks:
        if not isinstance(block, Heading) and before is not None and not (isinstance(block, Items) and isinstance(before, (Facts, Items))):
            lines.append("")
        lines += _markdown_lines(block)
        before = block
    return "\n".join(lines) + "\n"


def _md(value: Any) -> str:
    return markdown_text(cell(value))


def _markdown_lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level):
            yield from ("", f"{'#' * level} {_md(text)}")
        case Facts(rows):
            yield from (f"- {_md(name)}: {_md(value)}" for name, value in rows)
        case Items(items):
            for text, note, _ in items:
                yield f"- {_md(text.strip())}"
                if note:
                    yield f"  - {_md(note)}"
        case Grid(columns, rows, totals):
            right = numeric(block)
            yield "| " + " | ".join(_md(name.replace("_", " ")) for name in columns) + " |"
            yield "|" + "|".join(" ---: " if at in right else " --- " for at in range(len(columns))) + "|"
            for row in rows:
                yield "| " + " | ".join(_md(value) for value in row) + " |"
            if totals is not None:
                yield "| " + " | ".join(f"**{_md(value)}**" if cell(value) else "" for value in totals) + " |"
        case Note(text):
            yield _md(text)
