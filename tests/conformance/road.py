"""The road of a captured export through the product, in this process: prune, read, settle, book in a real ledger, ask it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.book import Versions
from spanledger.enrich.config import EnrichConfig, policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.kept import kept_for
from spanledger.enrich.price import Catalog
from spanledger.enrich.read import Reader
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from spanledger.store.entries import events
from spanledger.store.ledger import Ledger

CASES = Path(__file__).with_name("cases")
RULES = rules_from(EnrichConfig())
CATALOG = Catalog.shipped()
RECEIVED_NS = 1_795_400_000_000_000_000


def case_names() -> list[str]:
    """Every case as FAMILY/SCENARIO."""
    return [f"{path.parent.parent.name}/{path.parent.name}" for path in sorted(CASES.glob("*/*/expected.json"))]


def expected(name: str) -> dict[str, Any]:
    """What a perfect meter can know of a case."""
    found: dict[str, Any] = json.loads((CASES / name / "expected.json").read_text())
    return found


def request_files(name: str) -> list[Path]:
    """The export requests of a case in order of arrival."""
    return sorted((CASES / name).glob("[0-9]*.traces.*"))


@cache
def requests(name: str) -> tuple[bytes, ...]:
    """The same as serialized ExportTraceServiceRequests."""
    return tuple(to_protobuf(path.read_bytes()) if path.suffix == ".json" else path.read_bytes() for path in request_files(name))


def book(folder: Path, bodies: Sequence[bytes], *, after: int = 0) -> None:
    """Take requests into the ledger of a folder as a process would that ingests them and ends; `after` many came before."""
    pruner, reader = Pruner(kept_for(RULES), b"k" * 32), Reader(RULES)
    with Ledger.open(folder) as ledger:
        engine = Engine(CATALOG, policy_from(EnrichConfig()), ledger, Versions(RULES.ruleset_id, "test"), horizon_ns=ledger.horizon_ns)
        engine.reopen(ledger.reopen(), ledger.open_position)
        for number, body in enumerate(bodies, after):
            pruned = pruner.prune(body)
            readings, problems = reader.read(
                pruned, authority="default", key_tenant=None, position=number, received_ns=RECEIVED_NS + number
            )
            assert not problems
            engine.add(readings)
        batch = engine.tick(RECEIVED_NS, final=True)
        end = after + len(bodies)
        ledger.commit(batch.events, batch.readings, position=end, open_position=end, booked_ns=RECEIVED_NS, wide=batch.wide)


def net_events(folder: Path) -> list[dict[str, Any]]:
    """The current events of the ledger of a folder."""
    with Ledger.open(folder, read_only=True) as ledger:
        return list(events(ledger))


def single_spans(body: bytes) -> Iterator[bytes]:
    """A request taken apart: one request a span, with its resource and scope."""
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                one = ExportTraceServiceRequest()
                alone = one.resource_spans.add(resource=resource_spans.resource, schema_url=resource_spans.schema_url)
                alone.scope_spans.add(scope=scope_spans.scope, schema_url=scope_spans.schema_url, spans=[span])
                yield one.SerializeToString()


def scattered(name: str, seed: int) -> list[bytes]:
    """The spans of a case as single-span requests in random order, a tenth of them twice."""
    rng = random.Random(seed)  # noqa: S311 - an order of spans, no secret
    spans = [span for body in requests(name) for span in single_spans(body)]
    spans += [rng.choice(spans) for _ in range(max(1, len(spans) // 10))]
    rng.shuffle(spans)
    return spans
