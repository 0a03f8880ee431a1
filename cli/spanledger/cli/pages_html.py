"""A page as one HTML file that can be mailed, printed and read on a phone: no script, no foreign asset, and every name taken literally."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from spanledger.cli.pages import Block, Facts, Grid, Heading, Item, Items, Note, Page, numeric
from spanledger.cli.render import cell

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --quiet: #666; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
dd, li, td { font-variant-numeric: tabular-nums; }
ul { padding-left: 1.2rem; margin: .5rem 0; }
small { display: block; color: var(--quiet); }
.grid { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th { font-weight: 600; background: var(--soft); }
td.number, th.number { text-align: right; white-space: nowrap; }
tfoot td { font-weight: 600; }
a { color: inherit; }
@media (max-width: 34rem) { body { font-size: 15px; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; color: #000; background: #fff; }
  h2, h3 { break-after: avoid; } li, tr, dt, dd { break-inside: avoid; }
  .grid { overflow: visible; } a { text-decoration: none; }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Even if a name did get through, a browser would load, run and send nothing."""


def page_html(page: Page) -> str:
    """The page as a self-contained document."""
    body = "\n".join(line for block in page.blocks for line in _lines(block))
    return (
        '<!doctype html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        '<meta name="robots" content="noindex">\n<meta name="generator" content="spanledger">\n'
        f"<title>{_safe(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{_isolated(page.title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _safe(value: Any, *, grouped: bool = False) -> str:
    """Text in which nothing is markup and nothing turns the order of reading around."""
    return escape(cell(value, grouped=grouped), quote=True)


def _isolated(value: Any) -> str:
    """Text that may be in a script written from right to left, which then ends where it ends."""
    return f"<bdi>{_safe(value)}</bdi>"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, level, anchor):
            named = f' id="{_safe(anchor)}"' if anchor else ""
            yield f"<h{level:d}{named}>{_isolated(text)}</h{level:d}>"
        case Facts(rows):
            yield "<dl>"
            yield from (f"<dt>{_safe(name)}</dt><dd>{_isolated(value)}</dd>" for name, value in rows)
            yield "</dl>"
        case Items(items):
            yield "<ul>"
            yield from (f"<li>{_isolated(item.text.strip())}{_remark(item)}</li>" for item in items)
            yield "</ul>"
        case Grid():
            yield from _grid(block)
        case Note(text):
            yield f"<p>{_isolated(text)}</p>"


def _remark(item: Item) -> str:
    if not item.note:
        return ""
    if item.link and item.link.startswith(("https://", "http://")):
        return f'<small><a href="{_safe(item.link)}" rel="noopener noreferrer">{_isolated(item.note)}</a></small>'
    return f"<small>{_isolated(item.note)}</small>"


def _grid(grid: Grid) -> Iterator[str]:
    kinds = ["number" if at in numeric(grid) else "" for at in range(len(grid.columns))]
    yield '<div class="grid"><table>'
    names = [_safe(name.replace("_", " ")) for name in grid.columns]
    heads = (f'<th class="{kind}">{name}</th>' for name, kind in zip(names, kinds, strict=True))
    yield f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>"
    for number, row in enumerate(grid.rows):
        anchor = grid.anchors[number] if number < len(grid.anchors) else None
        cells = [_cell(value, kind, None if at else anchor) for at, (value, kind) in enumerate(zip(row, kinds, strict=True))]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody>"
    if grid.totals is not None:
        yield f"<tfoot><tr>{''.join(_cell(value, kind, None) for value, kind in zip(grid.totals, kinds, strict=True))}</tr></tfoot>"
    yield "</table></div>"


def _cell(value: Any, kind: str, anchor: str | None) -> str:
    text = f"<bdi>{_safe(value, grouped=kind == 'number')}</bdi>"
    shown = f'<a href="#{_safe(anchor)}">{text}</a>' if anchor else text
    return f'<td class="{kind}">{shown}</td>'
