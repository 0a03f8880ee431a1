"""The slow, plain reading of a span by its dialect's rules: what its texts say of the call, and who it is for.

`plan.py` remembers what is found here by the texts it was found from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spanledger.enrich.dialects.dialect import Dialect
from spanledger.enrich.kinds import kind_of
from spanledger.enrich.payers import FIELDS, PAYER_MAX, clean_payer, read_allocation
from spanledger.enrich.providers import infer_provider
from spanledger.enrich.records import NOBODY, Kind, Payers, UsageState
from spanledger.enrich.view import View


class What(NamedTuple):
    """What a span's texts say: everything about the call but its counts, ids and prompt.

    `shapes` are the dialect's usage shapes whose conditions hold, by index; `state` is what the dialect says of any usage.
    """

    kind: Kind | None
    operation: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    service_tier: str | None
    region: str | None
    error_type: str | None
    tool_name: str | None
    shapes: tuple[int, ...]
    state: UsageState
    named: bool
    ignored: bool
    failed: bool


def read_what(dialect: Dialect, view: View) -> What:
    """What the texts of a span say."""
    kind, operation = kind_of(dialect, view)
    label = view.text(dialect.provider) or dialect.default_provider
    if label is not None:
        label = dialect.provider_names.get(label, label) or None
    request_model, response_model = view.text(dialect.request_model), view.text(dialect.response_model)
    model = response_model or request_model
    provider = infer_provider(label, request_model, view.text(dialect.server_address))
    if provider is None and response_model is not None:
        provider = infer_provider(label, response_model, None)
    about = (operation, provider, model)
    estimated = any(view.holds(when, *about) for when in dialect.estimated)
    partial = any(view.holds(when, *about) for when in dialect.partial)
    return What(
        kind,
        operation,
        provider,
        request_model,
        response_model,
        view.text(dialect.service_tier),
        view.text(dialect.region),
        view.text(dialect.error_type),
        view.text(dialect.tool_name),
        tuple(index for index, shape in enumerate(dialect.shapes) if view.holds(shape.when, *about)),
        "estimated" if estimated else "partial" if partial else "measured",
        model is not None or label is not None,
        any(view.holds(when, *about) for when in dialect.ignored),
        any(view.holds(when, *about) for when in dialect.failed),
    )


def read_payers(view: View, refs: Mapping[str, tuple[str, ...]], allocation: tuple[str, ...], origin: str) -> Payers:
    """Who a span or resource says it is for. `origin` ("span", "resource") begins each source; a value cut to size ends its with " (cut)"."""
    found: list[str | None] = []
    sources: list[tuple[str, str]] = []
    for name in FIELDS:
        value, source = _first_payer(view, refs.get(name, ()))
        found.append(value)
        if value is not None:
            sources.append((name, f"{origin}:{source}"))
    shares: tuple[tuple[str, int], ...] = ()
    for ref in allocation:
        if shares := read_allocation(view.get(ref)):
            sources.append(("allocation", f"{origin}:{ref}"))
            break
    return Payers(*found, shares, tuple(sources)) if sources else NOBODY


def _first_payer(view: View, refs: tuple[str, ...]) -> tuple[str | None, str]:
    for ref in refs:
        raw = view.get(ref)
        if raw is not None and (payer := clean_payer(raw)) is not None:
            return payer, f"{ref} (cut)" if isinstance(raw, str) and len(raw.strip()) > PAYER_MAX else ref
    return None, ""
