"""`changes`, and --as-of and --basis on every command that has them, over a ledger with a correction and a re-pricing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanledger.enrich.book import reversal
from spanledger.store.ledger import Ledger
from tests.cli.runner import events, spanledger
from tests.store.histories import adjustment
from tests.store.samples import DAY_NS, NOON, event, reading

CLOSED = "2026-11-22T00:00:00Z"
"""After the first bookings, half a day before the corrections."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calls of 0.0125: acme's is re-priced by -0.002 a day later, nobody's is found to be acme's."""
    folder = tmp_path_factory.mktemp("changing") / "data"
    wrong, late = event(2, tenant_id=None), NOON + DAY_NS
    right = wrong._replace(event_id=bytes([3] * 16), tenant_id="acme", reason="payer_found", booked_ns=late)
    with Ledger.open(folder) as ledger:
        ledger.commit([event(1), wrong], [reading(1), reading(2)], position=1, open_position=0, booked_ns=NOON)
        corrections = [reversal(wrong, "payer_found", late), right, adjustment(4, event(1), 8 * 10**15, booked_ns=late)]
        ledger.commit(corrections, [], position=2, open_position=0, booked_ns=late)
    return folder


def test_tables_for_people_show_what_and_why(data: Path) -> None:
    text = spanledger("changes", "--data", data, "--since", CLOSED).out
    assert "By payer and the calls' month" in text
    assert "Why" in text
    for shown in ("(unattributed)", "payer_found", "repriced", "rp1-x", "-0.002", "0.0105"):
        assert shown in text
    assert "nothing has been booked since" in spanledger("changes", "--data", data, "--since", "2026-12-01").out


def test_rows_for_machines_are_one_table(data: Path) -> None:
    rows = spanledger("changes", "--data", data, "--since", CLOSED, "--format", "jsonl").rows()
    assert list(rows[0].values()) == [None, "2026-11", 1, 1, "0.0125", "-0.0125", "0"]
    assert list(rows[0]) == ["tenant", "month", "entries", "calls", "cost_before_usd", "change_usd", "cost_after_usd"]
    by_run = spanledger("changes", "--data", data, "--since", CLOSED, "--by", "run", "--run", "rp1-x", "--format", "jsonl").rows()
    assert by_run == [{"run": "rp1-x", "entries": 1, "calls": 1, "change_usd": "-0.002"}]
    only = spanledger(
        "changes", "--data", data, "--since", CLOSED, "--reason", "payer_found", "--tenant", "acme", "--format", "jsonl"
    ).rows()
    assert [(row["entries"], row["change_usd"]) for row in only] == [(1, "0.0125")]


def test_the_entries_themselves(data: Path) -> None:
    entries = spanledger("changes", "--data", data, "--since", CLOSED, "--entries", "--format", "jsonl").rows()
    assert [(entry["kind"], entry["reason"], entry["run_id"]) for entry in entries] == [
        ("reversal", "payer_found", None), ("charge", "payer_found", None), ("adjustment", "repriced", "rp1-x"),
    ]  # fmt: skip
    table = spanledger("changes", "--data", data, "--since", CLOSED, "--entries", "--limit", "1").out
    assert "2026-11-22T12:00:00.000Z" in table
    assert "repriced" not in table


def test_as_of_is_the_ledger_of_that_time_everywhere(data: Path) -> None:
    def report(*args: str) -> dict[str | None, tuple[int, str]]:
        rows = spanledger("report", "--data", data, "--format", "jsonl", *args).rows()
        return {row["tenant"]: (row["calls"], row["cost_usd"]) for row in rows}

    assert report("--as-of", CLOSED) == report("--basis", "booked", "--until", CLOSED) == {"acme": (1, "0.0125"), None: (1, "0.0125")}
    assert report() == {"acme": (2, "0.023")}
    assert report("--basis", "booked", "--since", CLOSED) == {"acme": (1, "0.0105"), None: (-1, "-0.0125")}
    assert [event["cost_usd"] for event in events(data, "--as-of", CLOSED)] == ["0.0125", "0.0125"]
    assert sorted(event["cost_usd"] for event in events(data)) == ["0.0105", "0.0125"]
    top = spanledger("top", "--data", data, "--since", "2026-11-01", "--as-of", CLOSED, "--format", "jsonl").rows()
    assert {row["tenant"] for row in top} == {"acme", None}
    found = spanledger("doctor", "--data", data, "--as-of", CLOSED, "--format", "jsonl").rows()
    assert [row["number"] for row in found if row["finding"] == "unattributed"] == [1]
    now = spanledger("doctor", "--data", data, "--format", "jsonl").rows()
    assert not [row for row in now if row["finding"] == "unattributed"]
    sure = spanledger("report", "--data", data, "--confidence", "--as-of", CLOSED, "--format", "json")
    assert json.loads(sure.out)["totals"]["cost_usd"] == "0.025"
    for command in ("report", "events", "top", "doctor"):
        answer = spanledger(command, "--data", data, "--as-of", "yesteryear")
        assert (answer.code, answer.err.count("\n")) == (1, 1)


def test_explain_and_tree_as_of_a_time(data: Path) -> None:
    first = event(1)
    then = spanledger("explain", "--data", data, first.span_id.hex(), "--as-of", CLOSED).out
    assert then.startswith("chat gpt-4o-2024-08-06: 0.0125 USD\n")
    now = spanledger("explain", "--data", data, first.span_id.hex()).out
    assert now.startswith("chat gpt-4o-2024-08-06: 0.0105 USD\n")
    assert "output_tokens: 1,000 * 9 / 1,000,000 = 0.008 USD" in now
    assert "0.0025 + 0.008 = 0.0105 USD" in now or "0.008 + 0.0025 = 0.0105 USD" in now
    assert "adjustment" in now
    assert "run rp1-x, prices cat-2" in now
    assert "own 0.0125" in spanledger("tree", "--data", data, first.trace_id.hex(), "--as-of", CLOSED).out
    tree = spanledger("tree", "--data", data, first.trace_id.hex()).out
    assert "own 0.0105" in tree
    assert "unpriced" not in tree


def test_since_is_needed(data: Path) -> None:
    assert spanledger("changes", "--data", data).code == 2
