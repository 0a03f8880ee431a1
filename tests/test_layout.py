"""The tree keeps its shape: namespace packages, typed, documented, tested module by module, small functions, no float near money."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("receiver", "enrich", "store", "cli")
MODULES = sorted(path for part in PARTS for path in (ROOT / part / "spanledger").rglob("*.py"))
FUNCTION_LINES_MAX = 70

MONEY = ("enrich/spanledger/enrich/money.py", "enrich/spanledger/enrich/price.py", "enrich/spanledger/enrich/rates.py",
         "enrich/spanledger/enrich/split.py", "enrich/spanledger/enrich/book.py", "enrich/spanledger/enrich/settle.py",
         "store/spanledger/store/event_rows.py", "store/spanledger/store/reports.py", "cli/spanledger/cli/explaining.py",
         "cli/spanledger/cli/tree.py", "cli/spanledger/cli/render.py")  # fmt: skip
"""Modules that count, split, store or show money. They take it as integers, Decimal or text, and so does everyone who calls them."""

NOT_MIRRORED: dict[str, str] = {}
"""Modules without a test file of their own name, each with the reason; filled in below."""


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 60


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_namespace_packages_that_say_they_are_typed(part: str) -> None:
    assert not (ROOT / part / "spanledger" / "__init__.py").exists(), (
        "spanledger is a namespace (PEP 420): this file would hide the other parts"
    )
    assert (ROOT / part / "spanledger" / part / "__init__.py").is_file()
    assert (ROOT / part / "spanledger" / part / "py.typed").is_file()


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_modules_say_why_they_exist_and_functions_fit_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), f"{short(path)} needs a sentence that says why it exists"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{short(path)}: {node.name} has {lines} lines; split it"


@pytest.mark.parametrize("name", MONEY)
def test_no_float_near_money(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    calls = [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float" and _converts(node)
    ]
    literals = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    assert not calls + literals, f"{name}: use integers of atto-USD or Decimal, see enrich/money.py; lines {calls + literals}"


def _converts(call: ast.Call) -> bool:
    """float("inf") only names a value to compare with; every other call makes a float of something."""
    return not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == "inf")


def test_a_float_would_be_found(tmp_path: Path) -> None:
    bad = ast.parse("cost = float(x) * 0.1")
    assert [node for node in ast.walk(bad) if isinstance(node, ast.Call) and _converts(node)]
    assert tmp_path.exists()


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_every_module_has_a_test_file_of_its_name(path: Path) -> None:
    if path.name in {"__init__.py", "__main__.py"}:
        return
    part = path.relative_to(ROOT).parts[0]
    inside = path.relative_to(ROOT / part / "spanledger" / part)
    wanted = {
        ROOT / "tests" / part / inside.parent / f"test_{path.stem}.py",
        ROOT / "tests" / part / f"test_{'_'.join(inside.with_suffix('').parts)}.py",
    }
    mirrored = any(each.is_file() for each in wanted)
    reason = NOT_MIRRORED.get(short(path))
    assert mirrored or reason, f"write {' or '.join(sorted(map(short, wanted)))}, or say in NOT_MIRRORED what tests it"
    assert not (mirrored and reason), f"{short(path)} has a test file now: take it out of NOT_MIRRORED"
