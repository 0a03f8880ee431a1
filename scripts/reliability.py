"""Run every bar of reliability in its long form: crashes, power cuts, disk faults, corruption, overload, bombs, other tenants' eyes.

    python scripts/reliability.py                 all, long, seed 1 (under an hour on two cores that do nothing else)
    python scripts/reliability.py --short         the form that CI runs
    python scripts/reliability.py --only crash --seed 7
    python scripts/reliability.py --list

Each bar prints one line of JSON with its seed and its figures; the exit code is 1 if any bar is broken.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reliability.bars import BrokenBarError, bars, line  # noqa: E402 - the tree must be on the path first

LONGEST = "soak"
"""Begun first of those that run two at a time."""


def main() -> int:
    """Run the bars asked for and say of each what was seen."""
    parser = argparse.ArgumentParser(description="Run the reliability bars: those that are timed alone, then the others two at a time.")
    parser.add_argument("--seed", type=int, default=1, help="what every random choice is drawn from (default 1)")
    parser.add_argument("--only", action="append", default=[], metavar="BAR", help="only this bar; may be repeated")
    parser.add_argument("--short", action="store_true", help="the short form, as CI runs it")
    parser.add_argument("--list", action="store_true", help="name the bars and what each promises")
    asked = parser.parse_args()
    known = bars()
    if asked.list:
        for bar in known.values():
            print(f"{bar.name}: {bar.promise}")
        return 0
    if unknown := [name for name in asked.only if name not in known]:
        parser.error(f"no bar is named {unknown[0]}; there are: {', '.join(known)}")
    wanted = asked.only or list(known)
    timed = [name for name in wanted if known[name].is_timed]
    others = sorted((name for name in wanted if not known[name].is_timed), key=lambda name: name != LONGEST)
    try_one = partial(run, seed=asked.seed, long=not asked.short)
    held = []
    for said, is_held in map(try_one, timed):
        print(said, flush=True)
        held.append(is_held)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(try_one, name) for name in others]):
            said, is_held = future.result()
            print(said, flush=True)
            held.append(is_held)
    return 0 if all(held) else 1


def run(name: str, seed: int, *, long: bool) -> tuple[str, bool]:
    """Try a bar in a folder of its own: its line of figures, and whether it was held."""
    bar, began, is_held = bars()[name], time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="spanledger-bar-") as folder:
        try:
            figures = dict(bar.run(seed, long, Path(folder)))
        except BrokenBarError as error:
            figures, is_held = {"broken": str(error)}, False
        except Exception:  # noqa: BLE001 - a trial that fails by itself holds nothing, and must not keep the others from being tried
            figures, is_held = {"failed": traceback.format_exc()}, False
    figures["seconds"] = round(time.monotonic() - began, 1)
    return line(bar, seed, long=long, figures=figures), is_held


if __name__ == "__main__":
    raise SystemExit(main())
