"""What a company really pays and charges: list, contract and customer price of one call, by the order of resolution, on paper."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import BASE, OVERLAY, Entry, Rate, catalog_text
from spanledger.enrich.money import ATTO, divide_half_even, rational_from_text, text_from_atto
from spanledger.enrich.price import Priced, price_by
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.price_lint import AmbiguousRateError
from spanledger.enrich.records import Call, Usage
from spanledger.enrich.terms import Terms

M = 1_000_000
NOON = "2026-11-20T12:00:00"
BATCH = (("service_tier", "batch"),)
EU = (("region", "eu"),)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def file(*entries: Entry, label: str = "") -> CatalogFile:
    return CatalogFile(catalog_text(entries), label)


def entry(model: str, *rates: Rate, provider: str = "openai", rank: int = BASE, match: list[object] | None = None) -> Entry:
    return Entry(provider, model, rank, 0, match or ["equals", model], "price page", "", rates)


LIST = file(
    entry(
        "gpt-x",
        Rate("input_tokens", "2", M),
        Rate("output_tokens", "8", M),
        Rate("cache_read_tokens", "0.2", M),
        Rate("input_tokens", "4", M, (), 200_000, ">"),
        Rate("input_tokens", "1", M, BATCH),
        Rate("output_tokens", "4", M, BATCH),
        match=["prefix", "gpt-x"],
    ),
    entry("gpt-x", Rate("input_tokens", "3", M), Rate("output_tokens", "9", M), provider="azure.ai.openai"),
    label="list",
)


def book(terms: str = "", *overlays: CatalogFile) -> PriceBook:
    return PriceBook(LIST, overlays, Terms.from_toml(terms) if terms else None)


def price(
    prices: PriceBook,
    usage: Usage = Usage(1000, 100),  # noqa: B008 - frozen
    tenant: str | None = None,
    *,
    model: str = "gpt-x",
    served: str | None = None,
    provider: str = "openai",
    tier: str | None = None,
    region: str | None = None,
    at: str = NOON,
) -> Priced:
    call = Call("t", provider=provider, request_model=model, response_model=served or model, service_tier=tier, region=region, usage=usage)
    return prices.price(call, ns(at), tenant)


def sums(priced: Priced) -> tuple[str | None, ...]:
    """(list, contracted, cost, customer) in USD."""
    four = (priced.list_cost_usd, priced.contracted_cost_usd, priced.cost_usd, priced.customer_price_usd)
    return tuple(None if atto is None else text_from_atto(atto) for atto in four)


def test_a_catalog_alone_is_itself() -> None:
    prices = book()
    assert prices.catalog_id == LIST.id
    # 1000 x 2 + 100 x 8 = 2800 millionths
    assert sums(price(prices)) == ("0.0028", None, "0.0028", None)


def test_a_discount_is_off_list_and_shows_in_every_line() -> None:
    prices = book('[[contracts]]\nname = "c"\nprovider = "openai"\ndiscount = "7.5"')
    priced = price(prices)
    # 2800 x 0.925 = 2590
    assert sums(priced) == ("0.0028", "0.00259", "0.00259", None)
    assert [(line.unit, line.amount, line.per) for line in priced.lines] == [("input_tokens", "1.85", M), ("output_tokens", "7.4", M)]
    assert [[source.kind for source in prices.sources(line.rate_id)] for line in priced.lines] == [["catalog", "contract"]] * 2
    assert sums(price(prices, provider="azure.ai.openai")) == ("0.0039", None, "0.0039", None)  # another provider's price


def test_fixed_rates_replace_and_the_rest_stays_at_list() -> None:
    terms = """
        [[contracts]]
        name = "c"
        models = ["gpt-x"]
        rates = [{ unit = "input_tokens", amount = "1.5", per = 1000000 }]
    """
    # 1000 x 1.5 + 100 x 8 = 2300
    assert sums(price(book(terms))) == ("0.0028", "0.0023", "0.0023", None)
    # the list's price of long requests is replaced with it: 300,000 x 1.5
    assert sums(price(book(terms), Usage(300_000, 0))) == ("1.2", "0.45", "0.45", None)
    # what a batch costs is not agreed: 1000 x 1 + 100 x 4
    assert sums(price(book(terms), tier="batch")) == ("0.0014", None, "0.0014", None)


def test_a_fixed_rate_and_a_discount_in_one_contract() -> None:
    terms = """
        [[contracts]]
        name = "c"
        discount = "10"
        rates = [{ unit = "output_tokens", amount = "5", per = 1000000 }]
    """
    # 1000 x 1.8 + 100 x 5 = 2300
    assert sums(price(book(terms))) == ("0.0028", "0.0023", "0.0023", None)
    # batch: 1000 x 0.9 + 100 x 3.6 = 1260
    assert sums(price(book(terms), tier="batch")) == ("0.0014", "0.00126", "0.00126", None)


def test_a_contract_for_what_no_list_has() -> None:
    terms = """
        [[contracts]]
        name = "own"
        provider = "openai"
        models = ["ft-*"]
        rates = [{ unit = "input_tokens", amount = "1", per = 1000000 }, { unit = "output_tokens", amount = "2", per = 1000000 }]
    """
    priced = price(book(terms), model="ft-mine")
    assert sums(priced) == (None, "0.0012", "0.0012", None)
    assert (priced.state, priced.reason) == ("priced", None)
    assert price(book(terms), model="gpt-unknown").reason == "unknown_model"


def test_the_tenants_own_contract_goes_before_that_for_all() -> None:
    terms = """
        [[contracts]]
        name = "all"
        models = ["gpt-x"]
        discount = "10"
        [[contracts]]
        name = "acme's account"
        tenant = "acme"
        discount = "50"
    """
    prices = book(terms)
    assert sums(price(prices, tenant="acme"))[1] == "0.0014"
    assert sums(price(prices, tenant="globex"))[1] == "0.00252"
    assert sums(price(prices))[1] == "0.00252"


@pytest.mark.parametrize(("model", "expected"), [("gpt-x", "0.0014"), ("gpt-x-mini", "0.00196"), ("gpt-x2", "0.00252")])
def test_the_narrowest_model_wins(model: str, expected: str) -> None:
    terms = """
        contracts = [
            { name = "a", models = ["gpt-*"], discount = "10" },
            { name = "b", models = ["gpt-x-*"], discount = "30" },
            { name = "c", models = ["gpt-x-2026"], discount = "50" },
        ]
    """
    served = {"gpt-x": "gpt-x-2026"}.get(model, model)
    assert sums(price(book(terms), model=model, served=served))[1] == expected


def test_contracts_have_dates() -> None:
    terms = """
        contracts = [
            { name = "2026", discount = "10", from = 2026-01-01, to = 2027-01-01 },
            { name = "autumn", discount = "20", from = 2026-09-01T06:00:00Z },
        ]
    """
    prices = book(terms)
    days = ["2025-12-31T23:59:59", "2026-01-01T00:00:00", "2026-09-01T05:59:59", "2026-09-01T06:00:00", "2027-01-01T00:00:00"]
    assert [sums(price(prices, at=day))[1] for day in days] == [None, "0.00252", "0.00252", "0.00224", "0.00224"]
    assert [sums(price(prices, at=day))[1] for day in reversed(days)] == ["0.00224", "0.00224", "0.00252", "0.00252", None]


def test_a_contract_in_euros_follows_the_dated_rate() -> None:
    terms = """
        [[contracts]]
        name = "eu"
        currency = "EUR"
        from = 2026-01-01
        rates = [{ unit = "input_tokens", amount = "1.50", per = 1000000 }]
        [[currencies]]
        code = "EUR"
        usd = "1.0842"
        from = 2026-01-01
        [[currencies]]
        code = "EUR"
        usd = "1.1"
        from = 2026-11-01
    """
    prices = book(terms)
    october = price(prices, Usage(1000, 0), at="2026-10-31T23:59:59")
    assert (october.lines[0].amount, sums(october)[2]) == ("1.6263", "0.0016263")  # 1.50 x 1.0842
    assert sums(price(prices, Usage(1000, 0), at="2026-11-01T00:00:00"))[2] == "0.00165"
    assert october.lines[0].rate_id != price(prices, Usage(1000, 0)).lines[0].rate_id
    assert "1.50 EUR at 1.0842 USD" in prices.sources(october.lines[0].rate_id)[0].text


def test_customers_pay_a_markup_on_cost_or_on_list() -> None:
    terms = """
        [[contracts]]
        name = "c"
        discount = "50"
        [[customers]]
        name = "everyone"
        markup = "20"
        [[customers]]
        name = "gold"
        tenants = ["acme", "globex"]
        markup = "-10"
        basis = "list"
    """
    prices = book(terms)
    assert sums(price(prices)) == ("0.0028", "0.0014", "0.0014", "0.00168")
    assert sums(price(prices, tenant="acme")) == ("0.0028", "0.0014", "0.0014", "0.00252")
    assert sums(price(prices, tenant="initech"))[3] == "0.00168"


def test_customers_have_a_rate_card_of_their_own() -> None:
    terms = """
        [[customers]]
        name = "card"
        models = ["gpt-*"]
        rates = [
            { unit = "input_tokens", amount = "5", per = 1000000 },
            { unit = "output_tokens", amount = "20", per = 1000000 },
        ]
    """
    prices = book(terms)
    # 1000 x 5 + 100 x 20 = 7000; of 1000 in 400 read from the cache cost the customer as any other; in a batch too
    assert sums(price(prices)) == ("0.0028", None, "0.0028", "0.007")
    assert sums(price(prices, Usage(1000, 100, 400)))[3] == "0.007"
    assert sums(price(prices, tier="batch"))[3] == "0.007"
    # a model without a list price has a price for the customer all the same
    assert sums(price(prices, model="gpt-unknown")) == (None, None, None, "0.007")
    # and what the card does not speak of has none: never guessed
    assert sums(price(prices, Usage(1000, 100, extra=(("web_search_requests", 1),)), provider="azure.ai.openai"))[3] is None


def test_a_card_for_some_units_and_a_markup_on_the_rest() -> None:
    terms = """
        [[customers]]
        name = "c"
        markup = "100"
        rates = [{ unit = "output_tokens", amount = "20", per = 1000000 }]
    """
    # 1000 x 4 + 100 x 20
    assert sums(price(book(terms)))[3] == "0.006"


def test_deployment_names_are_dated_and_may_be_a_tenants_own() -> None:
    terms = """
        aliases = [
            { name = "prod-chat", provider = "azure.ai.openai", model = "gpt-x", to = 2026-09-01 },
            { name = "prod-chat", provider = "azure.ai.openai", model = "gpt-x-2026", to_provider = "openai", from = 2026-09-01 },
            { name = "prod-chat", tenant = "acme", model = "gpt-x", service_tier = "batch", to_provider = "openai" },
            { name = "arn:aws:bedrock:*", model = "gpt-x", to_provider = "openai" },
        ]
    """
    prices = book(terms)

    def cost(model: str = "prod-chat", provider: str = "azure.ai.openai", **more: str) -> str | None:
        return sums(price(prices, model=model, provider=provider, **more))[2]  # type: ignore[arg-type]  # texts

    assert cost(at="2026-08-31T23:59:59") == "0.0039"  # Azure's 1000 x 3 + 100 x 9
    assert cost(at="2026-09-01T00:00:00") == "0.0028"
    assert cost(tenant="acme") == "0.0014"
    assert cost(tenant="globex") == "0.0028"
    assert cost("azure/prod-chat") == "0.0028"
    assert cost(provider="openai") is None
    assert cost("arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc", "aws.bedrock") == "0.0028"
    assert cost("prod-chat", served="gpt-x") == "0.0028"  # the served name says the model, the alias who serves it


def test_overlays_lie_on_one_another_and_know_the_models_of_those_below() -> None:
    cheaper = file(entry("gpt-x", Rate("input_tokens", "1.9", M, effective_from="2026-10-01")), label="one")
    dearer = file(entry("gpt-x", Rate("output_tokens", "10", M)), entry("new", Rate("input_tokens", "1", M)), label="two")
    prices = book("", cheaper, dearer)
    assert sums(price(prices, served="gpt-x-2026-01-01"))[2] == "0.0029"  # 1900 + 1000, though only the base knows the snapshot
    assert sums(price(prices, at="2026-09-30T00:00:00"))[2] == "0.003"
    assert sums(price(prices, tier="batch"))[2] == "0.0014"  # a rate without a tier says nothing of batches
    assert sums(price(prices, Usage(1000, 0), model="new"))[2] == "0.001"
    assert sums(price(book("", dearer, cheaper, file(entry("gpt-x", Rate("output_tokens", "1", M))))))[2] == "0.002"
    assert [part.kind for part in prices.parts] == ["base", "overlay", "overlay"]
    assert prices.catalog_id.startswith("pb1-")
    assert prices.catalog_id != book("", dearer, cheaper).catalog_id
    assert prices.catalog_id == book("", cheaper, dearer).catalog_id


def test_the_book_knows_its_rates() -> None:
    overlay = file(entry("gpt-x", Rate("input_tokens", "1.9", M)))
    prices = book("", overlay)
    assert {(rate.unit, rate.amount) for rate in prices.rates_for("openai", "gpt-x") if not rate.context} >= {("input_tokens", "1.9")}
    assert {model.model for model in prices.models("openai")} == {"gpt-x"}
    assert prices.sources("r-unknown") == []


def test_ties_are_errors() -> None:
    with pytest.raises(AmbiguousRateError, match="'a' and in 'b'"):
        book('contracts = [{ name = "a", discount = "1" }, { name = "b", discount = "2" }]')
    one = entry("gpt-x", Rate("input_tokens", "1", M), rank=OVERLAY)
    with pytest.raises(AmbiguousRateError, match="costs 1 per 1000000 and 2 per 1000000"):
        book("", file(one, one._replace(order=1, rates=(Rate("input_tokens", "2", M),))))


def test_a_quote_is_good_until_something_changes() -> None:
    terms = 'contracts = [{ name = "c", discount = "10", from = 2026-11-01, to = 2026-12-01 }]\n[[customers]]\nname = "x"\nmarkup = "5"'
    call = Call("t", provider="openai", request_model="gpt-x")
    quote = book(terms).quote(call, ns(NOON), "acme")
    assert (quote.from_ns, quote.to_ns) == (ns("2026-11-01"), ns("2026-12-01"))
    assert quote.contracted is not None
    assert quote.customer is not None
    rates = [plan.levels[0].rates["input_tokens"].amount for plan in (quote.listed, quote.contracted, quote.customer)]
    assert rates == ["2", "1.8", "1.89"]
    assert book(terms).quote(call, ns("2026-12-01"), None).contracted is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine draws slowly, which says nothing of prices
@given(
    st.integers(0, 400_000),
    st.integers(0, 100_000),
    st.integers(-100, 400).map(str),
    st.decimals(0, 100, places=3, allow_nan=False).map(str),
)
def test_discount_and_markup_are_exact_by_line(tokens: int, said: int, markup: str, discount: str) -> None:
    terms = f'contracts = [{{ name = "c", discount = "{discount}" }}]\ncustomers = [{{ name = "x", markup = "{markup}" }}]'
    priced = price(book(terms), Usage(tokens, said))
    hundredths, scale = rational_from_text(discount)
    paid = charged = 0
    for quantity, amount in ((tokens, 4 if tokens > 200_000 else 2), (said, 8)):
        numerator, denominator = quantity * amount * ATTO * (100 * scale - hundredths), M * 100 * scale
        paid += divide_half_even(numerator, denominator)
        charged += divide_half_even(numerator * (100 + int(markup)), denominator * 100)
    assert (priced.contracted_cost_usd, priced.customer_price_usd) == (paid, charged)
    assert sum(line.cost_usd for line in priced.lines) == priced.cost_usd


COUNT = st.none() | st.integers(-3, 400_000)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine draws slowly, which says nothing of prices
@given(
    usage=st.builds(
        Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, st.sampled_from([(), (("images", 2),), (("web_search_requests", 1),)])
    ),
    model=st.sampled_from(["gpt-x", "gpt-x-2", "unknown"]),
    tier=st.sampled_from([None, "batch", "flex"]),
    tenant=st.sampled_from([None, "acme", "globex"]),
)
def test_the_short_ways_say_what_the_long_ones_say(usage: Usage, model: str, tier: str | None, tenant: str | None) -> None:
    call = Call("t", "", "openai", model, model, service_tier=tier, usage=usage)
    at_ns = ns(NOON)
    quote = DEAL.quote(call, at_ns, tenant)
    paid = price_by(quote.contracted or quote.listed, usage)
    found = DEAL.price(call, at_ns, tenant)
    assert found[:4] == paid[:4]
    assert found.list_cost_usd == price_by(quote.listed, usage).cost_usd
    assert found.contracted_cost_usd == (paid.cost_usd if quote.contracted else None)
    assert found.customer_price_usd == (price_by(quote.customer, usage).cost_usd if quote.customer else None)
    if paid.cost_usd is not None:
        assert sum(line.cost_usd for line in found.lines) == found.cost_usd


DEAL = book(
    """
    [[contracts]]
    name = "all"
    provider = "openai"
    discount = "7.5"
    from = 2026-01-01

    [[customers]]
    name = "standard"
    markup = "20"

    [[customers]]
    name = "acme's card"
    tenants = ["acme"]
    rates = [
      { unit = "input_tokens", amount = "3", per = 1000000 },
      { unit = "output_tokens", amount = "0.1", per = 3 },
      { unit = "input_tokens", amount = "5", per = 1000000, threshold = 100000, op = ">=" },
    ]
    """
)


def test_of_overlapping_names_the_narrowest_holds() -> None:
    def overlay(match: list[object], amount: str) -> Entry:
        return entry(amount, Rate("input_tokens", amount, M), rank=OVERLAY, match=match)

    patterns = file(overlay(["prefix", "gpt-"], "20"), overlay(["prefix", "gpt-x"], "30"), overlay(["equals", "gpt-x-7"], "40"))
    prices = book("", patterns)
    for model, expected in (("gpt-x-7", "0.0408"), ("gpt-x-8", "0.0308")):
        found = prices.price(Call("t", "", "openai", model, model, usage=Usage(1000, 100)), ns(NOON)).cost_usd
        assert found is not None
        assert text_from_atto(found) == expected  # 1000 x 40 or 30, and 100 x 8


def test_a_region_goes_before_any_region() -> None:
    anywhere = Rate("input_tokens", "50", M, (("region", "*"),))
    prices = book("", file(entry("gpt-x", anywhere, Rate("input_tokens", "60", M, EU), rank=OVERLAY)))
    for region, expected in (("eu", "0.0608"), ("us", "0.0508"), (None, "0.0028")):
        found = prices.price(Call("t", "", "openai", "gpt-x", "gpt-x", region=region, usage=Usage(1000, 100)), ns(NOON)).cost_usd
        assert found is not None
        assert text_from_atto(found) == expected


def test_a_name_as_it_was_sent_goes_before_what_it_stands_for() -> None:
    for order in (1, -1):
        contracts = [
            '[[contracts]]\nname = "family"\nmodels = ["gpt-x"]\nrates = [{ unit = "input_tokens", amount = "7", per = 1000000 }]\n',
            '[[contracts]]\nname = "snapshot"\nmodels = ["gpt-x-7"]\nrates = [{ unit = "input_tokens", amount = "9", per = 1000000 }]\n',
        ][::order]
        found = book("".join(contracts)).price(Call("t", "", "openai", "gpt-x-7", "gpt-x-7", usage=Usage(1000, 100)), ns(NOON))
        assert found.contracted_cost_usd is not None
        assert text_from_atto(found.contracted_cost_usd) == "0.0098"  # 1000 x 9 and 100 x 8
