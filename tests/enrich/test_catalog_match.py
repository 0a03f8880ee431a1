"""Which entry a name means: overlays and base together, the base by its order, fills with their base."""

import pytest

from spanledger.enrich.catalog.match import Shelf, exact_names, only_exact, test_of
from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, Entry, Match, Rate

RATE = (Rate("input_tokens", "1", 1_000_000),)
test_of.__test__ = False  # type: ignore[attr-defined]  # it only sounds like a test


def entry(model: str, rank: int, match: Match, order: int = 0) -> Entry:
    return Entry("p", model, rank, order, match, "s", "", RATE)


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        (["equals", "a"], ["a"], ["ab", ""]),
        (["prefix", "a"], ["a", "ab"], ["ba"]),
        (["suffix", "a"], ["a", "ba"], ["ab"]),
        (["contains", "a"], ["bab"], ["b"]),
        (["regex", "^a.$"], ["ab"], ["abc"]),
        (["any", [["equals", "a"], ["prefix", "b"]]], ["a", "bc"], ["ab"]),
        (["all", [["prefix", "a"], ["suffix", "z"]]], ["abz"], ["ab", "z"]),
    ],
)
def test_matches(match: Match, yes: list[str], no: list[str]) -> None:
    test = test_of(match)
    assert [name for name in yes if not test(name)] == []
    assert [name for name in no if test(name)] == []


def test_an_unknown_match_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown match"):
        test_of(["sounds_like", "a"])


def test_exact_names() -> None:
    match = ["any", [["equals", "a"], ["any", [["equals", "b"]]], ["prefix", "c"]]]
    assert exact_names(match) == ["a", "b"]
    assert not only_exact(match)
    assert only_exact(match[1][1])


def test_the_first_of_the_base_is_taken_though_a_later_one_has_the_name_exactly() -> None:
    shelf = Shelf(
        [entry("exact", BASE, ["equals", "a-1"], 2), entry("wide", BASE, ["prefix", "a"], 1), entry("wider", BASE, ["contains", ""], 3)]
    )
    assert [found.model for found in shelf.find("a-1")] == ["wide"]
    assert [found.model for found in shelf.find("b")] == ["wider"]


def test_overlay_base_and_fill_come_together() -> None:
    shelf = Shelf(
        [
            entry("a", FILL, []),
            entry("a", BASE, ["equals", "a"]),
            entry("a", OVERLAY, ["equals", "a"]),
            entry("*", OVERLAY, ["prefix", ""]),
            entry("z", FILL, ["equals", "z"]),
            entry("o", OVERLAY, ["equals", "o"]),
        ]
    )
    assert [(found.model, found.rank) for found in shelf.find("a")] == [("*", OVERLAY), ("a", OVERLAY), ("a", BASE), ("a", FILL)]
    assert [(found.model, found.rank) for found in shelf.find("z")] == [("*", OVERLAY), ("z", FILL)]
    assert [(found.model, found.rank) for found in shelf.find("o")] == [("*", OVERLAY), ("o", OVERLAY)]
    assert shelf.find("unknown") == []  # an overlay for all models makes no model known
