"""What is wrong or odd in prices is found before anything is priced by them."""

import pytest

from spanledger.enrich.catalog.load import CatalogFile, load
from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, Entry, Rate, catalog_text
from spanledger.enrich.price_lint import AmbiguousRateError, ambiguities, lint, refuse_ties
from spanledger.enrich.terms import Terms

M = 1_000_000
ONE = Rate("input_tokens", "1", M)


def file(*rates: Rate, provider: str = "openai") -> CatalogFile:
    return CatalogFile(catalog_text([Entry(provider, "m", BASE, 0, ["equals", "m"], "s", "", rates)]), "")


def test_the_shipped_catalog_has_no_ties() -> None:
    assert ambiguities(load()) == []
    assert {finding.severity for finding in lint(load())} == {"warning"}


@pytest.mark.parametrize(
    ("other", "tie"),
    [
        (ONE._replace(amount="2"), True),
        (ONE._replace(per=1000), True),
        (ONE._replace(amount="2", effective_to="2026-01-01"), True),
        (ONE._replace(amount="2", effective_from="2026-01-01"), False),
        (ONE._replace(amount="2", context=(("region", "eu"),)), False),
        (ONE._replace(amount="2", threshold=5, op=">"), False),
        (ONE._replace(amount="2", window="01:00-02:00"), False),
        (ONE._replace(unit="output_tokens", amount="2"), False),
        (ONE._replace(effective_to="2026-01-01"), False),
    ],
)
def test_ties_in_an_entry(other: Rate, tie: bool) -> None:
    assert bool(ambiguities(file(ONE, other))) is tie


@pytest.mark.parametrize(
    ("window", "tie"),
    [("05:00-06:00", False), ("03:59-05:00", True), ("23:00-01:30", True), ("23:00-01:00", False), ("02:00-03:00 6-7", False)],
)
def test_ties_of_daily_windows(window: str, tie: bool) -> None:
    rates = ONE._replace(window="01:00-04:00 1-5"), ONE._replace(amount="2", window=window)
    assert bool(ambiguities(file(*rates))) is tie


def test_ties_between_overlay_entries_of_one_name() -> None:
    entries = [
        Entry("openai", "m", OVERLAY, 0, ["any", [["equals", "m"], ["equals", "n"]]], "s", "", (ONE,)),
        Entry("openai", "m", OVERLAY, 1, ["equals", "n"], "s", "", (ONE._replace(amount="2"),)),
        Entry("openai", "m", OVERLAY, 2, ["prefix", "n"], "s", "", (ONE._replace(amount="3"),)),  # a pattern gives way to a name
    ]
    assert [finding.message for finding in ambiguities(CatalogFile(catalog_text(entries), ""))] == [
        "input_tokens costs 1 per 1000000 and 2 per 1000000, both from the beginning on"
    ]


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        (ONE._replace(amount="x"), "amount"),
        (ONE._replace(amount="-1"), "amount"),
        (ONE._replace(effective_from="2026-02-01", effective_to="2026-01-01"), "dates"),
        (ONE._replace(threshold=5), "threshold"),
        (ONE._replace(context=(("size", "big"),)), "context"),
        (ONE._replace(unit="*"), "multiplier"),
        (ONE._replace(unit="inputs_tokens"), "unit"),
        (ONE, None),
    ],
)
def test_odd_rates(rate: Rate, code: str | None) -> None:
    assert [finding.code for finding in lint(file(rate))] == ([code] if code else [])


def test_providers_have_the_names_that_calls_have() -> None:
    assert [finding.message for finding in lint(file(ONE, provider="bedrock"))] == [
        "no call has this provider: spanledger calls it aws.bedrock"
    ]


@pytest.mark.parametrize(
    ("one", "other", "tie"),
    [
        ("", "", "everything"),
        ('tenant = "a"', "", ""),
        ('tenant = "a"', 'tenant = "a"', "everything"),
        ('models = ["x"]', 'models = ["y", "x"]', "everything"),
        ('models = ["x"]', 'models = ["x*"]', ""),
        ('provider = "bedrock"', 'provider = "aws.bedrock"', "everything"),
        ("from = 2026-01-01", "", ""),
        ('units = ["images"]', 'units = ["pages"]', ""),
        ('units = ["images"]', "", "images"),
        ('context = { region = "eu" }', "", ""),
    ],
)
def test_ties_of_contracts(one: str, other: str, tie: str) -> None:
    terms = Terms.from_toml(f'[[contracts]]\nname = "a"\ndiscount = "1"\n{one}\n[[contracts]]\nname = "b"\ndiscount = "2"\n{other}')
    found = [finding.message for finding in ambiguities(terms)]
    assert found == ([f"{tie} is agreed in 'a' and in 'b', equally narrow and from the same day on"] if tie else [])


def test_ties_of_rates_and_aliases() -> None:
    terms = Terms.from_toml(
        """
        aliases = [{ name = "p", model = "x" }, { name = "p", model = "y" }, { name = "p", model = "z", from = 2026-01-01 }]
        [[contracts]]
        name = "c"
        [[contracts.rates]]
        unit = "images"
        amount = "1"
        per = 1
        [[contracts.rates]]
        unit = "images"
        amount = "2"
        per = 1
        """
    )
    assert [(finding.where, finding.message) for finding in ambiguities(terms)] == [
        ("c", "images costs 1 and 2 from the same day on"),
        ("p", "it stands for x and for y from the same day on"),
    ]


def test_odd_terms() -> None:
    terms = Terms.from_toml(
        'contracts = [{ name = "c", discount = "1", units = ["inputs"] }]\ncurrencies = [{ code = "EUR", usd = "1.1" }]'
    )
    assert [(finding.severity, finding.code, finding.where) for finding in lint(terms)] == [
        ("warning", "currency", "EUR"),
        ("warning", "unit", "c"),
    ]


def overlay(match: list[object], amount: str, model: str = "m", source: str = "s") -> Entry:
    return Entry("openai", model, OVERLAY, 0, match, source, "", (Rate("input_tokens", amount, M),))


@pytest.mark.parametrize(
    ("one", "other", "tie"),
    [
        (["prefix", "gpt-5"], ["prefix", "gpt-"], False),  # the longer beginning holds
        (["prefix", "gpt-5"], ["prefix", "o3-mi"], False),
        (["prefix", "gpt-5"], ["equals", "gpt-5"], False),
        (["any", [["prefix", "gpt-5"], ["equals", "o3"]]], ["prefix", "gpt-5"], True),
        (["contains", "5"], ["regex", "gpt"], True),  # nobody can say that no name is in both
        (["prefix", ""], ["contains", "5"], True),
    ],
)
def test_patterns_that_overlap(one: list[object], other: list[object], tie: bool) -> None:
    both = CatalogFile(catalog_text([overlay(one, "1", "a", "price sheet"), overlay(other, "2", "b", "mail of May")]), "")
    found = ambiguities(both)
    assert bool(found) is tie
    if tie:
        with pytest.raises(AmbiguousRateError) as refused:
            refuse_ties(both)
        said = str(refused.value)
        assert said == "openai a: input_tokens costs 1 per 1000000 and 2 per 1000000 of b (mail of May), both from the beginning on" or (
            said == "openai b: input_tokens costs 2 per 1000000 and 1 per 1000000 of a (price sheet), both from the beginning on"
        )


def test_two_that_fill_one_model_tie() -> None:
    base = Entry("openai", "m", BASE, 0, ["equals", "m"], "s", "", (Rate("output_tokens", "5", M),))
    fills = [
        Entry("openai", "m", FILL, 0, [], source, "", (Rate("input_tokens", amount, M),)) for source, amount in (("x", "1"), ("y", "2"))
    ]
    assert ambiguities(CatalogFile(catalog_text([base, *fills]), ""))
    assert not ambiguities(CatalogFile(catalog_text([base, fills[0]]), ""))


@pytest.mark.parametrize(
    ("one", "other", "tie"),
    [
        ('context = { service_tier = "batch" }', 'context = { region = "eu" }', True),  # a batch in the EU is in both
        ('context = { service_tier = "batch" }', 'context = { service_tier = "flex" }', False),
        ('context = { service_tier = "batch" }', 'context = { service_tier = "batch", region = "eu" }', False),
        ('context = { region = "us" }', 'context = { region = "eu" }', False),
    ],
)
def test_contexts_that_overlap(one: str, other: str, tie: bool) -> None:
    terms = Terms.from_toml(f'[[contracts]]\nname = "a"\ndiscount = "1"\n{one}\n[[contracts]]\nname = "b"\ndiscount = "2"\n{other}')
    assert bool(ambiguities(terms)) is tie
