"""The prices a data folder has in force, for a worker: chosen when it opens, and looked at again while it runs."""

from __future__ import annotations

import logging
import time

from spanledger.enrich.book import Prices
from spanledger.enrich.rules import Rules
from spanledger.store.catalogs import active, build, revision, use_shipped
from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0


def prices_for(rules: Rules, metastore: Metastore | None = None) -> Prices:
    """The book in force in a data folder (the shipped catalog without one), and the rates of the configured meters where there are any."""
    return build(metastore, active(metastore).parts, rules.meters)


def follow_release(metastore: Metastore) -> None:
    """Keep this release's shipped catalog in the folder; where the folder follows it, it is in force from now on.

    One that does not go with the folder's overlays or terms is told in the log, and the prices stay as they were: a server must start.
    """
    before = active(metastore)
    try:
        now = use_shipped(metastore, time.time_ns())
    except (StoreError, ValueError) as error:
        _log.error("the shipped prices cannot be put in force (%s); those of before stay: see `spanledger prices list`", error)
        return
    if now.revision != before.revision and before.revision:
        _log.info("prices: %s (%s); what is booked keeps its price", now.book_id, now.reason)


class PriceWatch:
    """Notices that other prices have been activated. Asked often, it looks once a second; `prices` are those in force."""

    def __init__(self, metastore: Metastore, rules: Rules) -> None:
        self._metastore, self._rules = metastore, rules
        self._revision = revision(metastore)  # before the prices: one that is activated meanwhile is noticed later
        self._next = 0.0
        self.prices = prices_for(rules, metastore)

    def changed(self) -> Prices | None:
        """Other prices than before, once. Those that cannot be read are told in the log, and the former ones stay in force."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + _LOOK_SECONDS
        found = revision(self._metastore)
        if found == self._revision:
            return None
        self._revision = found
        try:
            self.prices = prices_for(self._rules, self._metastore)
        except (StoreError, ValueError) as error:
            _log.error("the prices that were activated cannot be used (%s); those of before stay", error)
            return None
        _log.info("prices: %s from now on; what is booked keeps its price", self.prices.catalog_id)
        return self.prices
