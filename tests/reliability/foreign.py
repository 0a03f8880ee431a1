"""A ledger in which one tenant has neighbours that it must not learn of, made by a real server of real keys; and what names them."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from spanledger.enrich.refs import split_ref
from spanledger.enrich.rules import default_rules
from tests.cli.otlp import as_protobuf, attribute, chat, request, span
from tests.cli.runner import Server, events, spanledger
from tests.receiver.wire import EXPORT

ACME = "acme"


class World(NamedTuple):
    """The folder, the key that asks (acme's, scope read), and what it must never be told: names, and ids in hex."""

    data: Path
    key: str
    marker: str
    ids: frozenset[str]
    own_ids: tuple[str, ...]


class Senders(NamedTuple):
    """The keys that send: acme's, its neighbour's in the same account, a Collector's for all of them, and another account's acme."""

    acme: str
    neighbour: str
    everybody: str
    elsewhere: str


def make_key(data: Path, *args: str) -> str:
    """A key made on the command line."""
    made = spanledger("keys", "create", "--data", data, *args)
    assert made.code == 0, made.err
    return made.out.strip()


def senders(data: Path, marker: str) -> Senders:
    """Keys for sending."""
    return Senders(
        make_key(data, "--tenant", ACME),
        make_key(data, "--tenant", f"{marker}-tenant"),
        make_key(data),
        make_key(data, "--tenant", ACME, "--account", f"{marker}-account"),
    )


def post(address: str, key: str, *spans: Any, service: str = "shop", resource: dict[str, Any] | None = None) -> int:
    """Send spans over HTTP; the status."""
    body = request(*spans, service=service)
    body["resourceSpans"][0]["resource"]["attributes"] += [attribute(name, value) for name, value in (resource or {}).items()]
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request("POST", "/v1/traces", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def export(address: str, key: str, *spans: Any) -> str:
    """Send spans over gRPC; the name of the status."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            channel.unary_unary(EXPORT)(as_protobuf(*spans), metadata=(("authorization", f"Bearer {key}"),), timeout=30)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def neighbours_spans(marker: str, rng: random.Random, first: int, count: int) -> Iterator[Any]:
    """Calls with the marker in every name there is, of all kinds of states."""
    names = {name: f"{marker}-{name}" for name in ("user.id", "session.id", "workflow.name", "feature.name", "deployment.environment.name")}
    names |= {"gen_ai.agent.name": f"{marker}-agent", "gen_ai.provider.name": f"{marker}-provider"}
    for number in range(first, first + count):
        kind = rng.randrange(4)
        if kind == 0:
            yield chat(number, number, f"{marker}-tenant", attributes=names, model=f"{marker}-model")
        elif kind == 1:
            yield chat(number, number, f"{marker}-tenant", attributes={**names, "gen_ai.response.id": f"{marker}-{number}"})
        elif kind == 2:
            yield chat(number, number, f"{marker}-tenant", input_tokens=None, output_tokens=None, attributes=names)
        else:
            tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": f"{marker}-tool", "tenant.id": f"{marker}-tenant"}
            yield span(number, number, {**tool, "error.type": f"{marker}-error"}, name=f"execute_tool {marker}")


def populate(server: Server, keys: Senders, marker: str, rng: random.Random) -> None:
    """Own calls, the neighbour's, those of another account, and calls that are shared among acme and the neighbour."""
    own = [chat(number, number, ACME, attributes={"user.id": f"user-{number % 3}"}) for number in range(1, 13)]
    assert post(server.http, keys.acme, *own) == 200
    assert post(server.http, keys.neighbour, *neighbours_spans(marker, rng, 100, 24), service=f"{marker}-service") == 200
    assert post(server.http, keys.elsewhere, *neighbours_spans(marker, rng, 200, 8), service=f"{marker}-elsewhere") == 200
    shared = [
        span(300, 300, {"tenant.id": f"{marker}-tenant", "gen_ai.operation.name": "invoke_agent"}, name="invoke_agent x"),
        chat(300, 301, ACME, parent=300),
        chat(300, 302, f"{marker}-tenant", parent=300),
        chat(301, 310, None, attributes={"cost.allocation": json.dumps({ACME: 1, f"{marker}-tenant": 2})}),
    ]
    assert post(server.http, keys.everybody, *shared) == 200
    assert post(server.http, keys.everybody, chat(400, 400, ACME), span(400, 401, {"tenant.id": f"{marker}-tenant"}, parent=400)) == 200


def settle(server: Server, data: Path, least: int) -> list[dict[str, Any]]:
    """The entries, once there are at least so many and no more come."""
    deadline, known, since = time.monotonic() + 60, -1, time.monotonic()
    while time.monotonic() < deadline:
        found = events(data, "--all") if (data / "meta.sqlite").exists() else []
        if len(found) != known:
            known, since = len(found), time.monotonic()
        elif known >= least and time.monotonic() - since > 3:
            return found
        time.sleep(0.2)
    raise AssertionError(f"only {known} entries came: {server.log.read_text()[-2000:]}")


def tenant_spellings() -> list[tuple[str, str, tuple[str, ...]]]:
    """Every place a tenant is read from: ("span" or "resource", key, path within its JSON)."""
    rules = default_rules()
    tables = [("span", rules.payers.span), ("resource", rules.payers.resource), *(("span", each.payers) for each in rules.dialects)]
    return list(dict.fromkeys((where, *split_ref(ref)) for where, table in tables for ref in table.get("tenant", ())))


def claim(path: tuple[str, ...], value: str) -> str:
    """The value of an attribute that claims a tenant: the text, or JSON with it at its path."""
    said: Any = value
    for key in reversed(path):
        said = {key: said}
    return json.dumps(said) if path else value
