"""Spans through the whole of enrichment under a configuration, for the tests of meters, policies and findings."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from spanledger.enrich.book import Versions
from spanledger.enrich.config import EnrichConfig, policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.events import CostEvent
from spanledger.enrich.kept import kept_for
from spanledger.enrich.meters import MeteredPrices
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.receiver.prune import Pruner
from tests.cli.otlp import as_protobuf
from tests.enrich.test_engine import MemoryLedger
from tests.enrich.trees import FlatPrices

NOW_NS = 1 << 61


def configured(toml: str) -> EnrichConfig:
    """The enrich part of a configuration file."""
    return EnrichConfig.model_validate(tomllib.loads(toml).get("enrich", {}))


class Metered:
    """A ledger under one configuration: every token costs a millionth of a dollar, and what the meters say."""

    def __init__(self, toml: str) -> None:
        config = configured(toml)
        self.rules = rules_from(config)
        self._reader = Reader(self.rules)
        self._pruner = Pruner(kept_for(self.rules), b"a key of thirty-two bytes exactly")
        self.ledger = MemoryLedger()
        self._engine = Engine(
            MeteredPrices(FlatPrices(), self.rules.meters),
            policy_from(config),
            self.ledger,
            Versions(self.rules.ruleset_id, "0"),
            failures=self.rules.failures,
            flags=self.rules.flags,
        )

    def read(self, *spans: Any) -> list[Reading]:
        """The readings of spans (as `tests.cli.otlp` makes them), pruned as the receiver prunes."""
        body = self._pruner.prune(as_protobuf(*spans))
        readings, problems = self._reader.read(body, authority="default", key_tenant=None, position=0, received_ns=1)
        assert not problems
        return readings

    def send(self, *spans: Any) -> list[CostEvent]:
        """What is booked when these spans come and all is settled."""
        self._engine.add(self.read(*spans))
        batch = self._engine.tick(NOW_NS, final=True)
        self.ledger.store(batch)
        self._engine.committed()
        return batch.events

    @property
    def current(self) -> list[CostEvent]:
        """The charges that stand, by span."""
        undone = {event.ref_event_id for event in self.ledger.events if event.kind == "reversal"}
        standing = [event for event in self.ledger.events if event.kind == "charge" and event.event_id not in undone]
        return sorted(standing, key=lambda event: (event.span_id, event.split_index))


def surfaces(events: Sequence[CostEvent]) -> list[tuple[str, str | None, int | None]]:
    """(cost surface, tenant, cost in atto-USD) of some entries."""
    return [(event.cost_surface, event.tenant_id, event.cost_usd) for event in events]
