import os
from pathlib import Path

import pytest

from spanledger.receiver.journal import Journal, read_from, release
from spanledger.receiver.segments import RETENTION_SECONDS, list_segments
from tests.receiver.samples import RecordingStorage, record

DAY_NS = 86_400_000_000_000
NOW_NS = 1_795_132_800_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def fill(folder: Path, ages_days: list[int]) -> list[int]:
    """One segment for each age, oldest first; their starts."""
    with Journal(folder, segment_bytes=1) as journal:
        for _ in ages_days:
            journal.append(record()).result(5)
    known = list_segments(folder)
    assert len(known) == len(ages_days)
    for segment, age in zip(known, ages_days, strict=True):
        os.utime(segment.path, ns=(NOW_NS - age * DAY_NS,) * 2)
    return [segment.start for segment in known]


def test_release_lets_go_of_whole_old_segments_below_the_position(folder: Path) -> None:
    starts = fill(folder, [40, 35, 31, 20, 0])
    storage = RecordingStorage()
    gone = release(folder, starts[4], now_ns=NOW_NS, storage=storage)
    assert [segment.start for segment in gone] == starts[:3]
    assert [segment.start for segment in list_segments(folder)] == starts[3:]
    assert storage.calls == ["sync_directory"]
    assert len(list(read_from(folder, starts[3]))) == 2
    assert RETENTION_SECONDS == 30 * 86_400


def test_nothing_above_the_committed_position_goes_whatever_its_age(folder: Path) -> None:
    starts = fill(folder, [90, 80, 70, 60])
    release(folder, starts[2] - 1, now_ns=NOW_NS)
    assert [segment.start for segment in list_segments(folder)] == starts[1:]


def test_the_newest_segment_always_stays(folder: Path) -> None:
    starts = fill(folder, [90, 80])
    release(folder, 2**62, now_ns=NOW_NS, retention_seconds=0)
    assert [segment.start for segment in list_segments(folder)] == starts[1:]
    with Journal(folder) as journal:
        journal.append(record(b"later")).result(5)
    assert len(list(read_from(folder, starts[1]))) == 2


def test_a_young_segment_keeps_the_ones_behind_it(folder: Path) -> None:
    starts = fill(folder, [40, 2, 40, 0])
    release(folder, starts[3], now_ns=NOW_NS)
    assert [segment.start for segment in list_segments(folder)] == starts[1:]


def test_releasing_nothing_touches_nothing(folder: Path) -> None:
    storage = RecordingStorage()
    assert release(folder, 100, now_ns=NOW_NS, storage=storage) == []
    fill(folder, [1, 0])
    assert release(folder, 2**62, now_ns=NOW_NS, storage=storage) == []
    assert storage.calls == []


def test_other_files_in_the_folder_are_no_segments(folder: Path) -> None:
    fill(folder, [0])
    (folder / "notes.seg").write_text("not ours")
    assert len(list_segments(folder)) == 1


def test_a_gap_file_goes_with_its_segment(folder: Path) -> None:
    fill(folder, [40])
    (folder / "durable").unlink()
    with Journal(folder, at_least=1000, segment_bytes=1) as journal:
        journal.append(record()).result(5)
        journal.append(record()).result(5)
    assert (folder / f"{1000:020d}.gap").exists()
    release(folder, 2**62, now_ns=2**62, retention_seconds=0)
    assert not (folder / f"{1000:020d}.gap").exists()
    assert len(list(read_from(folder, list_segments(folder)[0].start))) == 1
