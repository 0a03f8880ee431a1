"""The HTML page: whole, self-contained, and whatever strangers name their things, it stays text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.cli.pages import Facts, Grid, Heading, Item, Items, Note, Page
from spanledger.cli.pages_html import page_html
from spanledger.cli.render import visible

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "<!--", "-->", "<![CDATA[", "&lt;script&gt;", "&#60;b&#62;", "javascript:alert(1)",
    "\u202egpj.exe\u202c", "\u2066a\u2069", "a\x00b\x1b[31m\x7f", "line\nbreak\r\u2028", "\ud800", "\ufeffx", "{{7*7}}", "${7*7}",
    "שלום acme 12 34", "<bdi>", "\u061carabic mark",
]  # fmt: skip
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "dl", "dt", "dd", "ul", "li", "small", "a", "p", "bdi", "div",
    "table", "thead", "tbody", "tfoot", "tr", "th", "td",
}  # fmt: skip
VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, their attributes, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def page_of(name: str) -> Page:
    """A page with a name in every place that a name can have."""
    rows: list[list[Any]] = [[name, 5, name]]
    return Page(
        name,
        [
            Heading(name, 2, name), Heading(name, 3), Facts([(name, name)]), Items([Item(name, name, name), Item(name, name, f"https://{name}")]),
            Grid((name, "calls", "cost_usd"), rows, rows[0], [name]), Note(name),
        ],
    )  # fmt: skip


def check(name: str) -> None:
    page = page_html(page_of(name))
    page.encode("utf-8")
    read = Reader(page)
    assert read.open == []
    assert {tag for tag, _ in read.elements} <= ALLOWED
    for tag, attributes in read.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "style", "action", "srcdoc")]
        if tag == "a":
            assert (attributes["href"] or "").startswith(("#", "https://", "http://"))
    shown = visible(name)
    if shown.strip():
        assert "".join(read.text).count(shown) >= 13
    assert visible(page.replace("\n", "")) == page.replace("\n", "")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_stay_text(name: str) -> None:
    check(name)


@given(st.text(max_size=30))
def test_any_name_stays_text(name: str) -> None:
    check(name)


@given(st.text(alphabet="<>&\"'/=- !scriptonload\n", max_size=40))
def test_anything_like_markup_stays_text(name: str) -> None:
    check(name)


def test_the_reader_would_find_markup() -> None:
    """The negative control: what the page does not escape, the check does see."""
    hostile = page_html(Page("x", [])).replace("<h1>", "<h1><script>alert(1)</script>")
    assert {tag for tag, _ in Reader(hostile).elements} - ALLOWED == {"script"}


def test_the_page_needs_nothing_from_elsewhere_and_prints() -> None:
    page = page_html(page_of("acme"))
    read = Reader(page)
    assert [attributes for tag, attributes in read.elements if tag in ("link", "script", "img", "iframe")] == []
    policy = next(attributes["content"] or "" for tag, attributes in read.elements if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    assert "url(" not in page
    assert "@import" not in page
    assert "@media print" in page
    assert 'name="viewport"' in page
    assert page.startswith("<!doctype html>\n")


def test_only_web_addresses_are_links() -> None:
    for address in ("javascript:alert(1)", "data:text/html,x", "//e.vil", "genai-prices 0.2.3"):
        assert "<a " not in page_html(Page("x", [Items([Item("rate", "source", address)])]))
    page = page_html(Page("x", [Items([Item("rate", "source", 'https://x.org/?a=1&b="2"')])]))
    assert 'href="https://x.org/?a=1&amp;b=&quot;2&quot;" rel="noopener noreferrer"' in page
