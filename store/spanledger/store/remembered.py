"""What look-ups need of the metastore, remembered between them: which files are live, and which traces lie on days apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from spanledger.store.files import DataFile
from spanledger.store.history import Files, TraceKey
from spanledger.store.index import IndexCache
from spanledger.store.metastore import Metastore


class Remembered:
    """Of one ledger's metastore; `is_keeper` says that nobody else adds wide traces, so that all others cost no query."""

    def __init__(self, metastore: Metastore, indexes: IndexCache, *, is_keeper: bool) -> None:
        self._metastore, self._indexes = metastore, indexes
        self._files: Files | None = None
        self._files_version = -1
        self._wide_ids = metastore.wide_ids() if is_keeper else None

    def live_files(self) -> Files:
        """The live files; asked of the metastore again only after another connection's change (ours are added as they are made)."""
        version = int(self._metastore.connection.execute("PRAGMA data_version").fetchone()[0])
        if self._files is None or version != self._files_version:
            spans: defaultdict[int, list[DataFile]] = defaultdict(list)
            events: defaultdict[int, list[DataFile]] = defaultdict(list)
            for file in self._metastore.live_files("spans"):
                spans[file.day].append(file)
            for file in self._metastore.live_files("events"):
                events[file.day].append(file)
            self._files, self._files_version = Files(dict(spans), dict(events)), version
            self._indexes.keep({file.path for table in self._files for day in table.values() for file in day})
        return self._files

    def wide_days(self, keys: Iterable[TraceKey]) -> Mapping[TraceKey, AbstractSet[int]]:
        """The days of those among the traces that lie on days apart."""
        known = self._wide_ids
        if known is not None and not known:
            return {}
        wanted = {key[1] for key in keys if known is None or key[1] in known}
        return self._metastore.wide_days(wanted) if wanted else {}

    def add(self, files: Iterable[DataFile], wide: Iterable[TraceKey]) -> None:
        """Take in what this ledger itself has just committed."""
        if self._wide_ids is not None:
            self._wide_ids.update(trace_id for _, trace_id in wide)
        if self._files is not None:
            for file in files:
                getattr(self._files, file.table).setdefault(file.day, []).append(file)

    def forget(self) -> None:
        """Another has committed: ask for everything anew."""
        self._files = None
        if self._wide_ids is not None:
            self._wide_ids = self._metastore.wide_ids()
