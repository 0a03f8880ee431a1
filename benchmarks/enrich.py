"""From the journal to cost events on one core, settlement on, against the naive loop of naive.py in the same run.

    python benchmarks/enrich.py [--requests 64] [--rounds 7] [--kind plain|text] [--json]

The load is pruned and journalled first (that is the receiver's work, and its own bench). Then, in turn, the naive loop
decodes and prices the raw requests, and ours reads the journal, reads every span by its dialect, settles whole traces,
finds payers and prices: the spans that a worker would hand to the ledger. The ratio is taken round by round, because machines drift.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import naive
from load import requests

from spanledger.enrich.book import Versions
from spanledger.enrich.config import EnrichConfig, policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.kept import kept_for
from spanledger.enrich.price import Catalog
from spanledger.enrich.read import Reader
from spanledger.receiver.frames import Record
from spanledger.receiver.journal import Journal, JournalReader
from spanledger.receiver.prune import Pruner

TICK_SPANS = 16_384
RECEIVED_NS = 1_795_170_000_000_000_000


class NothingStored:
    """The ledger of a server that has just started."""

    tellers: frozenset[tuple[str, str | None, tuple[str, str]]] = frozenset()

    def traces(self, wanted: object) -> Mapping[object, object]:
        del wanted
        return {}

    def linked(self, keys: object) -> tuple[()]:
        del keys
        return ()


def ours(folder: Path, reader: Reader, catalog: Catalog) -> tuple[float, int, int]:
    """(seconds, spans, events) of one pass over the journal."""
    engine = Engine(catalog, policy_from(EnrichConfig()), NothingStored(), Versions("bench", "0"), horizon_ns=0)  # type: ignore[arg-type]
    started = time.perf_counter()
    spans = events = since = 0
    with JournalReader(folder) as journal:
        while records := journal.poll(1 << 20):
            for position, record in records:
                readings, _ = reader.read(
                    record.request,
                    authority=record.authority,
                    key_tenant=record.key_tenant,
                    position=position,
                    received_ns=record.received_ns,
                )
                engine.add(readings)
                since += len(readings)
            if since >= TICK_SPANS:
                events += len(engine.tick(RECEIVED_NS).events)
                engine.committed()
                spans, since = spans + since, 0
    events += len(engine.tick(RECEIVED_NS, final=True).events)
    return time.perf_counter() - started, spans + since, events


def naive_pass(bodies: list[bytes]) -> tuple[int, float]:
    """(spans, seconds) of one pass of the naive loop."""
    spans = naive.count_spans(bodies)
    return spans, spans / naive.spans_per_second(bodies, rounds=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kind", choices=("plain", "text"), default="plain")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    bodies = list(requests(options.requests, 1, with_text=options.kind == "text"))
    rules = rules_from(EnrichConfig())
    pruner, reader, catalog = Pruner(kept_for(rules), b"\0" * 32), Reader(rules), Catalog.shipped()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder) as journal:
            for body in bodies:
                journal.append(Record("default", None, None, RECEIVED_NS, pruner.prune(body))).result()
        gc.collect()
        gc.freeze()
        gc.disable()  # as the worker does; the naive loop has it too
        ratios, our_rates, naive_rates = [], [], []
        for n in range(options.rounds + 1):
            spans, theirs = naive_pass(bodies)
            gc.collect()  # the engine of the round before
            seconds, our_spans, events = ours(folder, reader, catalog)
            assert our_spans == spans
            if n:  # the first round warms up
                ratios.append(theirs / seconds)
                our_rates.append(spans / seconds)
                naive_rates.append(spans / theirs)
    figures = {
        "kind": options.kind,
        "spans": spans,
        "events": events,
        "naive_spans_per_second": round(statistics.median(naive_rates)),
        "spans_per_second": round(statistics.median(our_rates)),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{key:24} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
