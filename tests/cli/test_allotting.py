"""`report --allot`: shared costs of the configuration, spread exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.ledgers import small_ledger
from tests.cli.runner import spanledger

SHARED = """
[[enrich.shared]]
name = "vector-db"
monthly = "100"
by = "calls"

[[enrich.shared]]
name = "nobody"
pool = { tenant = "" }
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("allot")
    (folder / "spanledger.toml").write_text(SHARED)
    return small_ledger(folder)


def test_shared_costs_are_columns_and_sum_to_the_whole(data: Path) -> None:
    config = data.parent / "spanledger.toml"
    answer = spanledger("report", "--data", data, "--allot", "vector-db,nobody", "--config", config, "--format", "json")
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    rows = {row["tenant"]: row for row in document["rows"]}
    # 100 USD by 3, 2 and 1 of 6 calls
    assert (rows["acme"]["vector-db_usd"], rows["globex"]["vector-db_usd"]) == ("50", "33.333333333333333333")
    assert rows[None]["vector-db_usd"] == "16.666666666666666667"
    # nobody's 0.00021 by cost: 0.00042 of acme, 0.00021 of globex
    assert (rows["acme"]["nobody_usd"], rows["globex"]["nobody_usd"], rows[None]["nobody_usd"]) == ("0.00014", "0.00007", "-0.00021")
    totals = document["totals"]
    assert (totals["vector-db_usd"], totals["nobody_usd"], totals["cost_usd"], totals["total_usd"]) == ("100", "0", "0.00084", "100.00084")


def test_the_table_has_the_columns_and_a_total(data: Path) -> None:
    answer = spanledger("report", "--data", data, "--allot", "vector-db", "--config", data.parent / "spanledger.toml")
    assert answer.code == 0, answer.err
    assert "vector-db usd" in answer.out
    [total] = [line.split() for line in answer.out.splitlines() if line.startswith(" total")]
    assert total == ["total", "6", "0.00084", "100", "100.00084"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--allot", "nothing"], "there are vector-db, nobody"),
        (["--allot", "vector-db,vector-db"], "twice"),
        (["--allot", "vector-db", "--tenant", "acme"], "leave out filters"),
        (["--allot", "vector-db", "--confidence"], "leave out filters"),
        (["--allot", "vector-db", "--since", "2026-11-02"], "whole months"),
    ],
)
def test_what_cannot_be_allotted_is_refused_in_one_line(data: Path, args: list[str], said: str) -> None:
    answer = spanledger("report", "--data", data, "--config", data.parent / "spanledger.toml", *args)
    assert answer.code in (1, 2)
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_without_a_configuration_there_is_nothing_to_allot(data: Path) -> None:
    assert "the configuration has none" in spanledger("report", "--data", data, "--allot", "vector-db").err
