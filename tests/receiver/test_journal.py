import logging
import threading
import time
from pathlib import Path

import pytest

from spanledger.receiver.journal import (
    Journal,
    JournalCorruptError,
    JournalLockedError,
    JournalReader,
    JournalUnavailable,
    Sync,
    read_from,
)
from spanledger.receiver.storage import OsStorage
from tests.receiver.samples import FailingStorage, HeldStorage, RecordingStorage, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def segment_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.seg"))


def fill(folder: Path, count: int, *, segment_bytes: int = 1 << 20) -> list[int]:
    """`count` different records; the position behind each."""
    with Journal(folder, segment_bytes=segment_bytes) as journal:
        return [journal.append(record(b"request %d" % number)).result(5) for number in range(count)]


def test_what_is_appended_is_read_back_in_order_with_its_position(folder: Path) -> None:
    ends = fill(folder, 3)
    assert list(read_from(folder)) == [(end, record(b"request %d" % number)) for number, end in enumerate(ends)]
    assert [end for end, _ in read_from(folder, ends[0])] == ends[1:]
    assert list(read_from(folder, ends[-1])) == []


def test_nothing_resolves_and_nothing_can_be_read_before_the_sync(folder: Path) -> None:
    storage = HeldStorage()
    with Journal(folder, storage=storage) as journal, JournalReader(folder) as reader:
        done = journal.append(record())
        assert storage.is_syncing.wait(5)
        assert (folder / segment_names(folder)[0]).stat().st_size > 0, "it is written"
        assert not done.done()
        assert reader.poll() == []
        storage.may_sync.set()
        assert done.result(5) == journal.position
        assert [each for _, each in reader.poll()] == [record()]


def test_many_senders_share_a_sync(folder: Path) -> None:
    class SlowDisk(RecordingStorage):
        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            time.sleep(0.01)

    storage, syncs = SlowDisk(), list[Sync]()
    with Journal(folder, storage=storage) as journal:
        journal.watch(syncs.append)
        threads = [threading.Thread(target=lambda: journal.append(record()).result(5)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(sync.records for sync in syncs) == 40
    assert storage.calls.count("sync") == len(syncs) < 20
    assert len(list(read_from(folder))) == 40


def test_cancelling_a_queued_append_does_not_lose_it(folder: Path) -> None:
    with Journal(folder) as journal:
        done = journal.append(record())
        assert not done.cancel()
        done.result(5)
    assert len(list(read_from(folder))) == 1


@pytest.mark.parametrize("call", ["write", "sync"])
def test_after_a_failed_write_or_sync_nothing_is_taken(folder: Path, call: str, caplog: pytest.LogCaptureFixture) -> None:
    storage = FailingStorage(call)
    with caplog.at_level(logging.CRITICAL), Journal(folder, storage=storage, mend_seconds=60) as journal:
        end = journal.append(record(b"before")).result(5)
        storage.is_broken = True
        with pytest.raises(JournalUnavailable, match="the disk failed"):
            journal.append(record(b"lost")).result(5)
        storage.is_broken = False
        tried = storage.calls.count("sync")
        with pytest.raises(JournalUnavailable, match="the disk failed"):
            journal.append(record(b"refused"))
        assert storage.calls.count("sync") == tried, "a failed sync is never tried again"
        assert journal.failure is not None
        assert journal.position == end
        assert [each.request for _, each in read_from(folder)] == [b"before"], "an unsynced record is never read"
    assert "the journal stopped" in caplog.text

    with Journal(folder) as journal:
        journal.append(record(b"after")).result(5)
    assert [each.request for _, each in read_from(folder)][-1] == b"after"


def test_a_segment_is_named_by_its_position_and_its_entry_synced_before_use(folder: Path) -> None:
    storage = RecordingStorage()
    with Journal(folder, segment_bytes=100, storage=storage) as journal:
        ends = [journal.append(record(b"x" * 60)).result(5) for _ in range(4)]
    assert segment_names(folder) == [f"{start:020d}.seg" for start in (0, *ends[:-1])]
    for index, call in enumerate(storage.calls):
        if call == "create":
            assert storage.calls[index + 1] == "sync_directory"
    assert [end for end, _ in read_from(folder)] == ends


def test_one_batch_may_fill_many_segments(folder: Path) -> None:
    storage = HeldStorage()
    with Journal(folder, segment_bytes=100, storage=storage) as journal:
        first = journal.append(record(b"first"))
        assert storage.is_syncing.wait(5)
        others = [journal.append(record(b"%d" % number * 90)) for number in range(5)]
        storage.may_sync.set()
        ends = [done.result(5) for done in (first, *others)]
    assert len(segment_names(folder)) >= 5
    assert [end for end, _ in read_from(folder)] == ends


def test_a_new_start_goes_on_where_the_last_one_ended(folder: Path) -> None:
    first = fill(folder, 2)
    with Journal(folder) as journal:
        assert journal.position == first[-1]
        last = journal.append(record(b"later")).result(5)
    assert [end for end, _ in read_from(folder)] == [*first, last]
    assert len(segment_names(folder)) == 1


@pytest.mark.parametrize("kept_bytes", [1, 15, 17, 40, -1])
def test_a_torn_tail_is_cut_and_what_was_acknowledged_stays(folder: Path, kept_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    ends = fill(folder, 3)
    segment = folder / segment_names(folder)[0]
    whole = segment.read_bytes()
    frame_of_a_fourth = whole[ends[0] : ends[1]]
    segment.write_bytes(whole + frame_of_a_fourth[:kept_bytes])
    with caplog.at_level(logging.WARNING), Journal(folder) as journal:
        assert journal.position == ends[-1]
        assert segment.read_bytes() == whole
        last = journal.append(record(b"next")).result(5)
    assert "torn tail" in caplog.text
    assert [end for end, _ in read_from(folder)] == [*ends, last]


def test_a_whole_frame_left_over_from_elsewhere_is_torn_tail_too(folder: Path) -> None:
    """The checksum is seeded with the position: bytes of an old frame do not pass for a new one."""
    ends = fill(folder, 3)
    segment = folder / segment_names(folder)[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[ends[0] : ends[1]])
    with Journal(folder) as journal:
        assert journal.position == ends[-1]


def test_a_whole_frame_that_was_written_but_never_announced_is_kept(folder: Path) -> None:
    """A crash between sync and acknowledgement: the sender sends again, and settlement knows the span by its id."""
    ends = fill(folder, 3)
    (folder / "durable").write_bytes(ends[1].to_bytes(8, "little"))
    with Journal(folder) as journal:
        assert journal.position == ends[2]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_a_damaged_frame_costs_nothing_of_what_follows_it(folder: Path, is_acknowledged: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Damage on the disk, or a batch of which a power cut kept the end and not the beginning: a disk writes in any order."""
    ends = fill(folder, 3)
    segment = folder / segment_names(folder)[0]
    if not is_acknowledged:
        (folder / "durable").write_bytes(ends[0].to_bytes(8, "little"))
    flip(segment, ends[0] + 20)
    with caplog.at_level(logging.ERROR), Journal(folder) as journal:
        assert journal.position == ends[2]
        last = journal.append(record(b"later")).result(5)
    assert f"{segment.name} is damaged at offset {ends[0]}, up to {ends[1]}" in caplog.text
    with pytest.raises(JournalCorruptError, match=f"damaged at offset {ends[0]}"):
        list(read_from(folder, ends[0]))
    told: list[tuple[int, str]] = []
    with JournalReader(folder, on_damage=lambda *about: told.append(about)) as reader:
        found = [end for _ in range(3) for end, _ in reader.poll()]
    assert found == [ends[0], ends[2], last]
    assert [position for position, _ in told] == [ends[0]]
    assert f"{ends[1] - ends[0]} bytes are passed over" in told[0][1]


def test_a_damaged_last_frame_that_was_acknowledged_stays_for_a_repair(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    ends = fill(folder, 3)
    segment = folder / segment_names(folder)[0]
    flip(segment, ends[1] + 20)
    with caplog.at_level(logging.ERROR), Journal(folder) as journal:
        assert journal.position == ends[2]
        last = journal.append(record(b"later")).result(5)
    assert f"damaged at offset {ends[1]}" in caplog.text
    told: list[tuple[int, str]] = []
    with JournalReader(folder, on_damage=lambda *about: told.append(about)) as reader:
        assert [end for _ in range(3) for end, _ in reader.poll()] == [ends[0], ends[1], last]
    assert [position for position, _ in told] == [ends[1]]
    flip(segment, ends[1] + 20)
    assert [end for end, _ in read_from(folder)] == [*ends, last], "restored, it is whole again"


def test_a_frame_of_another_release_is_never_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 2)
    monkeypatch.setattr("spanledger.receiver.frames.VERSION", 2)
    with JournalReader(folder, on_damage=print) as reader, pytest.raises(JournalCorruptError, match="another release"):
        reader.poll()


def test_acknowledged_bytes_that_are_missing_at_the_end_stop_the_start(folder: Path) -> None:
    ends = fill(folder, 3)
    segment = folder / segment_names(folder)[0]
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(JournalCorruptError, match=rf"damaged at offset {ends[1]}, {ends[2] - ends[1]} bytes before"):
        Journal(folder)
    (folder / "durable").unlink()  # the operator accepts the loss, as the message says
    with Journal(folder) as journal:
        assert journal.position == ends[1]


def test_what_an_earlier_process_wrote_is_synced_before_it_counts_as_durable(folder: Path) -> None:
    fill(folder, 2)
    storage = RecordingStorage()
    with Journal(folder, storage=storage):
        assert storage.calls[:2] == ["sync", "sync_directory"]


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("segment_bytes", [1, 1 << 20])
def test_a_journal_goes_on_in_a_new_file_once_the_disk_takes_data(folder: Path, call: str, segment_bytes: int) -> None:
    storage = FailingStorage(call)
    with JournalReader(folder) as reader, Journal(folder, storage=storage, mend_seconds=0.01, segment_bytes=segment_bytes) as journal:
        ends = [journal.append(record(b"before %d" % number)).result(5) for number in range(2)]
        assert len(reader.poll()) == 2
        storage.is_broken = True
        with pytest.raises(JournalUnavailable, match="the disk failed"):
            journal.append(record(b"lost")).result(5)
        tries = storage.calls.count("create")
        while storage.calls.count("create") < tries + 3:
            time.sleep(0.01)
        with pytest.raises(JournalUnavailable, match="the disk failed"):
            journal.append(record(b"refused, while it lasts"))
        storage.is_broken = False
        while journal.failure is not None:
            time.sleep(0.01)
        last = journal.append(record(b"after")).result(5)
        assert [each.request for _, each in reader.poll()] == [b"after"]
    assert [each.request for _, each in read_from(folder)] == [b"before 0", b"before 1", b"after"]
    assert f"{ends[-1]:020d}.seg" in segment_names(folder), "the file that failed is not written again"
    with Journal(folder) as journal:
        assert journal.position == last
    assert not (folder / "probe").exists()


def test_segments_that_vanished_with_more_than_the_ledger_holds_stop_the_start(folder: Path) -> None:
    ends = fill(folder, 3)
    (folder / segment_names(folder)[0]).unlink()
    with pytest.raises(JournalCorruptError, match=f"{ends[2] - ends[1]} acknowledged bytes"):
        Journal(folder, at_least=ends[1])
    with Journal(folder, at_least=ends[2]) as journal:
        assert journal.position == ends[2]


def test_a_lost_folder_goes_on_at_the_position_of_the_ledger(folder: Path) -> None:
    with Journal(folder, at_least=5000) as journal:
        end = journal.append(record()).result(5)
    assert segment_names(folder) == [f"{5000:020d}.seg"]
    assert list(read_from(folder, 5000)) == [(end, record())]


def test_an_old_folder_goes_on_at_the_position_of_the_ledger_and_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    ends = fill(folder, 2)
    (folder / "durable").unlink()
    with caplog.at_level(logging.WARNING), Journal(folder, at_least=9000) as journal:
        last = journal.append(record(b"later")).result(5)
    assert "before the ledger's 9000" in caplog.text
    assert [end for end, _ in read_from(folder)] == [*ends, last]
    Journal(folder).close()

    (folder / f"{9000:020d}.gap").unlink()
    with pytest.raises(JournalCorruptError, match="starts at position 9000"):
        Journal(folder)
    with pytest.raises(JournalCorruptError, match="starts at position 9000"):
        list(read_from(folder))


def test_only_one_writer(folder: Path) -> None:
    with Journal(folder), pytest.raises(JournalLockedError, match="another process"):
        Journal(folder)
    Journal(folder).close()


def test_closing_writes_what_is_queued_and_takes_nothing_more(folder: Path) -> None:
    storage = HeldStorage()
    journal = Journal(folder, storage=storage)
    queued = [journal.append(record(b"%d" % number)) for number in range(3)]
    closing = threading.Thread(target=journal.close)
    closing.start()
    storage.may_sync.set()
    closing.join(5)
    assert all(done.result(5) for done in queued)
    with pytest.raises(JournalUnavailable, match="stopping"):
        journal.append(record())
    journal.close()
    assert len(list(read_from(folder))) == 3


def test_files_are_for_the_owner_only(folder: Path) -> None:
    fill(folder, 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_write_larger_than_one_system_call_arrives_whole(folder: Path) -> None:
    requests = [bytes([number % 256]) * 700 for number in range(1500)]
    with Journal(folder, storage=OsStorage()) as journal:
        done = [journal.append(record(request)) for request in requests]
        done[-1].result(10)
    assert [each.request for _, each in read_from(folder)] == requests


@pytest.mark.parametrize("how", ["lock file removed", "another announced"])
def test_a_writer_that_was_taken_over_acknowledges_nothing_more(folder: Path, how: str) -> None:
    with Journal(folder, mend_seconds=0.01) as journal:
        end = journal.append(record(b"before")).result(5)
        if how == "lock file removed":
            (folder / "durable").unlink()
        else:
            (folder / "durable").write_bytes((end + 1).to_bytes(8, "little"))
        with pytest.raises(JournalUnavailable, match="taken the journal over"):
            journal.append(record(b"late")).result(5)
        time.sleep(0.05)
        assert journal.failure is not None, "no mended disk gives it back"
    assert b"late" not in b"".join(path.read_bytes() for path in folder.glob("*.seg"))
