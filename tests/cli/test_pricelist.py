"""`prices models`, `show` and `history`: what catalogs say, of the book in force or another, and a clear word where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.catalog import load
from tests.cli.runner import Answer, spanledger

OURS = "provider,model,unit,amount,per,effective_from\nopenai,gpt-4o-mini,input_tokens,0.10,1000000,2026-02-01\n"


def prices(*args: object, data: Path | None = None) -> Answer:
    return spanledger("prices", *args, *(["--data", data] if data else []))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with an overlay for gpt-4o-mini and terms, neither in force."""
    (tmp_path / "ours.csv").write_text(OURS)
    (tmp_path / "deal.toml").write_text('[[contracts]]\nname = "c"\ndiscount = "10"\n')
    for name in ("ours.csv", "deal.toml"):
        assert prices("import", tmp_path / name, data=tmp_path / "data").code == 0
    return tmp_path / "data"


def test_prices_show_every_rate_with_its_source() -> None:
    rows = prices("show", "gpt-4o-mini", "--provider", "openai", "--format", "jsonl").rows()
    plain = {row["unit"]: (row["amount"], row["per"]) for row in rows if row["context"] is None}
    assert plain["input_tokens"] == ("0.15", 1_000_000)
    assert plain["output_tokens"] == ("0.6", 1_000_000)
    assert all(row["source"] and row["rate_id"] and row["listed_in"] == "shipped" for row in rows)
    assert prices("show", "gpt-4o-mini").code == 0


def test_models_are_searched() -> None:
    rows = prices("models", "SONNET", "--provider", "anthropic", "--format", "jsonl").rows()
    assert rows
    assert all("sonnet" in row["model"] and row["provider"] == "anthropic" for row in rows)


def test_what_is_in_force_is_looked_into_unless_another_is_named(data: Path) -> None:
    def plain_input(*names: str) -> list[tuple[str, str]]:
        rows = prices("show", *names, "gpt-4o-mini", "--format", "jsonl", data=data).rows()
        return [(row["listed_in"], row["amount"]) for row in rows if row["unit"] == "input_tokens" and row["context"] is None]

    assert plain_input() == plain_input("active") == plain_input("shipped") == [("shipped", "0.15")]
    assert plain_input("ours") == [("ours", "0.1")]
    assert plain_input("active+ours") == [("ours", "0.1"), ("shipped", "0.15")]
    assert prices("activate", "ours", data=data).code == 0
    assert plain_input() == [("ours", "0.1"), ("shipped", "0.15")]
    assert plain_input("shipped") == [("shipped", "0.15")]
    assert {row["model"] for row in prices("models", "--catalog", "ours", "--format", "jsonl", data=data).rows()} == {"gpt-4o-mini"}


def test_a_book_is_shown_by_its_parts(data: Path) -> None:
    prices("activate", "ours", "deal", data=data)
    rows = prices("show", "active", "--format", "jsonl", data=data).rows()
    assert [(row["kind"], row["name"], row["models"] is None) for row in rows] == [
        ("catalog", "shipped", False),
        ("overlay", "ours", False),
        ("terms", "deal", True),
    ]
    assert rows[0]["id"] == load.load().id
    assert prices("show", "--format", "jsonl", data=data).rows() == rows


def test_history_is_of_every_catalog_with_its_dates(data: Path) -> None:
    rows = prices("history", "gpt-4o-mini", "--provider", "openai", "--format", "jsonl", data=data).rows()
    plain = [row for row in rows if row["unit"] == "input_tokens" and row["context"] is None]
    assert [(row["amount"], row["effective_from"], row["catalogs"]) for row in plain] == [
        ("0.15", None, "shipped"),
        ("0.1", "2026-02-01", "ours"),
    ]
    assert all(row["first_kept"] for row in plain)
    assert prices("history", "gpt-4o-mini", "--format", "jsonl").rows()[0]["first_kept"] is None  # no folder: the shipped one alone


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["models", "nobody-knows"], "no model with 'nobody-knows' in its name has a price"),
        (["show", "nobody-knows"], "no prices for nobody-knows; `spanledger prices models` shows what there is"),
        (["show", "sonnet"], "no prices for sonnet; there are "),
        (["show", "shipped", "nobody-knows"], "no prices for nobody-knows in shipped; `spanledger prices models` shows"),
        (["show", "nothing", "gpt-4o"], "nothing is not among the prices of this data folder"),
        (["show", "a", "b", "c"], "give a catalog, a model, or both: 'a b c' are 3 words"),
        (["history", "nobody-knows"], "no prices for nobody-knows; `spanledger prices models`"),
        (["show", "gpt-4o", "--at", "whenever"], "cannot read 'whenever' as a time"),
        (["models", "--data", "not-there"], "no data folder at not-there"),
    ],
)
def test_prices_that_there_are_not(args: list[str], said: str) -> None:
    answer = prices(*args)
    assert answer.code == 1
    assert answer.err.startswith(f"spanledger: {said}")


def test_terms_have_no_models(data: Path) -> None:
    answer = prices("show", "deal", "gpt-4o", data=data)
    assert answer.code == 1
    assert "deal are terms, which have no models of their own" in answer.err


def test_a_name_that_only_a_pattern_fits_is_found_without_its_provider(tmp_path: Path) -> None:
    """A gateway's models, priced by the beginning of their names: whoever asks knows the model of a call, and not the pattern."""
    rates = "our-gateway,llama-99*,input_tokens,0.2,1000000\nour-gateway,llama-99*,output_tokens,0.6,1000000\n"
    (tmp_path / "ours.csv").write_text(f"provider,model,unit,amount,per\n{rates}")
    assert spanledger("prices", "import", "--data", tmp_path / "data", tmp_path / "ours.csv", "--activate").code == 0
    for asked in (["show"], ["history"]):
        rows = spanledger("prices", *asked, "llama-99-70b", "--data", tmp_path / "data", "--format", "jsonl").rows()
        assert [(row["model"], row["unit"]) for row in rows] == [("llama-99*", "input_tokens"), ("llama-99*", "output_tokens")]
    assert spanledger("prices", "show", "llama-98", "--data", tmp_path / "data").code == 1
