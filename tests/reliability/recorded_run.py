"""The run whose power is cut: senders, worker, compaction, archive and restarts over one small folder, every disk call recorded.

python -m tests.reliability.recorded_run FOLDER LOG SEED [BROKEN]
"""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path


def main() -> None:
    folder, out, seed, broken = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), "".join(sys.argv[4:])
    from tests.reliability import disk_log

    log = disk_log.install(folder, broken)  # before anything of ours is imported
    from tests.reliability.small_life import Life

    def acknowledged(number: int, position: int) -> None:
        with log.guard:
            log.watch_durable()
            log.add("acknowledged", number=number, offset=position)

    Life(folder / "data", random.Random(seed), acknowledged).live(48)
    out.write_bytes(pickle.dumps(log.ops))


if __name__ == "__main__":
    main()
