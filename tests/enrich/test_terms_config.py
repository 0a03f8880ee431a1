"""Each mistake in a terms file is an error that says what is wrong."""

import pytest
from pydantic import ValidationError

from spanledger.enrich.terms_config import AliasTerms, ContractTerms, CurrencyTerms, CustomerTerms, RateTerms, TermsConfig

RATE = {"unit": "input_tokens", "amount": "1", "per": 1000}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"amount": "-1"}, "not negative"),
        ({"amount": "1/3"}, "not a decimal"),
        ({"amount": 1}, "valid string"),
        ({"per": 0}, "greater than or equal to 1"),
        ({"threshold": 5}, "needs its operator"),
        ({"op": ">"}, "needs its operator"),
        ({"window": "25:00-04:00"}, "daily window"),
        ({"context": {"size": "low"}}, "unknown context size"),
        ({"from": "2026-01-02", "to": "2026-01-02"}, "comes after"),
        ({"from": "2026-01-02T00:00:00.5"}, "whole seconds"),
    ],
)
def test_rates(more: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RateTerms.model_validate({**RATE, **more})


def test_moments_are_utc() -> None:
    rate = RateTerms.model_validate({**RATE, "from": "2026-01-01T02:00:00+02:00", "to": "2026-03-01T12:30:00Z"})
    assert (rate.start, rate.end) == ("2026-01-01", "2026-03-01T12:30:00")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"units": ["input_tokens"], "discount": None, "rates": [RATE]}, "what a percentage is for"),
        ({"models": ["a*b"]}, "beginning of one"),
        ({"models": [""]}, "beginning of one"),
        ({"currency": "euro"}, "three capital letters"),
        ({"commitment": {"amount": "1", "period": "day"}}, "month"),
    ],
)
def test_contracts(more: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ContractTerms.model_validate({"name": "c", "discount": "1", **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [({"markup": "-101"}, "-100 to"), ({"meters": ["m"], "provider": "openai"}, "no provider's"), ({"basis": "x"}, "cost")],
)
def test_customers(more: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CustomerTerms.model_validate({"name": "c", "markup": "1", **more})


def test_aliases_and_currencies() -> None:
    with pytest.raises(ValidationError, match="model"):
        AliasTerms.model_validate({"name": "prod"})
    with pytest.raises(ValidationError, match="more than 0"):
        CurrencyTerms.model_validate({"code": "EUR", "usd": "0"})


@pytest.mark.parametrize(
    ("currencies", "message"),
    [
        ([], "no rate of EUR"),
        ([{"code": "GBP", "usd": "1"}], "no rate of EUR"),
        ([{"code": "EUR", "usd": "1", "from": "2026-02-01"}], "begins before the first rate of EUR"),
        ([{"code": "EUR", "usd": "1", "from": "2026-01-01"}], None),
        ([{"code": "EUR", "usd": "1"}], None),
    ],
)
def test_a_currency_has_a_rate_for_all_its_time(currencies: list[dict[str, str]], message: str | None) -> None:
    said = {"contracts": [{"name": "c", "currency": "EUR", "from": "2026-01-01", "rates": [RATE]}], "currencies": currencies}
    if message is None:
        TermsConfig.model_validate(said)
        return
    with pytest.raises(ValidationError, match=message):
        TermsConfig.model_validate(said)
