"""Trees and proofs against pymerkle, an implementation that is not ours, and against what RFC 6962 says in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from spanledger.store import merkle
from spanledger.store.merkle import Frontier

SIZES = st.integers(1, 70)


def data(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(each) for each in data(size)]


def oracle(size: int) -> InmemoryTree:
    return InmemoryTree.init_from_entries(data(size), algorithm="sha256")


@given(SIZES)
def test_roots_are_those_of_pymerkle(size: int) -> None:
    assert merkle.root(leaves(size)) == oracle(size).get_root()


@given(SIZES, st.data())
def test_inclusion_is_as_pymerkle_has_it(size: int, draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, size - 1))
    tree, path = leaves(size), merkle.inclusion_path(leaves(size), index)
    theirs = oracle(size).prove_inclusion(index + 1)
    assert path == theirs.path[1:]
    root = merkle.root(tree)
    assert merkle.root_from_inclusion(tree[index], index, size, path) == root
    assert merkle.root_from_inclusion(merkle.leaf_hash(b"other"), index, size, path) != root
    for wrong in ([*path, root], path[:-1]) if path else ([root],):
        with pytest.raises(ValueError, match="the path is too"):
            merkle.root_from_inclusion(tree[index], index, size, wrong)


@given(SIZES, st.data())
def test_consistency_holds_and_breaks(size: int, draw: st.DataObject) -> None:
    old = draw.draw(st.integers(1, size))
    tree = leaves(size)
    path, roots = merkle.consistency_path(tree, old), (merkle.root(tree[:old]), merkle.root(tree))
    assert roots == (oracle(size).get_root(old), oracle(size).get_root())
    assert merkle.is_consistent(old, roots[0], size, roots[1], path)
    other = merkle.root([merkle.leaf_hash(b"forged"), *tree[1:old]])
    assert not merkle.is_consistent(old, other, size, roots[1], path)
    assert not merkle.is_consistent(old, roots[0], size, merkle.leaf_hash(b"forged"), path)


@given(SIZES)
def test_a_growing_tree_is_the_tree(size: int) -> None:
    tree = Frontier()
    for number, leaf in enumerate(leaves(size), 1):
        tree = tree.add(leaf)
        assert tree.root == merkle.root(leaves(number))
    assert Frontier.from_bytes(size, tree.to_bytes()) == tree
    with pytest.raises(ValueError, match="peaks"):
        Frontier.from_bytes(size + 1, tree.to_bytes() + b"x")


def test_no_leaves() -> None:
    assert merkle.root([]) == Frontier().root == merkle.EMPTY_ROOT
    with pytest.raises(IndexError):
        merkle.inclusion_path([], 0)
