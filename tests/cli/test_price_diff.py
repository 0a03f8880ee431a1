"""`prices diff`: rates that differ, and what the calls of the last days would have cost, to the last digit, per tenant and model."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.otlp import NOW_NS, as_protobuf, chat
from tests.cli.runner import Answer, spanledger

OURS = "provider,model,unit,amount,per\nopenai,gpt-4o-mini,input_tokens,0.10,1000000\nopenai,gpt-4o-mini,output_tokens,0.50,1000000\n"
OLD_NS = 40 * 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 1,000 and 100 tokens: two of acme's, one shared 2:1 by acme and globex, one unpriced, one of gpt-4o, one of long ago."""
    folder = tmp_path_factory.mktemp("diff")
    shared = {"spanledger.allocation": '{"acme": 2, "globex": 1}'}
    spans = [
        chat(1, 1, "acme"),
        chat(2, 2, "acme"),
        chat(3, 3, None, attributes=shared),
        chat(4, 4, "globex", model="ours-7b"),
        chat(5, 5, "acme", model="gpt-4o"),
        chat(6, 6, "acme", start_ns=NOW_NS - OLD_NS),
    ]
    (folder / "calls.pb").write_bytes(as_protobuf(*spans))
    assert spanledger("ingest", "--data", folder / "data", folder / "calls.pb").code == 0
    (folder / "ours.csv").write_text(OURS)
    assert spanledger("prices", "import", folder / "ours.csv", "--data", folder / "data").code == 0
    return folder / "data"


def diff(data: Path, *args: object) -> Answer:
    return spanledger("prices", "diff", *args, "--data", data)


def rows(data: Path, *args: object) -> list[dict[str, Any]]:
    answer = diff(data, *args, "--format", "jsonl")
    assert answer.code == 0, answer.err
    return answer.rows()


def test_changed_rates_are_told_with_both_amounts(data: Path) -> None:
    found = rows(data, "active", "ours")
    assert [(row["change"], row["model"], row["unit"], row["before"], row["after"], row["after_per"]) for row in found] == [
        ("changed", "gpt-4o-mini", "input_tokens", "0.15", "0.1", 1_000_000),
        ("changed", "gpt-4o-mini", "output_tokens", "0.6", "0.5", 1_000_000),
    ]
    assert rows(data, "active", "active") == rows(data, "active", "shipped") == []
    assert {row["change"] for row in rows(data, "shipped", "active+ours", "--model", "gpt-4o-mini")} == {"changed"}
    assert rows(data, "active", "ours", "--model", "sonnet") == []


def test_costs_are_those_that_booking_would_have_made(data: Path) -> None:
    # a call: 1,000 * 0.15 + 100 * 0.60 = 210 and 1,000 * 0.10 + 100 * 0.50 = 150 per million; the shared one by 2 to 1
    found = {row["tenant"]: row for row in rows(data, "active", "ours", "--by", "tenant")}
    acme, globex = found["acme"], found["globex"]
    assert (acme["calls"], acme["before_usd"], acme["after_usd"], acme["difference_usd"]) == (3, "0.00056", "0.0004", "-0.00016")
    assert (globex["calls"], globex["before_usd"], globex["after_usd"]) == (1, "0.00007", "0.00005")
    assert set(found) == {"acme", "globex"}
    (model,) = rows(data, "active", "ours", "--by", "model")
    assert (model["model"], model["calls"], model["before_usd"], model["after_usd"]) == ("gpt-4o-mini", 3, "0.00063", "0.00045")


def test_the_days_are_asked_for(data: Path) -> None:
    (model,) = rows(data, "active", "ours", "--by", "model", "--days", "90")
    assert (model["calls"], Decimal(model["difference_usd"])) == (4, 4 * Decimal("-0.00006"))


def test_a_file_that_is_not_imported_stands_for_what_importing_it_would_make(data: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(
        "provider,model,unit,amount,per\nopenai,ours-7b,input_tokens,1,1000000\nopenai,ours-7b,output_tokens,1,1000000\n"
    )
    found = rows(data, "active", tmp_path / "more.csv", "--by", "tenant")
    assert [(row["tenant"], row["calls"], row["unpriced_before"], row["unpriced_after"], row["after_usd"]) for row in found] == [
        ("globex", 1, 1, None, "0.0011")
    ]
    assert not [row for row in spanledger("prices", "list", "--data", data, "--format", "jsonl").rows() if row["name"] == "more"]
    (tmp_path / "deal.toml").write_text('[[contracts]]\nname = "c"\ndiscount = "10"\n\n[[customers]]\nname = "all"\nmarkup = "100"\n')
    acme = next(row for row in rows(data, "active", tmp_path / "deal.toml", "--by", "tenant") if row["tenant"] == "acme")
    assert Decimal(acme["after_usd"]) * 10 == Decimal(acme["before_usd"]) * 9
    assert Decimal(acme["customer_difference_usd"]) == Decimal(acme["after_usd"]) * 2
    told = rows(data, "active", tmp_path / "deal.toml")
    assert [(row["change"], row["unit"], row["model"]) for row in told] == [("added", "contracts", "c"), ("added", "customers", "all")]


def test_tables_show_rates_and_costs(data: Path, tmp_path: Path) -> None:
    text = diff(data, "active", "ours").out
    assert "2 rates or terms differ:" in text
    assert "calls of the last 30 days that are priced otherwise:" in text
    assert "total" in text
    same = diff(data, "active", "shipped").out
    assert "no rate differs" in same
    assert "the calls of the last 30 days would have cost the same" in same
    assert "would have cost the same" in spanledger("prices", "diff", "shipped", "active", "--data", tmp_path).out  # no ledger at all
    assert diff(data, "active", "nothing").err.startswith("spanledger: no prices are stored as 'nothing'")
