"""The worker as a process of its own: takes orders on standard input, tells its figures on standard output, one JSON line each.

Orders: the first line is the start (folder and configuration); `{"drain": POSITION}` means finish up to there and leave; the
end of input means that the server is gone, and so is its worker: everything is safe in the journal.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.forward_process import ForwardProcess
from spanledger.cli.log import LogFormat, fault, start_logging
from spanledger.cli.notary import Notary
from spanledger.cli.parts import OpenWorker
from spanledger.cli.publishing import Keeper
from spanledger.cli.tidying import Tidier
from spanledger.cli.worker import tune_memory
from spanledger.cli.worker_stats import Stats

_log = logging.getLogger(__name__)
_TELL_SECONDS = 0.5


class Orders:
    """What the server has told this process, read by a thread of its own."""

    def __init__(self) -> None:
        self.drain_to: int | None = None
        self._thread = threading.Thread(target=self._listen, name="orders", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def _listen(self) -> None:
        for line in sys.stdin:
            self.drain_to = int(json.loads(line)["drain"])
        if self.drain_to is None:
            os._exit(0)  # the server has died: nothing here needs tidying, the ledger's commit log is the truth


class _Teller:
    """Writes the figures about twice a second."""

    def __init__(self) -> None:
        self._next = 0.0
        self._last: Stats | None = None

    def __call__(self, stats: Stats) -> None:
        now = time.monotonic()
        if now < self._next or stats == self._last:
            return
        self._next, self._last = now + _TELL_SECONDS, stats
        tell(stats)


def tell(stats: Stats) -> None:
    """One line of figures to the server."""
    sys.stdout.write(json.dumps(stats._asdict()) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the worker until it is told to stop; the exit code is 0 if it finished what it was told."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal's Ctrl-C reaches the whole group: the server decides, not it
        signal.signal(number, signal.SIG_IGN)
    start: dict[str, Any] = json.loads(sys.stdin.readline())
    start_logging(LogFormat(start["log_format"]), "worker")
    config = Config.model_validate(start["config"])
    orders = Orders()
    orders.start()
    folder = DataFolder(Path(start["data"]))
    with OpenWorker(folder, config, patient=True) as opened:
        worker = opened.worker
        tune_memory()
        tell(worker.stats)
        tidier = Tidier(folder, config, lambda: min(worker.stats.committed_position, worker.stats.open_position))
        tidier.start()
        notary = Notary(folder.path, config.store.proof)
        notary.start()
        forwarder = ForwardProcess(folder.path, config.forward, LogFormat(start["log_format"]))
        forwarder.start()
        keeper = Keeper(folder.path, config.publish)
        keeper.start()
        teller = _Teller()

        def between(stats: Stats) -> None:
            teller(
                stats._replace(open_traces=opened.open_traces, ledger_files=tidier.backlog.live, files_to_compact=tidier.backlog.waiting)
            )
            opened.follow_prices()

        worker.run(lambda: orders.drain_to is not None, lambda: orders.drain_to or 0, between=between)
        tidier.stop()
        notary.stop()
        forwarder.stop()
        keeper.stop()
        tell(worker.stats)
    gc.unfreeze()  # or extension modules would report at exit what they cannot clear away
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001 - the last word of this process, in one line
        gc.unfreeze()  # as at the end of `main`
        logging.getLogger("spanledger").critical("the worker stopped: %s", fault(error))
        sys.exit(1)
