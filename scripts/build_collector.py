"""Builds the OpenTelemetry Collector of otel-config/builder.yaml from Go modules into a cache outside the tree, and prints where it is.

`python scripts/build_collector.py` needs Go and a module proxy; about three minutes of one processor the first time, nothing afterwards.
The cache is $SPANLEDGER_COLLECTOR_CACHE, or spanledger/collector in the user's cache folder. Exit code 3: there is no Go.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MANIFEST = Path(__file__).parents[1] / "otel-config/builder.yaml"
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.145.0"
NAME = "otelcol-spanledger"
NO_GO = 3
TRIES = 3
"""A module proxy may fail for a moment."""


class NoGoError(Exception):
    """There is no Go to build with."""


def cache_folder() -> Path:
    """Where builds are kept."""
    told = os.environ.get("SPANLEDGER_COLLECTOR_CACHE")
    return Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanledger/collector"


def built_path() -> Path:
    """Where the Collector of the present manifest is, or will be."""
    content = hashlib.sha256(MANIFEST.read_bytes() + BUILDER.encode()).hexdigest()[:16]
    return cache_folder() / content / NAME


def collector() -> Path:
    """The Collector, built if it is not yet there; waits for another process that builds it. Raises NoGoError, CalledProcessError."""
    binary = built_path()
    with _alone(binary.parent.with_suffix(".lock")):
        if not binary.exists():
            _build(binary)
    return binary


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(binary: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NoGoError("there is no `go` on the PATH: the Collector cannot be built")
    with tempfile.TemporaryDirectory(dir=binary.parent.parent) as made:
        folder = Path(made)
        manifest = folder / "builder.yaml"
        manifest.write_text(MANIFEST.read_text("utf-8").replace("./out", str(folder / "out")), "utf-8")
        # No version control stamps: the sources are generated, and lie in no repository.
        env = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
        _run([go, "install", BUILDER], env)
        _run([str(folder / "builder"), "--config", str(manifest), "--ldflags", "-s -w"], env)
        binary.parent.mkdir(exist_ok=True)
        (folder / "out" / NAME).replace(binary)


def _run(command: list[str], env: dict[str, str]) -> None:
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(command, env=env, stdout=sys.stderr, check=False)
        if done.returncode == 0:
            return
        time.sleep(5 * attempt if attempt < TRIES else 0)
    raise subprocess.CalledProcessError(done.returncode, command)


def main() -> int:
    """Build and say where."""
    try:
        print(collector())
    except NoGoError as error:
        print(error, file=sys.stderr)
        return NO_GO
    except subprocess.CalledProcessError as error:
        print(f"the Collector could not be built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
