from pathlib import Path

import pytest

from spanledger.receiver.journal import Journal, JournalCorruptError, JournalReader, PositionReleasedError, read_from, release
from tests.receiver.samples import record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_a_reader_may_come_before_the_journal(folder: Path) -> None:
    with JournalReader(folder) as reader:
        assert reader.durable() == 0
        assert reader.poll() == []
        with Journal(folder) as journal:
            end = journal.append(record()).result(5)
            assert reader.poll() == [(end, record())]
            assert reader.position == reader.durable() == end


def test_a_reader_follows_from_segment_to_segment(folder: Path) -> None:
    with Journal(folder, segment_bytes=150) as journal, JournalReader(folder) as reader:
        for number in range(10):
            end = journal.append(record(b"%d" % number * 50)).result(5)
            assert reader.poll() == [(end, record(b"%d" % number * 50))]
            assert reader.poll() == []


def test_a_poll_is_bounded_but_never_starves(folder: Path) -> None:
    with Journal(folder) as journal:
        for number in range(6):
            journal.append(record(b"%d" % number * 1000)).result(5)
    with JournalReader(folder) as reader:
        sizes = [len(reader.poll(max_bytes=2500)) for _ in range(4)]
    assert sum(sizes) == 6
    assert max(sizes) <= 3
    assert sizes[0] >= 1


def test_a_record_larger_than_a_chunk_is_read_whole(folder: Path) -> None:
    big = bytes(range(256)) * (3 << 12)
    with Journal(folder) as journal:
        for request in (b"small", big, b"small again"):
            journal.append(record(request)).result(5)
    assert [each.request for _, each in read_from(folder)] == [b"small", big, b"small again"]


def test_a_released_position_is_an_error_not_a_hole(folder: Path) -> None:
    with Journal(folder, segment_bytes=100) as journal:
        ends = [journal.append(record(b"x" * 90)).result(5) for _ in range(3)]
    release(folder, ends[1], now_ns=2**62, retention_seconds=0)
    assert [end for end, _ in read_from(folder, ends[1])] == ends[2:]
    with pytest.raises(PositionReleasedError, match=f"starts at {ends[1]}"):
        list(read_from(folder, 0))


@pytest.mark.parametrize("at", [0, 5, 30])
def test_damage_below_the_synced_end_names_segment_and_offset(folder: Path, at: int) -> None:
    with Journal(folder) as journal:
        ends = [journal.append(record(b"x" * 90)).result(5) for _ in range(3)]
        segment = next(folder.glob("*.seg"))
        data = bytearray(segment.read_bytes())
        data[ends[0] + at] ^= 0x40
        segment.write_bytes(data)
        with JournalReader(folder) as reader:
            assert [end for end, _ in reader.poll()] == ends[:1], "what lies before is not lost"
            with pytest.raises(JournalCorruptError, match=rf"0{{20}}\.seg is damaged at offset {ends[0]}"):
                reader.poll()
        with JournalReader(folder, ends[1]) as reader:
            assert [end for end, _ in reader.poll()] == ends[2:]


def test_a_segment_cut_below_the_synced_end_is_an_error(folder: Path) -> None:
    with Journal(folder) as journal:
        ends = [journal.append(record(b"x" * 90)).result(5) for _ in range(3)]
        segment = next(folder.glob("*.seg"))
        segment.write_bytes(segment.read_bytes()[: ends[1]])
        with JournalReader(folder) as reader:
            assert [end for end, _ in reader.poll()] == ends[:2]
            with pytest.raises(JournalCorruptError, match="before the end that was acknowledged"):
                reader.poll()
