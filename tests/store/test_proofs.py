"""A proof leads from a row to a checkpoint with nothing but hashes, and whatever is changed in it breaks it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from spanledger.store import chain, log_tree, merkle
from spanledger.store.chain import read_head, read_lines
from spanledger.store.checkpoints import Checkpoint, load_key, make_note, read_note
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.errors import ChainError, QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.log_tree import LogTree
from spanledger.store.proofs import place_of, proof_text, prove, verify_proof
from tests.store.samples import NOON, event


def checkpoint(ledger: Ledger) -> Checkpoint:
    head = read_head(ledger.metastore.connection)
    assert head is not None
    return read_note(make_note(head, load_key(ledger.data_dir / "key", create=True), ledger.entries_total, NOON))


def book(folder: Path, commits: int) -> None:
    with Ledger.open(folder) as ledger:
        for number in range(ledger.position + 1, ledger.position + commits + 1):
            some = [event(1000 * number + i, tenant_id=tenant) for i, tenant in enumerate(("acme", "bolt", "acme", None, "secret-rival"))]
            ledger.commit(some, [], position=number, open_position=0, booked_ns=NOON)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    book(tmp_path / "data", 9)
    return tmp_path / "data"


def test_every_entry_can_be_proved_before_and_after_compaction(folder: Path) -> None:
    for _ in range(2):
        with Ledger.open(folder, read_only=True) as ledger:
            signed = checkpoint(ledger)
            for number in (1000, 4002, 5003, 9004):
                proof = json.loads(proof_text(prove(ledger, event(number).event_id.hex(), signed)))
                verdict = verify_proof(proof, signed)
                assert verdict.row["event_id"] == event(number).event_id.hex()
                assert (verdict.record, verdict.payer_rows) == (number // 1000, 2 if number % 1000 in (0, 2) else 1)
        Compactor(folder, StoreConfig(compact_files_min=2, compact_grace_seconds=0)).run()


def test_a_proof_says_nothing_of_others_and_stays_short(folder: Path) -> None:
    with Ledger.open(folder, read_only=True) as ledger:
        proof = prove(ledger, event(4002).event_id.hex(), checkpoint(ledger))
    text = proof_text(proof)
    assert "secret-rival" not in text
    assert "bolt" not in text
    assert "sums" not in proof["record"]
    assert len(proof["log"]["path"]) == 4  # of ten records


def damaged(proof: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The proof with one thing in it changed, for every thing there is."""
    found = []

    def changed(value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return value + 1
        if isinstance(value, str):
            return value[:-1] + ("0" if value[-1:] != "0" else "1")
        if isinstance(value, list):
            return [*value, value[0] if value else "ab" * 32]
        return "x" if value is None else {}

    def visit(at: list[Any], value: Any) -> None:
        other = copy.deepcopy(proof)
        place: Any = other
        for step in at[:-1]:
            place = place[step]
        if at:
            place[at[-1]] = changed(value)
            found.append((".".join(map(str, at)), other))
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, item in inside:
            visit([*at, step], item)

    visit([], proof)
    return found


def is_believed(proof: dict[str, Any], signed: Checkpoint) -> bool:
    try:
        verify_proof(proof, signed)
    except ChainError:
        return False
    return True


def test_whatever_is_changed_in_a_proof_breaks_it(folder: Path) -> None:
    with Ledger.open(folder, read_only=True) as ledger:
        signed = checkpoint(ledger)
        proof = json.loads(proof_text(prove(ledger, event(4002).event_id.hex(), signed)))
    forgeries = damaged(proof)
    assert len(forgeries) > 80
    believed = [where for where, forgery in forgeries if is_believed(forgery, signed)]
    assert believed == []
    assert verify_proof(proof, signed)


def test_a_proof_is_for_one_checkpoint(folder: Path) -> None:
    with Ledger.open(folder, read_only=True) as ledger:
        early = checkpoint(ledger)
        proof = prove(ledger, event(4002).event_id.hex(), early)
    book(folder, 2)
    with Ledger.open(folder, read_only=True) as ledger:
        late = checkpoint(ledger)
        with pytest.raises(ChainError, match="leads to a checkpoint of 10 records, this one has 12"):
            verify_proof(proof, late)
        assert prove(ledger, event(4002).event_id.hex(), early) == proof, "a proof towards an old checkpoint can still be made"
        with pytest.raises(ChainError, match="booked after this checkpoint"):
            prove(ledger, event(10_002).event_id.hex(), early)
        with pytest.raises(ChainError, match="another ledger"):
            prove(ledger, event(4002).event_id.hex(), late._replace(ledger="00" * 16))
        with pytest.raises(ChainError, match="not the one that this checkpoint"):
            prove(ledger, event(4002).event_id.hex(), late._replace(root=bytes(32)))
        for wrong in ("zz", "", "ffffffff"):
            with pytest.raises(QueryError):
                prove(ledger, wrong, late)


def test_where_an_entry_stands(folder: Path) -> None:
    with Ledger.open(folder, read_only=True) as ledger:
        assert place_of(ledger.metastore, 6) == (2, 2, 6, 10)
        with pytest.raises(ChainError, match="in no commit"):
            place_of(ledger.metastore, 46)


def test_a_log_of_many_files_is_one_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of four records instead of 65,536: the ways cross them as they would cross large ones."""
    monkeypatch.setattr(chain, "FILE_LEVELS", 2)
    for module in (chain, log_tree):
        monkeypatch.setattr(module, "FILE_RECORDS", 4)
    book(tmp_path, 13)
    assert len([*(tmp_path / "chain").iterdir()]) == 4
    leaves = [merkle.leaf_hash(line.partition(b"\t")[0]) for _, line in read_lines(tmp_path, 0)]
    with Ledger.open(tmp_path, read_only=True) as ledger:
        for size in range(1, 15):
            tree = LogTree(tmp_path, ledger.metastore.connection, size)
            assert tree.root == merkle.root(leaves[:size])
            for seq in range(size):
                assert tree.inclusion(seq) == merkle.inclusion_path(leaves[:size], seq)
            assert tree.consistency(1) == merkle.consistency_path(leaves[:size], 1)
        with pytest.raises(ChainError, match="missing"):
            LogTree(tmp_path, ledger.metastore.connection, 15).inclusion(13)
