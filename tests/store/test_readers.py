"""DuckDB, pandas, Polars and Spark read the same totals, to the last digit, from the Delta table and from every kind of export."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas
import polars
import pytest
from scripts.fetch_delta import NoJavaError, archives

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.export.every import shape_named
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import target_of
from spanledger.store.ledger import Ledger
from spanledger.store.publish.delta import DeltaPublisher
from tests.store.samples import DAY_NS, NOON, event

COMMITS = 3
ATTO = Decimal("0.000000000000000001")
TOTAL = Decimal(6) + ATTO * 9
"""1, 2 and 3 dollars and a digit more each, and as many in the last digit: nothing that a float could hold."""

LINES = 6 * sum(line.cost_usd for line in event().lines) * ATTO


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that was published, had a further commit, was compacted and published again, and its exports."""
    folder = tmp_path_factory.mktemp("readers")
    publisher = DeltaPublisher(folder / "data", 3600)
    with Ledger.open(folder / "data") as ledger:
        for n in range(1, COMMITS + 1):
            later = event(2 * n + 1, cost_usd=n, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS)
            ledger.commit([event(2 * n, cost_usd=10**18 * n + 1), later], [], position=n, open_position=0, booked_ns=NOON)
            if n == 1:
                publisher.publish()
    Compactor(folder / "data", StoreConfig(compact_files_min=2, chargeless_days=0)).run()
    publisher.publish()
    with Ledger.open(folder / "data", read_only=True) as ledger:
        for form in ("parquet", "csv", "jsonl"):
            request = Request(shape_named("events"), form, False, {})
            export(ledger, target_of(str(folder / form)), request, now_text="2026-11-21T12:00:00Z")
    return folder


def files(folder: Path, form: str) -> list[Path]:
    return sorted((folder / form / "events").glob(f"event_date=*/*.{form}"))


def test_duckdb_sums_each_format(folder: Path) -> None:
    readers = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_ndjson"}
    with duckdb.connect() as connection:
        for form, reader in readers.items():
            types = {"parquet": "", "csv": ", types={'cost_usd': 'DECIMAL(38,18)'}", "jsonl": ""}[form]
            sql = f"SELECT sum(cost_usd::DECIMAL(38,18)), count(*) FROM {reader}(?{types})"
            assert connection.execute(sql, [f"{folder}/{form}/events/*/*.{form}"]).fetchone() == (TOTAL, 6), form


def test_pandas_sums_each_format(folder: Path) -> None:
    frames = {
        "parquet": pandas.read_parquet(folder / "parquet/events"),
        "csv": pandas.concat(pandas.read_csv(path, dtype={"cost_usd": str}) for path in files(folder, "csv")),
        "jsonl": pandas.concat(pandas.read_json(path, lines=True, dtype={"cost_usd": str}) for path in files(folder, "jsonl")),
    }
    for form, frame in frames.items():
        assert (sum(map(Decimal, frame["cost_usd"])), len(frame)) == (TOTAL, 6), form


def test_polars_sums_each_format(folder: Path) -> None:
    frames = {
        "parquet": polars.scan_parquet(files(folder, "parquet")),
        "csv": polars.scan_csv(files(folder, "csv"), schema_overrides={"cost_usd": polars.String}),
        "jsonl": polars.scan_ndjson(files(folder, "jsonl")),
    }
    for form, frame in frames.items():
        cost = polars.col("cost_usd").cast(polars.Decimal(38, 18)).sum()
        assert frame.select(cost, polars.len()).collect().row(0) == (TOTAL, 6), form


def test_the_control_a_float_loses_the_last_digits(folder: Path) -> None:
    frame = pandas.concat(pandas.read_csv(path) for path in files(folder, "csv"))
    assert Decimal(frame["cost_usd"].sum()) != TOTAL


def test_spark_reads_the_delta_table_and_the_export(folder: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: it comes with the extra `warehouse`")
    try:
        jars = ",".join(map(str, archives()))
    except NoJavaError as error:
        pytest.skip(str(error))
    program = [sys.executable, str(Path(__file__).with_name("spark_reads.py"))]
    done = subprocess.run(
        [*program, jars, str(folder / "data"), str(folder / "parquet"), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    everything = [str(TOTAL), "6", "6"]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "delta": everything,
        "delta of a day": [f"{6 * ATTO:f}", "3", "3"],
        "delta before": [str(Decimal(1) + 2 * ATTO), "2", "2"],
        "delta as it grows": everything,
        "lines": [str(LINES)],
        "export": everything,
        "folder": "UNABLE_TO_INFER_SCHEMA",
    }
