"""Every edit, deletion and addition in an archive is found; the control is the same archive untouched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spanledger.receiver.archive_check import check_archive
from spanledger.receiver.archived import LIST_NAME, manifests
from tests.receiver.archives import fill, tidy


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(tmp_path, 4)
    tidy(tmp_path)
    return tmp_path


def faults(data: Path) -> list[str]:
    return [f"{fault.file}: {fault.what}" for fault in check_archive(data / "archive", data / "journal").faults]


def test_an_untouched_archive_has_no_fault(data: Path) -> None:
    read: list[int] = []
    state = check_archive(data / "archive", data / "journal", read.append)
    assert state.faults == ()
    assert (state.segments, state.records, state.start) == (3, 3, 0)
    assert read[-1] == sum(manifest.packed_bytes for manifest in manifests(data / "archive"))
    assert len(state.head) == 64


def test_a_segment_that_is_only_half_archived_is_no_fault(data: Path) -> None:
    """The server died after the manifest and before the line in the list: the journal still has the segment."""
    listed = (data / "archive" / LIST_NAME).read_bytes()
    fill(data, 3)
    lying = {path: path.read_bytes() for path in (data / "journal").glob("*.seg")}
    tidy(data)
    (data / "archive" / LIST_NAME).write_bytes(listed)
    assert any("is not in the list" in fault for fault in faults(data)), "the control: nothing has it but the archive"
    for path, whole in lying.items():
        path.write_bytes(whole)
    assert faults(data) == []


def test_every_flipped_byte_of_every_file_is_found(data: Path) -> None:
    archive = data / "archive"
    for path in sorted(archive.iterdir()):
        whole = path.read_bytes()
        for at in range(0, len(whole), 7 if path.suffix == ".zst" else 23):
            flipped = bytearray(whole)
            flipped[at] ^= 0x40
            path.write_bytes(flipped)
            assert faults(data), f"byte {at} of {path.name}"
        path.write_bytes(whole)
    assert faults(data) == []


def test_a_flipped_byte_is_located(data: Path) -> None:
    manifest = manifests(data / "archive")[1]
    path = data / "archive" / manifest.file_name
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(whole)
    found = faults(data)
    assert len(found) == 1
    assert found[0].startswith(f"{manifest.file_name}: archive segment {manifest.file_name} is damaged between offset 0 and {len(whole)}")


def without(*suffixes: str) -> Callable[[Path, int], None]:
    def remove(archive: Path, start: int) -> None:
        for suffix in suffixes:
            (archive / f"{start:020d}{suffix}").unlink()

    return remove


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("change", [without(".json"), without(".seg.zst"), without(".json", ".seg.zst")])
def test_a_deleted_segment_is_found(data: Path, number: int, change: Callable[[Path, int], None]) -> None:
    change(data / "archive", manifests(data / "archive")[number].start)
    assert any("is listed and missing" in found for found in faults(data))


def test_a_list_cut_at_its_end_is_found(data: Path) -> None:
    path = data / "archive" / "list.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    last = manifests(data / "archive")[-1]
    assert faults(data)[0] == f"{last.start:020d}.json: is not in the list"
    without(".json", ".seg.zst")(data / "archive", last.start)
    assert "nothing is there between journal positions" in faults(data)[0], "the segments are gone too: the positions tell"


@pytest.mark.parametrize("number", [0, 1])
def test_a_line_taken_out_of_the_list_is_found(data: Path, number: int) -> None:
    path = data / "archive" / "list.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
    assert "it does not follow the line before" in faults(data)[0]


def test_lines_in_another_order_are_found(data: Path) -> None:
    path = data / "archive" / "list.jsonl"
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([second, first, *rest]))
    assert faults(data)


def test_an_added_segment_is_found(data: Path) -> None:
    manifest = manifests(data / "archive")[0]
    for suffix in (".json", ".seg.zst"):
        shutil.copy(data / "archive" / f"{manifest.start:020d}{suffix}", data / "archive" / f"{5:020d}{suffix}")
    assert f"{5:020d}.json: is not in the list" in faults(data)


def test_an_absent_archive_has_no_fault(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    assert faults(tmp_path) == []
