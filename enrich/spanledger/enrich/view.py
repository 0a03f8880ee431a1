"""One span's facts as rules ask for them: by reference, as text, as count, as condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spanledger.enrich.dialects.dialect import When
from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.enrich.providers import plain_model
from spanledger.enrich.refs import look_up, parse_object, split_ref

TEXT_MAX: Final = 256
_SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")


class View:
    """The facts of one span (`span` has its `name` and `kind`); JSON texts are parsed once. `asked_name`: a rule looked at name or kind."""

    __slots__ = ("_json", "_scalars", "_span", "asked_name", "facts")

    def __init__(self, facts: Mapping[str | None, object], span: Any, *, json_scalars: bool = False) -> None:
        self.facts = facts
        self._span, self._scalars = span, json_scalars
        self.asked_name = False
        self._json: dict[str, object] = {}

    def get(self, ref: str) -> object:
        """The value at a reference; None where there is none, an empty text or a pruned one."""
        value = self.facts.get(ref)
        path: tuple[str, ...] = ()
        key = ref
        if value is None:
            if ref.startswith("$"):
                return self._pseudo(ref)
            if "#" not in ref:
                return None
            key, path = split_ref(ref)
            value = self.facts.get(key)
            if value is None:
                return None
        if path:
            value = look_up(self._parsed(key, value), path)
        elif self._scalars and type(value) is str and value.startswith('"'):
            value = look_up(self._parsed(key, value), ())
        if type(value) is str and (not value or value.startswith(PRUNED_PREFIX)):
            return None
        return value

    def present(self, ref: str) -> bool:
        """Whether a reference is there and not empty; a pruned text is there."""
        if "#" in ref or ref.startswith("$"):
            return self.get(ref) is not None
        return ref in self.facts

    def text(self, refs: tuple[str, ...]) -> str | None:
        """The first text (or whole number, as text) at one of the references, cut to TEXT_MAX characters."""
        for ref in refs:
            value = self.get(ref)
            if type(value) is str and (value := value.strip()):
                return value[:TEXT_MAX]
            if type(value) is int:
                return str(value)
        return None

    def holds(self, when: When, operation: str | None = None, provider: str | None = None, model: str | None = None) -> bool:
        """Whether a condition holds of this span; the parts about what is not known yet hold only when empty."""
        return (
            (not when.operations or operation in when.operations)
            and (not when.providers or provider in when.providers)
            and (not when.models or (model is not None and plain_model(model).startswith(when.models)))
            and all(self.present(ref) for ref in when.keys)
            and (not when.any_keys or any(self.present(ref) for ref in when.any_keys))
            and not any(self.present(ref) for ref in when.without)
            and all(self._is_one_of(ref, texts) for ref, texts in when.values.items())
            and all(self._is_below(ref, limit) for ref, limit in when.below.items())
        )

    def _is_one_of(self, ref: str, texts: tuple[str, ...]) -> bool:
        value = self.get(ref)
        if isinstance(value, bool):
            return str(value).lower() in texts
        if isinstance(value, str) and value.startswith("["):
            parsed = parse_object(value)
            return isinstance(parsed, list) and any(str(item) in texts for item in parsed)
        return value is not None and str(value) in texts

    def _is_below(self, ref: str, limit: int) -> bool:
        value = self.get(ref)
        return type(value) in (int, float) and value < limit  # type: ignore[operator]  # the test before says it is a number

    def _parsed(self, key: str, value: object) -> object:
        if key not in self._json:
            self._json[key] = parse_object(value) if isinstance(value, str) else None
        return self._json[key]

    def _pseudo(self, ref: str) -> str | None:
        self.asked_name = True
        if ref == "$span_kind":
            kind = self._span.kind
            return _SPAN_KINDS[kind] if 0 <= kind < len(_SPAN_KINDS) else None
        name: str = self._span.name.decode("utf-8", "replace")
        return name if ref == "$name" else name.split(" ", 1)[0]
