"""Shared costs: what nobody's call caused alone, allotted by share of usage so that the parts sum exactly to the whole.

Allotting is a question put to the ledger (`report --allot`), not an entry in it: the shares of a month change with every late span, and
an allotment that was booked would have to be taken back each time. The same goes for monthly tiers of a meter, since which call was
the thousandth depends on calls that may still come: each is booked at the base rate, and the difference of the month is allotted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from spanledger.enrich.meters import MeterRate
from spanledger.enrich.money import line_cost, rational_from_text
from spanledger.enrich.split import largest_remainder

By = Literal["cost", "calls", "tokens", "wall_clock_ms", "quantity"]
Pool = Mapping[str, tuple[str | None, ...]]
_K = TypeVar("_K")
_MONTHS_MAX: Final = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCost:
    """A named cost to be allotted, month by month, by share of `by` among the calls that `among` (dimension -> values) lets in.

    It is one of three: an amount a month that is not in the ledger (`months` over `monthly`, from `first` up to `until`); a `pool`
    of ledger costs, which leaves its own payers; or the monthly tiers of a meter's rate, whose difference to what was booked is spread.
    Months are texts such as "2026-11", amounts atto-USD.
    """

    name: str
    by: By = "cost"
    among: Pool = field(default_factory=dict)
    monthly_usd: int = 0
    months_usd: Mapping[str, int] = field(default_factory=dict)
    first: str = ""
    until: str = "9999-99"
    pool: Pool = field(default_factory=dict)
    meter: str = ""
    unit: str = ""
    rates: tuple[MeterRate, ...] = ()

    def amount_usd(self, month: str) -> int:
        """What a month costs that is not in the ledger."""
        if month in self.months_usd:
            return self.months_usd[month]
        return self.monthly_usd if self.first <= month < self.until else 0


def allot(whole: int, weights: Mapping[_K, int]) -> dict[_K, int]:
    """`whole` in integer parts by weight, which sum to it exactly; nothing for weights that are not positive, {} where none is.

    Ties go to the earlier key, so the caller's order decides.
    """
    able = {key: weight for key, weight in weights.items() if weight > 0}
    if not able:
        return {}
    return dict(zip(able, largest_remainder(whole, list(able.values())), strict=True))


def graduated_cost(quantity: int, rate: MeterRate) -> int:
    """Atto-USD of a month's quantity: each unit at the price of the tier it falls into."""
    steps = [(0, rate.amount), *rate.tiers]
    cost = 0
    for number, (above, amount) in enumerate(steps):
        upto = steps[number + 1][0] if number + 1 < len(steps) else quantity
        units = min(quantity, upto) - above
        if units > 0:
            numerator, denominator = rational_from_text(amount)
            cost += line_cost(units, numerator, denominator * rate.per)
    return cost


def months_between(first: str, last: str) -> Sequence[str]:
    """The months from one to another, both included."""
    year, month = int(first[:4]), int(first[5:])
    found: list[str] = []
    while (label := f"{year:04d}-{month:02d}") <= last and len(found) < _MONTHS_MAX:
        found.append(label)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
