"""Money is exact: what goes in as text comes out the same, and the one rounding is half-even."""

import ast
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spanledger.enrich.money as money_module
from spanledger.enrich.money import ATTO, atto_from_text, divide_half_even, line_cost, rational_from_text, text_from_atto

MONEY_MODULES = ("money.py", "price.py", "rates.py", "catalog/rows.py", "catalog/units.py", "catalog/match.py", "catalog/load.py")


@pytest.mark.parametrize(
    ("text", "atto"),
    [
        ("0", 0),
        ("1", ATTO),
        ("0.0000212", 21_200_000_000_000),
        ("2.12e-5", 21_200_000_000_000),
        ("-3.50", -3_500_000_000_000_000_000),
        (".5", ATTO // 2),
        ("7.", 7 * ATTO),
        (" 1E2 ", 100 * ATTO),
        ("0.000000000000000001", 1),
    ],
)
def test_text_to_atto(text: str, atto: int) -> None:
    assert atto_from_text(text) == atto


@pytest.mark.parametrize(
    "text", ["", ".", "-", "nan", "inf", "1/3", "1_000", "0x10", "1e", "1e999", "1.0.0", "\u0661", "1" * 200, "0.0000000000000000001"]
)
def test_refuses_what_is_not_exact_money(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal number|exponent|finer"):
        atto_from_text(text)


@pytest.mark.parametrize(
    ("atto", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (21_200_000_000_000, "0.0000212"), (-ATTO - 1, "-1.000000000000000001"), (50 * ATTO, "50")],
)
def test_atto_to_text(atto: int, text: str) -> None:
    assert text_from_atto(atto) == text


@given(st.integers(min_value=-(10**38), max_value=10**38))
def test_text_round_trip(atto: int) -> None:
    assert atto_from_text(text_from_atto(atto)) == atto


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**12))
def test_half_even_agrees_with_the_standard_library(numerator: int, denominator: int) -> None:
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


def test_a_line_on_paper() -> None:
    # 1,744 tokens at 1.25 USD per million: 1744 * 1.25 / 1e6 = 0.00218 USD
    assert line_cost(1744, 125, 100 * 10**6) == atto_from_text("0.00218")
    # 17 seconds at 0.111 USD an hour: 0.111 * 17 / 3600 = 0.000524166666... rounded at the 18th place
    assert text_from_atto(line_cost(17, 111, 1000 * 3600)) == "0.000524166666666667"


def test_rational_is_exact() -> None:
    assert Fraction(*rational_from_text("2.9999900000000002e-06")) == Fraction(29999900000000002, 10**22)


def test_no_float_on_the_way_to_money() -> None:
    """A float literal, float(), true division, or Decimal in a money module is an error; integers and text only."""
    folder = Path(money_module.__file__).parent
    assert (folder / "money.py").exists()
    found = [
        f"{name}: {problem}" for name in MONEY_MODULES if (folder / name).exists() for problem in float_uses((folder / name).read_text())
    ]
    assert found == []


def test_the_float_guard_sees_floats() -> None:
    assert float_uses("a = 1.5\nb = float('1')\nc = a / b\nd = 1e6") == ["1: 1.5", "2: float", "3: /", "4: 1000000.0"]


def float_uses(source: str) -> list[str]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append((node.lineno, repr(node.value)))
        elif isinstance(node, ast.Name) and re.fullmatch(r"float|Decimal", node.id):
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.append((node.lineno, "/"))
    return [f"{line}: {what}" for line, what in sorted(found)]
