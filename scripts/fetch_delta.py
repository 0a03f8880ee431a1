"""Fetches the Java archives with which Spark reads Delta tables from Maven into a cache outside the tree, and prints their paths.

`python scripts/fetch_delta.py` needs Java and Maven; nothing to do the second time. The cache is $SPANLEDGER_DELTA_CACHE, or
spanledger/delta in the user's cache folder. They must be built for the version of Spark that pyproject.toml names. Exit code 3: there is
no Java or no Maven.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.fetched import cache_folder, run  # noqa: E402 - the tree must be on the path first

VERSION = "4.3.1"
ARTIFACTS = ("delta-spark_4.1_2.13", "delta-storage")
NO_JAVA = 3


class NoJavaError(Exception):
    """There is nothing to fetch with, or to run it."""


def archives() -> list[Path]:
    """The archives, fetched if they are not yet there. Raises NoJavaError, CalledProcessError."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        raise NoJavaError(f"there is no `{'java' if java is None else 'mvn'}` on the PATH: Spark cannot be run here")
    folder = cache_folder("delta")
    folder.mkdir(parents=True, exist_ok=True)
    found = [folder / f"{name}-{VERSION}.jar" for name in ARTIFACTS]
    for name, path in zip(ARTIFACTS, found, strict=True):
        if not path.exists():
            _fetch(maven, f"io.delta:{name}:{VERSION}", path)
    return found


def _fetch(maven: str, artifact: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as made:
        command = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={made}"]
        run(command, folder=Path(made))
        (Path(made) / path.name).replace(path)


def main() -> int:
    """Fetch and say where."""
    try:
        print(*archives(), sep="\n")
    except NoJavaError as error:
        print(error, file=sys.stderr)
        return NO_JAVA
    except subprocess.CalledProcessError as error:
        print(f"the archives could not be fetched: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
