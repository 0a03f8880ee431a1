from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.store.compact import Compactor
from spanledger.store.crash import ENVIRONMENT
from spanledger.store.entries import events
from spanledger.store.files import data_files
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, reading

ROOT = Path(__file__).parents[2]

COMMITS = """
import sys
from pathlib import Path
from spanledger.store.ledger import Ledger
from tests.store.samples import NOON, DAY_NS, event, reading

with Ledger.open(Path(sys.argv[1])) as ledger:
    for number in range(ledger.position + 1, int(sys.argv[2]) + 1):
        old = NOON - DAY_NS
        ledger.commit(
            [event(number), event(1000 + number, start_ns=old)], [reading(number), reading(1000 + number, start_ns=old)],
            position=number, open_position=0, booked_ns=NOON,
        )
        print(number, flush=True)
"""

COMPACTS = """
import sys
from pathlib import Path
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig

Compactor(Path(sys.argv[1]), StoreConfig(compact_files_min=2, compact_grace_seconds=0, chargeless_days=0)).run()
"""

COMMIT_POINTS = [
    "parquet_written",
    "parquet_synced",
    "parquet_renamed",
    "folders_synced",
    "chain_written",
    "metastore_written",
    "metastore_committed",
]
COMPACT_POINTS = ["parquet_written", "parquet_synced", "parquet_renamed", "compacted", "swap_written", "swapped"]


def run(script: str, *arguments: object, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), ENVIRONMENT: crash_at, "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def numbers(ledger: Ledger) -> list[int]:
    return sorted(int(event["event_id"], 16) for event in events(ledger, every=True))


def assert_whole(folder: Path, last: int) -> None:
    """Exactly the first `last` commits are there, spans and events, and no file that is not known."""
    with Ledger.open(folder) as ledger:
        expected = [*range(1, last + 1), *range(1001, 1001 + last)]
        assert ledger.position == last
        assert numbers(ledger) == expected
        wanted = {("default", reading(number).trace_id): {(NOON - DAY_NS) // DAY_NS} for number in expected}
        stored = ledger.traces(wanted)
        assert all(len(trace.readings) == 1 and len(trace.booked) == 1 for trace in stored.values())
        assert len(stored) == len(expected)


@pytest.mark.parametrize("point", COMMIT_POINTS)
def test_a_commit_is_whole_or_nothing_wherever_it_dies(tmp_path: Path, point: str) -> None:
    times = 7 if point.startswith("parquet") else 3  # in the second commit's third file of four, or in the third commit
    died = run(COMMITS, tmp_path, 5, crash_at=f"{point}:{times}")
    assert died.returncode == -signal.SIGKILL, died.stderr
    acknowledged = len(died.stdout.split())
    survived = acknowledged + (point == "metastore_committed")  # then it is durable, only the caller never heard
    assert acknowledged in (1, 2)
    assert_whole(tmp_path, survived)
    with Ledger.open(tmp_path) as ledger:
        assert set(data_files(tmp_path)) == ledger.metastore.known_paths(), "leftovers are removed when the ledger is opened"
    assert run(COMMITS, tmp_path, 5).returncode == 0
    assert_whole(tmp_path, 5)


@pytest.mark.parametrize("point", COMPACT_POINTS)
def test_a_compaction_loses_and_doubles_nothing_wherever_it_dies(tmp_path: Path, point: str) -> None:
    assert run(COMMITS, tmp_path, 4).returncode == 0
    died = run(COMPACTS, tmp_path, crash_at=f"{point}:2")
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert_whole(tmp_path, 4)
    with Ledger.open(tmp_path) as ledger:
        ledger.metastore.connection.execute("UPDATE leases SET expires_ns = 0")  # as if the lease of the dead had run out
    for _ in range(2):  # the second deletes what the first replaced
        assert run(COMPACTS, tmp_path).returncode == 0
    assert_whole(tmp_path, 4)
    with Ledger.open(tmp_path) as ledger:
        live = {file.path for table in ("events", "spans") for file in ledger.metastore.live_files(table)}  # type: ignore[arg-type]  # a literal
        assert len(live) == 4
        assert set(data_files(tmp_path)) == live


def test_the_control_a_ledger_that_does_not_ask_the_metastore_sees_the_unfinished_commit(tmp_path: Path) -> None:
    """What the crash tests guard against is really there: the dead commit's rows are on the disk, and a glob would count them."""
    assert run(COMMITS, tmp_path, 5, crash_at="metastore_written:3").returncode == -signal.SIGKILL
    files = [path for path in data_files(tmp_path) if path.startswith("events/")]
    assert len(files) == 6
    assert_whole(tmp_path, 2)


def test_no_crash_point_is_active_by_default(tmp_path: Path) -> None:
    assert run(COMMITS, tmp_path, 1).returncode == 0
    assert Compactor(tmp_path).run().files_merged >= 0
