"""Several catalog files as one: the topmost is found first, and each knows the models of those below."""

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, RANKS, Entry, Rate, catalog_text
from spanledger.enrich.catalog.stack import Stack

ONE = (Rate("input_tokens", "1", 1),)


def file(*entries: Entry) -> CatalogFile:
    return CatalogFile(catalog_text(entries), "")


def entry(model: str, match: list[object], rank: int = BASE, source: str = "s") -> Entry:
    return Entry("openai", model, rank, 0, match, source, "", ONE)


BASE_FILE = file(entry("gpt-5", ["prefix", "gpt-5"]), entry("gpt-5", [], FILL, "fill"))


def found(stack: Stack, name: str) -> list[tuple[str, int]]:
    shelf = stack.shelf("openai")
    assert shelf is not None
    return [(each.model, each.rank) for each in shelf.find(name)]


def test_the_topmost_comes_first_and_its_ranks_are_above_all_below() -> None:
    stack = Stack(BASE_FILE, [file(entry("gpt-5", ["equals", "gpt-5"])), file(entry("gpt-5", ["equals", "gpt-5"], OVERLAY))])
    assert found(stack, "gpt-5") == [("gpt-5", 2 * RANKS + OVERLAY), ("gpt-5", RANKS + BASE), ("gpt-5", BASE), ("gpt-5", FILL)]
    assert sorted({each.rank for each in stack.entries()}) == [FILL, BASE, RANKS + BASE, 2 * RANKS + OVERLAY]


def test_a_snapshot_is_known_by_the_name_below_unless_it_has_a_price_of_its_own() -> None:
    overlay = file(entry("gpt-5", ["equals", "gpt-5"]), entry("gpt-5-mini", ["equals", "gpt-5-mini"]))
    stack = Stack(BASE_FILE, [overlay])
    assert found(stack, "gpt-5-2026-01-01")[0] == ("gpt-5", RANKS + BASE)
    assert found(stack, "gpt-5-mini")[0] == ("gpt-5-mini", RANKS + BASE)


def test_what_only_adds_to_models_knows_none_by_itself() -> None:
    tool = file(entry("*", ["prefix", ""], OVERLAY))
    assert [model for model, _ in found(Stack(BASE_FILE, [tool]), "gpt-5")] == ["*", "gpt-5", "gpt-5"]
    assert found(Stack(BASE_FILE, [tool]), "llama") == []
    assert Stack(BASE_FILE, [tool]).shelf("nobody") is None
