"""Reads stored requests again, from archive and journal, by the present rules: the first half of a replay.

Which requests: those received about the time of the window, and every other that brought a span of a trace which the window touches, so
that traces are read whole. What was read is kept in a scratch folder, so that memory does not grow with the window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from spanledger.cli.folder import DataFolder
from spanledger.enrich.kept import PRUNED_PREFIX, Kept
from spanledger.enrich.read import Reader
from spanledger.enrich.records import DAY_NS, Reading
from spanledger.receiver.archive_reader import earliest, positions_received, read_all
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range, snapshot
from spanledger.store.scratch import Scratch

MARGIN_NS: Final = DAY_NS
"""Calls told in two traces start within a day of each other."""
RECEIVED_MARGIN_NS: Final = 2 * DAY_NS
"""Spans come within so long of their time, or the ledger knows where they are."""
_BATCH: Final = 50_000
_KEY_MAX: Final = 127
_NOTHING: Final = 1 << 62

Progress = Callable[[int, int], None]
"""Told (done, in all) of what it counts."""


class Reach(NamedTuple):
    """The journal positions that are read again, [begin, end); what lies before `earliest` is no longer there."""

    begin: int
    end: int
    earliest: int


class Read(NamedTuple):
    """What reading again came to. `pruned`: keys that the present rules read, with how many of their texts were pruned on receipt."""

    requests: int
    spans: int
    problems: int
    pruned: Counter[str]


def reach_of(folder: DataFolder, ledger: Ledger, window: Range) -> Reach:
    """Which requests a window needs."""
    first = earliest(folder.archive, folder.journal)
    since, until = window
    begin, end = first, ledger.position
    if since is not None or until is not None:
        low = 0 if since is None else since - RECEIVED_MARGIN_NS
        high = _NOTHING if until is None else until + RECEIVED_MARGIN_NS
        received_from, received_to = positions_received(folder.archive, folder.journal, low, high)
        known_from, known_to = _known_positions(ledger, window)
        if since is not None:
            begin = max(first, min(received_from, known_from))
        if until is not None and received_to is not None:
            end = min(end, max(received_to, known_to + 1))
    return Reach(min(begin, end), end, first)


def _known_positions(ledger: Ledger, window: Range) -> tuple[int, int]:
    """The least and the greatest position of a stored span of a trace that has one in the window or near it."""
    since = 0 if window[0] is None else window[0] - MARGIN_NS
    until = _NOTHING if window[1] is None else window[1] + MARGIN_NS
    days = ledger.metastore.connection.execute(
        "SELECT min(day), max(day) FROM wide_traces"
        " WHERE trace_id IN (SELECT trace_id FROM wide_traces WHERE (day + 1) * ?1 >= ?2 AND day * ?1 < ?3)",
        (DAY_NS, since, until),
    ).fetchone()
    files_since, files_until = since - 2 * DAY_NS, until + 2 * DAY_NS
    if days[0] is not None:
        files_since, files_until = min(files_since, days[0] * DAY_NS), max(files_until, (days[1] + 1) * DAY_NS)
    sql = """
        WITH touched AS (SELECT DISTINCT authority, trace_id FROM spans WHERE start_ns >= $since AND start_ns < $until)
        SELECT min(position), max(position) FROM spans SEMI JOIN touched USING (authority, trace_id)
    """
    with snapshot(ledger, (files_since, files_until), spans=True) as connection:
        row = connection.execute(sql, {"since": since, "until": until}).fetchone()
    return (_NOTHING, -1) if row is None or row[0] is None else (row[0], row[1])


def read_again(folder: DataFolder, reach: Reach, reader: Reader, kept: Kept, scratch: Scratch, progress: Progress) -> Read:
    """Read every request of the reach into the scratch. Raises JournalCorruptError where archive or journal are damaged."""
    pruned = PrunedTexts(kept)
    requests = spans = problems = 0
    batch: list[Reading] = []
    for stored in read_all(folder.archive, folder.journal, reach.begin):
        if stored.position >= reach.end:
            break
        record = stored.record
        try:
            readings, bad = reader.read(
                record.request,
                authority=record.authority,
                key_tenant=record.key_tenant,
                position=stored.position,
                received_ns=record.received_ns,
            )
            problems += len(bad)
        except Exception:  # noqa: BLE001 - as the worker does: one request that our own code fails on must not stop the others
            readings = []
            problems += 1
        pruned.look_at(record.request)
        requests += 1
        spans += len(readings)
        batch += readings
        if len(batch) >= _BATCH:
            scratch.add((), batch)
            batch = []
        progress(stored.end - reach.begin, reach.end - reach.begin)
    scratch.add((), batch)
    return Read(requests, spans, problems, pruned.found)


class PrunedTexts:
    """Counts the texts under keys of interest that pruning has replaced, straight from the bytes."""

    def __init__(self, kept: Kept) -> None:
        self._keys = {key.encode(): key for key in kept.text_keys | kept.json_keys.keys() if len(key) <= _KEY_MAX}
        self.found: Counter[str] = Counter()

    def look_at(self, request: bytes) -> None:
        """Count those of a request."""
        for key in _keys_before(request, PRUNED_PREFIX.encode()):
            name = self._keys.get(key)
            if name is not None:
                self.found[name] += 1


def _keys_before(data: bytes, text: bytes) -> Iterator[bytes]:
    """The keys of attributes whose value is a string that begins with `text`, in the layout that the pruner writes:
    0A len(key) key 12 len 0A len text, every length in one byte."""
    at = data.find(text)
    while at >= 0:
        end = at - 4  # where the key ends
        if end > 0 and data[end] == 0x12 and data[at - 2] == 0x0A:
            tag = data.rfind(b"\n", max(0, end - _KEY_MAX - 2), end - 1)
            if tag > 0 and data[tag - 1] == 0x0A and end - tag - 1 == 0x0A:
                tag -= 1  # a key of ten bytes: its length looks like a tag
            if tag >= 0 and data[tag + 1] == end - tag - 2:
                yield data[tag + 2 : end]
        at = data.find(text, at + 1)
