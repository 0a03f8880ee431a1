"""Benches of re-pricing: how fast columns are priced, and a whole run over a large ledger, with its commit.

    python -m benchmarks.reprice columns                 events a second: counts taken apart, rates found, priced and turned into lines
    python -m benchmarks.reprice run [--events N]        a run over N events (10 million) with commit, as `reprice --commit` does it,
                                                         and one that takes it back with --undo

The ledger is that of benchmarks/store.py: 30 days, ten models, a third of Anthropic's calls with cache writes, two in a hundred with web
searches. The prices are the shipped catalog's, which differ from those it was booked at for two calls of five. Both say processor
seconds too: on a machine that is busy otherwise, only these can be compared. The run is a process of its own, for its peak of memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.store import NOW_NS, best, build, events_of
from spanledger.enrich.adjust import ByRun
from spanledger.enrich.price_book import PriceBook
from spanledger.store import line_arrays
from spanledger.store.call_arrays import NEEDED, beside, calls_of, is_plain
from spanledger.store.catalogs import shipped_file
from spanledger.store.columnar import bills
from spanledger.store.event_rows import to_table
from spanledger.store.ledger import Ledger
from spanledger.store.rate_table import CONTEXT, context_codes, rate_table
from spanledger.store.reprice_run import Scope, repriced, state_of
from spanledger.store.runs import Run, run_of
from spanledger.store.tally import Tally
from spanledger.store.undo_run import undone


def processor_seconds() -> float:
    """What this process has used so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bench_columns() -> None:
    events = events_of(20_000)
    table = pa.concat_tables([to_table(events, range(len(events)))] * 10).combine_chunks()
    book, connection = PriceBook(shipped_file()), duckdb.connect(config={"threads": 2})

    def work() -> None:
        extra = beside(table)
        assert is_plain(table, extra).all()
        calls = table.select([*CONTEXT, "tenant_id", *NEEDED])
        codes, contexts = context_codes(calls, book.own_tenants)
        asked = calls_of(calls, np.arange(table.num_rows), extra, codes)
        rates = rate_table(book, contexts, int(asked.start_ns.min()), int(asked.start_ns.max()), extra.units)
        billed = bills(connection, asked, rates)
        assert billed.priced.mean() > 0.99
        line_arrays.to_column(billed.lines, line_arrays.pool_of(rates.rates))

    before = processor_seconds()
    seconds = best(work, 10)
    processor = (processor_seconds() - before) / 10
    print(
        f"columns: {table.num_rows / seconds:,.0f} events/s (bar 1,000,000), {table.num_rows / processor:,.0f} a processor-second:"
        f" {table.num_rows:,} events with their lines, the best of 10 rounds"
    )


def bench_run(folder: Path, count: int) -> None:
    began = time.perf_counter()
    build(folder, count)
    Ledger.open(folder).close()  # begins its chain
    print(f"a ledger of {count:,} events, made and sealed in {time.perf_counter() - began:.0f} s", flush=True)
    for work in (commit, undo):
        process = multiprocessing.get_context("spawn").Process(target=work, args=(folder, count))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


def commit(folder: Path, count: int) -> None:
    """A run with its commit."""
    book, sums, began = PriceBook(shipped_file()), list[Tally](), time.perf_counter()
    with Ledger.open_beside(folder) as ledger:
        scope = Scope()
        run = run_of("reprice", {"catalog": book.catalog_id, **scope.inputs(), **state_of(ledger, scope)})
        named = time.perf_counter() - began
        by = ByRun(run.run_id, book.catalog_id, NOW_NS, version("spanledger"))
        ledger.commit_outside(run=run, booked_ns=NOW_NS, rows=repriced(ledger, book, scope, by, sums.append))
    told("run", count, sums[0], time.perf_counter() - began, f"bar 60 s for 10 million; {named:.1f} s of it to name the run")


def undo(folder: Path, count: int) -> None:
    """The run that takes the last one back."""
    sums, began = list[Tally](), time.perf_counter()
    with Ledger.open_beside(folder) as ledger:
        scope = Scope()
        taken = ledger.metastore.connection.execute("SELECT run_id FROM runs").fetchone()[0]
        run: Run = run_of("reprice", {"undo": taken, **scope.inputs(), **state_of(ledger, scope)})
        by = ByRun(run.run_id, "", NOW_NS, version("spanledger"))
        ledger.commit_outside(run=run, booked_ns=NOW_NS, rows=undone(ledger, taken, scope, by, sums.append))
    told("undo", count, sums[0], time.perf_counter() - began, "no bar")


def told(what: str, count: int, sums: Tally, seconds: float, more: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what}: {count:,} events, {sums.entries:,} entries booked in {seconds:.1f} s ({more});"
        f" {processor_seconds():.1f} processor seconds, {count / seconds:,.0f} events/s, at most {peak:,.0f} MiB of memory",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", choices=("columns", "run", "all"))
    parser.add_argument("--events", type=int, default=10_000_000)
    args = parser.parse_args()
    if args.bench in ("columns", "all"):
        bench_columns()
    if args.bench in ("run", "all"):
        folder = Path(tempfile.mkdtemp(prefix="spanledger-bench-"))
        try:
            bench_run(folder, args.events)
        finally:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
