"""What is already stored of the traces and link keys at hand: the memory that settlement falls back on, for ever.

Two steps. The file indexes say which rows of which files may belong to a wanted trace; then only those row groups are read, and the
rows themselves decide (the whole trace id, and the authority: nothing sent under one account may touch another's).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanledger.enrich.events import CostEvent
from spanledger.enrich.open_traces import days_of
from spanledger.enrich.records import Reading
from spanledger.enrich.trace_memory import StoredTrace
from spanledger.store.days import days_to_search
from spanledger.store.files import DataFile, Table
from spanledger.store.index import IndexCache, Keys, trace_keys
from spanledger.store.rereads import Reread, rereads_of, standing

if TYPE_CHECKING:
    import pyarrow as pa

TraceKey = tuple[str, bytes]
_Stored = tuple[Reading, int, Reread | None]


class Files(NamedTuple):
    """The live files at one moment, by table and day."""

    spans: dict[int, list[DataFile]]
    events: dict[int, list[DataFile]]


LiveFiles = Callable[[], Files]
WideDays = Callable[[Iterable[TraceKey]], Mapping[TraceKey, AbstractSet[int]]]
"""The further days of those among the traces that lie on days apart."""


class StoredHistory:
    """Answers for the ledger in one data folder. Not for use by several threads at a time."""

    def __init__(self, root: Path, live_files: LiveFiles, indexes: IndexCache, wide_days: WideDays) -> None:
        self._root = root
        self._live_files = live_files
        self._indexes = indexes
        self._wide_days = wide_days

    def traces(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, StoredTrace]:
        """The stored ones among the wanted traces; the sets are the days (days since 1970) of the spans at hand.

        Each day and its neighbours are searched; where spans turn up on a further day, so are that day's neighbours; and so are
        the days that were noted of a trace on days apart.
        """
        readings: defaultdict[TraceKey, list[_Stored]] = defaultdict(list)
        searched: defaultdict[TraceKey, set[int]] = defaultdict(set)
        asked: dict[TraceKey, set[int]] = {key: days_to_search(days) for key, days in wanted.items()}
        for key, apart in self._wide_days(wanted).items():
            if key in asked:
                asked[key] |= days_to_search(apart)
        while asked:
            for key, days in asked.items():
                searched[key] |= days
            asked = self._search_spans(asked, searched, readings)
        booked = self._search_events({key: searched[key] for key in readings})
        return {key: StoredTrace(tuple(standing(found)), tuple(booked.get(key, ()))) for key, found in readings.items()}

    def booked(self, wanted: Mapping[TraceKey, AbstractSet[int]]) -> dict[TraceKey, list[CostEvent]]:
        """Every entry of the wanted traces in booking order, looked for on the days given, their neighbours, and the days noted."""
        asked = {key: days_to_search(days) for key, days in wanted.items()}
        for key, apart in self._wide_days(wanted).items():
            if key in asked:
                asked[key] |= days_to_search(apart)
        return self._search_events(asked)

    def _search_spans(
        self,
        asked: Mapping[TraceKey, set[int]],
        searched: Mapping[TraceKey, set[int]],
        readings: defaultdict[TraceKey, list[_Stored]],
    ) -> dict[TraceKey, set[int]]:
        """Collect spans of the asked traces; returns where to look further."""
        from spanledger.store import span_rows  # Arrow: see files.write_parquet

        further: defaultdict[TraceKey, set[int]] = defaultdict(set)
        for day, rows in self._rows("spans", asked):
            for reading, reread in zip(span_rows.from_table(rows), rereads_of(rows) or repeat(None), strict=False):
                key = (reading.authority, reading.trace_id)
                if day not in asked.get(key, ()):
                    continue
                readings[key].append((reading, reading.position, reread))
                further[key] |= days_to_search(days_of((reading,))) - searched[key]
        return {key: days for key, days in further.items() if days}

    def _search_events(self, asked: Mapping[TraceKey, set[int]]) -> dict[TraceKey, list[CostEvent]]:
        from spanledger.store import event_rows  # Arrow: see files.write_parquet

        tables = [rows for _, rows in self._rows("events", asked)]
        booked: defaultdict[TraceKey, list[CostEvent]] = defaultdict(list)
        if tables:
            import pyarrow as pa  # see files.write_parquet

            for event in event_rows.from_table(pa.concat_tables(tables)):
                booked[event.authority, event.trace_id].append(event)
        return booked

    def _rows(self, table: Table, asked: Mapping[TraceKey, set[int]]) -> Iterable[tuple[int, pa.Table]]:
        """(day, rows) of the files of each asked day; rows of other traces may be among them."""
        by_day: defaultdict[int, list[bytes]] = defaultdict(list)
        files = getattr(self._live_files(), table)
        for key, days in asked.items():
            for day in files.keys() & days:
                by_day[day].append(key[1])
        for day, traces in by_day.items():
            keys = np.unique(trace_keys(b"".join(traces)))
            for file in files[day]:
                rows = self._indexes.get(file).traces.rows_of(keys)
                if len(rows):
                    yield day, read_rows(self._root / file.path, rows)

    def linked(self, keys: Mapping[int, AbstractSet[int]]) -> set[TraceKey]:
        """The traces with a stored span that has one of these link keys (uint64) on one of these days or their neighbours."""
        files = self._live_files().spans
        if not files:
            return set()
        by_days: defaultdict[frozenset[int], list[int]] = defaultdict(list)  # nearly all keys are asked for on the same days
        for key, days in keys.items():
            by_days[frozenset(days)].append(key)
        found: set[TraceKey] = set()
        for days, wanted in by_days.items():
            array: Keys = np.unique(np.array(wanted, np.uint64))
            for file in (file for day in files.keys() & days_to_search(days) for file in files[day]):
                rows = self._indexes.get(file).links.rows_of(array)
                if len(rows):
                    table = read_rows(self._root / file.path, np.unique(rows), ["authority", "trace_id"])
                    found.update(zip(table.column("authority").to_pylist(), table.column("trace_id").to_pylist(), strict=True))
        return found


def read_rows(path: Path, rows: NDArray[np.int64], columns: list[str] | None = None) -> pa.Table:
    """These rows (ascending) of a file, reading only the row groups that hold them."""
    import pyarrow as pa  # see files.write_parquet
    import pyarrow.parquet as pq  # as above

    with pq.ParquetFile(path, memory_map=False) as file:
        ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
        groups = np.searchsorted(ends, rows, "right")
        parts = []
        for group in np.unique(groups).tolist():
            first = int(ends[group - 1]) if group else 0
            parts.append(file.read_row_group(group, columns).take(pa.array(rows[groups == group] - first)))
    return pa.concat_tables(parts)
