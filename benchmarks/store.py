"""Benches of the store: the time of a commit, bytes an event, and the two reports with a bar.

    python benchmarks/store.py commit              microseconds a row of a commit, and of looking its traces up again
    python benchmarks/store.py size                bytes an event in Parquet with every column of the schema filled
    python benchmarks/store.py queries [--events N]    tenant x model over N events (10 million), top tenants of 15 minutes

Events are as real traffic has them: five or six calls a trace, ids of the providers' own forms, token counts and costs of real
models, lines for each priced quantity, a quarter of the calls told of twice. `queries` multiplies them with fresh ids in DuckDB.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import string
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.records import NOBODY, Call, Payers, Reading, Resource, Usage
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Commit, Metastore
from spanledger.store.reports import report, top

DAY_NS = 86_400_000_000_000
TODAY = 20_778
NOW_NS = TODAY * DAY_NS + DAY_NS * 3 // 4
ALPHANUMERIC = string.ascii_letters + string.digits
# provider, model, then USD per million input, cached input, cache write and output tokens, in tenths of a cent
MODELS = [
    ("openai", "gpt-4o", 2500, 1250, 0, 10_000),
    ("openai", "gpt-4o-mini", 150, 75, 0, 600),
    ("openai", "gpt-4.1", 2000, 500, 0, 8_000),
    ("openai", "gpt-5", 1250, 125, 0, 10_000),
    ("openai", "gpt-5-mini", 250, 25, 0, 2_000),
    ("anthropic", "claude-sonnet-4-5", 3000, 300, 3750, 15_000),
    ("anthropic", "claude-haiku-4-5", 1000, 100, 1250, 5_000),
    ("gcp.gemini", "gemini-2.5-pro", 1250, 310, 0, 10_000),
    ("gcp.gemini", "gemini-2.5-flash", 300, 75, 0, 2_500),
    ("mistral_ai", "mistral-large-latest", 2000, 0, 0, 6_000),
]


def response_id(rng: random.Random, provider: str) -> str:
    """An id as the provider makes them: about 20 bytes that nothing compresses."""
    if provider == "openai":
        return "chatcmpl-" + "".join(rng.choices(ALPHANUMERIC, k=29))
    if provider == "anthropic":
        return "msg_01" + "".join(rng.choices(ALPHANUMERIC, k=22))
    return f"{rng.getrandbits(128):032x}"


def priced(rng: random.Random, model: tuple[str, str, int, int, int, int]) -> tuple[dict[str, int | None], tuple[Line, ...]]:
    """Token counts of a call and its priced lines."""
    provider, name, *rates = model
    total, output = rng.randrange(200, 30_000), rng.randrange(20, 3_000)
    read = int(total * rng.random() * 0.7) if rng.random() < 0.6 and rates[1] else 0
    write = rng.randrange(1, (total - read) // 3 + 2) if rates[2] and rng.random() < 0.4 else 0
    reasoning = rng.randrange(output) if "5" in name and rng.random() < 0.7 else None
    parts = (("input_tokens", total - read - write, rates[0]), ("cache_read_tokens", read, rates[1]))
    parts = (*parts, ("cache_write_5m_tokens", write, rates[2]), ("output_tokens", output, rates[3]))
    lines = tuple(
        Line(unit, quantity, f"{provider}/{name}/{unit}@2025-08-01", f"{rate / 1000:g}", 1_000_000, quantity * rate * 10**9)
        for unit, quantity, rate in parts
        if quantity
    )
    counts: dict[str, int | None] = {"input_tokens": total, "output_tokens": output, "cache_read_tokens": read or None}
    counts |= {"cache_write_tokens": write or None, "cache_write_5m_tokens": write or None, "cache_write_1h_tokens": None}
    return counts | {"reasoning_tokens": reasoning}, lines


def trace_events(rng: random.Random, start_ns: int, number: int) -> list[CostEvent]:
    """The charges of one trace."""
    tenant = min(int(rng.expovariate(0.02)), 199)
    trace, agent_span, user = rng.randbytes(16), rng.randbytes(8), tenant * 100 + rng.randrange(50)
    service, found = rng.randrange(50), []
    for _ in range(rng.randint(3, 8)):
        model = MODELS[min(int(rng.expovariate(0.35)), len(MODELS) - 1)]
        counts, lines = priced(rng, model)
        cost = sum(line.cost_usd for line in lines)
        duration_ns = rng.randrange(200_000_000, 4_000_000_000)
        suppressed = (rng.randbytes(8).hex(),) if rng.random() < 0.25 else ()
        found.append(
            CostEvent(
                event_id=rng.randbytes(16),
                kind="charge",
                ref_event_id=None,
                reason=None,
                start_ns=start_ns,
                end_ns=start_ns + duration_ns,
                received_ns=start_ns // 1_000_000_000 * 1_000_000_000 + 10_123_456_789,
                booked_ns=start_ns // 2_000_000_000 * 2_000_000_000 + 12_345_678_901,
                authority="default",
                tenant_id=f"tenant-{tenant:03d}",
                user_id=f"user-{user:05d}",
                session_id=f"sess-{user * 10 + rng.randrange(5):07d}",
                claimed_tenant_id=None,
                tenant_source="span:tenant.id",
                split_index=0,
                split_weight=None,
                initiator="user" if tenant % 3 else None,
                cost_surface="inference",
                operation="chat",
                provider=model[0],
                request_model=model[1],
                response_model=model[1] + "-2025-08-07",
                service_tier="default" if model[0] == "openai" else None,
                region=None,
                provider_account=None,
                response_id=response_id(rng, model[0]),
                status="error" if rng.random() < 0.01 else "ok",
                error_type=None,
                attempt=None,
                tool_name=None,
                trace_id=trace,
                span_id=rng.randbytes(8),
                parent_span_id=agent_span,
                workflow="answer",
                agent=f"agent-{tenant % 12}",
                feature=f"feature-{tenant % 7}",
                environment=("prod", "staging")[service % 2],
                service=f"svc-{service:02d}",
                **counts,
                usage=(("web_search_requests", 1),) if rng.random() < 0.02 else (),
                wall_clock_ms=duration_ns // 1_000_000,
                list_cost_usd=cost,
                contracted_cost_usd=cost * 9 // 10 if tenant % 5 == 0 else None,
                cost_usd=cost * 9 // 10 if tenant % 5 == 0 else cost,
                customer_price_usd=cost * 12 // 10 if tenant % 4 == 0 else None,
                currency="USD",
                lines=lines,
                usage_state="measured",
                price_state="priced",
                price_reason=None,
                provider_billing="billed",
                customer_billable=True,
                position=number // 150 * 250_000,
                dialect="otel-genai",
                usage_basis="input_includes_cache",
                ruleset_id="r" * 16,
                catalog_id="c" * 16,
                engine_version="0.1.0",
                run_id=None,
                suppressed_span_ids=suppressed,
                emitter_cost_usd=cost if rng.random() < 0.1 else None,
                prompt_hmac=f"{rng.randrange(2_000, 9_000)}:{rng.getrandbits(64):016x}",
                flags=(),
            )
        )
        start_ns += duration_ns + rng.randrange(5_000_000, 50_000_000)
    return found


def events_of(count: int, seed: int = 1, start_ns: int = NOW_NS - 600_000_000_000) -> list[CostEvent]:
    """At least `count` events, traces interleaved in time."""
    rng, found = random.Random(seed), []
    while len(found) < count:
        found += trace_events(rng, start_ns + len(found) * 100_000, len(found))
    return found


def readings_of(events: list[CostEvent]) -> list[Reading]:
    """Readings as a mixed load has them: the events' own spans, and three plain ones for each."""
    rng, found = random.Random(2), []
    resources = [Resource(f"svc-{i:02d}", Payers(environment="prod")) for i in range(50)]
    for event in events:
        usage = Usage(event.input_tokens, event.output_tokens, event.cache_read_tokens)
        call = Call(
            "otel-genai", "input_includes_cache", event.provider, event.request_model, event.response_model, event.response_id, usage=usage
        )
        place = resources[rng.randrange(50)]
        payers = (
            Payers(event.tenant_id, event.user_id, event.session_id, sources=(("tenant", "span:tenant.id"),))
            if rng.random() < 0.6
            else NOBODY
        )
        times = (event.start_ns, event.end_ns)
        parent = event.parent_span_id or b""
        found.append(
            Reading(
                "default",
                event.trace_id,
                event.span_id,
                parent,
                *times,
                "inference",
                "chat",
                "openai@2",
                place,
                payers,
                call,
                False,
                1,
                NOW_NS,
                None,
            )
        )
        for kind, tool in (("tool", Call("otel-genai", tool_name="search")), ("other", None), ("other", None)):
            found.append(
                Reading(
                    "default",
                    event.trace_id,
                    rng.randbytes(8),
                    event.span_id,
                    *times,
                    kind,
                    None,
                    "http@1",
                    place,
                    NOBODY,
                    tool,
                    False,
                    1,
                    NOW_NS,
                    None,
                )
            )
    return found


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def cpu_us(work: Callable[[], object], rows: int) -> float:
    """Microseconds of processor time a row, all threads."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e6 / rows


def bench_commit(folder: Path) -> None:
    events = events_of(20_000)
    readings = readings_of(events)
    with Ledger.open(folder) as ledger:
        for name, some_events, some_readings in (
            ("warm-up", events[:99], readings[:99]),
            ("events", events, []),
            ("readings", [], readings),
        ):
            rows = len(some_events) + len(some_readings)

            def commit(some: list[CostEvent] = some_events, spans: list[Reading] = some_readings) -> None:
                ledger.commit(some, spans, position=ledger.position + 1, open_position=0, booked_ns=NOW_NS)

            start = time.perf_counter()
            cpu = cpu_us(commit, rows)
            print(f"commit of {rows:,} {name}: {(time.perf_counter() - start) * 1e6 / rows:.2f} us a row, {cpu:.2f} us of processor")
        fresh = {("default", os.urandom(16)): {TODAY} for _ in range(2_000)}
        stored = {("default", event.trace_id): {TODAY} for event in events[:11_000]}
        ledger.traces(fresh)
        print(f"2,000 traces that are not stored: {best(lambda: ledger.traces(fresh)) * 1e3:.1f} ms")
        start = time.perf_counter()
        found = ledger.traces(stored)
        spans = sum(len(trace.readings) for trace in found.values())
        print(f"{len(found):,} stored traces with {spans:,} spans: {(time.perf_counter() - start) * 1e3:.0f} ms")


def bench_size(folder: Path) -> None:
    config = StoreConfig(compact_files_min=2, compact_grace_seconds=0)
    with Ledger.open(folder, config=config) as ledger:
        for seed in range(10):
            events = events_of(20_000, seed)
            ledger.commit(events, readings_of(events), position=seed + 1, open_position=0, booked_ns=NOW_NS)
        for label in ("as committed", "compacted"):
            for table in ("events", "spans"):
                files = ledger.metastore.live_files(table)
                rows, size = sum(file.rows for file in files), sum(file.size for file in files)
                print(f"{table} {label}: {size / rows:.1f} bytes a row ({rows:,} rows in {len(files)} files)")
            start = time.perf_counter()
            done = Compactor(folder, config).run()
            if label == "as committed":
                print(f"compaction: {done.rows / (time.perf_counter() - start):,.0f} rows/s")
        column_sizes(folder, ledger.metastore.live_files("events")[0].path)


def column_sizes(folder: Path, path: str) -> None:
    import pyarrow.parquet as pq

    meta, sizes = pq.ParquetFile(folder / path).metadata, {}
    for group in range(meta.num_row_groups):
        for column in range(meta.num_columns):
            chunk = meta.row_group(group).column(column)
            sizes[chunk.path_in_schema] = sizes.get(chunk.path_in_schema, 0) + chunk.total_compressed_size
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:24]
    print("bytes an event by column: " + ", ".join(f"{name} {size / meta.num_rows:.1f}" for name, size in largest))


def bench_queries(folder: Path, count: int) -> None:
    build(folder, count)
    with Ledger.open(folder, read_only=True) as ledger:
        total = report(ledger, ()).totals
        # Not the bytes: copies of a sample compress better than events do. `size` measures those.
        print(f"{total[0]:,} events in {len(ledger.metastore.live_files('events'))} files, {total[-1]} USD")
        print(f"tenant x model: {best(lambda: report(ledger, ('tenant', 'model'))):.3f} s (bar 0.8)")
        quarter = (NOW_NS - 900_000_000_000, NOW_NS)
        calls = top(ledger, window=quarter).totals[1]
        print(f"top tenants of 15 minutes: {best(lambda: top(ledger, window=quarter)):.3f} s (bar 0.1), {calls:,} calls")
        print(f"tenant by day: {best(lambda: report(ledger, ('day', 'tenant'), tz='Europe/Berlin'), 2):.3f} s")
        print(f"one tenant by day: {best(lambda: report(ledger, ('day',), filters={'tenant': 'tenant-007'}), 2):.3f} s")


def build(folder: Path, count: int) -> None:
    """A ledger of 30 days: committed events multiplied in DuckDB with fresh ids and shifted times, then 48 small files of today."""
    import duckdb

    from spanledger.store.event_rows import SCHEMA
    from spanledger.store.files import DataFile, partition_path, write_data_file

    sample, days, small = 100_000, 29, 48
    with Ledger.open(folder / "sample") as ledger:
        ledger.commit(events_of(sample), [], position=1, open_position=0, booked_ns=NOW_NS)
        source = [str(folder / "sample" / file.path) for file in ledger.metastore.live_files("events")]
    folder.mkdir(exist_ok=True)
    with Ledger(folder, Metastore.open(folder), StoreConfig(), None) as ledger:  # without a chain: the next to open it begins one
        connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
        today, files = count // 30, list[DataFile]()
        per_day = (count - today) // days
        plan = [(TODAY - 1 - day, per_day, (TODAY - 1 - day) * DAY_NS, DAY_NS, f"day-{day}") for day in range(days)]
        plan += [
            (TODAY, today // small, TODAY * DAY_NS + i * (NOW_NS % DAY_NS) // small, (NOW_NS % DAY_NS) // small, f"run-{i}")
            for i in range(small)
        ]
        for day, rows, start, span, name in plan:
            table = connection.sql(
                "SELECT * REPLACE (unhex(md5(event_id::VARCHAR || n || $name)) AS event_id,"
                " unhex(md5(trace_id::VARCHAR || n || $name)) AS trace_id,"
                " $start + (hash(trace_id, n) % $span)::BIGINT AS start_ns)"
                " FROM (SELECT *, n FROM read_parquet($source, hive_partitioning = false), range($copies) copy(n) LIMIT $rows)"
                " ORDER BY tenant_id, trace_id, entry_number",
                params={"name": name, "start": start, "span": span, "source": source, "copies": rows // sample + 1, "rows": rows},
            ).to_arrow_table()
            table = table.select(SCHEMA.names).cast(SCHEMA)
            files.append(write_data_file(folder, f"{partition_path('events', day)}/{name}.ledger", "events", day, table))
        booked = sum(file.rows for file in files)
        ledger.metastore.add_commit(Commit(1, 1, 0, NOW_NS, booked, 0, booked), files, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", choices=("commit", "size", "queries", "all"))
    parser.add_argument("--events", type=int, default=10_000_000)
    args = parser.parse_args()
    for name in ("commit", "size", "queries") if args.bench == "all" else (args.bench,):
        folder = Path(tempfile.mkdtemp(prefix="spanledger-bench-"))
        try:
            if name == "queries":
                bench_queries(folder, args.events)
            else:
                {"commit": bench_commit, "size": bench_size}[name](folder)
        finally:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
