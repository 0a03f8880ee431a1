"""`tree`: own and total cost of every span, whatever shape the trace has."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.tree import branches
from tests.cli.ledgers import small_ledger
from tests.cli.runner import spanledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("tree"))


def test_a_trace_with_an_agent_and_a_tool(data: Path) -> None:
    lines = spanledger("tree", "--data", data, f"{1:032x}").out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "0000000000000001 other shop total 0.00042",
        "  0000000000000002 aggregate invoke_agent total 0.00042",
        "    0000000000000003 inference chat gpt-4o-mini own 0.00021",
        "    0000000000000004 tool execute_tool lookup total 0.00021",
        "      0000000000000005 inference chat gpt-4o-mini own 0.00021",
    ]


def test_a_call_told_twice_and_an_unpriced_one(data: Path) -> None:
    assert "(told again, not charged)" in spanledger("tree", "--data", data, f"{2:032x}").out
    assert "(unpriced)" in spanledger("tree", "--data", data, f"{4:032x}").out
    answer = spanledger("tree", "--data", data, "ff" * 16)
    assert (answer.code, answer.err.count("\n")) == (1, 1)


def _span(span_id: str, parent: str | None) -> dict[str, Any]:
    return {"span_id": span_id, "parent_span_id": parent}


def test_cycles_orphans_and_great_depth() -> None:
    cycle = branches([_span("a", "b"), _span("b", "a"), _span("c", "gone")], [])
    assert sorted(branch.span["span_id"] for branch in cycle) == ["a", "b", "c"]
    deep = [_span(str(n), str(n - 1) if n else None) for n in range(5000)]
    charge = {
        "event_id": "e", "kind": "charge", "ref_event_id": None, "span_id": "4999", "cost_usd": "1.5", "suppressed_span_ids": [],
    }  # fmt: skip
    found = branches(deep, [charge])
    assert found[0].total_usd == Decimal("1.5")
    assert found[-1].depth == 4999
