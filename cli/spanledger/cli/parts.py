"""Puts the parts together: what the worker of a data folder is made of, built in one place from one configuration."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from types import TracebackType
from typing import Self

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.quarantine import Quarantine
from spanledger.cli.worker import Stats, Worker
from spanledger.enrich.book import Versions
from spanledger.enrich.config import policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.kept import kept_for
from spanledger.enrich.price import Catalog
from spanledger.enrich.read import Reader
from spanledger.receiver.journal import Journal, JournalReader, release
from spanledger.receiver.prune import Pruner
from spanledger.store.ledger import Ledger

_log = logging.getLogger(__name__)


def pruner_for(config: Config, secret: bytes) -> Pruner:
    """What takes the content out of requests, keeping what the configured rules read."""
    receiver = config.receiver
    return Pruner(kept_for(rules_from(config.enrich)), secret, keep_content=receiver.content == "keep", bounds=receiver.bounds.bounds())


def open_journal(folder: DataFolder, config: Config, *, at_least: int) -> Journal:
    """The writing end of the folder's journal."""
    return Journal(folder.journal, at_least=at_least, segment_bytes=config.receiver.journal.segment_bytes)


class OpenWorker:
    """A worker over a data folder, ready to go on where the ledger stands. The caller holds the folder's lock."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        self._folder, self._config = folder, config

    def __enter__(self) -> Self:
        config, rules = self._config, rules_from(self._config.enrich)
        self.ledger = Ledger.open(self._folder.path, config=config.store)
        engine = Engine(
            Catalog.shipped(),
            policy_from(config.enrich),
            self.ledger,
            Versions(rules.ruleset_id, version("spanledger")),
            horizon_ns=self.ledger.horizon_ns,
        )
        engine.reopen(self.ledger.reopen())
        self._source = JournalReader(self._folder.journal, self.ledger.position)
        self.worker = Worker(
            self._source,
            Reader(rules),
            engine,
            self.ledger,
            Quarantine(self._folder.quarantine),
            batch_spans=config.worker.batch_spans,
            batch_seconds=config.worker.batch_seconds,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._source.close()
        self.ledger.close()

    def housekeeping(self, also: Callable[[Stats], None]) -> Callable[[Stats], None]:
        """What to do between rounds: `also`, and now and then join small files and let old journal segments go."""
        every = self._config.worker.compact_every_seconds
        due = time.monotonic() + every

        def between(stats: Stats) -> None:
            nonlocal due
            also(stats)
            if time.monotonic() >= due:
                self._tidy(stats)
                due = time.monotonic() + every

        return between

    def _tidy(self, stats: Stats) -> None:
        """Neither step is needed for correctness, so a failure is told and the work goes on."""
        try:
            self.ledger.compact()
            release(self._folder.journal, stats.committed_position, now_ns=time.time_ns(), retention_seconds=self._config.receiver.journal.retention_seconds)
        except Exception as error:  # noqa: BLE001 - whatever it was, receiving must go on
            _log.warning("tidying up was put off: %s: %s", type(error).__name__, error)
