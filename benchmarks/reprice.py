"""Benches of re-pricing: how fast columns are priced, and a whole run over a large ledger, with its commit.

    python benchmarks/reprice.py columns                 events a second, rates resolved, priced and turned into lines
    python benchmarks/reprice.py run [--events N]        a run over N events (10 million) with commit, as `reprice --commit` does it

The ledger is that of benchmarks/store.py: 30 days, ten models, two in a hundred calls with web searches, which are priced one by one. The
prices are the shipped catalog's, which differ from those it was booked at.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.store import NOW_NS, best, build, events_of
from spanledger.enrich.adjust import ByRun
from spanledger.enrich.price_book import PriceBook
from spanledger.store import line_arrays
from spanledger.store.adjustments import is_plain
from spanledger.store.catalogs import shipped_file
from spanledger.store.columnar import COUNTS, price_calls
from spanledger.store.event_rows import to_table
from spanledger.store.ledger import Ledger
from spanledger.store.rate_table import CONTEXT, LISTED, context_codes, rate_table
from spanledger.store.reprice_run import Scope, repriced, state_of
from spanledger.store.runs import run_of
from spanledger.store.tally import Tally


def bench_columns() -> None:
    events = events_of(20_000)
    table = to_table(events, range(len(events)))
    table = pa.concat_tables([table.filter(pa.array(is_plain(table)))] * 20).combine_chunks()
    book, connection = PriceBook(shipped_file()), duckdb.connect(config={"threads": 2})

    def work() -> None:
        calls = table.select([*CONTEXT, "tenant_id", "start_ns", *COUNTS])
        codes, contexts = context_codes(calls, book.own_tenants)
        starts = calls.column("start_ns").to_numpy()
        rates = rate_table(book, contexts, int(starts.min()), int(starts.max()))
        asked = calls.select(["start_ns", *COUNTS]).append_column("context", pa.array(codes))
        billed = price_calls(connection, asked, rates)[LISTED]
        assert billed.priced.mean() > 0.99
        line_arrays.of_billed(billed.level.clip(0), billed.quantities, billed.costs, rates.levels)

    print(f"columns: {table.num_rows / best(work):,.0f} events/s, {table.num_rows:,} events with their lines (bar 1,000,000)")


def bench_run(folder: Path, count: int) -> None:
    build(folder, count)
    Ledger.open(folder).close()  # begins its chain
    book, sums = PriceBook(shipped_file()), list[Tally]()
    began = time.perf_counter()
    with Ledger.open_beside(folder) as ledger:
        scope = Scope()
        run = run_of("reprice", {"catalog": book.catalog_id, **scope.inputs(), **state_of(ledger, scope)})
        named = time.perf_counter()
        by = ByRun(run.run_id, book.catalog_id, NOW_NS, version("spanledger"))
        ledger.commit_outside(run=run, booked_ns=NOW_NS, rows=repriced(ledger, book, scope, by, sums.append))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"run: {count:,} events, {sums[0].entries:,} entries booked in {seconds:.1f} s (bar 60 for 10 million),"
        f" {named - began:.1f} s of it to name the run; at most {peak:,.0f} MB of memory"
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
