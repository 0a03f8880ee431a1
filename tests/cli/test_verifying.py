"""`verify`, `checkpoint`, `prove`, `verify-proof` as a person or a script uses them, on folders that are right and that are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spanledger.store.ledger import Ledger
from tests.cli.runner import Answer, spanledger
from tests.store.samples import NOON, event


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "data") as ledger:
        for number in (1, 2, 3):
            ledger.commit([event(number), event(10 + number, tenant_id="bolt")], [], position=number, open_position=0, booked_ns=NOON)
    return tmp_path / "data"


def damage(data: Path) -> None:
    path = next(data.glob("events/*/*.ledger"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_a_ledger_that_is_right(data: Path) -> None:
    for option, said in (("--full", "every entry read and hashed anew"), ("--data", "by their digests")):
        answer = spanledger("verify", "--data", data, *([option] if option == "--full" else []))
        assert (answer.code, answer.err) == (0, "")
        assert said in answer.out
        assert "4 records, 6 entries, 0.075 USD" in answer.out
    found = json.loads(spanledger("verify", "--data", data, "--format", "json").out)
    assert (found["ok"], found["mode"], found["findings"], found["sums"]["cost_usd"]) == (True, "quick", [], "0.075")


@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv", "markdown"])
def test_a_ledger_that_is_not_says_where_and_exits_1(data: Path, output: str) -> None:
    damage(data)
    answer: Answer = spanledger("verify", "--data", data, "--format", output)
    assert answer.code == 1
    assert "events/event_date=2026-11-21/_commit-" in answer.out


def test_proofs_by_command(data: Path, tmp_path: Path) -> None:
    missing = spanledger("prove", event(12).event_id.hex(), "--data", data)
    assert (missing.code, "spanledger checkpoint" in missing.err) == (1, True)
    key = spanledger("checkpoint", "--data", data, "--to", tmp_path / "cp.txt").err.split("verifier key: ")[1].strip()
    assert spanledger("prove", event(12).event_id.hex(), "--data", data, "--out", tmp_path / "proof.json").code == 0
    shutil.move(data, tmp_path / "away")  # whoever checks has no ledger
    checked = spanledger("verify-proof", tmp_path / "proof.json", "--checkpoint", tmp_path / "cp.txt", "--key", key)
    assert (checked.code, "of tenant bolt, 0.0125 USD" in checked.out, "signed by the key given" in checked.out) == (0, True, True)
    assert "compare this key" in spanledger("verify-proof", tmp_path / "proof.json", "--checkpoint", tmp_path / "cp.txt").out
    [row] = spanledger("verify-proof", tmp_path / "proof.json", "--checkpoint", tmp_path / "cp.txt", "--format", "jsonl").rows()
    assert row["tenant_id"] == "bolt"
    (tmp_path / "proof.json").write_text((tmp_path / "proof.json").read_text().replace('"0.0125"', '"0.0025"'))
    forged = spanledger("verify-proof", tmp_path / "proof.json", "--checkpoint", tmp_path / "cp.txt")
    assert (forged.code, "was changed" in forged.err) == (1, True)


def test_a_checkpoint_from_elsewhere_shows_what_was_cut_off(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "before")
    with Ledger.open(data) as ledger:
        ledger.commit([event(50)], [], position=50, open_position=0, booked_ns=NOON)
    (tmp_path / "cp.txt").write_text(spanledger("checkpoint", "--data", data).out)
    fine = spanledger("verify", "--data", data, "--checkpoint", tmp_path / "cp.txt")
    assert (fine.code, "checkpoints agree" in fine.out) == (0, True)
    cut = spanledger("verify", "--data", tmp_path / "before", "--checkpoint", tmp_path / "cp.txt")
    assert (cut.code, "was cut off" in cut.out) == (1, True)
    assert spanledger("verify", "--data", tmp_path / "before").code == 0
