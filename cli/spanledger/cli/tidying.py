"""Keeps a data folder small: joins small ledger files and packs finished journal segments away, beside the worker or on command."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from spanledger.cli.config import Config, load_config
from spanledger.cli.folder import DataFolder
from spanledger.cli.log import fault
from spanledger.receiver.archive import Archive, Tidied
from spanledger.receiver.journal import release
from spanledger.store.compact import Backlog, Compactor, Done

_log = logging.getLogger(__name__)
_JOIN_SECONDS = 10.0


class Tidier:
    """A thread that tidies a folder now and then. Nothing depends on it, so a failure is told and put off.

    `position` gives the journal position that the ledger stands for: nothing after it is let go.
    """

    def __init__(self, folder: DataFolder, config: Config, position: Callable[[], int]) -> None:
        self._folder, self._config, self._position = folder, config, position
        self._compactor = Compactor(folder.path, config.store)
        self.backlog = Backlog(0, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidier", daemon=True)

    def start(self) -> None:
        """Begin, after a first wait."""
        self._thread.start()

    def stop(self) -> None:
        """End after the file that is being written."""
        self._stopped.set()
        self._compactor.stop()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._stopped.wait(self._config.worker.compact_every_seconds):
            try:
                done = self._compactor.run()
                self.backlog = self._compactor.backlog()
                kept = keep_requests(self._folder, self._config, self._position(), stopped=self._stopped)
            except Exception as error:  # noqa: BLE001 - whatever it was, the ledger must go on
                _log.warning("tidying up was put off: %s", fault(error))
                continue
            if done.files_merged or kept.archived or kept.removed:
                _log.info("tidied up: %s, %s", compaction_text(done), archive_text(kept))


def keep_requests(folder: DataFolder, config: Config, position: int, *, stopped: threading.Event | None = None) -> Tidied:
    """Pack the journal's finished segments below `position` into the archive, and let go what is not to be kept any longer."""
    settings, now_ns = config.receiver.journal, time.time_ns()
    stopped = stopped or threading.Event()
    archive = Archive(folder.archive, folder.journal, duty=settings.archive_duty, stopping=stopped.is_set, rest=stopped.wait)
    if not settings.retention_days:
        gone = release(folder.journal, position, now_ns=now_ns, retention_seconds=0)
        return Tidied(removed=archive.remove_all(now_ns) + len(gone))
    return archive.tidy(position, now_ns=now_ns, keep_seconds=settings.retention_seconds, bytes_max=settings.archive_bytes_max)


def archive_text(kept: Tidied) -> str:
    """What went into and out of the archive, in words."""
    packed = f" ({kept.raw_bytes >> 10:,} KiB became {kept.packed_bytes >> 10:,})" * bool(kept.archived)
    return f"{kept.archived} journal segments archived{packed}, {kept.removed} let go"


def compaction_text(done: Done) -> str:
    """What a compaction did, in words."""
    parts = [f"{done.files_merged} files joined into {done.files_written}", f"{done.rows} rows rewritten"]
    parts += [f"{done.spans_dropped} spans without a charge dropped"] * bool(done.spans_dropped)
    return ", ".join(parts)


def compact_folder(data: Path, config_path: Path | None) -> str:
    """Compact now and say what was done."""
    return compaction_text(Compactor(data, load_config(config_path).config.store).run())
