"""Published amounts as clean decimal text: imported data carries the noise of somebody's floats, money must not."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

MILLION = 1_000_000
_PLACES = Decimal(1).scaleb(-9)
"""No provider publishes a price finer than 1e-9 USD for a unit's `per`; what is finer is float noise."""


def clean(amount: Decimal) -> tuple[str, bool]:
    """An amount rounded to 9 places, as plain text without trailing zeros, and whether the rounding changed it."""
    rounded = amount.quantize(_PLACES, rounding=ROUND_HALF_EVEN)
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text, rounded != amount
