"""`doctor`: every kind of gap is found with an example and a remedy, and can fail a CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.cli.findings import NAMES
from tests.cli.ledgers import small_ledger
from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import events, spanledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("doctor"))


def test_findings_have_an_example_that_can_be_explained(data: Path) -> None:
    rows = {row["finding"]: row for row in spanledger("doctor", "--data", data, "--format", "jsonl").rows()}
    assert (rows["unpriced"]["number"], rows["unpriced"]["about"]) == (1, "openai nobody-knows-7b / unknown_model")
    assert rows["unattributed"]["about"].startswith("service shop")
    for name in ("unpriced", "unattributed"):
        assert rows[name]["fix"]
        assert spanledger("explain", "--data", data, rows[name]["example"]).code == 0


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("unattributed,unpriced", 3), ("unpriced", 3), ("quarantined", 0), ("far_dated, estimated", 0), ("unatributed", 2)],
)
def test_fail_on(data: Path, fail_on: str, code: int) -> None:
    answer = spanledger("doctor", "--data", data, "--fail-on", fail_on)
    assert answer.code == code
    assert all(name in answer.err for name in NAMES) == (code == 2)


def test_a_failed_call_is_no_finding_but_a_silent_one_is(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1, input_tokens=None, output_tokens=None)))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "a.pb").code == 0
    assert "unmetered" in spanledger("doctor", "--data", tmp_path / "data").out


def test_the_emitters_cost_is_compared_with_ours(tmp_path: Path) -> None:
    """Ours is 0.00021: half a percent more is no finding, two percent are; both are kept."""
    alike = chat(1, 1, attributes={"gen_ai.usage.cost": 0.000211})
    other = chat(2, 2, attributes={"gen_ai.usage.cost": 0.000215})
    (tmp_path / "a.pb").write_bytes(as_protobuf(alike, other))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "a.pb").code == 0
    [found] = spanledger("doctor", "--data", tmp_path / "data", "--format", "jsonl").rows()
    assert (found["finding"], found["number"], found["example"]) == ("cost_differs", 1, f"{2:016x}")
    assert found["about"].endswith("reported 0.000215, ours 0.00021")
    assert [(event["emitter_cost_usd"], event["cost_usd"]) for event in events(tmp_path / "data")] == [
        ("0.000211", "0.00021"),
        ("0.000215", "0.00021"),
    ]


def test_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1)))
    assert spanledger("ingest", "--data", tmp_path / "data", tmp_path / "a.pb").code == 0
    answer = spanledger("doctor", "--data", tmp_path / "data", "--fail-on", ",".join(NAMES))
    assert answer.code == 0, answer.out
    assert answer.out == "everything received is metered, priced and attributed\n"


def test_a_journal_that_nobody_works_off_is_a_finding(tmp_path: Path) -> None:
    from spanledger.receiver.journal import Journal, Record

    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1)))
    assert spanledger("ingest", "--data", data, tmp_path / "a.pb").code == 0
    with Journal(data / "journal") as journal:
        journal.append(Record("default", None, None, 1, as_protobuf(chat(2, 2)))).result()
    assert spanledger("doctor", "--data", data, "--fail-on", "behind").code == 3
