"""What scripts and tests share that build, install or fetch something into a cache outside the tree. Any Python will do to run it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TRIES = 3
"""A registry or a proxy may fail for a moment."""

PAUSE_SECONDS = 5


def cache_folder(name: str) -> Path:
    """Where things of this name are kept: $SPANLEDGER_<NAME>_CACHE, or spanledger/<name> in the user's cache folder."""
    told = os.environ.get(f"SPANLEDGER_{name.upper().replace('-', '_')}_CACHE")
    return Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanledger" / name


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else makes this folder of a cache meanwhile; waits for another process that does."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, filled by `make` if that was not done yet. What an unfinished try left is made anew in place, for a virtual environment
    cannot be moved."""
    with alone(folder):
        done = folder / "done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
    """Run a command that asks others on the network, more than once if it fails; what it prints goes to stderr.

    Raises CalledProcessError.
    """
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(command, env=env, cwd=folder, stdout=sys.stderr, check=False)
        if done.returncode == 0:
            return
        time.sleep(PAUSE_SECONDS * attempt if attempt < TRIES else 0)
    raise subprocess.CalledProcessError(done.returncode, command)
