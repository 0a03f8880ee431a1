"""`verify --deep` on the command line."""

from __future__ import annotations

from pathlib import Path

from spanledger.store.ledger import Ledger
from tests.cli.ledgers import archived, small_ledger
from tests.cli.otlp import chat
from tests.cli.runner import spanledger
from tests.cli.test_recomputing import changed
from tests.cli.test_replay_report import WRONG_KEY, ingest
from tests.store.samples import event


def test_a_sound_folder_is_verified(tmp_path: Path) -> None:
    answer = spanledger("verify", "--deep", "--data", archived(small_ledger(tmp_path)))
    assert answer.code == 0, answer.out
    assert "archive: 1 segments with 1 requests" in answer.err
    assert "6 charges compared" in answer.err


def test_a_changed_charge_is_named(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    changed(data, "input_tokens", 999_999)
    answer = spanledger("verify", "--deep", "--data", data, "--format", "jsonl")
    assert answer.code == 1
    assert any(row["problem"] == "differs: input_tokens" and row["actual"] == "999999" for row in answer.rows())


def test_a_charge_that_no_request_tells_of_is_found(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    with Ledger.open(data) as ledger:
        invented = event(7, position=0, ruleset_id="r", catalog_id="rc1-0")
        ledger.commit([invented], [], position=ledger.position, open_position=ledger.open_position, booked_ns=1)
    answer = spanledger("verify", "--deep", "--data", data, "--format", "jsonl")
    assert answer.code == 1
    [found] = answer.rows()
    assert (found["where"], found["problem"]) == ("charges", "come from none of the requests that are kept")
    assert (found["expected"], found["actual"]) == ("6", "7")
    assert spanledger("verify", "--full", "--data", data).code == 0, "it was booked by the rules of the ledger"


def test_what_is_no_longer_kept_is_counted_and_not_compared(tmp_path: Path) -> None:
    data = archived(small_ledger(tmp_path))
    for file in (data / "archive").iterdir():
        file.unlink()
    answer = spanledger("verify", "--deep", "--data", data)
    assert answer.code == 0, answer.out
    assert "0 charges compared" in answer.err
    assert "not compared: 6 charges of requests that are no longer kept" in answer.err


def test_a_damaged_archive_is_located(tmp_path: Path) -> None:
    data = archived(small_ledger(tmp_path))
    victim = next((data / "archive").glob("*.zst"))
    whole = bytearray(victim.read_bytes())
    whole[9] ^= 1
    victim.write_bytes(whole)
    answer = spanledger("verify", "--deep", "--data", data, "--format", "jsonl")
    assert answer.code == 1
    assert any(row["where"] == f"archive/{victim.name}" for row in answer.rows())


def test_other_rules_are_said_and_no_finding(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, "acme", attributes={"session.id": "s-1"}), config=WRONG_KEY)
    answer = spanledger("verify", "--deep", "--data", data)
    assert answer.code == 0, answer.out
    assert "1 charges were booked by other rules than --config gives" in answer.err
