"""What a span stands for, by the kind rules of its dialect."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, get_args

from spanledger.enrich.dialects.dialect import Dialect, Kinds
from spanledger.enrich.records import Kind
from spanledger.enrich.view import View

KINDS: Final[tuple[str, ...]] = get_args(Kind)
_OPERATION_MAX: Final = 64


def kind_of(dialect: Dialect, view: View) -> tuple[Kind | None, str | None]:
    """(kind, operation) by the first rule with a verdict; (None, None) where none has one."""
    for rule in dialect.kinds:
        said = view.get(rule.ref)
        if said is None or not view.holds(rule.when):
            continue
        text = str(said)
        if verdict := _verdict(rule, text):
            return split_verdict(verdict, text)
    return None, None


def _verdict(rule: Kinds, text: str) -> str:
    if found := rule.values.get(text) or rule.values.get(text.lower()) or rule.values.get(text.upper()):
        return found
    return next((verdict for prefix, verdict in rule.prefixes.items() if text.startswith(prefix)), rule.other)


@lru_cache(maxsize=4096)
def split_verdict(verdict: str, text: str) -> tuple[Kind | None, str | None]:
    """(kind, operation) of "inference:chat"; a kind alone keeps the text itself as the operation."""
    kind, _, operation = verdict.partition(":")
    for known in KINDS:
        if kind == known:
            return known, operation or text[:_OPERATION_MAX]  # type: ignore[return-value]  # KINDS are the members of Kind
    return None, None
