"""The `[[enrich.shared]]` tables: shared costs by name, for `report --allot`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from spanledger.enrich.meter_config import Amount, Name
from spanledger.enrich.meters import Meter
from spanledger.enrich.money import atto_from_text
from spanledger.enrich.shared import Pool, SharedCost

_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def _month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise ValueError("write a month as 2026-11")
    return text


Month = Annotated[str, AfterValidator(_month)]


class SharedConfig(BaseModel):
    """A shared cost: an amount a month, a pool of ledger costs, or the monthly tiers of a meter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="What `report --allot` calls it.")
    by: Literal["cost", "calls", "tokens", "wall_clock_ms"] = Field(default="cost", description="The usage whose share decides.")
    among: dict[str, str | list[str]] = Field(
        default_factory=dict, description='Only calls with these values of dimensions count, as surface = "inference"; "" is none.'
    )
    monthly: Amount | None = Field(default=None, description='USD a calendar month, as text: "1200".')
    months: dict[Month, Amount] = Field(default_factory=dict, description="USD of single months, over `monthly`.")
    first: Month | None = Field(default=None, description="First month of `monthly`.")
    until: Month | None = Field(default=None, description="Month from which `monthly` ends.")
    pool: dict[str, str | list[str]] = Field(default_factory=dict, description="Ledger costs with these values of dimensions are pooled.")
    tiers_of: str = Field(default="", description="A meter with monthly tiers; its tiered price is allotted by quantity.")

    @model_validator(mode="after")
    def _one_kind(self) -> SharedConfig:
        if sum((self.monthly is not None or bool(self.months), bool(self.pool), bool(self.tiers_of))) != 1:
            raise ValueError(f"shared cost {self.name} is one of: monthly and months; pool; tiers_of")
        return self


def shared_from(tables: Sequence[SharedConfig], meters: Sequence[Meter]) -> tuple[SharedCost, ...]:
    """The shared costs of a configuration. Raises ValueError for a name that comes twice, or a meter without tiers."""
    found = [shared for table in tables for shared in _shared(table, meters)]
    names = [shared.name for shared in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two shared costs are called {twice}")
    return tuple(found)


def _shared(table: SharedConfig, meters: Sequence[Meter]) -> list[SharedCost]:
    if table.tiers_of:
        meter = next((meter for meter in meters if meter.name == table.tiers_of), None)
        units = sorted({rate.unit for rate in meter.rates if rate.tiers}) if meter else []
        if meter is None or len(units) != 1:
            raise ValueError(f"shared cost {table.name}: tiers_of names a meter with monthly tiers on one of its units")
        rates = tuple(rate for rate in meter.rates if rate.unit == units[0])
        return [SharedCost(name=table.name, by="quantity", among=_pool(table.among), meter=meter.name, unit=units[0], rates=rates)]
    return [
        SharedCost(
            name=table.name,
            by=table.by,
            among=_pool(table.among),
            monthly_usd=atto_from_text(table.monthly or "0"),
            months_usd={month: atto_from_text(amount) for month, amount in table.months.items()},
            first=table.first or "",
            until=table.until or "9999-99",
            pool=_pool(table.pool),
        )
    ]


def _pool(table: dict[str, str | list[str]]) -> Pool:
    return {name: tuple(value or None for value in ([values] if isinstance(values, str) else values)) for name, values in table.items()}
