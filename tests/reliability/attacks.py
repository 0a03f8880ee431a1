"""What a hostile client sends, each attack by its name: bombs, depths, floods, half requests, and HTTP/2 frames by hand.

Run as a process of its own, so that its work is not the server's or the healthy client's:

    python -m tests.reliability.attacks NAME HTTP GRPC SECONDS SEED     prints how often which answer came, as JSON

Nothing here waits for the server to be kind: every socket has a time limit, and an error of the connection counts as an answer.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import h2.config
import h2.connection
import h2.events
import h2.exceptions

MIB = 1 << 20
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT_SECONDS = 20.0
DEPTH = 100_000
_IDS = b"\x0a\x10" + b"\x07" * 16 + b"\x12\x08" + b"\x09" * 8


class Target(NamedTuple):
    """Whom to attack, how long, and what the random choices are drawn from."""

    http: tuple[str, int]
    grpc: tuple[str, int]
    until: float
    seed: int

    def ready(self) -> None:
        """Everything is prepared: whoever started this may begin to measure."""
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def is_on(self) -> bool:
        return time.monotonic() < self.until


Attack = Callable[[Target, Counter[str]], None]


# -- bodies -------------------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def request(*parts: bytes) -> bytes:
    """An export request of one span with usable ids and whatever else."""
    return field(1, field(2, field(2, _IDS + b"".join(parts))))


def text_attribute(key: bytes, size: int) -> bytes:
    return field(9, field(1, key) + field(2, field(1, b"a" * size)))


def nested_value(depth: int, *, as_maps: bool) -> bytes:
    """An AnyValue of arrays or maps in one another; made from the inside, where the lengths are known."""
    prefixes: list[bytes] = []
    size = 2
    for _ in range(depth):
        if as_maps:
            inner = b"\x0a\x01k\x12" + varint(size)  # KeyValue{key: k, value: …}
            size += len(inner)
            prefixes.append(inner)
        for tag in (b"\x0a", b"\x32" if as_maps else b"\x2a"):  # values[0], then kvlist_value or array_value
            head = tag + varint(size)
            size += len(head)
            prefixes.append(head)
    return b"".join(reversed(prefixes)) + b"\x18\x01"


def deep_protobuf(*, as_maps: bool, depth: int = DEPTH) -> bytes:
    return request(field(9, field(1, b"deep") + field(2, nested_value(depth, as_maps=as_maps))))


def many_attributes(count: int = 1_000_000) -> bytes:
    return request(*(b"\x4a\x0b\x0a\x05%05x\x12\x02\x18\x01" % (number & 0xFFFFF) for number in range(count)))


def json_span(attributes: str) -> bytes:
    ids = f'"traceId":"{"07" * 16}","spanId":"{"09" * 8}"'
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{ids},"attributes":{attributes}}}]}}]}}]}}'.encode()


def deep_json(*, as_maps: bool, depth: int = DEPTH) -> bytes:
    if as_maps:
        opening, closing = '{"kvlistValue":{"values":[{"key":"k","value":', "}]}}"
    else:
        opening, closing = '{"arrayValue":{"values":[', "]}}"
    return json_span(f'[{{"key":"deep","value":{opening * depth}{{}}{closing * depth}}}]')


def many_json_attributes(count: int = 1_000_000) -> bytes:
    return json_span("[" + ",".join('{"key":"a","value":{"intValue":1}}' for _ in range(count)) + "]")


def many_json_values(piece: bytes, size: int) -> bytes:
    """A body within the limit that would be many times its size as objects, in a field nobody reads."""
    return b'{"x":[' + b",".join([piece] * (size // (len(piece) + 1))) + b"]}"


def zipped_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(MIB)) for _ in range(size // MIB)]) + packer.flush()


# -- HTTP/1.1 by hand ---------------------------------------------------------------------------------------------------


def head(path: str = "/v1/traces", **headers: object) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(target: Target, body: bytes, content_type: str = PROTOBUF, encoding: str = "identity") -> str:
    """The status of one whole request on a connection of its own."""
    with socket.create_connection(target.http, timeout=TIMEOUT_SECONDS) as client:
        client.sendall(head(Content_Type=content_type, Content_Encoding=encoding, Content_Length=len(body), Connection="close"))
        with contextlib.suppress(OSError):  # it may be answered before it is read
            client.sendall(body)
        return status_of(client)


def status_of(client: socket.socket) -> str:
    data = client.recv(64)
    return data[9:12].decode("ascii", "replace") if data.startswith(b"HTTP/1.") else ("closed" if not data else "?")


def each(target: Target, counts: Counter[str], send: Callable[[], str], pause_seconds: float = 0.0) -> None:
    """Send again and again until the time is up."""
    while target.is_on():
        try:
            counts[send()] += 1
        except OSError as error:
            counts[type(error).__name__] += 1
        time.sleep(pause_seconds)


def at_once(threads: int, work: Callable[[], None]) -> None:
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def bodies(
    make: Callable[[], Sequence[tuple[bytes, str, str]]], *, threads: int = 4, pause_seconds: float = 0.02
) -> Callable[[Target, Counter[str]], None]:
    """An attack by whole HTTP requests: (body, content type, content encoding), in turn, on several connections."""

    def attack(target: Target, counts: Counter[str]) -> None:
        made = make()
        target.ready()
        turns: Iterator[int] = iter(range(1 << 30))
        at_once(threads, lambda: each(target, counts, lambda: post(target, *made[next(turns) % len(made)]), pause_seconds))

    return attack


def gzip_bombs() -> list[tuple[bytes, str, str]]:
    zeros = zipped_zeros(300 * MIB)
    fits = gzip.compress(request(text_attribute(b"gen_ai.prompt", 63 * MIB)))
    twice = gzip.compress(zipped_zeros(64 * MIB))
    return [
        (zeros, PROTOBUF, "gzip"),
        (zeros, JSON, "gzip"),
        (fits, PROTOBUF, "gzip"),
        (twice, PROTOBUF, "gzip"),
        (twice, PROTOBUF, "gzip, gzip"),
        (zlib.compress(bytes(64 * MIB)), PROTOBUF, "deflate"),
        (b"\x28\xb5\x2f\xfd" + bytes(64), PROTOBUF, "zstd"),
        (gzip.compress(many_json_values(b"[]", 60 * MIB)), JSON, "gzip"),
    ]


def depths() -> list[tuple[bytes, str, str]]:
    return [
        *((deep_protobuf(as_maps=as_maps), PROTOBUF, "identity") for as_maps in (False, True)),
        *((deep_json(as_maps=as_maps), JSON, "identity") for as_maps in (False, True)),
        *((bracket * 4 * MIB, JSON, "identity") for bracket in (b"[", b'{"a":')),
        *((deep_protobuf(as_maps=True, depth=depth), PROTOBUF, "identity") for depth in (17, 30, 33, 40)),
    ]


def attributes() -> list[tuple[bytes, str, str]]:
    return [
        (many_attributes(), PROTOBUF, "identity"),
        (many_json_attributes(), JSON, "identity"),
        (gzip.compress(many_json_attributes(), 1), JSON, "gzip"),
        (request(*[field(11, b"\x12\x01e")] * 1_000_000), PROTOBUF, "identity"),  # events
        (field(1, field(2, b"\x12\x00" * 4_000_000)), PROTOBUF, "identity"),  # spans of nothing
        (field(1, b"\x12\x00" * 4_000_000), PROTOBUF, "identity"),  # scopes of nothing
    ]


def strings() -> list[tuple[bytes, str, str]]:
    whole = request(text_attribute(b"gen_ai.prompt", 64 * MIB))
    return [
        (whole, PROTOBUF, "identity"),
        (json_span('[{"key":"gen_ai.prompt","value":{"stringValue":"' + "a" * 64 * MIB + '"}}]'), JSON, "identity"),
        (request(text_attribute(b"k" * 8 * MIB, 8 * MIB)), PROTOBUF, "identity"),
        (request(field(5, b"n" * 16 * MIB)), PROTOBUF, "identity"),
    ]


def json_values() -> list[tuple[bytes, str, str]]:
    return [(many_json_values(piece, size * MIB), JSON, "identity") for piece in (b"[]", b"1e5", b'{"a":0}', b'"a"') for size in (1, 16)]


def laborious() -> list[tuple[bytes, str, str]]:
    """Less than a MiB each, which may be packed to any ratio, and made of as many pieces as fit into that."""
    ids = (b"\x4a\x0b\x0a\x05%05x\x12\x02\x18\x01" % number for number in range(70_000))
    spans = [field(2, _IDS + b"".join(next(ids) for _ in range(1000))) for _ in range(70)]
    scopes = [field(1, field(1, b"\x0a\x0b\x0a\x05%05x\x12\x02\x18\x01" % number)) for number in range(16_000)]
    pieces = [
        field(1, field(2, b"\x12\x00" * 500_000)),  # spans of nothing
        field(1, field(2, b"".join(spans))),  # attributes, no two alike
        field(1, field(2, field(2, _IDS + b"\x5a\x03\x12\x01e" * 1000) * 180)),  # events
        b"".join(scopes),
        deep_protobuf(as_maps=True, depth=60_000),
    ]
    json_spans = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * 170_000) + b"]}]}]}"
    return [
        *((gzip.compress(piece), PROTOBUF, "gzip") for piece in pieces),
        (gzip.compress(json_spans), JSON, "gzip"),
    ]


# -- half requests ------------------------------------------------------------------------------------------------------


def slow(target: Target, counts: Counter[str]) -> None:
    """300 connections a byte at a time: in the head, in the body, in a chunk, in a TLS greeting, in the HTTP/2 preface."""
    beginnings = [
        (target.http, b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        (target.http, head(Content_Type=PROTOBUF, Content_Length=1000)),
        (target.http, head(Content_Type=PROTOBUF, Transfer_Encoding="chunked")),
        (target.http, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
        (target.grpc, b"PRI * HTTP/2.0\r\n"),
        (target.grpc, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    ]
    open_ones: list[socket.socket] = []
    for number in range(300):
        address, beginning = beginnings[number % len(beginnings)]
        try:
            client = socket.create_connection(address, timeout=TIMEOUT_SECONDS)
            client.sendall(beginning)
        except OSError as error:
            counts[type(error).__name__] += 1
            continue
        client.setblocking(False)
        open_ones.append(client)
    target.ready()
    while target.is_on():
        for client in list(open_ones):
            try:
                client.send(b"1")
            except BlockingIOError:
                continue
            except OSError:
                counts["cut"] += 1
                open_ones.remove(client)
                client.close()
        time.sleep(0.2)
    counts["left open"] += len(open_ones)
    for client in open_ones:
        client.close()


def slow_grpc(target: Target, counts: Counter[str]) -> None:
    """Calls whose message never comes, more than there are threads."""
    clients = [H2Client(target.grpc) for _ in range(4)]
    for client in clients:
        for _ in range(20):
            client.begin()
        client.flush()
    target.ready()
    while target.is_on():
        for client in clients:
            for ended in client.read(0.05):
                counts[ended] += 1
            while client.state.open_outbound_streams < 20:
                client.begin()
            client.flush()
    for client in clients:
        client.close()


def wrong_lengths() -> list[bytes]:
    body = request()
    return [
        head(Content_Type=PROTOBUF, Content_Length=len(body) - 3) + body,
        head(Content_Type=PROTOBUF, Content_Length="-5") + body,
        head(Content_Type=PROTOBUF, Content_Length="9" * 30) + body,
        head(Content_Type=PROTOBUF, Content_Length="0x10") + body,
        head(Content_Type=PROTOBUF, Content_Length=f"{len(body)}\r\nContent-Length: 3") + body,
        head(Content_Type=PROTOBUF, Content_Length=len(body), Transfer_Encoding="chunked") + body,
        head(Content_Type=PROTOBUF, Transfer_Encoding="chunked") + b"ffffffffffffffff\r\n" + body,
        head(Content_Type=PROTOBUF, Transfer_Encoding="chunked") + b"-1\r\n" + body,
        head(Content_Type=PROTOBUF, Transfer_Encoding="chunked") + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n",
        head(Content_Type=PROTOBUF, Transfer_Encoding="chunked") + b"1;" + b"x" * 100_000,
        head(X_Long="a" * 200_000),
        head(**{f"X_{number}": "a" for number in range(50_000)}),
        head("/" + "a" * 200_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 100_000,
        b"\x00" * 10_000,
        b"POST /v1/traces HTTP/9.9\r\n\r\n",
        head(Content_Type=PROTOBUF, Content_Length=len(body)) * 200,  # each head is the next one's body
        (head(Content_Type=PROTOBUF, Content_Length=len(body)) + body) * 500,  # a pipeline, and nobody reads the answers
        head(Content_Type=PROTOBUF, Content_Length=10**7, Expect="100-continue"),
    ]


def malformed(target: Target, counts: Counter[str]) -> None:
    """Requests that contradict themselves, each on a connection of its own."""
    broken = wrong_lengths()
    target.ready()
    turns = iter(range(1 << 30))

    def send() -> str:
        with socket.create_connection(target.http, timeout=3) as client:
            client.sendall(broken[next(turns) % len(broken)])
            client.shutdown(socket.SHUT_WR)
            return status_of(client)

    at_once(4, lambda: each(target, counts, send, 0.05))


def connections(target: Target, counts: Counter[str]) -> None:
    """Connections by the hundred that say nothing, closed at random and opened again."""
    choose = random.Random(target.seed)
    target.ready()
    open_ones: list[socket.socket] = []
    while target.is_on():
        try:
            open_ones.append(socket.create_connection(choose.choice((target.http, target.grpc)), timeout=TIMEOUT_SECONDS))
            counts["opened"] += 1
        except OSError as error:
            counts[type(error).__name__] += 1
        if len(open_ones) > 400:
            open_ones.pop(choose.randrange(len(open_ones))).close()
        time.sleep(0.002)
    for client in open_ones:
        client.close()


# -- HTTP/2 by hand -----------------------------------------------------------------------------------------------------


class H2Client:
    """A connection that speaks HTTP/2 as far as it wants to."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=TIMEOUT_SECONDS)
        self.state = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.state.initiate_connection()
        self.flush()

    def flush(self) -> None:
        if data := self.state.data_to_send():
            with contextlib.suppress(OSError):
                self.socket.sendall(data)

    def begin(self, *extra: tuple[str, str], encoding: str = "identity") -> int:
        """The head of an export call."""
        stream = self.state.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":path", EXPORT), (":authority", "localhost"), ("te", "trailers")]
        self.state.send_headers(stream, [*headers, ("content-type", "application/grpc"), ("grpc-encoding", encoding), *extra])
        return stream

    def read(self, seconds: float) -> list[str]:
        """How the streams ended that ended within the time: the gRPC status, or what happened to the connection."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            return []
        except OSError:
            return []
        if not data:
            return []
        found = []
        for event in self.state.receive_data(data):
            if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                found += [f"grpc {value}" for name, value in event.headers or () if name == "grpc-status"]
            elif isinstance(event, h2.events.StreamReset):
                found.append("reset")
        self.flush()
        return found

    def call(self, body: bytes, *, encoding: str = "identity", seconds: float = TIMEOUT_SECONDS) -> str:
        """One whole call with the body as it is (already compressed, where the encoding says so)."""
        stream = self.begin(encoding=encoding)
        data = bytes([encoding != "identity"]) + struct.pack(">I", len(body)) + body
        until = time.monotonic() + seconds
        at = 0
        while at < len(data):
            room = min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size, len(data) - at)
            if room:
                self.state.send_data(stream, data[at : at + room], end_stream=at + room == len(data))
                at += room
                self.flush()
            elif found := self.read(1.0):
                return found[0]
            elif time.monotonic() > until:
                return "timeout"
        while time.monotonic() < until:
            if found := self.read(1.0):
                return found[0]
        return "timeout"

    def close(self) -> None:
        self.socket.close()


def grpc_bodies(make: Callable[[], Sequence[tuple[bytes, str]]], threads: int = 4) -> Attack:
    def attack(target: Target, counts: Counter[str]) -> None:
        made = make()
        target.ready()
        turns = iter(range(1 << 30))

        def send() -> str:
            client = H2Client(target.grpc)
            try:
                body, encoding = made[next(turns) % len(made)]
                return client.call(body, encoding=encoding)
            except h2.exceptions.H2Error as error:
                return type(error).__name__
            finally:
                client.close()

        at_once(threads, lambda: each(target, counts, send, 0.02))

    return attack


def grpc_bombs() -> list[tuple[bytes, str]]:
    fits = gzip.compress(request(text_attribute(b"gen_ai.prompt", 63 * MIB)))
    return [
        (zipped_zeros(300 * MIB), "gzip"),
        (fits, "gzip"),
        (gzip.compress(zipped_zeros(64 * MIB)), "gzip"),
        (deep_protobuf(as_maps=True), "identity"),
        (gzip.compress(many_attributes()), "gzip"),
        (b"\x00" * 10, "gzip"),
    ]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)


def _heads() -> bytes:
    """The compressed headers of an export call, by hand: literals without indexing."""
    pairs = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", EXPORT),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    return b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in pairs)


def frame_floods() -> dict[str, Callable[[int], bytes]]:
    """Each gives a piece of a flood, by the number of the piece."""
    block = _heads()

    def resets(number: int) -> bytes:
        streams = range(1 + number * 200, 1 + (number + 1) * 200, 2)
        return b"".join(frame(1, 4, stream, block) + frame(3, 0, stream, b"\x00\x00\x00\x08") for stream in streams)

    def made_resets(number: int) -> bytes:  # streams that the server must reset, by an update of nothing
        streams = range(1 + number * 200, 1 + (number + 1) * 200, 2)
        return b"".join(frame(1, 4, stream, block) + frame(8, 0, stream, bytes(4)) for stream in streams)

    return {
        "resets": resets,
        "made resets": made_resets,
        "settings": lambda _: frame(4, 0, 0) * 200,
        "pings": lambda _: frame(6, 0, 0, bytes(8)) * 200,
        "continuations": lambda number: (
            (frame(1, 0, 1, block) if number == 0 else b"") + frame(9, 0, 1, b"\x00\x01a\x7e" + b"b" * 126) * 100
        ),
        "empty data": lambda number: (frame(1, 4, 1, block) if number == 0 else b"") + frame(0, 0, 1) * 200,
        "priorities": lambda _: frame(2, 0, 3, b"\x00\x00\x00\x01\x10") * 200,
        "updates": lambda _: frame(8, 0, 0, b"\x00\x00\x00\x01") * 200,
        "unknown": lambda _: frame(0x42, 0xFF, 7, b"x" * 100) * 100,
    }


def h2_floods(target: Target, counts: Counter[str], names: Sequence[str] = (), threads: int = 3) -> None:
    """Floods of frames, each on its own connection; the next one when the server has closed it, or after a second."""
    floods = [(name, piece) for name, piece in frame_floods().items() if name in names or (not names and name != "continuations")]
    turns = iter(range(1 << 30))
    target.ready()

    def send() -> str:
        name, piece = floods[next(turns) % len(floods)]
        with socket.create_connection(target.grpc, timeout=2) as client:
            client.sendall(_PREFACE)
            client.setblocking(False)
            ends = min(target.until, time.monotonic() + 1.0)
            number, rest = 0, b""
            while time.monotonic() < ends:
                rest = rest or piece(number)
                try:
                    rest = rest[client.send(rest) :]
                    number += not rest
                except BlockingIOError:
                    time.sleep(0.001)
                try:
                    if not client.recv(1 << 16):
                        return f"{name}: closed"
                except BlockingIOError:
                    pass
                time.sleep(0.0005)
            return f"{name}: borne"

    at_once(threads, lambda: each(target, counts, send))


def noise(target: Target, counts: Counter[str]) -> None:
    """Random bytes and good requests with random damage, as bodies and as whatever else the ports are sent."""
    choose = random.Random(target.seed)
    good = request(text_attribute(b"gen_ai.request.model", 20), field(5, b"chat gpt-4o"))
    target.ready()

    def damaged() -> bytes:
        data = bytearray(good)
        for _ in range(choose.randint(1, 12)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        return bytes(data[: choose.randint(0, len(data))]) if choose.random() < 0.3 else bytes(data)

    def send() -> str:
        kind = choose.randrange(4)
        if kind < 2:
            return post(target, damaged(), choose.choice((PROTOBUF, JSON)), choose.choice(("identity", "gzip")))
        if kind == 2:
            client = H2Client(target.grpc)
            try:
                return client.call(damaged(), encoding=choose.choice(("identity", "gzip")), seconds=5)
            except h2.exceptions.H2Error as error:
                return type(error).__name__
            finally:
                client.close()
        with socket.create_connection(choose.choice((target.http, target.grpc)), timeout=3) as client:
            client.sendall(choose.randbytes(choose.randint(1, 4096)))
            client.shutdown(socket.SHUT_WR)
            return status_of(client)

    at_once(3, lambda: each(target, counts, send, 0.003))


ATTACKS: dict[str, Attack] = {
    "gzip bombs": bodies(gzip_bombs),
    "gRPC bombs": grpc_bodies(grpc_bombs),
    "depth": bodies(depths),
    "attributes": bodies(attributes, threads=2),
    "laborious": bodies(laborious),
    "strings": bodies(strings, threads=2),
    "JSON values": bodies(json_values, threads=2),
    "slow": slow,
    "slow gRPC": slow_grpc,
    "malformed": malformed,
    "connections": connections,
    "HTTP/2 floods": h2_floods,
    "continuation flood": partial(h2_floods, names=("continuations",), threads=1),
    "noise": noise,
}


def main(name: str, http: str, grpc: str, seconds: str, seed: str) -> None:
    os.nice(10)  # another machine would not take the server's processors
    addresses = [(host, int(port)) for host, _, port in (text.rpartition(":") for text in (http, grpc))]
    counts: Counter[str] = Counter()
    threading.excepthook = partial(_tell, counts)  # type: ignore[assignment]  # an attack that fails must show
    ATTACKS[name](Target(addresses[0], addresses[1], time.monotonic() + float(seconds), int(seed)), counts)
    sys.stdout.write(json.dumps(dict(counts)) + "\n")


def _tell(counts: Counter[str], told: threading.ExceptHookArgs) -> None:
    counts[f"attacker failed: {told.exc_type.__name__}: {told.exc_value}"] += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
