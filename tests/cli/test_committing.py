"""Commitments from the terms to the ledger: shown, booked once, settled again after late calls, taken back; and all of it verifies."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.money import ATTO
from spanledger.store.ledger import Ledger
from tests.cli.runner import Answer, spanledger
from tests.store.samples import event

TERMS = """
[[contracts]]
name = "OpenAI frame"
provider = "openai"
discount = "20"
from = 2025-10-01
to = 2025-12-01
commitment = { amount = "10000", period = "month", overage = "10" }

[[contracts]]
name = "acme's own"
provider = "anthropic"
tenant = "acme"
discount = "5"
from = 2025-10-01
to = 2025-11-01
commitment = { amount = "500", period = "month", tz = "Europe/Berlin" }

[[aliases]]
name = "our-chat"
model = "gpt-4o"
to_provider = "openai"
from = 2025-10-10
"""


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


def call(number: int, day: str, usd: int | None, **changes: Any) -> Any:
    times = {"start_ns": at(day), "end_ns": at(day), "received_ns": at(day), "booked_ns": at(day)}
    cost = None if usd is None else usd * ATTO
    said = {"list_cost_usd": cost, "cost_usd": cost, "lines": (), "price_state": "unpriced" if usd is None else "priced"}
    return event(number, **times, **said, **changes)


CALLS = [
    call(1, "2025-10-03", 3200),
    call(2, "2025-10-31T23:59:59", 3000, tenant_id="globex"),
    call(3, "2025-11-01", 9000),  # the next month already, in UTC
    call(4, "2025-11-20", 3500, tenant_id=None),
    # Anthropic's is no part of the frame; globex' own neither of acme's
    call(5, "2025-10-05", 40, provider="anthropic", request_model="claude-sonnet-4-5", response_model=None),
    call(6, "2025-10-05", 70, provider="anthropic", request_model="claude-sonnet-4-5", response_model=None, tenant_id="globex"),
    call(7, "2025-10-31T23:30", 60, provider="anthropic", request_model="claude-sonnet-4-5", response_model=None),  # November in Berlin
    # a name of our own stands for OpenAI's model from the 10th on
    call(8, "2025-10-09", 900, provider="gateway", request_model="our-chat", response_model=None),
    call(9, "2025-10-10", 200, provider="gateway", request_model="our-chat", response_model=None),
    call(10, "2025-10-12", None),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with Ledger.open(folder) as ledger:
        ledger.commit(CALLS, [], position=1, open_position=0, booked_ns=at("2025-11-30"))
    (tmp_path / "terms.toml").write_text(TERMS)
    assert spanledger("prices", "import", tmp_path / "terms.toml", "--activate", "--data", folder).code == 0
    return folder


def commitments(data: Path, *args: object) -> Answer:
    return spanledger("commitments", *args, "--data", data, *(["--format", "jsonl"] if "undo" not in args else []))


def cost(data: Path, *args: object) -> dict[Any, Any]:
    rows = spanledger("report", "--data", data, "--format", "jsonl", *args).rows()
    return {next(iter(row.values())): (row["calls"], row["cost_usd"]) for row in rows}


def test_each_period_against_what_was_used(data: Path) -> None:
    answer = commitments(data, "list")
    assert "calls of these without a price (see `spanledger doctor`): 1;" in answer.err
    found = {(row["contract"], row["period"]): row for row in answer.rows()}
    assert list(found) == [("OpenAI frame", "2025-10"), ("OpenAI frame", "2025-11"), ("acme's own", "2025-10")]
    october, november, own = found.values()
    # 3200 + 3000 + 200 of 10,000 are 64 %
    assert (october["state"], october["committed_usd"], october["used_usd"], october["used_percent"]) == ("over", "10000", "6400", "64")
    assert (october["shortfall_usd"], october["left_usd"], october["booked_usd"]) == ("3600", None, None)
    # 9000 + 3500: 2500 beyond, a tenth of it
    assert (november["used_usd"], november["used_percent"], november["shortfall_usd"], november["overage_usd"]) == (
        "12500",
        "125",
        "0",
        "250",
    )
    assert (own["payer"], own["time_zone"], own["used_usd"], own["shortfall_usd"]) == ("acme", "Europe/Berlin", "40", "460")


def test_a_period_is_booked_once_and_settled_again(data: Path) -> None:
    before = cost(data)
    shown = commitments(data, "book", "2025-10", "--dry-run")
    assert {(row["contract"], row["kind"], row["reason"], row["cost_usd"], row["charge_category"]) for row in shown.rows()[:2]} == {
        ("OpenAI frame", "charge", "commitment_shortfall", "3600", "Purchase"),
        ("acme's own", "charge", "commitment_shortfall", "460", "Purchase"),
    }
    assert cost(data) == before
    assert commitments(data, "book", "2025-10", "--commit", "--yes").code == 0
    after = cost(data)
    # the frame's is nobody's, the other's is acme's; no call is counted for either
    assert after[None] == (before[None][0], str(Decimal(before[None][1]) + 3600))
    assert after["acme"] == (before["acme"][0], str(Decimal(before["acme"][1]) + 460))
    assert after["globex"] == before["globex"]
    assert cost(data, "--by", "month")["2025-10"][1] == str(3200 + 3000 + 40 + 70 + 60 + 900 + 200 + 3600 + 460)
    again = commitments(data, "book", "2025-10", "--commit", "--yes")
    assert (again.code, again.out) == (0, "")
    assert "nothing to do" in again.err
    with Ledger.open(data) as ledger:  # a late call of October: 600
        ledger.commit([call(20, "2025-10-20", 600)], [], position=2, open_position=0, booked_ns=at("2025-12-02"))
    settled = commitments(data, "book", "2025-10", "--commit", "--yes").rows()
    assert [(row["contract"], row["kind"], row["reason"], row["cost_usd"]) for row in settled[:1]] == [
        ("OpenAI frame", "adjustment", "commitment_settled_again", "-600")
    ]
    [row] = [row for row in commitments(data, "list", "--period", "2025-10").rows() if row["contract"] == "OpenAI frame"]
    assert (row["used_usd"], row["shortfall_usd"], row["booked_usd"]) == ("7000", "3000", "3000")
    assert spanledger("verify", "--full", "--data", data).code == 0


def test_a_run_is_taken_back_by_another_and_can_be_booked_anew(data: Path) -> None:
    before = cost(data)
    commitments(data, "book", "2025-10", "--commit", "--yes")
    commitments(data, "book", "2025-11", "--commit", "--yes")
    with_overage = cost(data)
    runs = {run["reason"]: run["run_id"] for run in spanledger("runs", "list", "--data", data, "--format", "jsonl").rows()}
    assert commitments(data, "undo", runs["commitments of 2025-10"], "--commit", "--yes").code == 0
    assert cost(data)["acme"] == before["acme"]
    assert Decimal(cost(data)[None][1]) == Decimal(before[None][1]) + 250  # November's stands
    twice = commitments(data, "undo", runs["commitments of 2025-10"], "--commit", "--yes")
    assert "stay as they are" in twice.err
    assert "nothing to do" in twice.err
    assert commitments(data, "book", "2025-10", "--commit", "--yes").code == 0
    assert cost(data) == with_overage


def test_the_entry_is_explained_by_its_contract_and_left_alone_by_other_runs(data: Path) -> None:
    rows = commitments(data, "book", "2025-10", "--commit", "--yes").rows()
    page = spanledger("explain", next(row["event_id"] for row in rows if row["contract"] == "OpenAI frame"), "--data", data).out
    for said in ("commitment: 1 * 10000 / 1 = 10000 USD", "commitment_used: -1 * 6400 / 1 = -6400 USD", "10000 + -6400 = 3600 USD"):
        assert said in page
    assert "10000 USD a month (UTC), use beyond it 10 % dearer" in page
    answer = spanledger("reprice", "--since", "2025-10-01", "--provider", "openai", "--data", data, "--format", "jsonl")
    assert answer.code == 0
    assert "unknown_meter" not in answer.out + answer.err
    told = spanledger("doctor", "--data", data)
    assert "commitment" not in told.out.lower()


def test_what_cannot_be_booked_says_why(data: Path, tmp_path: Path) -> None:
    for args, why in (
        (["list", "--period", "2025-13"], "no commitment has a period '2025-13' that has begun; there are 2025-10, 2025-11"),
        (["book", "2030-01"], "no commitment has a period"),
        (["undo", "rp1-nothing"], "no run begins with"),
    ):
        answer = commitments(data, *args)
        assert (answer.code, answer.out) == (1, ""), answer
        assert why in answer.err
    assert commitments(data, "book", "2025-10", "--commit").code == 2  # nobody is there to confirm
    (tmp_path / "open.toml").write_text('[[contracts]]\nname = "o"\ndiscount = "1"\ncommitment = { amount = "1", period = "year" }')
    assert spanledger("prices", "import", tmp_path / "open.toml", "--activate", "--data", data).code == 0
    year = datetime.now(UTC).year
    answer = commitments(data, "book", str(year))
    assert f"{year} is not over before {year + 1}-01-01 (UTC)" in answer.err
    assert spanledger("prices", "deactivate", "open", "--data", data).code == 0
    assert "no commitment is in force" in commitments(data, "list").err


def test_a_shortfall_is_spread_as_the_guide_says(data: Path, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", guide, re.DOTALL) if "[[enrich." in block]
    assert len(blocks) == 2
    (tmp_path / "c.toml").write_text("\n".join(blocks))
    commitments(data, "book", "2025-10", "--commit", "--yes")
    asked = (
        "--since",
        "2025-10",
        "--until",
        "2025-11",
        "--allot",
        "openai-shortfall",
        "--config",
        tmp_path / "c.toml",
        "--format",
        "jsonl",
    )
    rows = {row["tenant"]: row for row in spanledger("report", "--data", data, *asked).rows()}
    # of OpenAI's own label acme used 3200 and globex 3000; 3600 by these shares, and none is left with nobody
    assert (rows["acme"]["openai-shortfall_usd"], rows["globex"]["openai-shortfall_usd"]) == (
        "1858.064516129032258065",
        "1741.935483870967741935",
    )
    assert rows[None]["openai-shortfall_usd"] == "-3600"
