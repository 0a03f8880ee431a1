"""`prices import` and `lint`: every kind of file as it comes, all of it or nothing, and mistakes named by their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.runner import Answer, spanledger

CSV = "provider,model,unit,amount,per\nopenai,gpt-4o-mini,input_tokens,0.1,1000000\nopenai,gpt-4o-mini,output_tokens,0.5,1000000\n"
TOML = """
[[entry]]
provider = "openai"
models = ["gpt-4o-mini"]
rates = [{ unit = "input_tokens", amount = "0.1", per = 1000000, from = 2026-01-01 }]
"""
TERMS = """
[[contracts]]
name = "frame agreement"
provider = "openai"
discount = "7.5"

[[currencies]]
code = "EUR"
usd = "1.08"
"""
LITELLM = json.dumps(
    {
        "sample_spec": {"litellm_provider": "one of https://example.com"},
        "gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
    }
)
GENAI = json.dumps(
    [{"id": "openai", "models": [{"id": "gpt-x", "match": {"equals": "gpt-x"}, "prices": {"input_mtok": 1.5, "output_mtok": 3}}]}]
)


def prices(folder: Path, *args: object) -> Answer:
    return spanledger("prices", *args, "--data", folder / "data")


def bring(folder: Path, name: str, text: str, *args: object) -> Answer:
    (folder / name).write_text(text)
    return prices(folder, "import", folder / name, *args)


def stored(folder: Path) -> list[tuple[str, str]]:
    rows = prices(folder, "list", "--format", "jsonl").rows() if (folder / "data").exists() else []
    return [(row["name"], row["kind"]) for row in rows if row["name"] != "shipped"]


@pytest.mark.parametrize(
    ("name", "text", "kind", "said"),
    [
        ("ours.csv", CSV, "overlay", "an overlay of 2 rates of 1 model"),
        ("ours.toml", TOML, "overlay", "an overlay of 1 rate of 1 model"),
        ("deal.toml", TERMS, "terms", "terms of 1 contract, 1 currency rate"),
        ("map.json", LITELLM, "catalog", "a catalog of 2 rates of 1 model"),
        ("data.json", GENAI, "catalog", "a catalog of 2 rates of 1 model"),
    ],
)
def test_a_file_tells_what_it_is(tmp_path: Path, name: str, text: str, kind: str, said: str) -> None:
    told = bring(tmp_path, name, text)
    assert told.code == 0, told.err
    called = name.partition(".")[0]
    assert told.err.startswith(f"{called}: {said}, kept as ")
    assert f"it is not in force: `spanledger prices activate {called}` puts it there" in told.err
    assert stored(tmp_path) == [(called, kind)]
    again = prices(tmp_path, "import", tmp_path / name, "--activate")
    assert again.code == 0, again.err
    assert "(it was there already)" in again.err
    assert "is in force; the next span is priced by it" in again.err


def test_options_say_what_a_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "prices.txt").write_text(CSV)
    answer = prices(tmp_path, "import", tmp_path / "prices.txt")
    assert answer.code == 1
    assert "say it with --as csv" in answer.err
    assert prices(tmp_path, "import", tmp_path / "prices.txt", "--as", "csv", "--name", "ours", "--base").code == 0
    assert stored(tmp_path) == [("ours", "catalog")]


def test_remarks_are_told_and_written(tmp_path: Path) -> None:
    told = bring(tmp_path, "map.json", LITELLM)
    assert "litellm key not modelled: sample_spec" in told.err
    told = bring(tmp_path, "map.json", LITELLM, "--report", tmp_path / "report.txt")
    assert "1 remarks" in told.err
    assert (tmp_path / "report.txt").read_text() == "litellm key not modelled: sample_spec\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ours.csv", CSV.replace("0.5", "half"), "line 3"),
        ("ours.csv", CSV.replace("per\n", "par\n"), "par"),
        ("ours.csv", CSV.replace("output_tokens,0.5", "input_tokens,0.5"), "input_tokens costs 0.1 per 1000000 and 0.5 per 1000000"),
        ("ours.toml", TOML.replace('"0.1"', "0.1"), "entry 1 rate 1: an amount is text"),
        ("ours.toml", TOML.replace("[[entry]]", "[[entry]"), "not a price list of kind toml"),
        ("deal.toml", TERMS.replace('"7.5"', '"107"'), "contracts.1.discount: a discount is 0 to 100 percent"),
        ("deal.toml", TERMS + TERMS, "ambiguous|is agreed in"),
        ("map.json", LITELLM[:-2], "cannot tell what"),
        ("data.json", GENAI.replace("equals", "resembles"), "not a price list|no prices"),
        ("shipped.csv", CSV, "prices cannot be named 'shipped'"),
    ],
)
def test_a_file_with_a_mistake_is_refused_in_one_line_and_nothing_is_kept(tmp_path: Path, name: str, text: str, said: str) -> None:
    answer = bring(tmp_path, name, text, "--activate")
    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert any(each in answer.err for each in said.split("|")), answer.err
    assert stored(tmp_path) == []


def test_lint_tells_of_what_is_odd_and_exits_3_for_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(CSV)
    good = prices(tmp_path, "lint", tmp_path / "good.csv")
    assert (good.code, good.out) == (0, "nothing to say against it\n")
    (tmp_path / "odd.csv").write_text(CSV.replace("output_tokens", "outptu_tokens"))
    odd = prices(tmp_path, "lint", tmp_path / "odd.csv", "--format", "jsonl")
    assert odd.code == 0
    (row,) = odd.rows()
    assert (row["part"], row["severity"], row["code"], row["where"]) == ("odd", "warning", "unit", "openai gpt-4o-mini")
    (tmp_path / "bad.csv").write_text(CSV.replace("output_tokens", "input_tokens"))
    bad = prices(tmp_path, "lint", tmp_path / "bad.csv", "--format", "jsonl")
    assert bad.code == 3
    assert bad.rows()[0]["code"] == "ambiguous"
    bring(tmp_path, "odd.csv", (tmp_path / "odd.csv").read_text(), "--activate")
    assert {row["part"] for row in prices(tmp_path, "lint", "active", "--format", "jsonl").rows()} == {"shipped", "odd"}
    assert prices(tmp_path, "lint", "nothing").code == 1


def test_a_base_with_two_prices_for_one_thing_is_refused_too(tmp_path: Path) -> None:
    rows = ["ours,m,input_tokens,1,1000000", "ours,m,input_tokens,2,1000000"]
    (tmp_path / "base.csv").write_text("\n".join(["provider,model,unit,amount,per", *rows, ""]))
    answer = spanledger("prices", "import", tmp_path / "base.csv", "--base", "--activate", "--data", tmp_path / "data")
    assert (answer.code, answer.out) == (1, "")
    assert "ours m: input_tokens costs 1 per 1000000 and 2 per 1000000, both from the beginning on" in answer.err
    assert answer.err.count("\n") == 1
    assert not [
        row for row in spanledger("prices", "list", "--data", tmp_path / "data", "--format", "jsonl").rows() if row["name"] == "base"
    ]
