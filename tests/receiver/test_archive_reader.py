"""One unbroken row of positions, wherever the bytes lie and while they move."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.receiver.archive_reader import earliest, positions_received, read_all
from spanledger.receiver.archived import ArchiveCorruptError, manifests
from spanledger.receiver.journal import read_from
from spanledger.receiver.segments import list_segments
from tests.receiver.archives import NOW_NS, fill, requests_of, tidy


def test_reading_starts_and_stops_at_any_request_in_archive_and_journal(tmp_path: Path) -> None:
    requests = fill(tmp_path, 9, segment_bytes=700)
    everything = list(read_all(tmp_path / "archive", tmp_path / "journal"))
    assert [(each.end, each.record) for each in everything] == list(read_from(tmp_path / "journal"))
    tidy(tmp_path)
    assert len(manifests(tmp_path / "archive")) >= 3
    for number, first in enumerate(everything):
        assert requests_of(tmp_path, first.position) == requests[number:]
        for last in everything[number:]:
            found = list(read_all(tmp_path / "archive", tmp_path / "journal", first.position, last.end))
            assert found == everything[number : everything.index(last) + 1]


def test_a_segment_archived_while_it_is_read_is_found_in_the_archive(tmp_path: Path) -> None:
    requests = fill(tmp_path, 5)
    reading = read_all(tmp_path / "archive", tmp_path / "journal")
    found = [next(reading).record.request]
    tidy(tmp_path)
    found += [each.record.request for each in reading]
    assert found == requests


def test_what_was_let_go_is_passed_over(tmp_path: Path) -> None:
    requests = fill(tmp_path, 4)
    tidy(tmp_path)
    sizes = [manifest.packed_bytes for manifest in manifests(tmp_path / "archive")]
    tidy(tmp_path, bytes_max=sizes[-1])
    assert earliest(tmp_path / "archive", tmp_path / "journal") > 0
    assert requests_of(tmp_path) == requests[2:]


@pytest.mark.parametrize("number", [1, 2])
def test_a_segment_missing_in_between_is_an_error_and_no_silent_hole(tmp_path: Path, number: int) -> None:
    fill(tmp_path, 4)
    tidy(tmp_path)
    manifest = manifests(tmp_path / "archive")[number]
    for path in (tmp_path / "archive").glob(f"{manifest.start:020d}.*"):
        path.unlink()
    with pytest.raises(ArchiveCorruptError, match=f"position[s]? {manifest.start}"):
        requests_of(tmp_path)


def test_a_damaged_block_is_located(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    tidy(tmp_path)
    path = tmp_path / "archive" / manifests(tmp_path / "archive")[1].file_name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    with pytest.raises(ArchiveCorruptError, match=f"{path.name} is damaged between offset 0 and {len(data)}"):
        requests_of(tmp_path)


def test_an_empty_folder_has_nothing_to_read(tmp_path: Path) -> None:
    assert requests_of(tmp_path) == []
    assert positions_received(tmp_path / "archive", tmp_path / "journal", 0, 1) == (0, None)


@pytest.mark.parametrize("archived", [False, True])
def test_positions_of_a_time_of_receipt_hold_all_of_it(tmp_path: Path, archived: bool) -> None:
    fill(tmp_path, 6)
    starts = [segment.start for segment in list_segments(tmp_path / "journal")]
    if archived:
        tidy(tmp_path, starts[4])
    archive, journal = tmp_path / "archive", tmp_path / "journal"
    for first in range(6):
        for last in range(first, 6):
            begin, end = positions_received(archive, journal, NOW_NS + first, NOW_NS + last + 1)
            found = {each.record.received_ns - NOW_NS for each in read_all(archive, journal, begin, end)}
            assert found >= set(range(first, last + 1))
    assert positions_received(archive, journal, NOW_NS, NOW_NS + 1) == (0, starts[1])
    assert positions_received(archive, journal, NOW_NS + 100, NOW_NS + 200)[1] is None
