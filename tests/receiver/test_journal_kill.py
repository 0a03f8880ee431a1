"""Acknowledged means durable, also when the process is killed: a real process, a real SIGKILL."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.receiver.journal import Journal, read_from

SENDERS = """
import itertools, sys, threading
from pathlib import Path
from spanledger.receiver.journal import Journal, Record
from spanledger.receiver.storage import OsStorage

{disk}
journal = Journal(Path(sys.argv[1]), segment_bytes=20_000, storage=Disk())
numbers, saying = itertools.count(), threading.Lock()

def send():
    for number in numbers:
        request = b"%d" % number + b"." * (number % 3000)
        {wait}
        with saying:
            sys.stdout.write(f"{{number}}\\n")
            sys.stdout.flush()

for _ in range(8):
    threading.Thread(target=send).start()
"""
HONEST_DISK = "Disk = OsStorage"
LAZY_DISK = """
class Disk(OsStorage):
    def write(self, descriptor, parts):
        import time
        time.sleep(0.02)
        super().write(descriptor, parts)
"""
WAIT = 'journal.append(Record("acme", None, None, 1, request)).result()'
DO_NOT_WAIT = 'journal.append(Record("acme", None, None, 1, request))'


def acknowledged_before_a_kill(folder: Path, code: str, count: int) -> set[int]:
    """Run senders, kill -9 after `count` acknowledgements, and return all that were acknowledged."""
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
        process.wait(10)
    return {int(line) for line in told if line.endswith("\n")}


def stored(folder: Path) -> set[int]:
    with Journal(folder):
        pass
    return {int(record.request.partition(b".")[0]) for _, record in read_from(folder)}


@pytest.mark.parametrize("count", [1, 300, 900])
def test_every_acknowledged_record_is_there_after_kill_9(tmp_path: Path, count: int) -> None:
    told = acknowledged_before_a_kill(tmp_path / "journal", SENDERS.format(disk=HONEST_DISK, wait=WAIT), count)
    assert len(told) >= count
    assert told <= stored(tmp_path / "journal")


def test_a_sender_that_does_not_wait_for_the_future_would_lose_records(tmp_path: Path) -> None:
    """The control: without waiting, the same kill does lose what was told to the client."""
    told = acknowledged_before_a_kill(tmp_path / "journal", SENDERS.format(disk=LAZY_DISK, wait=DO_NOT_WAIT), 300)
    assert told - stored(tmp_path / "journal")
