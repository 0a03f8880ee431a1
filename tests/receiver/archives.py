"""Journals and archives that the tests of the archive share."""

from __future__ import annotations

from pathlib import Path

from spanledger.receiver.archive import Archive, Tidied
from spanledger.receiver.archive_check import check_archive
from spanledger.receiver.archive_reader import read_all
from spanledger.receiver.journal import Journal
from tests.receiver.samples import record

DAY_NS = 86_400_000_000_000
NOW_NS = 1_795_132_800_000_000_000
FOR_EVER = 10**6 * 86_400


def fill(data: Path, count: int, *, segment_bytes: int = 1, received_ns: int = NOW_NS) -> list[bytes]:
    """Journal some requests, by default a segment for each; the requests."""
    requests = [b"request %d " % number + b"x" * (100 * number) for number in range(count)]
    with Journal(data / "journal", segment_bytes=segment_bytes) as journal:
        for number, request in enumerate(requests):
            journal.append(record(request, received_ns + number)).result(5)
    return requests


def tidy(data: Path, position: int = 2**62, **changes: object) -> Tidied:
    settings = {"now_ns": NOW_NS, "keep_seconds": FOR_EVER, **changes}
    return Archive(data / "archive", data / "journal").tidy(position, **settings)  # type: ignore[arg-type]  # the test's own names


def requests_of(data: Path, position: int = 0) -> list[bytes]:
    return [found.record.request for found in read_all(data / "archive", data / "journal", position)]


def is_sound(data: Path) -> bool:
    return check_archive(data / "archive", data / "journal").faults == ()
