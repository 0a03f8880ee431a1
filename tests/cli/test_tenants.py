"""`tenants`: attributes with dates, listed, imported, and grouped by in reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.ledgers import small_ledger
from tests.cli.runner import spanledger


def report_by(data: Path, by: str) -> dict[str | None, str | None]:
    answer = spanledger("report", "--data", data, "--by", by, "--format", "jsonl")
    assert answer.code == 0, answer.err
    return {row[by]: row["cost_usd"] for row in answer.rows()}


def test_reports_group_by_what_was_set(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    assert spanledger("tenants", "set", "--data", data, "acme", "plan=pro", "department=research").err == "2 attributes of acme set\n"
    by_tenant = report_by(data, "tenant")
    assert report_by(data, "tenant.plan")["pro"] == by_tenant["acme"]
    spanledger("tenants", "set", "--data", data, "globex", "parent=acme")
    assert set(report_by(data, "tenant.parent")) == {"acme", None}
    answer = spanledger("report", "--data", data, "--by", "tenant.tier")
    assert answer.code == 1
    assert "cannot report by 'tenant.tier'" in answer.err
    assert "tenant.plan" in answer.err


def test_a_change_has_its_date(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for args in (["plan=free"], ["plan=pro", "--from", "2026-11-01"], ["plan=", "--from", "2026-12-01"]):
        assert spanledger("tenants", "set", "--data", data, "acme", *args).code == 0
    rows = spanledger("tenants", "list", "--data", data, "--format", "jsonl").rows()
    assert [(row["value"], row["from"], row["until"]) for row in rows] == [
        ("free", None, "2026-11-01T00:00:00Z"),
        ("pro", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    ]


def test_what_is_listed_can_be_imported(tmp_path: Path) -> None:
    data, other, file = tmp_path / "data", tmp_path / "other", tmp_path / "tenants.csv"
    spanledger("tenants", "set", "--data", data, "acme", "plan=free")
    spanledger("tenants", "set", "--data", data, "acme", "plan=pro", "--from", "2026-11-01", "--until", "2026-12-01")
    spanledger("tenants", "set", "--data", data, "globex", "plan=pro", "--account", "eu")
    file.write_text(spanledger("tenants", "list", "--data", data, "--format", "csv").out)
    assert spanledger("tenants", "import", "--data", other, file).err == "4 attributes set\n"
    for folder in (data, other):
        assert spanledger("tenants", "list", "--data", folder, "--format", "csv").out == file.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant,attribute\nacme,plan\n", "no column value"),
        ("tenant,attribute,value,colour\nacme,plan,pro,red\n", "column 'colour'"),
        ("tenant,attribute,value,from\nacme,plan,pro,\nacme,plan,pro,someday\n", "line 3: cannot read 'someday'"),
        ("tenant,attribute,value\nacme,plan,pro\nacme,PLAN,pro\n", "no attribute name"),
    ],
)
def test_a_wrong_file_changes_nothing(tmp_path: Path, text: str, said: str) -> None:
    data, file = tmp_path / "data", tmp_path / "tenants.csv"
    data.mkdir()
    file.write_text(text)
    answer = spanledger("tenants", "import", "--data", data, file)
    assert answer.code == 1
    assert said in answer.err
    assert spanledger("tenants", "list", "--data", data, "--format", "jsonl").out == ""


def test_a_pair_without_an_equals_sign_is_a_mistake(tmp_path: Path) -> None:
    answer = spanledger("tenants", "set", "--data", tmp_path / "data", "acme", "pro")
    assert answer.code == 2
    assert "write NAME=VALUE" in answer.err
