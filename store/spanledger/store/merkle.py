"""Hash trees as RFC 6962 (section 2.1) defines them: roots, inclusion and consistency proofs, and a tree that grows at its end.

Functions take and give hashes of leaves; `leaf_hash` makes one. A root says what all leaves are, a proof is about log2(n) hashes long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
HASH_BYTES: Final = 32
_PAIR_BYTES: Final = 2 * HASH_BYTES
_node = hashlib.sha256(b"\x01").copy


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _level_up(hashes: bytes) -> bytes:
    """One level nearer to the root, hashes end to end; the last of an odd number moves up as it is, which gives the tree of RFC 6962."""
    level = []
    whole = len(hashes) - len(hashes) % _PAIR_BYTES
    for at in range(0, whole, _PAIR_BYTES):
        node = _node()  # a copy costs half of what making one does
        node.update(hashes[at : at + _PAIR_BYTES])
        level.append(node.digest())
    level.append(hashes[whole:])
    return b"".join(level)


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes; that of no leaves is SHA-256 of nothing."""
    return joined_root(b"".join(leaves))


def joined_root(leaves: bytes) -> bytes:
    """The root over leaf hashes that stand end to end, as they do where there are very many."""
    while len(leaves) > HASH_BYTES:
        leaves = _level_up(leaves)
    return leaves or EMPTY_ROOT


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root, nearest first."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    path, level = [], b"".join(leaves)
    while len(level) > HASH_BYTES:
        at = (index ^ 1) * HASH_BYTES
        if at < len(level):
            path.append(level[at : at + HASH_BYTES])
        level, index = _level_up(level), index // 2
    return path


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `leaf` is number `index`, if `path` is right. ValueError if it has a wrong length."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    found, last, rest = leaf, size - 1, list(path)
    while last:
        if index % 2 or index < last:
            if not rest:
                raise ValueError("the path is too short")
            other = rest.pop(0)
            found = node_hash(other, found) if index % 2 else node_hash(found, other)
        index, last = index // 2, last // 2
    if rest:
        raise ValueError("the path is too long")
    return found


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The hashes that show that the tree of the first `old_size` leaves is the beginning of this one."""
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves does not begin with {old_size}")
    return [] if old_size == len(leaves) else _consistency(leaves, old_size, whole=True)


def _consistency(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962: `whole` says that the old tree's root is known to whoever checks."""
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old_size <= split:
        return [*_consistency(leaves[:split], old_size, whole=whole), root(leaves[split:])]
    return [*_consistency(leaves[split:], old_size - split, whole=False), root(leaves[:split])]


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` shows that the tree of `new_size` leaves begins with that of `old_size` (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    rest = list(path)
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    index, last = old_size - 1, new_size - 1
    while index % 2:
        index, last = index // 2, last // 2
    old = new = rest.pop(0)
    for other in rest:
        if not last:
            return False
        if index % 2 or index == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            new = node_hash(new, other)
        index, last = index // 2, last // 2
    return not last and old == old_root and new == new_root


class Frontier(NamedTuple):
    """A tree that grows at its end, as the roots of its full subtrees, largest first: all that adding a leaf and the root need."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def add(self, leaf: bytes) -> Frontier:
        """The tree with one leaf more."""
        peaks, size = [*self.peaks, leaf], self.size + 1
        for _ in range((size & -size).bit_length() - 1):
            right, left = peaks.pop(), peaks.pop()
            peaks.append(node_hash(left, right))
        return Frontier(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The root over all leaves added so far."""
        if not self.peaks:
            return EMPTY_ROOT
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = node_hash(peak, found)
        return found

    def to_bytes(self) -> bytes:
        """The peaks end to end; with the size they are the tree."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """The tree that `to_bytes` wrote; ValueError if that cannot be one of this size."""
        if len(data) != HASH_BYTES * size.bit_count():
            raise ValueError(f"a tree of {size} leaves has not {len(data)} bytes of peaks")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)))
