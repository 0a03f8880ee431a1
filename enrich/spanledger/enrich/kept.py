"""What pruning must keep, derived from the reading rules, so that no rule ever looks for something that was thrown away.

Numbers and booleans are always kept; this is about texts. A text under a key that no rule names becomes `pruned:<length>:<hash>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from spanledger.enrich.dialects.dialect import all_refs, condition_refs, conditions, number_refs, text_refs
from spanledger.enrich.meters import number_refs_of, text_refs_of
from spanledger.enrich.refs import DEPTH_MAX, parse_object, split_ref
from spanledger.enrich.rules import Rules

PRUNED_PREFIX: Final = "pruned:"
TEXT_MAX: Final = 1024
"""Characters up to which a text of a named key is kept."""
_LEAF_MAX: Final = 256
_ANY_KEY_MAX: Final = 64
NUMBER_MAX: Final = 40
"""Characters up to which a text is kept that can only be a number."""
_ITEMS_MAX: Final = 1024

_RESOURCE_KEYS: Final = (
    "service.name",
    "service.namespace",
    "service.version",
    "service.instance.id",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
    "cloud.provider",
    "cloud.region",
)
_NAMES_FOR_PEOPLE: Final = (
    "gen_ai.operation.name",
    "gen_ai.tool.type",
    "gen_ai.output.type",
    "gen_ai.response.finish_reasons",
    "gen_ai.request.service_tier",
    "openai.request.service_tier",
    "gen_ai.data_source.id",
    "db.system.name",
    "db.system",
    "db.operation.name",
    "http.request.method",
    "http.route",
    "rpc.system",
    "rpc.method",
    "server.address",
    "error.type",
    "exception.type",
)
"""Identifiers that no shipped rule reads yet, kept so that replays with later rules and `tree` have them."""

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9][0-9_,]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)


NUMBERS, IDENTIFIERS, TEXTS = range(3)
"""What of a JSON leaf is kept: numbers only; one-word texts too (an id, a model, a tier); short texts of any form (who a call is for).

A model's own answer may be JSON with an "id" in it, so that a text with blanks under such a key is content, not an identifier.
"""


class JsonKept(NamedTuple):
    """What of a JSON text survives: the paths that rules read. Lists are transparent: the rule of a list is that of each element."""

    tree: Mapping[str, Any]
    """key ("*" = any) -> (leaf, subtree); leaf is None: no value here; else NUMBERS, IDENTIFIERS or TEXTS."""


class Kept(NamedTuple):
    """What pruning keeps; see the module's text."""

    text_keys: frozenset[str]
    json_keys: Mapping[str, JsonKept]
    span_names: frozenset[str]
    span_name_words: frozenset[str]
    event_names: frozenset[str]
    text_max: int = TEXT_MAX
    number_keys: frozenset[str] = frozenset()
    """Those of the text keys that rules read nothing but numbers from: a text under one is kept where it is a number in writing."""


def kept_for(rules: Rules) -> Kept:
    """What the given rules need."""
    texts = set(_RESOURCE_KEYS) | set(_NAMES_FOR_PEOPLE)
    trees: dict[str, dict[str, Any]] = {}
    numbers = {ref for dialect in rules.dialects for ref in number_refs(dialect)} | set(number_refs_of(rules.meters))
    prompts = {ref for dialect in rules.dialects for ref in dialect.prompt}
    payers = set(_payer_refs(rules))
    for ref in _every_ref(rules):
        key, path = split_ref(ref)
        if path:
            leaf = TEXTS if ref in payers else NUMBERS if ref in numbers else IDENTIFIERS
            _grow(trees.setdefault(key, {}), path, leaf)
            if len(path) > 1:  # flat keys with dots, {"tenant.id": "acme"}
                _grow(trees[key], (".".join(path),), leaf)
        elif ref not in prompts and not ref.startswith("$"):
            texts.add(key)
    return Kept(
        text_keys=frozenset(texts - trees.keys()),
        json_keys={key: JsonKept(tree) for key, tree in trees.items()},
        span_names=frozenset(_name_values(rules, "$name")),
        span_name_words=frozenset(_name_values(rules, "$word")),
        event_names=frozenset({"exception", *(name for dialect in rules.dialects for name in dialect.usage_events)}),
        number_keys=frozenset((numbers & texts) - trees.keys() - _read_as_text(rules)),
    )


def _read_as_text(rules: Rules) -> frozenset[str]:
    """What is read from as text, whatever else: also by a condition, which may ask for a word where others have a number."""
    read = {ref for dialect in rules.dialects for refs in (condition_refs(dialect), text_refs(dialect)) for ref in refs}
    named = {*_RESOURCE_KEYS, *_NAMES_FOR_PEOPLE, *text_refs_of(rules.meters)}
    return frozenset(read | named | (set(_payer_refs(rules)) - set(number_refs_of(rules.meters))))


def is_number(text: str) -> bool:
    """Whether a text is a number in writing, of at most `NUMBER_MAX` characters."""
    return len(text) <= NUMBER_MAX and _NUMBER.fullmatch(text) is not None


def _every_ref(rules: Rules) -> Iterator[str]:
    for dialect in rules.dialects:
        yield from all_refs(dialect)
    yield from _payer_refs(rules)


def _payer_refs(rules: Rules) -> Iterator[str]:
    for table in (rules.payers.span, rules.payers.resource, *(dialect.payers for dialect in rules.dialects)):
        for refs in table.values():
            yield from refs
    yield from rules.payers.allocation
    yield from number_refs_of(rules.meters)
    yield from text_refs_of(rules.meters)


def _name_values(rules: Rules, ref: str) -> Iterator[str]:
    for dialect in rules.dialects:
        for rule in dialect.kinds:
            if rule.ref == ref:
                yield from rule.values
        for when in conditions(dialect):
            yield from when.values.get(ref, ())


def _grow(tree: dict[str, Any], path: tuple[str, ...], leaf: int) -> None:
    known, below = tree.setdefault(path[0], (None, {}))
    if len(path) > 1:
        _grow(below, path[1:], leaf)
    else:
        tree[path[0]] = (max(known or NUMBERS, leaf), below)


def reduce_json(kept: JsonKept, text: str) -> str | None:
    """The JSON text of what the rules read in `text` (a JSON or Python-repr object); None where it is neither or holds nothing of it."""
    value = parse_object(text)
    if not isinstance(value, dict | list):
        return None
    reduced = _reduce(value, kept.tree, None, 0)
    return None if reduced is None else json.dumps(reduced, ensure_ascii=False, separators=(",", ":"))


def _reduce(value: Any, tree: Mapping[str, Any], leaf: int | None, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        pairs = ((key, _reduce(item, *_below(tree, key), depth + 1)) for key, item in value.items() if _is_name(key, tree))
        return {key: item for key, item in pairs if item is not None} or None
    if isinstance(value, list | tuple):
        items = [_reduce(item, tree, leaf, depth + 1) for item in value[:_ITEMS_MAX]]
        return [item for item in items if item is not None] or None
    if isinstance(value, str) and tree and (inner := parse_object(value)) is not None and isinstance(inner, dict | list):
        reduced = _reduce(inner, tree, leaf, depth + 1)
        return None if reduced is None else json.dumps(reduced, ensure_ascii=False, separators=(",", ":"))
    return value if leaf is not None and _survives(value, leaf) else None


def _is_name(key: Any, tree: Mapping[str, Any]) -> bool:
    """Whether a key may stand: one that rules name, or (where they take any) one that looks like a name."""
    return isinstance(key, str) and (key in tree or (len(key) <= _ANY_KEY_MAX and len(key.split(None, 1)) == 1))


def _below(tree: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], int | None]:
    leaf, below = tree.get(key, (None, {}))
    if (any_key := tree.get("*")) is not None:
        leaf = any_key[0] if leaf is None else max(leaf, any_key[0] or NUMBERS)
        below = {**any_key[1], **below}
    return below, leaf


def _survives(value: Any, leaf: int) -> bool:
    if not isinstance(value, str):
        return isinstance(value, int | float) and value == value
    if len(value) > _LEAF_MAX:
        return False
    return leaf == TEXTS or is_number(value) or (leaf == IDENTIFIERS and len(value.split(None, 1)) == 1)
