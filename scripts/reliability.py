"""Run every bar of reliability in its long form: crashes, power cuts, disk faults, corruption, overload, bombs, other tenants' eyes.

    python scripts/reliability.py                 all, long, seed 1 (under an hour on two cores)
    python scripts/reliability.py --short         the form that CI runs
    python scripts/reliability.py --only crash --seed 7
    python scripts/reliability.py --list

Each bar prints one line of JSON with its seed and its figures; the exit code is 1 if any bar is broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reliability.bars import BrokenBarError, bars, line  # noqa: E402 - the tree must be on the path first


def main() -> int:
    """Run the bars asked for and say of each what was seen."""
    parser = argparse.ArgumentParser(description="Run the reliability bars, one after another.")
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
    broken = 0
    for name in asked.only or known:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="spanledger-bar-") as folder:
            try:
                figures = dict(known[name].run(asked.seed, not asked.short, Path(folder)))
            except BrokenBarError as error:
                broken += 1
                figures = {"broken": str(error)}
        figures["seconds"] = round(time.monotonic() - began, 1)
        print(line(known[name], asked.seed, long=not asked.short, figures=figures), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
