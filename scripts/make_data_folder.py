"""Write a small data folder with everything a folder can hold, to be kept in the tests and opened by every later version.

    python scripts/make_data_folder.py tests/data/folders/0.1.0

Run it with the version to be kept, commit what it writes, and never change it afterwards. `expected.json` beside the folder's files
says what every later version must find in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.cli import otlp  # noqa: E402 - the tree must be on the path first
from tests.cli.runner import server  # noqa: E402 - as above

START_NS = 1_795_132_800_000_000_000  # 2026-11-20, so that the folder is the same whenever it is made
COMMAND = [sys.executable, "-m", "spanledger.cli"]
SETTINGS = {"SPANLEDGER_RECEIVER__JOURNAL__SEGMENT_MIB": "1", "SPANLEDGER_RECEIVER__JOURNAL__ARCHIVE_DUTY": "1"}


def run(*args: object) -> str:
    """Run a command; what it printed."""
    done = subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, check=True, env=os.environ | SETTINGS)
    return done.stdout


def ingest(data: Path, folder: Path, *requests: list[Any]) -> None:
    """Take in requests, each a list of spans, with one command."""
    paths = [folder / f"{number:03}.pb" for number in range(len(requests))]
    for path, spans in zip(paths, requests, strict=True):
        path.write_bytes(otlp.as_protobuf(*spans))
    run("ingest", "--data", data, *paths)


def call(trace: int, number: int, tenant: str | None, **more: Any) -> Any:
    """A chat at a fixed time."""
    return otlp.chat(trace, number, tenant, start_ns=START_NS + trace * 60_000_000_000 + number * 1_000_000_000, **more)


def fill(data: Path, folder: Path) -> None:
    """Charges of tenants, one without, one without a price, a correction by a parent that came late, an archive, a proof."""
    run("keys", "create", "--data", data, "--name", "kept")
    tenants = ("acme", "globex", "initech")
    ingest(data, folder, *([call(trace, number, tenants[trace % 3]) for number in range(1, 4)] for trace in range(1, 21)))
    ingest(data, folder, [call(30, 1, None), call(31, 1, "acme", model="no-such-model-1")], [call(32, 1, None, parent=5)])
    late_root = otlp.span(32, 5, {"tenant.id": "globex"}, start_ns=START_NS, name="POST /answers")
    ingest(data, folder, [late_root], [call(1, 1, "acme")])  # the second is sent again
    many = [otlp.span(1000, number, {"n": number}, start_ns=START_NS + number, name="GET /") for number in range(1, 4001)]
    ingest(data, folder, many, many, many, [call(40, 1, "acme")])  # enough journal to finish a segment, so that there is an archive
    with server(data, env=SETTINGS | {"SPANLEDGER_WORKER__COMPACT_EVERY_SECONDS": "1"}):
        deadline = time.monotonic() + 60
        while (data / "journal" / f"{0:020}.seg").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
    run("checkpoint", "--data", data)


def expected(data: Path) -> dict[str, Any]:
    """What a later version must find."""
    tenants = [json.loads(line) for line in run("report", "--data", data, "--by", "tenant", "--format", "jsonl").splitlines()]
    entries = [json.loads(line) for line in run("events", "--data", data, "--all", "--format", "jsonl").splitlines()]
    return {
        "version": run("--version").split()[1],
        "tenants": {row["tenant"] or "": [row["calls"], row["cost_usd"]] for row in tenants},
        "entries": sorted([entry["event_id"], entry["kind"], entry["cost_usd"] or ""] for entry in entries),
    }


def main() -> None:
    """Make the folder named on the command line."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        fill(data, Path(name))
        said = expected(data)
        target.mkdir(parents=True)
        shutil.copytree(data, target / "data", ignore=shutil.ignore_patterns("server.*", "tmp", "*-wal", "*-shm", "lock"))
    (target / "expected.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
