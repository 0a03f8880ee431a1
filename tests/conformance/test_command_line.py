"""Some captured programs through the command line as its users run it, each command a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.judge import judge
from tests.conformance.road import expected, request_files


def spanledger(*args: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spanledger.cli", *map(str, args)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["handmade-grpc/legacy_and_odd", "js-ai-sdk-v5/tenants_baggage", "langfuse3/multi"])
def test_ingest_and_events(name: str, tmp_path: Path) -> None:
    spanledger("ingest", "--data", tmp_path, *request_files(name))
    first = spanledger("events", "--data", tmp_path, "--format", "jsonl")
    verdict = judge([json.loads(line) for line in first.splitlines()], expected(name))
    assert verdict.problems == ()
    assert verdict.is_perfect
    spanledger("ingest", "--data", tmp_path, *request_files(name))
    assert spanledger("events", "--data", tmp_path, "--format", "jsonl") == first
