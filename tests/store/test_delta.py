"""The Delta table is the ledger, to the last digit, at every version, wherever a publisher dies and whatever compaction does meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from deltalake import DeltaTable

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.crash import ENVIRONMENT
from spanledger.store.errors import PublishError
from spanledger.store.files import GUARD, data_files
from spanledger.store.ledger import Ledger
from spanledger.store.publish.delta import APP_ID, DeltaPublisher, Published
from spanledger.store.publish.delta_log import CHECKPOINT_EVERY
from tests.store.samples import DAY_NS, NOON, event

ROOT = Path(__file__).parents[2]
EAGER = StoreConfig(compact_files_min=2, compact_grace_seconds=0, chargeless_days=0)
KEEP_SECONDS = 3600
ATTO = Decimal("0.000000000000000001")


def fill(folder: Path, commits: int) -> None:
    """Each commit books two entries, a day apart, of amounts that no float holds."""
    with Ledger.open(folder) as ledger:
        for _ in range(commits):
            n = ledger.position + 1
            rows = [event(2 * n, cost_usd=10**18 * n + 1), event(2 * n + 1, cost_usd=n, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS)]
            ledger.commit(rows, [], position=n, open_position=0, booked_ns=NOON)


def expected(commits: int) -> tuple[Decimal, int]:
    numbers = range(1, commits + 1)
    return Decimal(sum(numbers)) + ATTO * (commits + sum(numbers)), 2 * commits


def table(folder: Path, version: int | None = None) -> DeltaTable:
    return DeltaTable(folder / "events", version=version)


def read(folder: Path, version: int | None = None) -> tuple[Decimal, int]:
    """What delta-rs says of the table; its own engine does not sum, so that DuckDB does."""
    rows = table(folder, version).to_pyarrow_dataset()
    with duckdb.connect() as connection:
        found = connection.register("rows", rows).execute("SELECT sum(cost_usd), count(DISTINCT entry_number), count(*) FROM rows")
        total, distinct, count = found.fetchone() or (None, None, None)
    assert distinct == count
    assert isinstance(total, Decimal)
    return total, count


def added_as_new(folder: Path, after: int = -1) -> int:
    """How many entries somebody has got who reads the table as it grows."""
    count = 0
    for path in sorted((folder / "events/_delta_log").glob("*.json")):
        for line in path.read_text().splitlines() if int(path.stem) > after else ():
            add: dict[str, Any] = json.loads(line).get("add", {})
            count += json.loads(add["stats"])["numRecords"] if add.get("dataChange") else 0
    return count


def test_the_table_follows_commits_and_compactions(tmp_path: Path) -> None:
    publisher = DeltaPublisher(tmp_path, KEEP_SECONDS)
    fill(tmp_path, 2)
    assert publisher.publish() == Published(version=0, versions=1, files=4, entries=4, begun=True)
    assert read(tmp_path) == expected(2)
    assert publisher.publish() == Published(version=0, versions=0, files=4, entries=4, begun=False), "nothing new, nothing written"
    fill(tmp_path, 1)
    Compactor(tmp_path, EAGER).run()
    assert publisher.publish() == Published(version=2, versions=2, files=2, entries=6, begun=False)
    assert [read(tmp_path, version) for version in (0, 1, 2)] == [expected(2), expected(3), expected(3)]
    assert added_as_new(tmp_path) == 6, "entries of a commit that compaction was quicker with, too, are new once"
    assert table(tmp_path).transaction_version(APP_ID) == 3


def test_readers_of_other_makes_see_the_same(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    Compactor(tmp_path, EAGER).run()
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    total, count = expected(3)
    frame = table(tmp_path).to_pandas()
    assert (sum(frame["cost_usd"]), len(frame)) == (total, count)
    assert sum(line["cost_usd"] for lines in frame["lines"] for line in lines) == count * sum(
        (Decimal(line.cost_usd) * ATTO for line in event().lines), Decimal(0)
    )
    lazy = polars.scan_delta(str(tmp_path / "events"))
    assert lazy.select(polars.col("cost_usd").sum(), polars.len()).collect().row(0) == (total, count)
    one = lazy.filter(polars.col("event_date") == polars.date(2026, 11, 22)).select(polars.len()).collect().item()
    assert one == count // 2


def test_duckdb_reads_the_table_with_its_own_extension(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    with duckdb.connect() as connection:
        try:
            connection.execute("LOAD delta")
        except duckdb.Error:
            pytest.skip("DuckDB's delta extension is not installed here; it comes from DuckDB's own server")
        found = connection.execute("SELECT sum(cost_usd), count(*) FROM delta_scan(?)", [str(tmp_path / "events")]).fetchone()
    assert found == expected(3)


def test_checkpoints_sum_up_and_let_go_what_lies_before(tmp_path: Path) -> None:
    publisher = DeltaPublisher(tmp_path, KEEP_SECONDS)
    for _ in range(CHECKPOINT_EVERY + 3):
        fill(tmp_path, 1)
        publisher.publish()
    Compactor(tmp_path, EAGER).run()
    publisher.publish()
    commits = CHECKPOINT_EVERY + 3
    log = tmp_path / "events/_delta_log"
    for path in log.glob("*.json"):
        if int(path.stem) <= CHECKPOINT_EVERY:
            path.unlink()
    assert read(tmp_path) == expected(commits), "delta-rs reads our checkpoint"
    fill(tmp_path, 1)
    assert DeltaPublisher(tmp_path, KEEP_SECONDS).publish().entries == 2 * commits + 2, "so do we"
    assert read(tmp_path) == expected(commits + 1)


KILLED = """
import sys
from pathlib import Path
from spanledger.store.publish.delta import DeltaPublisher

DeltaPublisher(Path(sys.argv[1]), 3600).publish()
"""


@pytest.mark.parametrize("point", ["delta_written", "delta_linked"])
def test_a_publisher_that_dies_leaves_a_whole_table_and_the_next_goes_on(tmp_path: Path, point: str) -> None:
    fill(tmp_path, 1)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    fill(tmp_path, 1)
    Compactor(tmp_path, EAGER).run()  # so there are two versions to write
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), "PATH": "", ENVIRONMENT: point},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert read(tmp_path) == expected(1 if point == "delta_written" else 2)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    assert read(tmp_path) == expected(2)
    assert added_as_new(tmp_path) == 4


def test_two_publishers_at_once_write_each_version_once(tmp_path: Path) -> None:
    one, other = DeltaPublisher(tmp_path, KEEP_SECONDS), DeltaPublisher(tmp_path, KEEP_SECONDS)
    fill(tmp_path, 1)
    one.publish()
    other.publish()
    for _ in range(3):
        fill(tmp_path, 1)
        one.publish()
        assert other.publish().versions == 0
        fill(tmp_path, 1)
        other.publish()
    assert read(tmp_path) == expected(7)
    assert added_as_new(tmp_path) == 14


def test_compaction_lets_a_file_go_only_when_no_reader_of_the_table_needs_it(tmp_path: Path) -> None:
    publisher = DeltaPublisher(tmp_path, KEEP_SECONDS)
    fill(tmp_path, 2)
    publisher.publish()
    fill(tmp_path, 1)
    Compactor(tmp_path, EAGER).run()
    now = (tmp_path / "meta.sqlite").stat().st_mtime_ns
    late = now + 2 * KEEP_SECONDS * 1_000_000_000
    assert Compactor(tmp_path, EAGER).run(now).files_deleted == 0
    deleted = Compactor(tmp_path, EAGER).run(late).files_deleted
    assert deleted == 2, "what was never published goes; what the last version names stays however late it is"
    assert read(tmp_path) == expected(2)
    publisher.publish(late)
    assert Compactor(tmp_path, EAGER).run(late).files_deleted == 0, "somebody may just have begun to read the version before"
    assert Compactor(tmp_path, EAGER).run(late + 2 * KEEP_SECONDS * 1_000_000_000).files_deleted == 4
    assert read(tmp_path) == expected(3)


def test_the_control_without_the_log_compaction_deletes_at_once(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    Compactor(tmp_path, EAGER).run()
    assert Compactor(tmp_path, EAGER).run().files_deleted == 4


def test_a_gap_that_cannot_be_told_entry_by_entry_begins_a_table_anew(tmp_path: Path) -> None:
    publisher = DeltaPublisher(tmp_path, 0)
    fill(tmp_path, 1)
    publisher.publish()
    first = table(tmp_path).metadata().id
    fill(tmp_path, 2)
    for _ in range(2):
        Compactor(tmp_path, EAGER).run()
    assert publisher.publish().begun
    assert read(tmp_path) == expected(3)
    assert table(tmp_path).metadata().id != first, "who follows the first is told"


def test_what_another_program_wrote_into_the_table_is_not_in_the_next(tmp_path: Path) -> None:
    publisher = DeltaPublisher(tmp_path, KEEP_SECONDS)
    fill(tmp_path, 2)
    publisher.publish()
    table(tmp_path).optimize.compact()
    assert publisher.publish().begun
    assert read(tmp_path) == expected(2)
    table(tmp_path).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    assert read(tmp_path) == expected(2), "and a thorough vacuum passes over the ledger's own files"
    with Ledger.open(tmp_path) as ledger:
        assert ledger.metastore.known_paths() <= set(data_files(tmp_path))


def test_a_damaged_log_is_told_and_begun_anew_on_demand(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    (tmp_path / "events/_delta_log/00000000000000000000.json").write_text('{"add":')
    with pytest.raises(PublishError, match=r"damaged.*--anew"):
        DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    Compactor(tmp_path, EAGER).run()
    assert Compactor(tmp_path, EAGER).run().files_deleted == 0, "nothing goes while nobody knows what is named"
    assert DeltaPublisher(tmp_path, KEEP_SECONDS).publish(anew=True).begun
    assert read(tmp_path) == expected(2)


def test_the_guard_is_no_part_of_the_table(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    DeltaPublisher(tmp_path, KEEP_SECONDS).publish()
    assert not any(GUARD in uri for uri in table(tmp_path).file_uris())
