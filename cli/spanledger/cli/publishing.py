"""Keeps the Delta table of a data folder up: beside the worker of a server, or on command."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from spanledger.cli.config import load_config
from spanledger.cli.log import fault
from spanledger.store.config import PublishConfig
from spanledger.store.publish.delta import DeltaPublisher, Published

_log = logging.getLogger(__name__)
_JOIN_SECONDS = 10.0


class Keeper:
    """A thread that brings the Delta table up now and then. Nothing depends on it, so a failure is told and put off."""

    def __init__(self, data: Path, config: PublishConfig) -> None:
        self._config = config
        self._publisher = DeltaPublisher(data, config.keep_seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin at once; not at all where publishing is off."""
        if self._config.delta:
            self._thread.start()

    def stop(self) -> None:
        """End, with what was committed last in the table."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stopped.is_set()
            try:
                done = self._publisher.publish()
                if done.begun:
                    _log.info("began a Delta table: %s", published_text(done))
            except Exception as error:  # noqa: BLE001 - whatever it was, the ledger must go on
                _log.warning("publishing the Delta table was put off: %s", fault(error))
            self._stopped.wait(self._config.every_seconds)


def published_text(done: Published) -> str:
    """What the table is, in words."""
    files = "1 file" if done.files == 1 else f"{done.files:,} files"
    return f"version {done.version:,} with {done.entries:,} entries in {files}"


def publish_folder(data: Path, config_path: Path | None, *, anew: bool) -> str:
    """Bring the table up now and say what it is."""
    config = load_config(config_path).config.publish
    done = DeltaPublisher(data, config.keep_seconds).publish(anew=anew)
    how = "new" if done.begun else "brought up to date" if done.versions else "unchanged"
    return f"{data}/events is a Delta table, {how}: {published_text(done)}"
