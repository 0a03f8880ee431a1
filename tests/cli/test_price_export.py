"""`prices export`: what is written can be imported again as the same prices, in every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.catalog import load
from tests.cli.runner import Answer, spanledger

CSV = "provider,model,unit,amount,per\nopenai,gpt-4o-mini,input_tokens,0.1,1000000\n"
TERMS = """
label = "terms of 2026"

[[contracts]]
name = "frame \\"agreement\\""
provider = "openai"
models = ["gpt-5*"]
context = { region = "eu" }
currency = "EUR"
rates = [{ unit = "input_tokens", amount = "1.10", per = 1000000, from = 2026-01-01, threshold = 200000, op = ">" }]

[[customers]]
name = "pro"
tenants = ["acme", "globex"]
markup = "20"

[[aliases]]
name = "our-deployment"
provider = "azure.ai.openai"
model = "gpt-4o"

[[currencies]]
code = "EUR"
usd = "1.08"
"""


def prices(data: Path, *args: object) -> Answer:
    return spanledger("prices", *args, "--data", data)


def ids(data: Path) -> list[str]:
    return [row["id"] for row in prices(data, "list", "--format", "jsonl").rows()]


@pytest.mark.parametrize("form", ["csv", "toml", "json"])
def test_the_shipped_catalog_goes_out_and_in_again(tmp_path: Path, form: str) -> None:
    (tmp_path / f"copy.{form}").write_text(spanledger("prices", "export", "shipped", "--format", form).out)
    told = prices(tmp_path / "data", "import", tmp_path / f"copy.{form}", "--base")
    assert told.code == 0, told.err
    assert f"kept as {load.load().id}" in told.err
    assert set(ids(tmp_path / "data")) == {load.load().id}


def test_an_overlay_and_terms_go_to_another_folder(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text(CSV)
    (tmp_path / "deal.toml").write_text(TERMS)
    for name in ("ours.csv", "deal.toml"):
        assert prices(tmp_path / "a", "import", tmp_path / name).code == 0
    for name, form in (("ours", "toml"), ("deal", "toml"), ("ours", "json"), ("deal", "json")):
        out = prices(tmp_path / "a", "export", name, "--format", form)
        assert out.code == 0, out.err
        (tmp_path / f"{name}.{form}").write_text(out.out)
        told = prices(tmp_path / f"b-{form}", "import", tmp_path / f"{name}.{form}")
        assert told.code == 0, told.err
    assert sorted(ids(tmp_path / "a")) == sorted(ids(tmp_path / "b-toml")) == sorted(ids(tmp_path / "b-json"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["deal", "--format", "csv"], "terms are no table: export them with --format toml or json"),
        (["active"], "active is a book of 2 parts: export one of rc1-"),
        (["nothing"], "no prices are stored as 'nothing'"),
    ],
)
def test_what_cannot_be_exported_is_told(tmp_path: Path, args: list[str], said: str) -> None:
    (tmp_path / "deal.toml").write_text(TERMS)
    prices(tmp_path / "data", "import", tmp_path / "deal.toml", "--activate")
    answer = prices(tmp_path / "data", "export", *args)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"spanledger: {said}")
