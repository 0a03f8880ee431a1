"""The slow, plain reading of a span by its dialect's rules: what its texts say of the call, and who it is for.

`plan.py` remembers what is found here by the texts it was found from.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from spanledger.enrich.dialects.dialect import Dialect
from spanledger.enrich.kinds import kind_of
from spanledger.enrich.payers import FIELDS, clean_payer, read_allocation
from spanledger.enrich.providers import infer_provider
from spanledger.enrich.records import NOBODY, Kind, Payers, UsageState
from spanledger.enrich.refs import split_ref
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
    provider = infer_provider(label, request_model, _host(view.text(dialect.server_address)))
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


def _host(address: str | None) -> str | None:
    """The host of an address that may be a whole URL ("http://127.0.0.1:8000/v1/" of Microsoft's Agent Framework)."""
    return address.split("://", 1)[-1].split("/", 1)[0] if address else None


class PayerRefs(NamedTuple):
    """The references that a set of keys leaves of the payer rules: (index into Payers, field, references) and those of an allocation.

    `simple` is (index, attribute) of every field's first reference, where these are plain attributes and nothing else is asked for;
    `simple_sources` is what `Payers.sources` says when all of them name somebody. Both are () otherwise.
    """

    fields: tuple[tuple[int, str, tuple[str, ...]], ...]
    allocation: tuple[str, ...]
    simple: tuple[tuple[int, str], ...]
    simple_sources: tuple[tuple[str, str], ...]

    def keys(self) -> set[str]:
        """The attributes they look at."""
        refs = [ref for _, _, refs in self.fields for ref in refs]
        return {split_ref(ref)[0] for ref in (*refs, *self.allocation)}


def payer_refs(table: Mapping[str, tuple[str, ...]], allocation: tuple[str, ...], keys: Container[str | None], origin: str) -> PayerRefs:
    """The payer references whose attributes are among `keys`. `origin` ("span", "resource") begins each source."""
    fields = []
    for index, name in enumerate(FIELDS):
        if refs := tuple(ref for ref in table.get(name, ()) if split_ref(ref)[0] in keys):
            fields.append((index, name, refs))
    shares = tuple(ref for ref in allocation if split_ref(ref)[0] in keys)
    if shares or any("#" in refs[0] for _, _, refs in fields):
        return PayerRefs(tuple(fields), shares, (), ())
    simple = tuple((index, refs[0]) for index, _, refs in fields)
    return PayerRefs(tuple(fields), (), simple, tuple(source_pair(name, origin, refs[0], False) for _, name, refs in fields))


def read_payers(view: View, refs: PayerRefs, origin: str) -> Payers:
    """Who a span or resource says it is for; the source of a value cut to size ends with " (cut)"."""
    found: list[Any] = [None, None, None, None, None, None, None, None, (), refs.simple_sources]
    for index, key in refs.simple:
        found[index], cut = clean_payer(view.facts[key])
        if found[index] is None or cut:
            break
    else:
        if refs.simple:
            return tuple.__new__(Payers, found)
    return _search_payers(view, refs, origin)


def _search_payers(view: View, refs: PayerRefs, origin: str) -> Payers:
    found: list[Any] = [None, None, None, None, None, None, None, None, (), ()]
    sources: list[tuple[str, str]] = []
    for index, name, field_refs in refs.fields:
        for ref in field_refs:
            payer, cut = clean_payer(view.get(ref))
            if payer is not None:
                found[index] = payer
                sources.append(source_pair(name, origin, ref, cut))
                break
    for ref in refs.allocation:
        if shares := read_allocation(view.get(ref)):
            found[8] = shares
            sources.append(source_pair("allocation", origin, ref, False))
            break
    if not sources:
        return NOBODY
    found[9] = tuple(sources)
    return tuple.__new__(Payers, found)


@lru_cache(maxsize=8192)
def source_pair(name: str, origin: str, ref: str, cut: bool) -> tuple[str, str]:
    """(field, where it was found)."""
    return name, f"{origin}:{ref} (cut)" if cut else f"{origin}:{ref}"
