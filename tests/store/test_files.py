"""A folder of data files can be read in the right way only: what would take all its files fails, and finds no rows to count twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.entries import events
from spanledger.store.files import GUARD, SUFFIX, data_files
from spanledger.store.ledger import Ledger
from spanledger.store.verify import verify
from tests.store.samples import NOON, event, reading

EAGER = StoreConfig(compact_files_min=2, compact_rows_max=1_000, chargeless_days=0)
PATTERNS = ("**/*.parquet", "*/*.parquet", "event_date=2026-11-21/*.parquet", "*/*", "**/*", "event_date=2026-11-21/*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger of two entries after compaction, while the files that were replaced are still there."""
    with Ledger.open(tmp_path) as ledger:
        for number in (1, 2):
            ledger.commit([event(number)], [reading(number)], position=number, open_position=0, booked_ns=NOON)
    assert Compactor(tmp_path, EAGER).run(NOON).files_merged == 4
    return tmp_path


def summed(files: str) -> tuple[Decimal, int]:
    with duckdb.connect() as connection:
        found = connection.execute("SELECT sum(cost_usd), count(*) FROM read_parquet(?)", [files]).fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_over_the_folder_gives_a_sum(folder: Path, pattern: str) -> None:
    with pytest.raises(duckdb.Error, match=f"magic bytes.*{GUARD}"):
        summed(f"{folder}/events/{pattern}")


def test_the_control_without_the_guard_the_same_folder_counts_twice(folder: Path) -> None:
    for guard in folder.rglob(GUARD):
        guard.unlink()
    assert summed(f"{folder}/events/*/*") == (Decimal("0.05"), 4), "0.025 is right"
    with pytest.raises(duckdb.Error, match="No files found"):
        summed(f"{folder}/events/*/*.parquet")


def test_the_control_with_plain_names_the_same_folder_counts_twice(folder: Path) -> None:
    for path in folder.glob(f"events/*/_*{SUFFIX}"):
        path.rename(path.with_name(path.name.removeprefix("_").replace(SUFFIX, ".parquet")))
    table = ds.dataset(folder / "events", format="parquet", partitioning="hive").to_table()
    assert sum(table.column("cost_usd").to_pylist()) == Decimal("0.05"), "readers of folders pass over the guard"


def test_a_reader_of_folders_finds_nothing(folder: Path) -> None:
    table = ds.dataset(folder / "events", format="parquet", partitioning="hive").to_table()
    assert (table.num_rows, table.schema) == (0, pa.schema([]))


def test_a_folder_with_names_of_before_is_read_and_brought_on(tmp_path: Path) -> None:
    """Small files are merged into new ones; a large one only gets a second name, and the first goes after the grace."""
    large = [event(number) for number in range(1, 601)]
    with Ledger.open(tmp_path) as ledger:
        ledger.commit(large, [], position=1, open_position=0, booked_ns=NOON)
        ledger.commit([event(700)], [], position=2, open_position=0, booked_ns=NOON)
        before = list(events(ledger, every=True))
        with ledger.metastore.transaction():
            for file in ledger.metastore.live_files("events"):
                old = file.path.replace("/_", "/").replace(SUFFIX, ".parquet")
                (tmp_path / file.path).rename(tmp_path / old)
                ledger.metastore.connection.execute("UPDATE files SET path = ?, row_sha256 = NULL WHERE path = ?", (old, file.path))
            ledger.metastore.sign_files()
    for guard in tmp_path.rglob(GUARD):
        guard.unlink()
    with Ledger.open(tmp_path) as ledger:
        assert list(events(ledger, every=True)) == before
        assert len(list(data_files(tmp_path))) == 2
        inode = max((tmp_path / path for path in data_files(tmp_path)), key=lambda path: path.stat().st_size).stat().st_ino
        Compactor(tmp_path, EAGER.model_copy(update={"compact_grace_seconds": 0})).run()
        [renamed] = [path for path in data_files(tmp_path) if path.endswith(SUFFIX)]
        assert (tmp_path / renamed).stat().st_ino == inode, "not copied"
        assert list(events(ledger, every=True)) == before
        ledger.commit([event(701)], [], position=3, open_position=0, booked_ns=NOON)
        for _ in range(2):
            Compactor(tmp_path, EAGER.model_copy(update={"compact_grace_seconds": 0})).run(NOON + 10 * 3_600_000_000_000)
        assert all(path.endswith(SUFFIX) for path in data_files(tmp_path))
        assert len(list(events(ledger, every=True))) == len(before) + 1
    assert verify(tmp_path).findings == ()
