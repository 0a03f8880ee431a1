"""The bar of privacy: what people said to a model, and secrets, never touch the disk or the log unless the folder's owner asks for it."""

from __future__ import annotations

import gzip
import http.client
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.cli.config import load_config
from spanledger.cli.folder import DataFolder
from spanledger.cli.tidying import keep_requests
from spanledger.store.ledger import Ledger
from tests.cli.runner import Server, spanledger
from tests.receiver.wire import EXPORT, to_json
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.canaries import Markers, Planter, contents, holds, number_of

PRUNED = "prune"
_SPANS = 8
_BULK_SPANS = 300
_TYPES = {"http": "application/x-protobuf", "json": "application/json"}


def run(seed: int, long: bool, folder: Path) -> Figures:
    """Plant canaries over every transport, kill the server in between, and search every byte it left."""
    return _try(seed, 10_000 if long else 700, folder, PRUNED)


def keep_content(seed: int, folder: Path) -> Figures:
    """The control: with `content = "keep"` the canaries must be found."""
    return _try(seed, 100, folder, "keep")


def keep_one_key(seed: int, folder: Path) -> Figures:
    """The control: a rule that names one key of content keeps what is in it."""
    named = '{ feature = ["db.statement", "password", "url.full", "http.url"] }'
    return _try(seed, 400, folder, PRUNED, {"SPANLEDGER_ENRICH__PAYERS__SPAN": named})


def _try(seed: int, wanted: int, folder: Path, content: str, env: dict[str, str] | None = None) -> Figures:
    rng = random.Random(seed)
    markers = Markers.drawn(rng)
    planter = Planter(rng, markers)
    data = folder / "data"
    settings = {"SPANLEDGER_RECEIVER__CONTENT": content, "SPANLEDGER_RECEIVER__JOURNAL__SEGMENT_MIB": "1", "SPANLEDGER_DEBUG": "1"}
    server = Server(data, env=settings | (env or {}))
    first = _send(server, planter, rng, wanted // 2)
    server.kill()
    server = Server(data, env=settings | (env or {}))
    second = _send(server, planter, rng, wanted - wanted // 2)
    _fill_segments(server)
    stopped = server.stop()
    require(stopped == 0, f"seed {seed}: the server ended with {stopped}: {server.log.read_text()[-500:]}")
    said = _ingest_with_every_log_line(folder, planter, content, env or {})
    with Ledger.open(data, read_only=True) as ledger:  # as the server does every few minutes
        keep_requests(DataFolder(data), load_config(None).config, ledger.position)
    found = _search(data, markers)
    logs = {"server log": server.log.read_bytes(), "log at every level": said}
    found += [name for name, text in logs.items() if holds(text, markers.hidden) or holds(text, markers.digits)]
    require(not found, f"seed {seed}: something of a canary is in {', '.join(found[:5])} ({len(found)} places)")
    require(any((data / "archive").glob("*.seg.z*")), f"seed {seed}: no segment went to the archive")
    searched = [(name, body) for name, body in contents(data)]
    places = {name.split("/")[0] for name, body in searched if holds(body, markers.allowed)}
    require({"events", "spans"} <= places, f"seed {seed}: the search does not find what is kept either: {places}")
    return {
        "canaries_accepted": first.canaries + second.canaries,
        "canaries_in_all": planter.planted,
        "refused_requests": first.refused + second.refused,
        "found": 0,
        "bytes_searched": sum(len(body) for _, body in searched) + sum(map(len, logs.values())),
        "archived_segments": sum(1 for name, _ in searched if name.endswith((".seg.zst", ".seg.zz"))),
    }


def _search(data: Path, markers: Markers) -> list[str]:
    return [name for name, body in contents(data) if holds(body, markers.hidden) or holds(body, markers.digits)]


# -- sending -------------------------------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """How many canaries were in requests that were accepted, and how many requests were refused."""

    canaries: int = 0
    refused: int = 0


def _send(server: Server, planter: Planter, rng: random.Random, wanted: int) -> Sent:
    """Requests over every transport until `wanted` canaries are in accepted ones; each also broken, and to where none belongs."""
    accepted = refused = 0
    with grpc.insecure_channel(server.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        while accepted < wanted:
            before = planter.planted
            request = planter.request(_SPANS)
            within = planter.planted - before
            transport = rng.choice(("grpc", "http", "json"))
            body = to_json(request) if transport == "json" else request.SerializeToString()
            for broken in (None, *_broken(body, rng)):
                sent = body if broken is None else broken
                odd = rng.choice(("packed", "plain") if broken is None else ("packed", "plain", "path", "type", "encoding"))
                ok = _call(export, sent, planter) if transport == "grpc" else _post(server.http, transport, sent, planter, odd) == 200
                refused += not ok
                accepted += within if ok and broken is None else 0
            require(accepted > 0 or planter.planted < 10 * wanted, "nothing is accepted")
    return Sent(accepted, refused)


def _broken(body: bytes, rng: random.Random) -> Iterator[bytes]:
    """The same cut off, and with a byte that does not belong there."""
    yield body[: rng.randrange(len(body))]
    at = rng.randrange(len(body))
    yield body[:at] + bytes([rng.randrange(256)]) + body[at:]


def _call(export: grpc.UnaryUnaryMultiCallable, body: bytes, planter: Planter) -> bool:
    try:
        export(body, metadata=(("x-said", planter.secret()), ("authorization", f"Bearer {planter.secret()}")), timeout=30)
    except grpc.RpcError:
        return False
    return True


def _post(address: str, transport: str, body: bytes, planter: Planter, odd: str) -> int:
    """One request with canaries in its headers too; packed, or to a path or of a type that is none."""
    connection = http.client.HTTPConnection(address, timeout=30)
    headers = {"Content-Type": _TYPES[transport], "User-Agent": planter.secret(), "Authorization": f"Bearer {planter.secret()}"}
    path = "/v1/traces"
    if odd == "packed":
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    elif odd == "path":
        path = f"/{planter.secret()}?q={planter.secret()}"
    elif odd == "type":
        headers["Content-Type"] = f"text/{planter.secret()}"
    elif odd == "encoding":
        headers["Content-Encoding"] = planter.secret()
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _fill_segments(server: Server) -> None:
    """Numbers enough that a segment of the journal is full and may go to the archive."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(1, _BULK_SPANS + 1):
        identity = number.to_bytes(8, "big")
        span = spans.add(trace_id=b"no texts" + identity, span_id=identity, start_time_unix_nano=time.time_ns())
        span.attributes.extend(number_of(f"a.number.with.a.name.that.is.rather.long.{at}", at) for at in range(100))
    with grpc.insecure_channel(server.grpc) as channel:
        for _ in range(3):
            channel.unary_unary(EXPORT)(request.SerializeToString(), timeout=60)


def _ingest_with_every_log_line(folder: Path, planter: Planter, content: str, env: dict[str, str]) -> bytes:
    """Take further requests in within this process, where every line that any logger would write at any level can be had."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(logging.Formatter().format(record))

    request = planter.request(_SPANS)
    body = request.SerializeToString()
    (folder / "in").mkdir()
    (folder / "in" / "good.pb").write_bytes(body)
    (folder / "in" / "cut.pb").write_bytes(body[: len(body) // 2])
    (folder / "in" / "good.json").write_bytes(to_json(request))
    (folder / "in" / "cut.json").write_bytes(to_json(request)[:5000])
    root, listener = logging.getLogger(), Listener(logging.NOTSET)
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.NOTSET)
    try:
        config = folder / "config.toml"
        spans = env.get("SPANLEDGER_ENRICH__PAYERS__SPAN")
        config.write_text(f'[receiver]\ncontent = "{content}"\n' + (f"[enrich.payers]\nspan = {spans}\n" if spans else ""))
        answer = spanledger("ingest", "--data", folder / "data", "--config", config, folder / "in")
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
    return "\n".join([answer.out, answer.err, *heard]).encode("utf-8", "surrogatepass")


BAR = Bar(
    "privacy",
    "no byte of a prompt or secret reaches the data folder or the log, except under the keys that are documented as kept",
    run,
    {"content kept": keep_content, "a key of content named in the rules": keep_one_key},
)
