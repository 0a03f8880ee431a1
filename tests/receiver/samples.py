"""What the receiver's tests share: small requests, a small set of kept keys, a running receiver, disks that misbehave."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger.enrich.grants import Grant
from spanledger.enrich.kept import JsonKept, Kept
from spanledger.receiver.config import ReceiverConfig
from spanledger.receiver.journal import Journal, Record, read_from
from spanledger.receiver.prune import Pruner
from spanledger.receiver.server import Receiver
from spanledger.receiver.storage import OsStorage

KEPT = Kept(
    text_keys=frozenset({"gen_ai.request.model", "gen_ai.response.finish_reasons", "tenant.id", "service.name"}),
    json_keys={"metadata": JsonKept({"tenant": (True, {}), "tokens": (False, {})})},
    span_names=frozenset({"ai.generateText.doGenerate"}),
    span_name_words=frozenset({"chat"}),
    event_names=frozenset({"exception"}),
    text_max=64,
)
SECRET = b"a secret of the data folder"
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN_ID = bytes.fromhex("b7ad6b7169203331")


def record(request: bytes = b"a request", received_ns: int = 1) -> Record:
    return Record("acme", "team-a", "key1", received_ns, request)


def attribute(target: Any, key: str, value: object) -> None:
    """Add an attribute; str, bool, int, float, bytes, list, dict or None (the empty value)."""
    fill(target.attributes.add(key=key).value, value)


def fill(target: Any, value: object) -> None:
    target.SetInParent()
    match value:
        case None:
            pass
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = value
        case bytes():
            target.bytes_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                fill(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            for key, item in value.items():
                fill(target.kvlist_value.values.add(key=key).value, item)
        case _:
            raise TypeError(value)


def value_of(value: Any) -> object:
    """The Python value of an AnyValue, as `fill` takes it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: value_of(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def attributes_of(holder: Any) -> dict[str, object]:
    return {each.key: value_of(each.value) for each in holder.attributes}


def make_span(name: str = "chat gpt-4o", attributes: dict[str, object] | None = None, number: int = 0, **fields: Any) -> Span:
    span = Span(trace_id=TRACE_ID, span_id=(int.from_bytes(SPAN_ID, "big") + number).to_bytes(8, "big"), name=name)
    span.start_time_unix_nano, span.end_time_unix_nano = 1_795_132_800_000_000_000, 1_795_132_801_000_000_000
    for key, value in (attributes or {}).items():
        attribute(span, key, value)
    for field, value in fields.items():
        setattr(span, field, value)
    return span


def make_request(*spans: Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    attribute(resource_spans.resource, "service.name", "shop")
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "test.scope", "1.0"
    scope_spans.spans.extend(spans or [make_span()])
    return request


def spans_of(request: bytes) -> list[Span]:
    decoded = ExportTraceServiceRequest.FromString(request)
    return [span for resource in decoded.resource_spans for scope in resource.scope_spans for span in scope.spans]


# -- a running receiver -------------------------------------------------------------------------------------------------


class Running(NamedTuple):
    receiver: Receiver
    journal: Journal
    directory: Path

    def records(self) -> list[Record]:
        return [record for _, record in read_from(self.directory)]

    def spans(self) -> list[Span]:
        return [span for record in self.records() for span in spans_of(record.request)]

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.receiver.ports.grpc}"

    @property
    def http(self) -> tuple[str, int]:
        assert self.receiver.ports.http is not None
        return "127.0.0.1", self.receiver.ports.http


@contextmanager
def running(
    folder: Path,
    *,
    keys: dict[str, Grant] | None = None,
    storage: OsStorage | None = None,
    pruner: Pruner | None = None,
    now_ns: Callable[[], int] = lambda: 7,
    **config: Any,
) -> Iterator[Running]:
    """A receiver on free ports; without `keys` everyone may send."""
    settings = ReceiverConfig(**{"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "retry_after_seconds": 3, **config})
    with Journal(folder / "journal", storage=storage) as journal:
        find_key = (keys or {}).get
        receiver = Receiver(settings, journal, pruner or Pruner(KEPT, SECRET), find_key, now_ns, has_keys=lambda: keys is not None)
        receiver.start()
        try:
            yield Running(receiver, journal, folder / "journal")
        finally:
            receiver.stop(2)


# -- disks that misbehave -----------------------------------------------------------------------------------------------


class RecordingStorage(OsStorage):
    """The real disk, with a list of what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def create(self, path: Path) -> int:
        self.calls.append("create")
        return super().create(path)

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        self.calls.append("write")
        super().write(descriptor, parts)

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")
        super().sync(descriptor)

    def sync_directory(self, directory: Path) -> None:
        self.calls.append("sync_directory")
        super().sync_directory(directory)


class FailingStorage(RecordingStorage):
    """A disk on which one kind of call starts to fail when told."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self._call = call
        self.is_broken = False

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        super().write(descriptor, parts)
        self._maybe_fail("write", errno.ENOSPC)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self._maybe_fail("sync", errno.EIO)

    def _maybe_fail(self, call: str, code: int) -> None:
        if self.is_broken and call == self._call:
            raise OSError(code, "the disk failed, as the test asked")


class HeldStorage(OsStorage):
    """A disk that syncs only when let."""

    def __init__(self) -> None:
        self.may_sync = threading.Event()
        self.is_syncing = threading.Event()

    def sync(self, descriptor: int) -> None:
        self.is_syncing.set()
        assert self.may_sync.wait(10)
        super().sync(descriptor)
