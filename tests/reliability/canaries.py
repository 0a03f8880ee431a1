"""Texts that must never be stored, put wherever OTLP has room for one, and a search for what is left of them in files and bytes.

Every canary begins with a marker of eight letters and has it again in its middle and at its end, so that one search finds all of them,
whole or in part: any beginning of eight characters, any half.
"""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger.enrich.kept import kept_for
from spanledger.enrich.rules import default_rules
from spanledger.receiver.archive_reader import read_all

KEPT: Final = kept_for(default_rules())
MARKER_LENGTH: Final = 8
NOW_NS: Final = 1_790_000_000_000_000_000
CONTENT_KEYS: Final = (
    *("gen_ai.prompt", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments"),
    *("gen_ai.tool.call.result", "gen_ai.prompt.0.content", "gen_ai.completion.0.content", "input.value", "llm.prompts", "ai.prompt"),
    *("ai.response.text", "traceloop.entity.input", "langfuse.observation.input", "db.statement", "db.query.text", "url.full", "http.url"),
    *("exception.message", "exception.stacktrace", "http.request.header.authorization", "process.command_line", "password", "api_key"),
)
"""Where instrumentations really put prompts, answers and secrets; an unknown key is made up beside these."""


class Markers(NamedTuple):
    """What canaries begin with: of those that must not be stored, of digits that must not, and of those under keys that are kept."""

    hidden: str
    digits: str
    allowed: str

    @classmethod
    def drawn(cls, rng: random.Random) -> Markers:
        """Markers that no other text has."""
        letters = ("".join(rng.choices(string.ascii_letters, k=MARKER_LENGTH)) for _ in range(2))
        return cls(next(letters), "".join(rng.choices("123456789", k=12)), next(letters))


class Planter:
    """Makes requests with canaries in them; `planted` counts these."""

    def __init__(self, rng: random.Random, markers: Markers) -> None:
        self._rng = rng
        self.markers = markers
        self.planted = 0
        self._spans = 0

    def secret(self) -> str:
        """A canary of one word."""
        self.planted += 1
        return f"{self.markers.hidden}{self._noise(12)}{self.markers.hidden}"

    def prompt(self) -> str:
        """A canary of several words, on one line or several, in any script."""
        self.planted += 1
        marker, gap = self.markers.hidden, self._rng.choice((" ", "\n", " ü ", "\u2028", " 機密 ", "\t"))
        return f"{marker}{self._noise(8)}{gap}tell nobody of {marker}{self._noise(4)}{gap}at {marker}"

    def any(self) -> str:
        """A prompt, a secret, or digits as text."""
        kind = self._rng.randrange(8)
        if kind == 0:
            self.planted += 1
            return self.markers.digits + "".join(self._rng.choices("0123456789", k=4))
        return self.secret() if kind < 4 else self.prompt()

    def allowed(self) -> str:
        """A text under a key that is kept."""
        return f"{self.markers.allowed}-{self._noise(6)}"

    def _noise(self, length: int) -> str:
        return "".join(self._rng.choices(string.ascii_letters + string.digits, k=length))

    def request(self, spans: int) -> ExportTraceServiceRequest:
        """A request of calls with several canaries in each span, and some around them."""
        request = ExportTraceServiceRequest()
        around = request.resource_spans.add()
        around.schema_url = self.any()
        around.resource.attributes.extend([text("service.name", self.allowed()), text(self._key(), self.any())])
        entity = around.resource.entity_refs.add(schema_url=self.any(), type=self.secret())
        entity.id_keys.append(self.prompt())
        entity.description_keys.append(self.secret())
        scope_spans = around.scope_spans.add(schema_url=self.any())
        scope_spans.scope.name, scope_spans.scope.version = self.prompt() + "x" * 256, self.secret() + "x" * 256
        scope_spans.scope.attributes.append(text(self._key(), self.any()))
        for _ in range(spans):
            scope_spans.spans.append(self._span())
        return request

    def _key(self) -> str:
        return self._rng.choice((*CONTENT_KEYS, f"my.{self._noise(5)}"))

    def _span(self) -> Span:
        self._spans += 1
        number = self._spans.to_bytes(8, "big")
        span = Span(trace_id=b"canaries" + number, span_id=number, kind=Span.SPAN_KIND_CLIENT)
        span.start_time_unix_nano = NOW_NS + self._spans * 1_000
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
        span.name = self._rng.choice(("chat gpt-4o", self.prompt(), f"invoke_agent {self.secret()}", self.secret()))
        span.attributes.extend(
            [
                *(text(key, value) for key, value in {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}.items()),
                *(
                    text("gen_ai.request.model", "gpt-4o-mini"),
                    text("tenant.id", self.allowed()),
                    text("gen_ai.response.id", self.allowed()),
                ),
                number_of("gen_ai.usage.input_tokens", 1000),
                number_of("gen_ai.usage.output_tokens", 100),
            ]
        )
        for place in self._rng.choices(PLACES, k=4):
            place(self, span)
        return span


# -- places --------------------------------------------------------------------------------------------------------------


def text(key: str, value: str) -> KeyValue:
    """An attribute of a string."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def number_of(key: str, value: int) -> KeyValue:
    """An attribute of an integer."""
    return KeyValue(key=key, value=AnyValue(int_value=value))


def _attribute(make: Callable[[Planter], AnyValue]) -> Callable[[Planter, Span], None]:
    return lambda planter, span: span.attributes.append(KeyValue(key=planter._key(), value=make(planter)))


def _nested(planter: Planter) -> AnyValue:
    value = AnyValue(string_value=planter.any())
    for depth in range(planter._rng.randrange(1, 30)):
        outer = AnyValue()
        if depth % 2:
            outer.array_value.values.append(value)
        else:
            outer.kvlist_value.values.append(KeyValue(key=f"k{depth}", value=value))
        value = outer
    return value


def _array(planter: Planter) -> AnyValue:
    value = AnyValue()
    both = [AnyValue(string_value=planter.any()), AnyValue(bytes_value=planter.any().encode())]
    value.array_value.values.extend([*both, AnyValue(int_value=3)])
    return value


def _map(planter: Planter) -> AnyValue:
    value = AnyValue()
    value.kvlist_value.values.extend([text("role", planter.any()), number_of(planter.prompt().replace("\n", " "), 5)])
    return value


def _json_key(planter: Planter, span: Span) -> None:
    """A prompt in a JSON value under a key of which JSON is kept, at the places of answers and where identifiers are read."""
    key = planter._rng.choice(sorted(KEPT.json_keys))
    said = {
        "choices": [{"message": {"role": "assistant", "content": planter.prompt()}}],
        "id": f"two words {planter.secret()}",
        "model": f"an answer: {planter.prompt()}",
        f"a key of {planter.secret()}": {"usage": {"input_tokens": 5}},
        "usage": {"prompt_tokens": 7, "comment": planter.secret(), "completion_tokens": planter.prompt()},
        "metadata": json.dumps({"text": planter.secret()}),
        "secret": planter.secret(),
    }
    form = planter._rng.randrange(4)
    value = (json.dumps(said), str(said), planter.any(), json.dumps([said, planter.any()]))[form]
    span.attributes.append(text(key, value))


def _number_key(planter: Planter, span: Span) -> None:
    span.attributes.append(text(planter._rng.choice(sorted(KEPT.number_keys)), planter.prompt()))


def _kept_key_too_long(planter: Planter, span: Span) -> None:
    key = planter._rng.choice(sorted(KEPT.text_keys - KEPT.number_keys))
    span.attributes.append(text(key, planter.prompt() + "x" * KEPT.text_max))


def _kept_key_as_bytes(planter: Planter, span: Span) -> None:
    span.attributes.append(KeyValue(key="tenant.id", value=AnyValue(bytes_value=planter.any().encode())))


def _key_itself(planter: Planter, span: Span) -> None:
    span.attributes.append(number_of(f"{planter.secret()} is a sentence", 1))


def _event(planter: Planter, span: Span) -> None:
    event = span.events.add(name=planter._rng.choice((planter.any(), "exception", "gen_ai.content.prompt")), time_unix_nano=NOW_NS)
    event.attributes.extend([text(planter._key(), planter.any()), KeyValue(key=planter._key(), value=_nested(planter))])


def _link(planter: Planter, span: Span) -> None:
    link = span.links.add(trace_id=planter.secret().encode()[:24], span_id=planter.secret().encode()[:11], trace_state=planter.any())
    link.attributes.append(text(planter._key(), planter.any()))


def _status(planter: Planter, span: Span) -> None:
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=planter.any()))


def _trace_state(planter: Planter, span: Span) -> None:
    span.trace_state = planter.any()


def _bad_ids(planter: Planter, span: Span) -> None:
    """Ids that are none, so that the span goes into quarantine."""
    which = planter._rng.choice(("trace_id", "span_id", "parent_span_id"))
    setattr(span, which, planter.secret().encode())


def _unknown_field(planter: Planter, span: Span) -> None:
    """A field that OTLP does not have (yet), as a newer exporter may send it."""
    hidden = planter.secret().encode()
    span.MergeFromString(bytes([(1 << 7 | 99 << 3 & 0x7F | 2) & 0xFF, 99 >> 4, len(hidden)]) + hidden)


PLACES: Final[tuple[Callable[[Planter, Span], None], ...]] = (
    _attribute(lambda planter: AnyValue(string_value=planter.any())),
    _attribute(lambda planter: AnyValue(string_value=json.dumps({"messages": [{"content": planter.prompt()}]}))),
    _attribute(lambda planter: AnyValue(string_value=base64.b64encode(planter.prompt().encode()).decode())),
    _attribute(lambda planter: AnyValue(bytes_value=planter.any().encode())),
    *(_attribute(_nested), _attribute(_array), _attribute(_map)),
    *(_json_key, _json_key, _number_key, _kept_key_too_long, _kept_key_as_bytes, _key_itself),
    *(_event, _link, _status, _trace_state, _bad_ids, _unknown_field),
)


# -- the search ----------------------------------------------------------------------------------------------------------


def needles(marker: str) -> list[bytes]:
    """How a marker may lie in a file: as it is, in UTF-16, in hex, or anywhere in a base64 text. All but base64 in lower case."""
    raw = marker.encode()
    found = [raw.lower(), marker.lower().encode("utf-16-le"), raw.hex().encode()]
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        found.append(coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6])
    return found


def holds(data: bytes, marker: str) -> bool:
    """Whether there is something of a marker in these bytes."""
    *plain, first, second, third = needles(marker)
    lower = data.lower()
    return any(needle in lower for needle in plain) or any(needle in data for needle in (first, second, third))


def contents(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Every byte of a data folder by name: the files as they are (and their names), and what is in those that are packed."""
    for path in sorted(data_dir.rglob("*")):
        name = str(path.relative_to(data_dir))
        yield f"the name of {name}", name.encode()
        if not path.is_file():
            continue
        whole = path.read_bytes()
        yield name, whole
        if whole.startswith(b"PAR1"):
            yield f"{name} (unpacked)", repr(pq.ParquetFile(path).read().to_pylist()).encode() + _raw_columns(path)
    for stored in read_all(data_dir / "archive", data_dir / "journal"):
        yield f"the request at {stored.position}", repr(stored.record._replace(request=b"")).encode() + stored.record.request
    if (data_dir / "meta.sqlite").exists():
        with sqlite3.connect(f"file:{data_dir / 'meta.sqlite'}?mode=ro", uri=True) as store:
            yield "meta.sqlite (dumped)", "\n".join(store.iterdump()).encode()
        store.close()


def _raw_columns(path: Path) -> bytes:
    """Texts and bytes of a Parquet file without the escapes that Python's `repr` would put into them."""
    found: list[bytes] = []
    waiting: list[Any] = [pq.ParquetFile(path).read().to_pydict()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, bytes):
            found.append(value)
        elif isinstance(value, str):
            found.append(value.encode("utf-8", "surrogatepass"))
    return b"\0".join(found)
