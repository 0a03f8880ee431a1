"""The chain's files beside the metastore: what a dead commit left is cut off, what a power cut took is written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.store.chain import FOLDER, append, read_head, read_record
from spanledger.store.chain_records import parse_line
from spanledger.store.errors import ChainError
from spanledger.store.ledger import Ledger
from spanledger.store.seal import sealed
from spanledger.store.verify import verify
from tests.store.samples import NOON, event

FILE = f"{FOLDER}/000000000000.chain"


def book(folder: Path, first: int, last: int) -> None:
    with Ledger.open(folder) as ledger:
        for number in range(first, last + 1):
            ledger.commit([event(number)], [], position=number, open_position=0, booked_ns=NOON)


@pytest.mark.parametrize("rest", [b"x", b'{"v":1}\t{}\n', b"half a line\nand more"])
def test_what_a_dead_commit_left_is_cut_off(tmp_path: Path, rest: bytes) -> None:
    book(tmp_path, 1, 2)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + rest)
    assert verify(tmp_path).is_fine, "what lies behind the head is part of nothing"
    Ledger.open(tmp_path).close()
    assert (tmp_path / FILE).read_bytes() == whole
    book(tmp_path, 3, 3)
    assert verify(tmp_path, full=True).is_fine


@pytest.mark.parametrize("cut", [1, 50])
def test_a_lost_end_of_the_last_record_is_written_again(tmp_path: Path, cut: int) -> None:
    book(tmp_path, 1, 2)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-cut])
    assert not verify(tmp_path).is_fine
    Ledger.open(tmp_path).close()
    assert (tmp_path / FILE).read_bytes() == whole


def test_other_damage_is_left_for_verify_to_tell_of(tmp_path: Path) -> None:
    book(tmp_path, 1, 3)
    whole = (tmp_path / FILE).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join([*lines[:2], lines[2][:80]]))
    book(tmp_path, 4, 4)
    found = verify(tmp_path)
    assert not found.is_fine
    assert (tmp_path / FILE).read_bytes().startswith(b"".join(lines[:2]))
    assert parse_line((tmp_path / FILE).read_bytes().splitlines(keepends=True)[-1]).details.commit.number == 4


def test_a_record_follows_the_commit_before_it(tmp_path: Path) -> None:
    book(tmp_path, 1, 1)
    with Ledger.open(tmp_path) as ledger:
        store = ledger.metastore
        head = read_head(store.connection)
        assert head is not None
        assert (head.commit, head.size) == (1, 2)
        with pytest.raises(ChainError, match="cannot follow"), store.transaction():
            append(tmp_path, store.connection, store.last_commit(), sealed([]))
    assert read_record(tmp_path, 1).details.sums["cost_usd"] == 12_500_000_000_000_000
    with pytest.raises(ChainError, match="missing"):
        read_record(tmp_path, 2)
