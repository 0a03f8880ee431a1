"""The reading rules as one frozen value with an id of its content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

from spanledger.enrich.dialects.dialect import Dialect
from spanledger.enrich.dialects.registry import SHIPPED
from spanledger.enrich.failures import SHIPPED_POLICY, FailurePolicy
from spanledger.enrich.findings import NO_FLAGS, FlagRules
from spanledger.enrich.meters import Meter
from spanledger.enrich.payers import DEFAULT_RULES, PayerRules


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides how a span is read and judged. `ruleset_id` is a digest of it, recorded on every event."""

    dialects: tuple[Dialect, ...]
    payers: PayerRules
    ruleset_id: str
    meters: tuple[Meter, ...] = ()
    failures: FailurePolicy = SHIPPED_POLICY
    flags: FlagRules = NO_FLAGS


def make_rules(
    dialects: tuple[Dialect, ...],
    payers: PayerRules,
    meters: tuple[Meter, ...] = (),
    failures: FailurePolicy = SHIPPED_POLICY,
    flags: FlagRules = NO_FLAGS,
) -> Rules:
    """Rules with their id."""
    return Rules(dialects, payers, _digest((dialects, payers, meters, failures, flags)), meters, failures, flags)


@cache
def default_rules() -> Rules:
    """The shipped rules."""
    return make_rules(SHIPPED, DEFAULT_RULES)


def _digest(value: object) -> str:
    return blake2b(json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
