"""Builds the OpenTelemetry Collector of otel-config/builder.yaml from Go modules into a cache outside the tree, and prints where it is.

`python scripts/build_collector.py` needs Go and a module proxy; about three minutes of one processor the first time, nothing afterwards.
The cache is $SPANLEDGER_COLLECTOR_CACHE, or spanledger/collector in the user's cache folder. Exit code 3: there is no Go.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.fetched import alone, cache_folder, run  # noqa: E402 - the tree must be on the path first

MANIFEST = ROOT / "otel-config/builder.yaml"
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.145.0"
NAME = "otelcol-spanledger"
NO_GO = 3


class NoGoError(Exception):
    """There is no Go to build with."""


def built_path() -> Path:
    """Where the Collector of the present manifest is, or will be."""
    content = hashlib.sha256(MANIFEST.read_bytes() + BUILDER.encode()).hexdigest()[:16]
    return cache_folder("collector") / content / NAME


def collector() -> Path:
    """The Collector, built if it is not yet there; waits for another process that builds it. Raises NoGoError, CalledProcessError."""
    binary = built_path()
    with alone(binary.parent):
        if not binary.exists():
            _build(binary)
    return binary


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
        run([go, "install", BUILDER], env=env)
        run([str(folder / "builder"), "--config", str(manifest), "--ldflags", "-s -w"], env=env)
        binary.parent.mkdir(exist_ok=True)
        (folder / "out" / NAME).replace(binary)


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
