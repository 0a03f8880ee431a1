"""Benches of the proof: what sealing a commit costs, how fast a ledger is verified, and how long making a proof takes.

    python benchmarks/verify.py [--events N]    (1 million)

Events are those of benchmarks/store.py, every column filled as in real traffic; before and after compaction.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store import NOW_NS, best, events_of
from spanledger.cli.notary import sign_checkpoint
from spanledger.store import event_rows
from spanledger.store.checkpoints import read_note
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.proofs import proof_text, prove, verify_proof
from spanledger.store.seal import Seal
from spanledger.store.verify import verify

COMMIT_ROWS = 10_000


def processor_seconds() -> float:
    """What this process and those it has started and seen end have used."""
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def bench_seal() -> None:
    events = events_of(COMMIT_ROWS)
    rows = event_rows.to_table(events, range(1, len(events) + 1))

    def seal() -> None:
        one = Seal()
        one.add(rows)
        one.finish()

    gc.disable()  # as in the worker
    before = time.process_time()
    for _ in range(5):
        seal()
    print(
        f"the same in processor time: {(time.process_time() - before) * 2e5 / len(events):.2f} us an entry; load {os.getloadavg()[0]:.1f}"
    )
    print(f"sealing a commit of {len(events):,} entries: {best(seal) * 1e6 / len(events):.2f} us an entry (bar 3)")
    gc.enable()


def bench_verify(folder: Path, count: int) -> None:
    config = StoreConfig(compact_files_min=2, compact_grace_seconds=0)
    sample = events_of(20_000)
    with Ledger.open(folder, config=config) as ledger:
        number = 0
        while ledger.entries_total < count:
            number += 1
            some = [event._replace(event_id=(number << 64 | i).to_bytes(16, "big")) for i, event in enumerate(sample)]
            ledger.commit(some, [], position=number, open_position=0, booked_ns=NOW_NS)
        total = ledger.entries_total
    for label in ("as committed", "compacted"):
        start, before = time.perf_counter(), processor_seconds()
        found = verify(folder, full=True)
        seconds, busy = time.perf_counter() - start, processor_seconds() - before
        assert found.is_fine, found.findings
        quick = best(lambda: verify(folder), 2)
        print(
            f"verify --full, {label}: {total / seconds:,.0f} entries/s (bar 300,000; {total:,} in {found.files} files; "
            f"{busy:.1f} processor-seconds, {busy * 1e6 / total:.1f} us an entry); quick {quick:.2f} s; load {os.getloadavg()[0]:.1f}"
        )
        Compactor(folder, config).run(NOW_NS)
    with Ledger.open(folder, read_only=True) as ledger:
        signed = read_note(sign_checkpoint(folder, None, NOW_NS).note)
        event_id = (7 << 64 | 77).to_bytes(16, "big").hex()
        proof = prove(ledger, event_id, signed)
        print(
            f"a proof: {best(lambda: prove(ledger, event_id, signed), 2) * 1e3:.0f} ms to make, {len(proof_text(proof)):,} bytes, ", end=""
        )
        print(f"{best(lambda: verify_proof(proof, signed)) * 1e3:.2f} ms to check")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    args = parser.parse_args()
    bench_seal()
    folder = Path(tempfile.mkdtemp(prefix="spanledger-bench-"))
    try:
        bench_verify(folder, args.events)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
