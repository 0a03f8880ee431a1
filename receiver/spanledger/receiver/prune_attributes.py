"""Which attributes are kept, attribute by attribute as it lies on the wire.

An attribute is a slice of bytes. Most slices repeat (the same model, the same host), so the decision on a whole slice is
remembered; the others are read by the one layout that every exporter writes, and only what departs from it is parsed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from spanledger.enrich.kept import JsonKept, Kept, is_number, reduce_json
from spanledger.receiver.effort import Effort
from spanledger.receiver.projected import AnyValue, KeyValue, Values
from spanledger.receiver.redact import Redactor, is_redacted

KEY_BYTES_MAX = 256
VALUES_MAX = 1024
"""An array or map with more elements becomes one replacement: it is content, not usage."""
_MEMO_BYTES_MAX = 256
_MEMO_SIZE = 1 << 16
_ACTIONS_SIZE = 1 << 14
_PARSE_EFFORT = 3
_LIST_BYTES_USUAL = 128 << 10
_LIST_BYTES_SHIFT = 6
_JSON_BYTES_SHIFT = 4
_NO_NAME = re.compile("[\x00-\x1f\x7f-\x9f]|\\s")
"""What no name of an attribute has in it: a key with a blank is a sentence that somebody used as a key."""

# What is done with a string value, by its key; a JsonKept says "reduce to what it names".
_KEEP: Final = "keep"
_NUMBER: Final = "keep numbers"
_PRUNE: Final = "prune"
_REPLACE_KEY: Final = "replace key"


class _Inside(NamedTuple):
    """A place inside a map that stands, as a map on the wire, where others send the JSON text."""

    kept: JsonKept
    path: tuple[str, ...]


Action = str | JsonKept | _Inside

_LISTS: Final = frozenset({"array_value", "kvlist_value"})
# Tags of the wire form: KeyValue.key, KeyValue.value, and the members of AnyValue.
_KEY, _VALUE, _STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x12, 0x0A, 0x10, 0x18, 0x21


class AttributePruner:
    """Prunes serialized KeyValues by what the rules keep. Safe to use from many threads.

    Raises google.protobuf.message.DecodeError for bytes that are no KeyValue.
    """

    def __init__(self, kept: Kept, redactor: Redactor, *, depth_max: int) -> None:
        self._redactor = redactor
        self._depth_max = depth_max
        self._text_max = kept.text_max
        self._known: dict[bytes, Action] = {key.encode(): _KEEP for key in kept.text_keys}
        self._known.update({key.encode(): _NUMBER for key in kept.number_keys})
        self._known.update({key.encode(): json_kept for key, json_kept in kept.json_keys.items()})
        self._actions = dict(self._known)
        self._memo: dict[bytes, bytes] = {}
        self._remembered = self._memo.get

    def prune_all(self, attributes: list[bytes], effort: Effort) -> list[bytes]:
        """The pruned attributes, in order; the list itself when nothing changed. Raises Laborious beyond the effort."""
        pruned: list[bytes | None] = list(map(self._remembered, attributes))
        if None in pruned:
            read = 0
            for index, done in enumerate(pruned):
                if done is None:
                    read += 1
                    pruned[index] = self.prune(attributes[index], effort)
            effort.spend(read)
        return attributes if pruned == attributes else pruned  # type: ignore[return-value]  # the loop above left no None

    def prune(self, attribute: bytes, effort: Effort) -> bytes:
        """One serialized KeyValue, pruned."""
        if len(attribute) > _MEMO_BYTES_MAX:
            return self._read_long(attribute) or self._parse(attribute, 0, effort)
        pruned = self._read(attribute) or self._parse(attribute, 0, effort)
        if len(self._memo) >= _MEMO_SIZE:
            self._memo.clear()
        self._memo[attribute] = pruned
        return pruned

    def _read(self, data: bytes) -> bytes | None:
        """Decide by the usual layout (one-byte lengths, one value, nothing else); None when the slice has another."""
        size = len(data)
        if size < 6 or data[0] != _KEY or (key_end := data[1] + 2) > size - 4 or data[1] > 127 or data[key_end] != _VALUE:
            return None
        start = key_end + 2
        length = data[key_end + 1]
        if length != size - start or length > 127:
            return None
        action = self._actions.get(data[2:key_end]) or self._classify(data[2:key_end])
        if action is _REPLACE_KEY:
            return None
        tag = data[start]
        if tag == _STRING:
            if data[start + 1] != length - 2:
                return None
            return self._read_string(data, key_end, data[start + 2 :], action)
        if tag == _INT:  # a varint that ends exactly here: anything behind it could be a second value that wins
            usual = data[-1] < 128 and length <= 10 and (length == 2 or min(data[start + 1 : -1]) > 127)
        elif tag == _BOOL:
            usual = length == 2 and data[-1] < 2
        else:
            usual = tag == _DOUBLE and length == 9
        return data if usual else None

    def _read_long(self, data: bytes) -> bytes | None:
        """The same for what is most of the volume: a long text that is not kept. None when it is anything else."""
        key_end = data[1] + 2
        if data[0] != _KEY or data[1] > 127 or data[key_end] != _VALUE:
            return None
        length, start = _varint(data, key_end + 1)
        if start + length != len(data) or length < 2 or data[start] != _STRING:
            return None
        length, start = _varint(data, start + 1)
        if start + length != len(data):
            return None
        key = data[2:key_end]
        action = self._actions.get(key) or self._classify(key)
        return self._read_string(data, key_end, data[start:], _PRUNE) if action is _PRUNE else None

    def _read_string(self, data: bytes, key_end: int, text: bytes, action: Action) -> bytes | None:
        if action is _KEEP:
            return data if len(text) <= self._text_max and text.isascii() else None
        if action is not _PRUNE:
            return None
        text = self._redactor.text(text)
        return b"%s\x12%c\x0a%c%s" % (data[:key_end], len(text) + 2, len(text), text)

    def _classify(self, key: bytes) -> Action:
        action: Action = _PRUNE
        try:
            if len(key) > KEY_BYTES_MAX or _NO_NAME.search(key.decode()):
                action = _REPLACE_KEY
        except UnicodeDecodeError:
            action = _REPLACE_KEY
        if len(key) <= KEY_BYTES_MAX:
            if len(self._actions) >= _ACTIONS_SIZE:
                self._actions = dict(self._known)
            self._actions[key] = action
        return action

    # -- whatever the usual layout is not -------------------------------------------------------------------------------

    def _parse(self, data: bytes, depth: int, effort: Effort, around: Action = _PRUNE) -> bytes:
        """A KeyValue in any layout; `around` is what holds for the map it is in."""
        effort.spend(_PARSE_EFFORT)
        attribute = KeyValue.FromString(data)
        attribute.DiscardUnknownFields()
        key = attribute.key
        action = self._actions.get(key) or self._classify(key)
        if action is _REPLACE_KEY:
            attribute.key, action = self._redactor.text(key), _PRUNE
        elif isinstance(around, _Inside):
            action = _Inside(around.kept, (*around.path, key.decode()))
        if attribute.HasField("value"):
            self._prune_value(attribute.value, action, depth, effort)
        return bytes(attribute.SerializeToString())

    def _prune_value(self, value: Any, action: Action, depth: int, effort: Effort) -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            value.string_value = self._string(value.string_value, action, effort)
        elif kind == "bytes_value":
            value.string_value = self._redactor.binary(value.bytes_value)
        elif kind in _LISTS:
            self._prune_list(value, kind, action, depth, effort)

    def _prune_list(self, value: Any, kind: str, action: Action, depth: int, effort: Effort) -> None:
        """Elements of an array go by the key of the array, those of a map by their own keys."""
        data = getattr(value, kind)
        if depth >= self._depth_max:
            value.string_value = self._redactor.binary(data)
            return
        effort.spend(len(data) >> _LIST_BYTES_SHIFT if len(data) <= _LIST_BYTES_USUAL else len(data))  # each level copies all in it
        elements = Values.FromString(data)
        if len(elements.values) > VALUES_MAX:
            value.string_value = self._redactor.binary(data)
            return
        elements.DiscardUnknownFields()
        if kind == "array_value":
            elements.values[:] = [self._element(element, action, depth + 1, effort) for element in elements.values]
        else:
            inside = _Inside(action, ()) if isinstance(action, JsonKept) else action
            elements.values[:] = [self._parse(element, depth + 1, effort, inside) for element in elements.values]
        setattr(value, kind, elements.SerializeToString())

    def _element(self, data: bytes, action: Action, depth: int, effort: Effort) -> bytes:
        effort.spend(_PARSE_EFFORT)
        value = AnyValue.FromString(data)
        value.DiscardUnknownFields()
        self._prune_value(value, action, depth, effort)
        return bytes(value.SerializeToString())

    def _string(self, data: bytes, action: Action, effort: Effort) -> bytes:
        if action is _PRUNE or is_redacted(data):
            return self._redactor.text(data)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return self._redactor.text(data)
        if isinstance(action, _Inside):
            return data if _survives(action, text) else self._redactor.text(data)
        if isinstance(action, JsonKept):
            effort.spend(len(data) >> _JSON_BYTES_SHIFT)
            reduced = reduce_json(action, text)
            return self._redactor.text(data) if reduced is None else reduced.encode()
        fits = is_number(text) if action is _NUMBER else len(text) <= self._text_max
        return data if fits else self._redactor.text(data)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends; (0, 0) when it is longer than a length within a request can be."""
    value = data[at] & 127
    for shift in (7, 14, 21, 28):
        if data[at] < 128:
            return value, at + 1
        at += 1
        value |= (data[at] & 127) << shift
    return 0, 0


def _survives(place: _Inside, text: str) -> bool:
    """Whether the rule for JSON texts would keep `text` whole at this place."""
    value: Any = text
    for key in reversed(place.path):
        value = {key: value}
    reduced = reduce_json(place.kept, json.dumps(value))
    return reduced is not None and json.loads(reduced) == value
