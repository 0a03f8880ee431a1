"""The `[[enrich.meters]]` tables: checked at the edge, turned into frozen meters for the hot path."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, model_validator

from spanledger.enrich.meters import CALLS, TOKENS, WALL_CLOCK, Meter, MeterRate
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.records import DAY_NS

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_BUILT_IN: Final = (CALLS, WALL_CLOCK, *TOKENS)


def _amount(text: str) -> str:
    numerator, _ = rational_from_text(text)
    if numerator < 0:
        raise ValueError("an amount is not negative")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name is made of a-z, 0-9, _, . and -, begins with a letter or digit and has at most 64 characters")
    return text


Amount = Annotated[StrictStr, AfterValidator(_amount)]
"""USD as decimal text; a TOML float is refused, since it is not exact."""
Name = Annotated[str, AfterValidator(_name)]


class TierConfig(BaseModel):
    """A further price within a calendar month (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    above: int = Field(ge=1, description="Units a month after which it applies.")
    amount: Amount = Field(description="USD per `per` units from there on.")


class RateConfig(BaseModel):
    """What one unit of a meter costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Name = Field(
        default=CALLS, description="calls, wall_clock_ms, input_tokens, output_tokens, or your name for the number at `attribute`."
    )
    amount: Amount = Field(description='USD per `per` units, as text: "0.01".')
    per: int = Field(default=1, ge=1, le=10**15, description="How many units the amount is for.")
    attribute: str = Field(default="", description="The attribute that has the quantity, or a path inside its JSON (key#path).")
    scale: int = Field(default=1, ge=1, le=10**12, description="The attribute's number is multiplied by this, then rounded to whole units.")
    effective_from: date | None = Field(default=None, description="First day (UTC) of this rate; none: it was always so.")
    effective_to: date | None = Field(default=None, description="The day (UTC) it ends, exclusive.")
    tiers: list[TierConfig] = Field(default_factory=list, description="Monthly tiers, least first; reckoned by `report --allot`.")

    @model_validator(mode="after")
    def _fits(self) -> RateConfig:
        if self.attribute and self.unit in _BUILT_IN:
            raise ValueError(f"{self.unit} is counted by itself: give the number at `attribute` another name as its unit")
        if not self.attribute and self.unit not in _BUILT_IN:
            raise ValueError(f"the unit {self.unit} needs the `attribute` that counts it; without one there are {', '.join(_BUILT_IN)}")
        if self.effective_from and self.effective_to and self.effective_to <= self.effective_from:
            raise ValueError("effective_to comes after effective_from")
        if any(one.above >= other.above for one, other in pairwise(self.tiers)):
            raise ValueError("tiers are given least first")
        return self

    def rate(self) -> MeterRate:
        """The rate as it is used."""
        return MeterRate(
            unit=self.unit,
            amount=self.amount,
            per=self.per,
            attribute=self.attribute,
            scale=self.scale,
            from_ns=_start_ns(self.effective_from, 0),
            to_ns=_start_ns(self.effective_to, 1 << 63),
            tiers=tuple((tier.above, tier.amount) for tier in self.tiers),
        )


def _start_ns(day: date | None, otherwise: int) -> int:
    return otherwise if day is None else (day.toordinal() - _EPOCH_DAY) * DAY_NS


class MeterConfig(BaseModel):
    """A cost surface that is no provider inference: which spans it meters and at what rates. The first meter that matches counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="How lines, reports and `explain` call it.")
    surface: Literal["tool_execution", "memory_retrieval", "remote_agent", "compute", "other"] = Field(
        default="tool_execution", description="The cost surface its charges belong to."
    )
    kinds: list[Literal["tool", "retrieval", "aggregate", "other"]] = Field(default_factory=list, description="Kinds of span; none: any.")
    operations: list[str] = Field(default_factory=list, description="Operations (execute_tool, invoke_agent, …); none: any.")
    tools: list[str] = Field(default_factory=list, description="Tool names; none: any.")
    scopes: list[str] = Field(default_factory=list, description="Instrumentation scopes, exact or with * at the end; none: any.")
    services: list[str] = Field(default_factory=list, description="service.name of the resource; none: any.")
    span_kinds: list[Literal["internal", "server", "client", "producer", "consumer"]] = Field(
        default_factory=list, description="OTLP span kinds; none: any."
    )
    attributes: dict[str, str | list[str]] = Field(
        default_factory=dict, description="Attribute (or key#path) and the value it must have, or one of several; numbers as text."
    )
    rates: list[RateConfig] = Field(min_length=1, description="What it costs.")
    estimated: bool = Field(default=False, description="Its charges are estimates, and reports show them so.")
    charge_failed: bool = Field(default=True, description="Whether failed spans cost too.")

    @model_validator(mode="after")
    def _narrow(self) -> MeterConfig:
        given = (self.kinds, self.operations, self.tools, self.scopes, self.services, self.span_kinds, self.attributes)
        if not any(given):
            raise ValueError(f"meter {self.name} would meter every span: give it a condition")
        by_unit: dict[str, set[tuple[str, int]]] = {}
        for rate in self.rates:
            by_unit.setdefault(rate.unit, set()).add((rate.attribute, rate.scale))
        if twice := [unit for unit, counted in by_unit.items() if len(counted) > 1]:
            raise ValueError(f"meter {self.name} counts {twice[0]} in two ways: rates of one unit share attribute and scale")
        return self

    def meter(self) -> Meter:
        """The meter as it is used."""
        return Meter(
            name=self.name,
            surface=self.surface,
            rates=tuple(rate.rate() for rate in self.rates),
            kinds=tuple(self.kinds),
            operations=tuple(self.operations),
            tools=tuple(self.tools),
            scopes=tuple(self.scopes),
            services=tuple(self.services),
            span_kinds=tuple(self.span_kinds),
            attributes={ref: (texts,) if isinstance(texts, str) else tuple(texts) for ref, texts in self.attributes.items()},
            estimated=self.estimated,
            charge_failed=self.charge_failed,
        )


def meters_from(tables: list[MeterConfig]) -> tuple[Meter, ...]:
    """The meters of a configuration, in its order. Raises ValueError where a name comes twice."""
    names = [table.name for table in tables]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two meters are called {twice}")
    return tuple(table.meter() for table in tables)
