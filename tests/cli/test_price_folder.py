"""`prices list`, `activate` and `deactivate`: what is in force since when, by whose hand, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.catalog import load
from tests.cli.runner import Answer, spanledger

ROW = "openai,gpt-4o-mini,input_tokens,{},1000000\n"


def prices(data: Path, *args: object) -> Answer:
    return spanledger("prices", *args, "--data", data)


def rows(data: Path, *args: object) -> list[dict[str, Any]]:
    return prices(data, "list", *args, "--format", "jsonl").rows()


def in_force(data: Path) -> set[str]:
    return {row["name"] for row in rows(data) if row["in_force_since"]}


def bring(folder: Path, name: str, amount: str, *args: object) -> Answer:
    """Import an overlay of one rate."""
    file = folder / f"{name}.csv"
    file.write_text("provider,model,unit,amount,per\n" + ROW.format(amount))
    return prices(folder / "data", "import", file, *args)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, amount in (("one", "0.1"), ("two", "0.2")):
        assert bring(tmp_path, name, amount).code == 0
    return tmp_path / "data"


def test_without_a_folder_the_shipped_catalog_is_in_force(tmp_path: Path) -> None:
    (row,) = rows(tmp_path)
    assert (row["name"], row["id"], row["in_force_since"]) == ("shipped", load.load().id, "now")
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


def test_overlays_are_put_in_force_and_taken_out(data: Path) -> None:
    assert in_force(data) == {"shipped"}
    told = prices(data, "activate", "one", "two")
    assert told.code == 0
    assert "is in force; the next span is priced by it, and what is booked keeps its price" in told.err
    assert in_force(data) == {"shipped", "one", "two"}
    since = {row["name"]: row["in_force_since"] for row in rows(data)}
    assert prices(data, "deactivate", "two").code == 0
    assert in_force(data) == {"shipped", "one"}
    assert {row["name"]: row["in_force_since"] for row in rows(data)}["one"] == since["one"]  # without a break
    assert "nothing changes" in prices(data, "activate", "one").err
    books = rows(data, "--history")
    assert [row["reason"] for row in books] == ["deactivated two", "activated one, two", "first use"]
    assert books[0]["overlays"].startswith("one rc1-")
    assert books[1]["by"] != "shipped" == books[2]["by"]


def test_the_next_version_of_an_overlay_takes_the_place_of_the_former(data: Path, tmp_path: Path) -> None:
    prices(data, "activate", "one")
    told = bring(tmp_path, "one", "0.3", "--activate")
    assert told.code == 0
    assert [row["in_force_since"] is not None for row in rows(data) if row["name"] == "one"] == [False, True]
    shown = prices(data, "show", "gpt-4o-mini", "--format", "jsonl").rows()
    assert [row["amount"] for row in shown if row["listed_in"] == "one"] == ["0.3"]
    assert prices(data, "deactivate", "one").code == 0
    assert in_force(data) == {"shipped"}


def test_a_base_by_name_stays_and_shipped_follows_the_release(data: Path, tmp_path: Path) -> None:
    assert bring(tmp_path, "whole", "1", "--base", "--activate").code == 0
    assert in_force(data) == {"whole"}
    assert prices(data, "show", "gpt-4o", "--format", "jsonl").code == 1  # a base is a whole price list
    assert prices(data, "activate", "shipped").code == 0
    assert in_force(data) == {"shipped"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["activate", "nothing"], "no prices are stored as 'nothing': `spanledger prices list` shows what there is"),
        (["deactivate", "two"], "two (rc1-"),
        (["deactivate", "shipped"], "shipped is the base of all prices: put another in its place"),
        (["activate", "rc1-"], "'rc1-' is the beginning of 3 ids"),
    ],
)
def test_what_cannot_be_changes_nothing(data: Path, args: list[str], said: str) -> None:
    prices(data, "activate", "one")
    before = rows(data, "--history")
    answer = prices(data, *args)
    assert answer.code == 1
    assert answer.err.startswith(f"spanledger: {said}")
    assert rows(data, "--history") == before
