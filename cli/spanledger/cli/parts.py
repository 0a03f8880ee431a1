"""Puts the parts together: what the worker of a data folder is made of, built in one place from one configuration."""

from __future__ import annotations

import logging
import time
from importlib.metadata import version
from types import TracebackType
from typing import Self

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.price_watch import PriceWatch, follow_release
from spanledger.cli.price_watch import prices_for as prices_for
from spanledger.cli.quarantine import Quarantine
from spanledger.cli.worker import Worker
from spanledger.enrich.book import Versions
from spanledger.enrich.config import policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.kept import kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Problem
from spanledger.receiver.journal import Journal, JournalReader
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

    def __init__(self, folder: DataFolder, config: Config, *, patient: bool = False) -> None:
        self._folder, self._config, self._patient = folder, config, patient

    def __enter__(self) -> Self:
        config = self._config
        self._rules = rules_from(config.enrich)
        self.ledger = Ledger.open(self._folder.path, config=config.store)
        follow_release(self.ledger.metastore)
        self._prices = PriceWatch(self.ledger.metastore, self._rules)
        self._quarantine = Quarantine(self._folder.quarantine)
        self._source, engine = self._at_the_ledger()
        self.worker = Worker(
            self._source,
            Reader(self._rules),
            engine,
            self.ledger,
            self._quarantine,
            batch_spans=config.worker.batch_spans,
            batch_seconds=config.worker.batch_seconds,
            patient=self._patient,
            restart=self._restarted,
        )
        return self

    def _at_the_ledger(self) -> tuple[JournalReader, Engine]:
        """Source and engine where the ledger stands, with what it says is still open."""
        rules = self._rules
        engine = Engine(
            self._prices.prices,
            policy_from(self._config.enrich),
            self.ledger,
            Versions(rules.ruleset_id, version("spanledger")),
            horizon_ns=self.ledger.horizon_ns,
            failures=rules.failures,
            flags=rules.flags,
            payers=rules.payers,
        )
        engine.reopen(self.ledger.reopen(), self.ledger.open_position)
        self._engine = engine
        return JournalReader(self._folder.journal, self.ledger.position, on_damage=self._set_aside), engine

    def _set_aside(self, position: int, why: str) -> None:
        """What is damaged in the journal must not hold up what follows it; `verify --deep` tells of it until it is restored."""
        _log.error("%s, and quarantined", why)
        self._quarantine.add([Problem("journal_damaged", why, position)], time.time_ns())

    @property
    def open_traces(self) -> int:
        """Traces in memory that may still get spans."""
        return self._engine.open_traces

    def follow_prices(self) -> None:
        """Price by what has been activated meanwhile; to be called often, by the thread that works."""
        prices = self._prices.changed()
        if prices is not None:
            self._engine.replace_prices(prices)

    def _restarted(self) -> tuple[JournalReader, Engine]:
        self.ledger.reload()
        self._source.close()
        self._source, engine = self._at_the_ledger()
        return self._source, engine

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._source.close()
        self.ledger.close()
