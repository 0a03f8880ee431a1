"""The tables of a terms file, checked: misspelt keys, floats, dates that end before they begin and currencies without a rate are errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, model_validator

from spanledger.enrich.money import rational_from_text

_WINDOW: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-4]):[0-5][0-9]( [1-7]-[1-7])?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTEXT: Final = ("service_tier", "region")
_PATTERN_MAX: Final = 256


def _decimal(text: str) -> str:
    numerator, _ = rational_from_text(text)
    if numerator < 0:
        raise ValueError("an amount is not negative")
    return text.strip()


def _positive(text: str) -> str:
    if rational_from_text(text)[0] <= 0:
        raise ValueError("must be more than 0")
    return text.strip()


def _discount(text: str) -> str:
    numerator, denominator = rational_from_text(text)
    if not 0 <= numerator <= 100 * denominator:
        raise ValueError("a discount is 0 to 100 percent")
    return text.strip()


def _markup(text: str) -> str:
    numerator, denominator = rational_from_text(text)
    if not -100 * denominator <= numerator <= 100_000 * denominator:
        raise ValueError("a markup is -100 to 100000 percent")
    return text.strip()


def _moment(value: Any) -> Any:
    """A date or time as ISO text in UTC, as rates have it."""
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value) if len(value) > len("2026-01-01") else date.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if moment.microsecond:
            raise ValueError("times are whole seconds")
        return moment.date().isoformat() if moment.time() == time() else moment.replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _pattern(text: str) -> str:
    if not 0 < len(text) <= _PATTERN_MAX or "*" in text[:-1]:
        raise ValueError('a pattern is a name, or the beginning of one and "*"')
    return text.lower()


def _window(text: str) -> str:
    if text and not _WINDOW.fullmatch(text):
        raise ValueError('a daily window is "01:00-04:00", with weekdays "01:00-04:00 1-5" (1 is Monday), in UTC')
    return text


def _context(value: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(value) - set(_CONTEXT)):
        raise ValueError(f"unknown context {', '.join(unknown)}: there are {', '.join(_CONTEXT)}")
    return {key: text.lower() for key, text in value.items()}


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError("a currency has three capital letters")
    return text


Amount = Annotated[StrictStr, AfterValidator(_decimal)]
Factor = Annotated[StrictStr, AfterValidator(_positive)]
Discount = Annotated[StrictStr, AfterValidator(_discount)]
Markup = Annotated[StrictStr, AfterValidator(_markup)]
Moment = Annotated[str, BeforeValidator(_moment)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Window = Annotated[str, AfterValidator(_window)]
Context = Annotated[dict[str, str], AfterValidator(_context)]
Currency = Annotated[str, AfterValidator(_currency)]
TimeZone = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Dated(BaseModel):
    """What holds from a day or time (UTC) on, up to another."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: Moment = Field(default="", alias="from", description="First day or moment (UTC); none: it was always so.")
    end: Moment = Field(default="", alias="to", description="The day or moment (UTC) it ends, exclusive; none: it goes on.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> _Dated:
        if self.start and self.end and self.end <= self.start:
            raise ValueError("`to` comes after `from`")
        return self


class RateTerms(_Dated):
    """A fixed rate for one unit."""

    unit: Name = Field(description="The unit, as in the price catalog: input_tokens, output_tokens, cache_read_tokens, images, …")
    amount: Amount = Field(description='Money for `per` units, as text: "2.40".')
    per: int = Field(ge=1, le=10**15, description="How many units the amount is for.")
    context: Context = Field(default={}, description="service_tier and region that a call must have for it.")
    threshold: int = Field(default=0, ge=0, description="Long context: for requests whose total input is `op` this.")
    op: Literal["", ">", ">="] = Field(default="", description="> or >=")
    window: Window = Field(default="", description="A daily window in UTC, with weekdays.")

    @model_validator(mode="after")
    def _has_its_operator(self) -> RateTerms:
        if (self.threshold > 0) != bool(self.op):
            raise ValueError("a threshold needs its operator")
        return self


class _Agreement(_Dated):
    """What contracts and customers have in common: for which calls, since when, at which rates."""

    name: Name = Field(description="What it is called; shown where a price is explained.")
    provider: str = Field(default="", description="Only calls to this provider.")
    models: list[Pattern] = Field(default=[], description='Only these models: names, or beginnings with "*".')
    context: Context = Field(default={}, description="Only calls of this service_tier, region.")
    units: list[Name] = Field(default=[], description="The discount or markup is only for these units.")
    currency: Currency = Field(default="USD", description="The currency of `rates`.")
    rates: list[RateTerms] = Field(default=[], description="Fixed rates.")

    @property
    def percent(self) -> str | None:
        """The discount or markup."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _says_something(self) -> _Agreement:
        if self.percent is None and not self.rates:
            raise ValueError("it needs a percentage or rates")
        if self.units and self.percent is None:
            raise ValueError("`units` says what a percentage is for")
        return self


class CommitmentTerms(BaseModel):
    """What was promised to be used in a period; it changes no call's price, and is kept to be settled period by period."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Amount = Field(description="How much is to be spent in each period.")
    currency: Currency = Field(default="USD", description="Its currency.")
    period: Literal["month", "quarter", "year", "contract"] = Field(description="The period it is for.")
    tz: TimeZone = Field(default="UTC", description="The time zone in which periods begin: Europe/Berlin.")
    overage: Markup | None = Field(default=None, description="Percent that use beyond the amount costs on top of its price; none: nothing.")


class ContractTerms(_Agreement):
    """What a provider charges this company instead of its list price."""

    tenant: str = Field(default="", description="Only for calls of this payer (who has an account of its own).")
    discount: Discount | None = Field(default=None, description='Percent off the list price, as text: "7.5".')
    commitment: CommitmentTerms | None = Field(default=None, description="What the company has promised to use.")

    @property
    def percent(self) -> str | None:
        """The discount."""
        return self.discount


class CustomerTerms(_Agreement):
    """What customers are charged."""

    tenants: list[Name] = Field(default=[], description="The payers it is for; none: all that have nothing of their own.")
    markup: Markup | None = Field(default=None, description='Percent on top, as text: "20"; negative for less.')
    basis: Literal["cost", "list"] = Field(default="cost", description="On top of what it costs the company, or of the list price.")
    meters: list[Pattern] = Field(default=[], description="Only what these meters counted (tools, own compute), not providers' calls.")

    @property
    def percent(self) -> str | None:
        """The markup."""
        return self.markup

    @model_validator(mode="after")
    def _is_for_calls_or_meters(self) -> CustomerTerms:
        if self.meters and (self.provider or self.models or self.context):
            raise ValueError("`meters` are no provider's: leave out provider, models and context")
        return self


class AliasTerms(_Dated):
    """A name of the company's own for a model: an Azure deployment, a Bedrock inference profile or ARN, a gateway's model."""

    name: Pattern = Field(description='The name in the call, or the beginning of one and "*".')
    provider: str = Field(default="", description="Only calls to this provider.")
    tenant: str = Field(default="", description="Only for calls of this payer.")
    model: Name = Field(description="The model it stands for, as the price catalog knows it.")
    to_provider: str = Field(default="", description="The provider that serves it; none: the call's own.")
    region: str = Field(default="", description="The region or data zone it is in.")
    service_tier: str = Field(default="", description="Its service tier.")


class CurrencyTerms(BaseModel):
    """What one unit of a currency is worth from a day on, until the next rate of that currency."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    code: Currency = Field(description="EUR, GBP, …")
    usd: Factor = Field(description='USD for one of it, as text: "1.0842".')
    start: Moment = Field(default="", alias="from", description="First day (UTC) of this rate; none: it was always so.")


class TermsConfig(BaseModel):
    """A terms file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(default="", max_length=256, description="A name for people; no part of the id.")
    contracts: list[ContractTerms] = []
    aliases: list[AliasTerms] = []
    customers: list[CustomerTerms] = []
    currencies: list[CurrencyTerms] = []

    @model_validator(mode="after")
    def _currencies_are_known(self) -> TermsConfig:
        since: dict[str, str] = {}
        for one in self.currencies:
            since[one.code] = min(since.get(one.code, one.start), one.start)
        for agreement in (*self.contracts, *self.customers):
            if agreement.currency == "USD" or not agreement.rates:
                continue
            if agreement.currency not in since:
                raise ValueError(f"{agreement.name}: no rate of {agreement.currency} under [[currencies]]")
            first = since[agreement.currency]
            begins = min((rate.start or agreement.start for rate in agreement.rates), default="")
            if max(begins, agreement.start) < first:
                raise ValueError(f"{agreement.name} begins before the first rate of {agreement.currency} ({first})")
        return self

    def agreements(self) -> Iterator[_Agreement]:
        """Contracts and customers."""
        yield from self.contracts
        yield from self.customers

    def commitment_mistakes(self) -> Iterator[str]:
        """Why commitments could not be settled. Asked of terms as they are written: those of earlier releases must go on being read."""
        since: dict[str, str] = {"USD": ""}
        for one in self.currencies:
            since[one.code] = min(since.get(one.code, one.start), one.start)
        named: set[tuple[str, str]] = set()
        for contract in self.contracts:
            promised = contract.commitment
            if promised is None:
                continue
            if (contract.name, contract.tenant) in named:
                yield f"{contract.name}: two contracts with a commitment have this name, by which it is booked"
            named.add((contract.name, contract.tenant))
            if promised.period == "contract" and not (contract.start and contract.end):
                yield f"{contract.name}: a commitment over the contract needs the contract's `from` and `to`"
            if promised.currency not in since:
                yield f"{contract.name}: no rate of {promised.currency} under [[currencies]]"
            elif contract.start < since[promised.currency]:
                yield f"{contract.name}: its commitment begins before the first rate of {promised.currency} ({since[promised.currency]})"
