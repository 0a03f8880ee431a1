"""The files of the archive: what is packed unpacks, and what is damaged says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.receiver.archived import (
    FIRST_PREVIOUS,
    ArchiveCorruptError,
    Block,
    Listed,
    Manifest,
    archived_bytes,
    best_codec,
    block_at,
    manifest_path,
    manifests,
    pack,
    read_list,
    read_manifest,
    unpack,
)


@pytest.mark.parametrize("codec", ["zstd", "zlib"])
def test_a_block_unpacks_to_what_it_was_and_to_nothing_else(codec: str) -> None:
    data = b"spans, spans, spans " * 1000
    packed = pack(codec, data)
    assert len(packed) < len(data) / 10
    assert unpack(codec, packed, len(data)) == data
    for wrong in (packed[:-1], b"", packed[:5] + b"\xff\xff" + packed[7:]):
        with pytest.raises(ValueError, match=r"."):
            unpack(codec, wrong, len(data))
    with pytest.raises(ValueError, match=r"."):
        unpack(codec, packed, len(data) - 1)


def test_zstd_is_what_is_used_where_arrow_has_it() -> None:
    assert best_codec() == "zstd"


def manifest(start: int, *raw: int) -> Manifest:
    blocks = tuple(Block(each, 10, "ab" * 32) for each in raw)
    return Manifest(start, start + sum(raw), len(raw), 1, 2, "zstd", 10 * len(raw), "cd" * 32, "ef" * 32, False, blocks)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    for start in (100, 0):
        manifest_path(tmp_path, start).write_bytes(manifest(start, 40, 60).to_bytes())
    assert manifests(tmp_path) == [manifest(0, 40, 60), manifest(100, 40, 60)]
    assert manifests(tmp_path / "absent") == []


@pytest.mark.parametrize(
    "change",
    [(b'"format":1', b'"format":2'), (b'"zstd"', b'"rar"'), (b'"end":100', b'"end":99'), (b'"start":0', b'"start":5'), (b"{", b"")],
)
def test_a_manifest_that_says_something_else_is_damaged(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    path = manifest_path(tmp_path, 0)
    path.write_bytes(manifest(0, 40, 60).to_bytes().replace(*change))
    with pytest.raises(ArchiveCorruptError, match=f"archive manifest {path.name} is damaged"):
        read_manifest(path)


def test_the_block_of_a_position() -> None:
    found = manifest(1000, 40, 60)
    assert [block_at(found, position) for position in (1000, 1039, 1040, 1099)] == [(0, 1000), (0, 1000), (1, 1040), (1, 1040)]


def test_only_packed_files_count_for_the_size(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}.seg.zst").write_bytes(b"12345")
    (tmp_path / f"{9:020d}.seg.zz").write_bytes(b"123")
    (tmp_path / "list.jsonl").write_bytes(b"1234567")
    assert archived_bytes(tmp_path) == (2, 8)
    assert archived_bytes(tmp_path / "absent") == (0, 0)


def test_the_list_is_read_up_to_its_damage_and_a_torn_end_is_none(tmp_path: Path) -> None:
    assert read_list(tmp_path) == ((), 0, FIRST_PREVIOUS, None)
    path = tmp_path / "list.jsonl"
    first = Listed("archived", 0, 10, 1, "ab" * 32, None, FIRST_PREVIOUS).to_bytes() + b"\n"
    path.write_bytes(first)
    head = read_list(tmp_path).head
    second = Listed("removed", 0, 10, 2, None, "age", head).to_bytes() + b"\n"
    path.write_bytes(first + second)
    whole = read_list(tmp_path)
    assert (len(whole.lines), whole.fault, whole.current(), list(whole.removed())) == (2, None, {}, [0])
    path.write_bytes(first + second[:-1])
    torn = read_list(tmp_path)
    assert (len(torn.lines), torn.fault, torn.sound_bytes) == (1, None, len(first))
    path.write_bytes(second + first)
    assert read_list(tmp_path).fault == "line 1, at offset 0: it does not follow the line before"


def test_every_flipped_bit_of_the_last_line_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    line = Listed("removed", 0, 10, 1_795_288_141_919_754_130, None, "size", FIRST_PREVIOUS)

    def unseen(data: bytes) -> list[bytes]:
        found = []
        for bit in range(8 * (len(data) - 1)):  # the line break: a torn end, of which the segments tell
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            if read_list(tmp_path).fault is None and b"\n" in flipped[-1:]:
                found.append(bytes(flipped))
        return found

    assert unseen(line.checked().to_bytes() + b"\n") == []
    assert any(b'"end":11' in each for each in unseen(line.to_bytes() + b"\n")), "the control: a line of before there was a check"
    path.write_bytes(line.to_bytes() + b"\n")
    assert read_list(tmp_path).lines == (line,), "such a line is still read"
