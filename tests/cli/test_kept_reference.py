"""The page about what is kept names all of it, and is the one in the documents."""

from __future__ import annotations

from pathlib import Path

from spanledger.cli.kept_reference import kept_reference
from spanledger.enrich.kept import JsonKept, Kept, kept_for
from spanledger.enrich.rules import default_rules

PAGE = Path(__file__).parents[2] / "docs/kept.md"


def test_the_page_is_that_of_the_rules() -> None:
    assert PAGE.read_text("utf-8") == kept_reference(), "run: python -m spanledger.cli.kept_reference > docs/kept.md"


def test_it_names_everything_that_is_kept() -> None:
    kept, page = kept_for(default_rules()), kept_reference()
    every = (kept.text_keys, kept.json_keys, kept.span_names, kept.span_name_words, kept.event_names)
    assert not [name for names in every for name in names if f"`{name}`" not in page]


def test_a_key_more_is_a_word_more() -> None:
    kept = Kept(frozenset({"my.key"}), {"my.json": JsonKept({"id": (1, {})})}, frozenset(), frozenset(), frozenset())
    assert "- `my.key`\n" in kept_reference(kept)
    assert "- `my.json`: `id` (an identifier)\n" in kept_reference(kept)
