"""The archive's list under a checkpoint: what was archived then cannot be exchanged, forgotten or made shorter since."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from spanledger.cli.archive_anchor import archive_line, check_archive_list
from spanledger.cli.notary import sign_checkpoint
from spanledger.receiver.archived import LIST_NAME, Listed, read_list
from spanledger.store.checkpoints import Checkpoint, read_note
from spanledger.store.ledger import Ledger
from tests.cli.runner import spanledger
from tests.store.samples import NOON, event


def listed(data: Path, starts: list[int]) -> None:
    """A list with a segment of 100 bytes archived at each of these positions."""
    path = data / "archive" / LIST_NAME
    path.parent.mkdir(exist_ok=True)
    lines, before = [], read_list(path.parent.with_name("none")).head
    for start in starts:
        line = Listed("archived", start, start + 100, NOON, hashlib.sha256(b"%d" % start).hexdigest(), None, before).to_bytes()
        lines.append(line + b"\n")
        before = hashlib.sha256(line).hexdigest()
    path.write_bytes(b"".join(lines))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "data") as ledger:
        ledger.commit([event(1)], [], position=1, open_position=0, booked_ns=NOON)
    return tmp_path / "data"


@pytest.fixture
def signed(data: Path) -> Checkpoint:
    listed(data, [0, 100])
    return read_note(sign_checkpoint(data, None, NOON).note)


def test_where_there_is_no_archive_nothing_is_said(data: Path) -> None:
    assert archive_line(data) == {}
    assert [*check_archive_list(data, [read_note(sign_checkpoint(data, None, NOON).note)])] == []


def test_a_list_that_only_grew_is_fine(data: Path, signed: Checkpoint) -> None:
    assert signed.facts["archive"].startswith("2 ")
    assert [*check_archive_list(data, [signed])] == []
    listed(data, [0, 100, 200])
    assert [*check_archive_list(data, [signed])] == []


@pytest.mark.parametrize(
    ("starts", "problem"), [([0], "was cut off"), ([], "was cut off"), ([0, 150], "is not the one"), ([100, 0], "is not")]
)
def test_a_list_that_did_not_is_found(data: Path, signed: Checkpoint, starts: list[int], problem: str) -> None:
    listed(data, starts)
    [finding] = check_archive_list(data, [signed])
    assert finding.problem.startswith(problem)
    answer = spanledger("verify", "--data", data)
    assert (answer.code, problem in answer.out) == (1, True), "the copy of the checkpoint in the folder says so too"


def test_a_line_that_does_not_follow_is_found_without_a_checkpoint(data: Path) -> None:
    listed(data, [0, 100])
    path = data / "archive" / LIST_NAME
    path.write_bytes(path.read_bytes().replace(b'"end":100', b'"end":101'))
    [finding] = check_archive_list(data, [])
    assert "is damaged: line 2" in finding.problem
