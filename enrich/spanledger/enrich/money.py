"""Exact money: integers of atto-USD (1e-18 USD), so that sums are plain, order-free and never touched by a float.

The only module that turns text into money, money into text, or rounds. Everything else adds and subtracts.
"""

from __future__ import annotations

import re

ATTO = 10**18
"""Atto-USD in one USD."""

_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)
_DIGITS_MAX = 100
"""Longer numbers are nonsense, and would cost time to convert."""


def rational_from_text(text: str) -> tuple[int, int]:
    """The exact value of a plain or scientific decimal as (numerator, power-of-ten denominator), not reduced.

    Raises ValueError for anything else, as "", "nan", "1/3", "1_000" or more than 100 characters.
    """
    stripped = text.strip()
    match = _DECIMAL.fullmatch(stripped) if len(stripped) <= _DIGITS_MAX else None
    if match is None:
        raise ValueError(f"not a decimal number: {text[:40]!r}")
    sign, whole, fraction, exponent = match.group(1), match.group(2), match.group(3) or "", int(match.group(4) or 0)
    if not whole and not fraction:
        raise ValueError(f"not a decimal number: {text[:40]!r}")
    if abs(exponent) > _DIGITS_MAX:
        raise ValueError(f"exponent out of range: {text[:40]!r}")
    number = int(whole + fraction)
    scale = len(fraction) - exponent
    signed = -number if sign == "-" else number
    return (signed, 10**scale) if scale >= 0 else (signed * 10**-scale, 1)


def atto_from_text(text: str) -> int:
    """Atto-USD of an amount in USD written as a decimal ("0.0000212", "2e-6"), exactly.

    Raises ValueError where it is not a decimal number or has a part smaller than 1e-18 USD: money is not rounded here.
    """
    numerator, denominator = rational_from_text(text)
    atto, rest = divmod(numerator * ATTO, denominator)
    if rest:
        raise ValueError(f"finer than 1e-18 USD: {text[:40]!r}")
    return atto


def text_from_atto(atto: int) -> str:
    """USD as a plain decimal: no exponent, no trailing zeros, "0" for nothing; exact, the inverse of `atto_from_text`."""
    whole, fraction = divmod(abs(atto), ATTO)
    sign = "-" if atto < 0 else ""
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:018d}".rstrip("0")


def product_text(one: str, other: str) -> str:
    """The exact product of two decimals, as a plain decimal. Raises ValueError as `rational_from_text`."""
    (numerator, denominator), (by, per) = rational_from_text(one), rational_from_text(other)
    return _plain(numerator * by, denominator * per)


def _plain(numerator: int, power_of_ten: int) -> str:
    places = len(str(power_of_ten)) - 1
    whole, fraction = divmod(abs(numerator), power_of_ten)
    sign = "-" if numerator < 0 else ""
    return f"{sign}{whole}.{fraction:0{places}d}".rstrip("0") if fraction else f"{sign}{whole}"


def share_text(percent: str, sign: int) -> str:
    """1 + sign * percent / 100 as a plain decimal: "7.5" off (sign -1) leaves "0.925". Raises ValueError as `rational_from_text`."""
    numerator, denominator = rational_from_text(percent)
    return _plain(100 * denominator + sign * numerator, 100 * denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, a tie to the even one; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = rest + rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def line_cost(quantity: int, amount_num: int, amount_den: int) -> int:
    """Atto-USD of `quantity` units at `amount_num / amount_den` USD a unit: exact, rounded once, half-even."""
    return divide_half_even(quantity * amount_num * ATTO, amount_den)
