"""References: where on a span a rule looks, `attribute` or `attribute#path.inside.its.json`, and how such JSON is searched.

Emitters put usage into JSON texts and into the `repr` of Python dicts; both are read here, bounded in size and depth, never with eval.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

JSON_MAX: Final = 1 << 20
"""Characters of a JSON attribute that are looked at; a longer one is not read."""
REPR_MAX: Final = 1 << 16
DEPTH_MAX: Final = 32


@lru_cache(maxsize=8192)
def split_ref(ref: str) -> tuple[str, tuple[str, ...]]:
    """(attribute, path) of a reference; the path is () for a plain attribute."""
    attribute, _, path = ref.partition("#")
    return attribute, tuple(path.split(".")) if path else ()


def parse_object(text: str) -> object:
    """The JSON value a text holds, or the Python literal where it is the repr of a dict; None where it is neither."""
    start = text[:1]
    if start not in '{["' or not start or len(text) > JSON_MAX:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if start != "{" or len(text) > REPR_MAX:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def look_up(value: object, path: tuple[str, ...]) -> object:
    """The first scalar at a path, None where there is none.

    Lists are transparent, `*` is any key, a text on the way is parsed when it is JSON, and a flat key may spell the rest with dots.
    """
    return next(_found(value, path, 0), None)


def _found(value: object, path: tuple[str, ...], depth: int) -> Iterator[object]:
    if depth > DEPTH_MAX or value is None:
        return
    if isinstance(value, list | tuple):
        for item in value:
            yield from _found(item, path, depth + 1)
    elif not path:
        if not isinstance(value, dict):
            yield value
    elif isinstance(value, dict):
        heads = list(value.values()) if path[0] == "*" else [value.get(path[0])]
        for head in heads:
            yield from _found(head, path[1:], depth + 1)
        if len(path) > 1:
            yield from _found(value.get(".".join(path)), (), depth + 1)
    elif isinstance(value, str):
        inner = parse_object(value)
        if isinstance(inner, dict | list):
            yield from _found(inner, path, depth + 1)
