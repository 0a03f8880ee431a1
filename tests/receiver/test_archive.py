"""Segments go from the journal into the archive whole or not at all, whatever dies when, and leave it when their time is over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.receiver.archive import Archive, Tidied
from spanledger.receiver.archive_check import check_archive
from spanledger.receiver.archive_reader import read_all
from spanledger.receiver.archived import archived_bytes, manifests, read_list
from spanledger.receiver.journal import Journal, JournalCorruptError
from spanledger.receiver.segments import list_segments
from tests.receiver.archives import DAY_NS, FOR_EVER, NOW_NS, fill, is_sound, requests_of, tidy
from tests.receiver.samples import RecordingStorage, record


def test_finished_segments_are_packed_and_leave_the_journal(tmp_path: Path) -> None:
    requests = fill(tmp_path, 4)
    before = list(read_all(tmp_path / "archive", tmp_path / "journal"))
    done = tidy(tmp_path)
    assert (done.archived, done.removed) == (3, 0)
    assert len(list_segments(tmp_path / "journal")) == 1, "the newest one is still written to"
    assert sorted(path.name for path in (tmp_path / "archive").iterdir())[:2] == [f"{0:020d}.json", f"{0:020d}.seg.zst"]
    assert list(read_all(tmp_path / "archive", tmp_path / "journal")) == before
    assert requests_of(tmp_path) == requests
    assert is_sound(tmp_path)
    assert archived_bytes(tmp_path / "archive") == (3, done.packed_bytes)
    assert tidy(tmp_path) == Tidied()


def test_any_zstd_tool_reads_what_was_packed(tmp_path: Path) -> None:
    fill(tmp_path, 2, segment_bytes=10**6)
    raw = list_segments(tmp_path / "journal")[0].path.read_bytes()
    with Journal(tmp_path / "journal", segment_bytes=1) as journal:
        journal.append(record()).result(5)
    Archive(tmp_path / "archive", tmp_path / "journal", block_bytes=1).tidy(2**62, now_ns=NOW_NS, keep_seconds=FOR_EVER)
    manifest = manifests(tmp_path / "archive")[0]
    assert len(manifest.blocks) == 2
    import pyarrow as pa

    assert pa.CompressedInputStream(pa.OSFile(str(tmp_path / "archive" / manifest.file_name)), "zstd").read() == raw


def test_nothing_above_the_position_is_touched(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    starts = [segment.start for segment in list_segments(tmp_path / "journal")]
    assert tidy(tmp_path, starts[2] - 1).archived == 1
    assert [segment.start for segment in list_segments(tmp_path / "journal")] == starts[1:]


def test_the_archive_is_synced_before_the_journal_loses_the_segment(tmp_path: Path) -> None:
    fill(tmp_path, 2)

    class Storage(RecordingStorage):
        def rename(self, source: Path, target: Path) -> None:
            self.calls.append(f"rename {target.suffix}")
            super().rename(source, target)

        def unlink(self, path: Path) -> None:
            self.calls.append(f"unlink {path.suffix}")
            super().unlink(path)

    storage = Storage()
    Archive(tmp_path / "archive", tmp_path / "journal", storage=storage).tidy(2**62, now_ns=NOW_NS, keep_seconds=FOR_EVER)
    assert storage.calls == [
        "sync_directory",  # the archive's own folder
        *("create", "write", "sync", "rename .zst"),
        *("create", "write", "sync", "rename .json", "sync_directory"),
        *("create", "write", "sync", "sync_directory"),  # the list, new
        *("unlink .seg", "sync_directory"),
    ]


KILLED = """
import os, signal, sys
from pathlib import Path
from spanledger.receiver.archive import Archive
from spanledger.receiver.archived import best_codec
from spanledger.receiver.storage import OsStorage

class Disk(OsStorage):
    steps = 0

def counted(name):
    def call(self, *args):
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(OsStorage, name)(self, *args)
    return call

for name in ("create", "write", "sync", "rename", "unlink", "sync_directory", "truncate", "open_append"):
    setattr(Disk, name, counted(name))
best_codec()  # Arrow is loaded once, and not in every child
for step, folder in enumerate(sys.argv[3:], 1):
    child = os.fork()
    if child == 0:
        disk, data = Disk(), Path(folder)
        disk.steps = step
        Archive(data / "archive", data / "journal", storage=disk).tidy(2**62, now_ns=int(sys.argv[1]), keep_seconds=int(sys.argv[2]))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def killed_before_each_step(folders: list[Path], keep_seconds: int = FOR_EVER) -> list[Path]:
    """Run the archive on each folder in a process that dies before its first, second, … call to the disk; those where it died."""
    command = [sys.executable, "-c", KILLED, str(NOW_NS), str(keep_seconds), *map(str, folders)]
    codes = [int(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    assert set(codes) == {0, -signal.SIGKILL}, "there are more steps than folders, or it failed"
    return [folder for folder, code in zip(folders, codes, strict=True) if code]


def test_a_kill_before_any_step_loses_nothing_and_the_next_run_completes_it(tmp_path: Path) -> None:
    requests = fill(tmp_path / "0", 3)
    folders = [shutil.copytree(tmp_path / "0", tmp_path / str(step)) for step in range(1, 45)]
    killed = killed_before_each_step(folders)
    assert len(killed) > 25
    for data in killed:
        assert requests_of(data) == requests, f"lost after a kill before step {data.name}"
        tidy(data)
        assert requests_of(data) == requests
        assert is_sound(data), f"not mended after a kill before step {data.name}"
        assert len(list_segments(data / "journal")) == 1
        assert not list((data / "archive").glob("*.tmp"))


def test_the_control_an_archive_that_lets_go_first_would_lose_requests(tmp_path: Path) -> None:
    requests = fill(tmp_path, 3)
    list_segments(tmp_path / "journal")[0].path.unlink()
    assert requests_of(tmp_path) != requests


def test_a_kill_while_letting_go_leaves_an_archive_that_agrees_with_its_list(tmp_path: Path) -> None:
    fill(tmp_path / "0", 3, received_ns=NOW_NS - 50 * DAY_NS)
    tidy(tmp_path / "0")
    folders = [shutil.copytree(tmp_path / "0", tmp_path / str(step)) for step in range(1, 20)]
    killed = killed_before_each_step(folders, keep_seconds=40 * 86_400)
    assert len(killed) > 6
    for data in killed:
        assert tidy(data, keep_seconds=40 * 86_400).archived == 0
        assert is_sound(data)
        assert manifests(data / "archive") == []


def test_old_segments_are_let_go_and_the_list_says_so(tmp_path: Path) -> None:
    fill(tmp_path, 3, received_ns=NOW_NS - 30 * DAY_NS)
    assert tidy(tmp_path, keep_seconds=31 * 86_400).removed == 0
    assert tidy(tmp_path, keep_seconds=29 * 86_400).removed == 2
    assert [line.what for line in read_list(tmp_path / "archive").lines] == ["archived", "archived", "removed", "removed"]
    assert read_list(tmp_path / "archive").lines[-1].why == "age"
    assert is_sound(tmp_path)
    assert len(requests_of(tmp_path)) == 1


def test_an_archive_that_grows_too_large_lets_the_oldest_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    requests = fill(tmp_path, 5)
    tidy(tmp_path)
    sizes = [manifest.packed_bytes for manifest in manifests(tmp_path / "archive")]
    assert tidy(tmp_path, bytes_max=sum(sizes[2:])).removed == 2
    assert requests_of(tmp_path) == requests[2:]
    assert "the archive is full" in caplog.text
    assert is_sound(tmp_path)


def test_a_damaged_segment_is_located_and_stays_in_the_journal(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    victim = list_segments(tmp_path / "journal")[1]
    data = bytearray(victim.path.read_bytes())
    data[60] ^= 1
    victim.path.write_bytes(data)
    with pytest.raises(JournalCorruptError, match=f"{victim.path.name} is damaged at offset 0"):
        tidy(tmp_path)
    assert list_segments(tmp_path / "journal")[0] == victim
    assert len(manifests(tmp_path / "archive")) == 1


def test_the_journal_goes_on_behind_its_archive(tmp_path: Path) -> None:
    """A torn tail in the newest segment is cut at the start, as ever; what is archived is not touched by it."""
    requests = fill(tmp_path, 3)
    tidy(tmp_path)
    newest = list_segments(tmp_path / "journal")[0]
    with newest.path.open("ab") as file:
        file.write(b"SPLJ torn")
    with Journal(tmp_path / "journal", segment_bytes=1) as journal:
        journal.append(record(b"later", NOW_NS)).result(5)
    assert requests_of(tmp_path) == [*requests, b"later"]


def test_a_gap_before_an_archived_segment_is_excused(tmp_path: Path) -> None:
    requests = fill(tmp_path, 1)
    (tmp_path / "journal" / "durable").unlink()
    with Journal(tmp_path / "journal", at_least=10_000, segment_bytes=1) as journal:
        for number in range(2):
            journal.append(record(b"after %d" % number, NOW_NS)).result(5)
    wanted = [*requests, b"after 0", b"after 1"]
    assert requests_of(tmp_path) == wanted
    for position in (1, 10_001, 2**62):  # the gap lies in the journal, between archive and journal, in the archive
        tidy(tmp_path, position)
        assert requests_of(tmp_path) == wanted
        assert is_sound(tmp_path)


def test_a_run_that_is_stopped_leaves_no_half_segment(tmp_path: Path) -> None:
    requests = fill(tmp_path, 3)
    answers = iter([False, True])
    archive = Archive(tmp_path / "archive", tmp_path / "journal", stopping=lambda: next(answers, True))
    assert archive.tidy(2**62, now_ns=NOW_NS, keep_seconds=FOR_EVER).archived == 0
    assert list((tmp_path / "archive").iterdir()) == []
    assert requests_of(tmp_path) == requests


def test_packing_rests_in_proportion_to_its_duty(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    rests: list[float] = []
    Archive(tmp_path / "archive", tmp_path / "journal", duty=0.25, rest=rests.append).tidy(2**62, now_ns=NOW_NS, keep_seconds=FOR_EVER)
    assert len(rests) == 2
    assert all(rest > 0 for rest in rests)


def test_a_torn_last_line_of_the_list_is_written_again(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    tidy(tmp_path)
    path = tmp_path / "archive" / "list.jsonl"
    os.truncate(path, path.stat().st_size - 5)
    fill_more = Journal(tmp_path / "journal", segment_bytes=1)
    with fill_more as journal:
        journal.append(record(b"later", NOW_NS)).result(5)
    tidy(tmp_path)
    assert [json.loads(line)["what"] for line in path.read_text().splitlines()] == ["archived"]
    assert [fault.what for fault in check_archive(tmp_path / "archive", tmp_path / "journal").faults] == ["is not in the list"]
