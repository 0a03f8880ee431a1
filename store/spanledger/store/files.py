"""Writing data files so that a file which has its final name is whole and on the disk: write, sync, rename, sync the folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from spanledger.store.crash import crash_point
from spanledger.store.days import day_text
from spanledger.store.syncing import make_folders, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

Table = Literal["events", "spans"]
TABLES: tuple[Table, ...] = ("events", "spans")
UNFINISHED = ".tmp"
SUFFIX: Final = ".ledger"
"""Not ".parquet", and every name begins with "_": which files count only the metastore knows (while compaction swaps them, old and new lie
side by side), so no pattern over "*.parquet" and no reader of whole folders may find any. Folders from before have files without."""

COMMITTED: Final = "commit-"
BESIDE: Final = "beside-"
COMPACTED: Final = "compact-"
GUARD: Final = "_these-files-are-no-table.parquet"
"""A file of text in each folder of data files, for patterns that take everything: readers fail at it rather than count rows twice."""

_GUARD_TEXT: Final = """This is no Parquet file, and stands here so that nobody takes this folder for a table.
The files beside it are a spanledger ledger's own: which of them count is known to its metastore alone. Some have been replaced
and lie here for a while, so a sum over all of them would be wrong.
Ask `spanledger report` or `spanledger sql`, read what `spanledger export` has written, or the Delta table of `spanledger publish delta`.
"""


class DataFile(NamedTuple):
    """One Parquet file of the ledger as the metastore knows it; `path` is relative to the data folder, with '/'."""

    path: str
    table: Table
    day: int
    rows: int
    size: int
    position_min: int
    position_max: int
    start_ns_min: int
    start_ns_max: int
    received_ns_max: int
    is_pruned: int = 0
    """1 once the spans of traces without a charge have been dropped from it."""
    sha256: bytes | None = None
    """Digest of the file's bytes; given where a file is written, None where it is only looked for (`verify` asks the metastore)."""


def row_digest(row: Sequence[object]) -> bytes:
    """A digest over what the metastore says of a file for good, so that a damaged row is noticed; see `verify`."""
    values = [value.hex() if isinstance(value, bytes) else value for value in row]
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).digest()


def partition_path(table: Table, day: int) -> str:
    """The folder of a partition, relative to the data folder."""
    return f"{table}/event_date={day_text(day)}"


def commit_file_path(table: Table, day: int, number: int, position: int, writer: str) -> str:
    """The name of a commit's file, of its `writer`'s own: one who slept while another took over must not write over its files."""
    return f"{partition_path(table, day)}/_{COMMITTED}{number:012d}-{position:020d}-{writer}{SUFFIX}"


def beside_file_path(table: Table, day: int, number: int, holder: str, n: int) -> str:
    """The name of the n-th file of a commit that is made beside the ledger's keeper: no other writer makes the same one."""
    return f"{partition_path(table, day)}/_{BESIDE}{number:012d}-{holder}-{n:06d}{SUFFIX}"


def compacted_file_path(table: Table, day: int, epoch: int, now_ns: int, n: int) -> str:
    """The name of the n-th file of a compaction."""
    return f"{partition_path(table, day)}/_{COMPACTED}{epoch:08d}-{now_ns:019d}-{n:06d}{SUFFIX}"


def is_written_by(path: str, kind: str) -> bool:
    """Whether a data file's name says that it was written by a writer of this kind, such as COMMITTED."""
    return path.rsplit("/", 1)[-1].removeprefix("_").startswith(kind)


def write_parquet(root: Path, relative: str, table: pa.Table, options: dict[str, Any]) -> tuple[int, bytes]:
    """Write a table as a file of the data folder, durable except for its name (see `sync_folders`); returns its size and SHA-256."""
    import pyarrow.parquet as pq  # here, not above: reports import this module and must not wait for Arrow

    path = root / relative
    make_folders(root, path.parent)
    unfinished = path.with_name(path.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)  # a file whose sync has failed is not written again
    pq.write_table(table, unfinished, **options)
    crash_point("parquet_written")
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.file_digest(file, "sha256").digest()
    crash_point("parquet_synced")
    unfinished.replace(path)
    crash_point("parquet_renamed")
    return size, digest


def write_data_file(root: Path, path: str, table: Table, day: int, rows: pa.Table, *, kept: bool = False, is_pruned: int = 0) -> DataFile:
    """Write rows as a data file (its folder is still to be synced) and return what the metastore has to know of it.

    `kept` files are compressed harder: they are to stay.
    """
    import pyarrow.compute as pc  # see write_parquet

    from spanledger.store.parquet import COMMIT_LEVEL, KEPT_LEVEL, options  # that module needs this one's types

    size, digest = write_parquet(root, path, rows, options(table, KEPT_LEVEL if kept else COMMIT_LEVEL))
    position, start, received = (pc.min_max(rows.column(name)).as_py() for name in ("position", "start_ns", "received_ns"))
    return DataFile(
        path,
        table,
        day,
        rows.num_rows,
        size,
        position["min"],
        position["max"],
        start["min"],
        start["max"],
        received["max"],
        is_pruned,
        digest,
    )


def sync_folders(root: Path, relatives: Iterable[str]) -> None:
    """Make the names of these files durable, and guard their folders."""
    for folder in sorted({(root / relative).parent for relative in relatives}):
        if not (folder / GUARD).exists():
            _guard(folder.parent)
            _guard(folder)
        sync_folder(folder)


def _guard(folder: Path) -> None:
    (folder / GUARD).write_text(_GUARD_TEXT, "utf-8")


def data_files(root: Path) -> Iterator[str]:
    """The relative paths of all files, finished or not, in the table folders."""
    for table in TABLES:
        for path in (root / table).glob("event_date=*/*"):
            if path.name != GUARD:
                yield path.relative_to(root).as_posix()
