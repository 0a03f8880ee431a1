"""The tree keeps its shape: namespace packages, typed, documented, tested module by module, small functions, no float near money."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("receiver", "enrich", "store", "cli")
MODULES = sorted(path for part in PARTS for path in (ROOT / part / "spanledger").rglob("*.py"))
FUNCTION_LINES_MAX = 70

MONEY = ("enrich/spanledger/enrich/money.py", "enrich/spanledger/enrich/price.py", "enrich/spanledger/enrich/rates.py",
         "enrich/spanledger/enrich/split.py", "enrich/spanledger/enrich/book.py", "enrich/spanledger/enrich/settle.py",
         "store/spanledger/store/event_rows.py", "store/spanledger/store/reports.py", "cli/spanledger/cli/explaining.py",
         "cli/spanledger/cli/tree.py", "cli/spanledger/cli/render.py",
         *(f"store/spanledger/store/export/{name}.py" for name in ("export", "writers", "billing", "focus", "list_lines")),
         *(f"enrich/spanledger/enrich/{name}.py" for name in ("plans", "price_book", "price_lint", "terms", "terms_config", "agreements",
                                                              "agreed", "metered_terms", "meters")),
         *(f"enrich/spanledger/enrich/catalog/{name}.py" for name in ("importing", "stack", "importers/tables", "importers/overlay",
                                                                      "importers/genai_files", "importers/litellm")))  # fmt: skip
"""Modules that count, split, store or show money. They take it as integers, Decimal or text, and so does everyone who calls them."""

TESTED_BY: dict[str, tuple[str, ...]] = {
    "cli/spanledger/cli/commands/*.py": ("tests/cli/test_app.py",),
    "cli/spanledger/cli/config_reference.py": ("tests/test_docs.py",),
    "cli/spanledger/cli/explaining.py": ("tests/cli/test_explain.py",),
    "cli/spanledger/cli/explanation_pages.py": ("tests/cli/test_explain.py",),
    "cli/spanledger/cli/meanings.py": ("tests/cli/test_explain.py",),
    "cli/spanledger/cli/filters.py": ("tests/cli/test_reports.py",),
    "cli/spanledger/cli/findings.py": ("tests/cli/test_doctor.py",),
    "cli/spanledger/cli/forward_process.py": ("tests/cli/test_forward.py",),
    "cli/spanledger/cli/forward_status.py": ("tests/cli/test_forward.py",),
    "cli/spanledger/cli/lazy.py": ("tests/cli/test_app.py",),
    "cli/spanledger/cli/options.py": ("tests/cli/test_app.py",),
    "cli/spanledger/cli/parts.py": ("tests/cli/test_worker.py",),
    "cli/spanledger/cli/progress.py": ("tests/cli/test_backup.py",),
    "cli/spanledger/cli/price_diffing.py": ("tests/cli/test_price_diff.py",),
    "cli/spanledger/cli/price_files.py": ("tests/cli/test_price_import.py",),
    "cli/spanledger/cli/push_send.py": ("tests/cli/test_pushing.py",),
    "cli/spanledger/cli/reaching.py": ("tests/cli/test_remote.py", "tests/cli/test_health.py"),
    "cli/spanledger/cli/reference.py": ("tests/test_docs.py",),
    "cli/spanledger/cli/serving.py": ("tests/cli/test_server.py",),
    "cli/spanledger/cli/worker_process.py": ("tests/cli/test_supervisor.py",),
    "cli/spanledger/cli/workload.py": ("tests/cli/test_demo.py",),
    "enrich/spanledger/enrich/catalog/importers/*.py": ("tests/enrich/test_catalog_importers.py",),
    "enrich/spanledger/enrich/catalog/rows.py": ("tests/enrich/test_catalog_load.py",),
    "enrich/spanledger/enrich/charge.py": ("tests/enrich/test_book.py", "tests/enrich/test_settle.py"),
    "enrich/spanledger/enrich/dialects/*.py": ("tests/enrich/test_read.py",),
    "enrich/spanledger/enrich/events.py": ("tests/store/test_event_rows.py",),
    "enrich/spanledger/enrich/grants.py": ("tests/store/test_keys.py",),
    "enrich/spanledger/enrich/interpret.py": ("tests/enrich/test_read.py",),
    "enrich/spanledger/enrich/lookups.py": ("tests/enrich/test_read.py",),
    "enrich/spanledger/enrich/notes.py": ("tests/enrich/test_beyond.py", "tests/store/test_noted.py"),
    "enrich/spanledger/enrich/plan.py": ("tests/enrich/test_read.py",),
    "enrich/spanledger/enrich/provider_names.py": ("tests/enrich/test_providers.py",),
    "enrich/spanledger/enrich/records.py": ("tests/store/test_span_rows.py",),
    "enrich/spanledger/enrich/rules.py": ("tests/enrich/test_config.py",),
    "enrich/spanledger/enrich/tellers.py": ("tests/enrich/test_settle.py",),
    "enrich/spanledger/enrich/trace_memory.py": ("tests/enrich/test_engine.py",),
    "enrich/spanledger/enrich/view.py": ("tests/enrich/test_read.py",),
    "receiver/spanledger/receiver/apart_process.py": ("tests/receiver/test_apart.py",),
    "receiver/spanledger/receiver/errors.py": ("tests/receiver/test_admission.py",),
    "receiver/spanledger/receiver/grpc_server.py": ("tests/receiver/test_conformance.py", "tests/receiver/test_exporters.py"),
    "receiver/spanledger/receiver/http_server.py": ("tests/receiver/test_conformance.py", "tests/receiver/test_exporters.py"),
    "receiver/spanledger/receiver/patience.py": ("tests/receiver/test_conformance.py",),
    "receiver/spanledger/receiver/prune_attributes.py": ("tests/receiver/test_prune.py",),
    "store/spanledger/store/errors.py": ("tests/store/test_metastore.py",),
    "store/spanledger/store/publish/*.py": ("tests/store/test_delta.py",),
    "store/spanledger/store/migrations.py": ("tests/store/test_metastore.py",),
    "store/spanledger/store/snapshots.py": ("tests/cli/test_backup.py",),
    "store/spanledger/store/schema.py": ("tests/store/test_event_rows.py", "tests/store/test_span_rows.py"),
    "cli/spanledger/cli/reprice_table.py": ("tests/cli/test_repricing.py",),
    "cli/spanledger/cli/run_list.py": ("tests/cli/test_repricing.py",),
    "store/spanledger/store/booked_amounts.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/call_arrays.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/coded_texts.py": ("tests/store/test_adjustments.py", "tests/store/test_partition_pieces.py"),
    "store/spanledger/store/columnar.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/line_arrays.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/rate_table.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/reprice_run.py": ("tests/cli/test_repricing.py",),
    "store/spanledger/store/tally.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/wide_integers.py": ("tests/store/test_adjustments.py",),
    "store/spanledger/store/chain_records.py": ("tests/store/test_chain.py", "tests/store/test_verify.py"),
    "store/spanledger/store/export/*.py": ("tests/store/test_export.py", "tests/store/test_focus.py"),
    "store/spanledger/store/findings.py": ("tests/store/test_verify.py",),
    "store/spanledger/store/log_tree.py": ("tests/store/test_proofs.py",),
    "store/spanledger/store/plain_row.py": ("tests/store/test_canonical.py",),
    "store/spanledger/store/row_versions.py": ("tests/store/test_canonical.py",),
    "store/spanledger/store/seal.py": ("tests/store/test_verify.py", "tests/store/test_proofs.py"),
    "store/spanledger/store/verify_admin.py": ("tests/store/test_verify_mutations.py",),
    "store/spanledger/store/verify_chain.py": ("tests/store/test_verify.py",),
    "store/spanledger/store/verify_files.py": ("tests/store/test_verify.py",),
    "store/spanledger/store/verify_group.py": ("tests/store/test_verify_mutations.py",),
    "store/spanledger/store/verify_rows.py": ("tests/store/test_verify.py",),
    "store/spanledger/store/verify_source.py": ("tests/store/test_verify.py",),
}
"""Modules (or all that match a pattern) without a test file of their own name, and where they are tested instead: small pieces that
only show their worth together with a whole, which is what those files test."""


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
    calls = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _makes_float(node)]
    literals = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    assert not calls + literals, f"{name}: use integers of atto-USD or Decimal, see enrich/money.py; lines {calls + literals}"


def _makes_float(call: ast.Call) -> bool:
    """float("inf") only names a value to compare with; every other call makes a float of something."""
    infinity = len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == "inf"
    return getattr(call.func, "id", "") == "float" and not infinity


def test_a_float_would_be_found() -> None:
    calls = [node for node in ast.walk(ast.parse("cost = float(x) or float('inf')")) if isinstance(node, ast.Call)]
    assert [_makes_float(call) for call in calls] == [True, False]


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_every_module_has_a_test_file_of_its_name(path: Path) -> None:
    if path.name in {"__init__.py", "__main__.py"}:
        return
    part = path.relative_to(ROOT).parts[0]
    inside = path.relative_to(ROOT / part / "spanledger" / part)
    flat = "_".join(inside.with_suffix("").parts)
    wanted = {ROOT / "tests" / part / inside.parent / f"test_{path.stem}.py", ROOT / "tests" / part / f"test_{flat}.py"}
    mirrored = any(each.is_file() for each in wanted)
    elsewhere = [tests for pattern, tests in TESTED_BY.items() if fnmatch(short(path), pattern)]
    assert mirrored or elsewhere, f"write {' or '.join(sorted(map(short, wanted)))}, or say in TESTED_BY where it is tested"
    assert not (mirrored and short(path) in TESTED_BY), f"{short(path)} has a test file now: take it out of TESTED_BY"
    assert all((ROOT / name).is_file() for tests in elsewhere for name in tests)


def test_the_exceptions_are_all_needed() -> None:
    names = [short(path) for path in MODULES]
    assert [pattern for pattern in TESTED_BY if not any(fnmatch(name, pattern) for name in names)] == []


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def _changed_on_import(source: str) -> list[str]:
    """Attributes of other modules that reading a module sets: they would stay set for every test of the process."""
    return [
        ast.unparse(target)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr != "__test__"
    ]


def test_no_test_changes_the_product_when_it_is_read() -> None:
    changed = {short(path): _changed_on_import(path.read_text("utf-8")) for path in TESTS if "cases" not in path.parts}
    assert {name: what for name, what in changed.items() if what} == {}


def test_such_a_change_would_be_found() -> None:
    assert _changed_on_import("parts.rules_from = lambda config: RULES") == ["parts.rules_from"]
