"""Checkpoints: signed notes that anyone with the public key can check, and that any changed character breaks."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from spanledger.store.chain import Head
from spanledger.store.checkpoints import keep, kept, load_key, make_note, read_note, verifier_key
from spanledger.store.errors import ChainError
from spanledger.store.merkle import Frontier, leaf_hash
from tests.store.samples import NOON

HEAD = Head("ab" * 16, 7, Frontier().add(leaf_hash(b"a")).add(leaf_hash(b"b")), bytes(32), 0, b"")
NAME = f"spanledger/{HEAD.ledger}"


def test_a_note_says_what_the_log_was(tmp_path: Path) -> None:
    key = load_key(tmp_path / "key", create=True)
    note = make_note(HEAD, key, 21, NOON)
    assert note.splitlines()[:2] == [NAME, "2"]
    for trusted in (None, verifier_key(NAME, key)):
        found = read_note(note, trusted)
        assert (found.ledger, found.size, found.root, found.is_trusted) == (HEAD.ledger, 2, HEAD.frontier.root, trusted is not None)
        assert (found.facts["entries"], found.facts["commit"]) == ("21", "7")


def test_the_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    first = load_key(tmp_path / "key", create=True)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert verifier_key(NAME, load_key(tmp_path / "key", create=True)) == verifier_key(NAME, first)
    (tmp_path / "other").write_text("no key")
    with pytest.raises(ChainError, match="no private key"):
        load_key(tmp_path / "other")


def test_every_changed_character_is_noticed(tmp_path: Path) -> None:
    note = make_note(HEAD, load_key(tmp_path / "key", create=True), 21, NOON)
    body = note.index("\n\n")
    for at in range(len(note)):
        changed = note[:at] + ("x" if note[at] != "x" else "y") + note[at + 1 :]
        if at < body or note[at] not in "\n":
            with pytest.raises(ChainError):
                read_note(changed)


def test_another_key_is_not_the_one_trusted(tmp_path: Path) -> None:
    note = make_note(HEAD, load_key(tmp_path / "key", create=True), 21, NOON)
    other = verifier_key(NAME, load_key(tmp_path / "other", create=True))
    assert read_note(note)
    with pytest.raises(ChainError, match="no signature of the key"):
        read_note(note, other)
    for wrong in ("", "x", "a+b", "a+b+c", other[:-4] + "AAAA"):
        with pytest.raises(ChainError):
            read_note(note, wrong or "x")


def test_more_signatures_may_stand_below(tmp_path: Path) -> None:
    note = make_note(HEAD, load_key(tmp_path / "key", create=True), 21, NOON)
    assert read_note(note + "— witness.example AAAAAAAA\n").size == 2


def test_they_are_kept_in_order_and_never_written_over(tmp_path: Path) -> None:
    keep(tmp_path, 12, "b")
    keep(tmp_path, 5, "a")
    keep(tmp_path, 12, "c")
    assert [path.read_text() for path in kept(tmp_path)] == ["a", "b"]
