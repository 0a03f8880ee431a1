"""A plan: how one dialect reads the spans that have exactly these keys.

Spans of one emitter come in a few sets of keys. What the rules decide from texts alone (kind, models, provider, payers) is
remembered by those texts; what differs from span to span (counts, ids) is read each time by a short list of lookups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from spanledger.enrich.dialects.dialect import SHAPE_PARTS, Dialect, Shape, condition_refs, number_refs, text_refs
from spanledger.enrich.interpret import What, read_payers, read_what
from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.enrich.payers import FIELDS, PayerRules
from spanledger.enrich.records import Call, Kind, Payers, Usage, UsageState
from spanledger.enrich.refs import split_ref
from spanledger.enrich.usage import COUNT_MAX, EXTRA, reckon, sane_count
from spanledger.enrich.view import TEXT_MAX, View

_MEMO_MAX: Final = 8192
_NO_OUTPUT: Final = frozenset({"embeddings", "rerank", "moderation", "speech", "image_generation", "transcription", "audio"})
"""Operations whose result is no tokens: an absent output count is no gap."""
FactMap = Mapping[Any, Any]
_T = TypeVar("_T")
_new_call = tuple.__new__
_new_usage = tuple.__new__


class _Lookups(NamedTuple):
    """What a set of keys leaves of a shape: where each count is, and whether the usual reading settles it.

    `plain` and `refs` are (index into the counts, attribute or reference). `basis` is not "" where totals include every
    part that can be there, so that two comparisons settle a span.
    """

    shape: Shape
    plain: tuple[tuple[int, str], ...]
    refs: tuple[tuple[int, str], ...]
    size: int
    basis: str


class Plan:
    """Reads (kind, operation, payers, call, failed) of spans with one set of keys."""

    __slots__ = (
        *("_attempt", "_call_of", "_cost", "_dialect", "_dynamic", "_ids", "_lookups", "_name_matters", "_prompts", "_steady", "_what"),
        *("_what_key", "_who", "_who_allocation", "_who_key", "_who_refs"),
    )

    def __init__(self, dialect: Dialect, keys: frozenset[str], payers: PayerRules) -> None:
        self._dialect = dialect
        self._who_refs = {name: _present(_payer_refs(dialect, payers, name), keys) for name in FIELDS}
        self._who_allocation = _present(payers.allocation, keys)
        self._who_key = _getter({split_ref(ref)[0] for refs in (*self._who_refs.values(), self._who_allocation) for ref in refs})
        self._who: dict[Any, Payers] = {}
        self._lookups = tuple(_lookups_of(shape, keys) for shape in dialect.shapes)
        self._ids = _present(dialect.response_id, keys)
        self._prompts = _present(dialect.prompt, keys)
        self._cost = _present(dialect.emitter_cost, keys)
        self._attempt = _present(dialect.attempt, keys)
        counted = any(lookups is not None for lookups in self._lookups)
        self._steady = not (counted or self._ids or self._prompts or self._cost or self._attempt)
        refs = [ref for ref in (*text_refs(dialect), *condition_refs(dialect)) if not ref.startswith("$") and split_ref(ref)[0] in keys]
        self._dynamic = any("#" in ref for ref in refs if ref not in dialect.response_id)
        apart = {*number_refs(dialect), *dialect.response_id, *dialect.prompt}
        self._what_key = _getter({ref for ref in refs if "#" not in ref and ref not in apart})
        self._name_matters = any(ref.startswith("$") for ref in (*text_refs(dialect), *condition_refs(dialect))) or any(
            rule.ref.startswith("$") for rule in dialect.kinds
        )
        self._what: dict[Any, What] = {}
        self._call_of: dict[Any, Call | None] = {}

    def read(self, facts: FactMap, name: bytes, span_kind: int) -> tuple[Kind, str | None, Payers, Call | None, bool]:
        """(kind, operation, payers, call, failed by the dialect's own signs) of one span."""
        key = self._who_key(facts)
        payers = self._who.get(key)
        if payers is None:
            view = self._view(facts, name, span_kind)
            payers = _remember(self._who, key, read_payers(view, self._who_refs, self._who_allocation, "span"))
        if self._dynamic:
            what = read_what(self._dialect, self._view(facts, name, span_kind))
            call = self._read_call(what, facts, name, span_kind)
        else:
            key = (self._what_key(facts), name, span_kind) if self._name_matters else self._what_key(facts)
            what = self._what.get(key)  # type: ignore[assignment]  # None is handled below
            if what is None:
                what = _remember(self._what, key, read_what(self._dialect, self._view(facts, name, span_kind)))
            if not self._steady:
                call = self._read_call(what, facts, name, span_kind)
            elif key in self._call_of:
                call = self._call_of[key]
            else:
                call = _remember(self._call_of, key, self._read_call(what, facts, name, span_kind))
        kind = what.kind
        if kind is None:
            return ("other" if call is None else self._dialect.usage_kind), _operation(what, call), payers, call, what.failed
        return kind, what.operation, payers, call, what.failed

    def _read_call(self, what: What, facts: FactMap, name: bytes, span_kind: int) -> Call | None:
        kind = what.kind
        if kind == "other":
            return None
        usage, basis, flags, state = None, "", (), "missing"
        if not what.ignored and kind != "tool":
            usage, basis, flags, state = self._read_usage(what, facts, name, span_kind)
        if kind is None and (usage is None or (self._dialect.usage_needs_model and not what.named)):
            return None
        response_id = self._read_id(facts, name, span_kind) if self._ids else None
        return _new_call(
            Call,
            (
                self._dialect.name,
                basis,
                what.provider,
                what.request_model,
                what.response_model,
                response_id,
                self._dialect.response_id_unique
                and not (response_id is not None and self._dialect.made_up_ids and response_id.startswith(self._dialect.made_up_ids)),
                what.service_tier,
                what.region,
                usage,
                state,
                self._read_cost(facts, name, span_kind) if self._cost else None,
                what.error_type,
                self._read_attempt(facts, name, span_kind) if self._attempt else None,
                what.tool_name,
                self._read_prompt(facts) if self._prompts else None,
                flags,
            ),
        )

    def _read_usage(
        self, what: What, facts: FactMap, name: bytes, span_kind: int
    ) -> tuple[Usage | None, str, tuple[str, ...], UsageState]:
        """(usage, basis, flags, state) of the first shape that applies and counts something."""
        odd: list[str] = []
        for index in what.shapes:
            lookups = self._lookups[index]
            if lookups is None:
                continue
            counts: list[int | None] = [None] * lookups.size
            for place, key in lookups.plain:
                if counts[place] is None:
                    value = facts[key]
                    counts[place] = value if type(value) is int and 0 <= value <= COUNT_MAX else sane_count(value, odd)
            if lookups.refs:
                view = self._view(facts, name, span_kind)
                for place, ref in lookups.refs:
                    if counts[place] is None:
                        counts[place] = sane_count(view.get(ref), odd)
            if lookups.basis and not odd:
                given, made, _, read, write, short, long, reasoning = counts
                if given and made is not None and (read or 0) + (write or 0) <= given and (reasoning or 0) <= made:
                    usage = _new_usage(Usage, (given, made, read, write, short, long, reasoning, ()))
                    return usage, lookups.basis, (), "aggregate" if what.kind == "aggregate" else what.state
            reckoned = reckon(lookups.shape, counts, odd)
            if reckoned.usage is not None:
                return _judged(what, reckoned.usage, reckoned.basis, reckoned.flags)
        return None, "", tuple(sorted(set(odd))), "missing"

    def _view(self, facts: FactMap, name: bytes, span_kind: int) -> View:
        return View(facts, name, span_kind, json_scalars=self._dialect.json_scalars)

    def _read_id(self, facts: FactMap, name: bytes, span_kind: int) -> str | None:
        if len(self._ids) == 1 and not self._dialect.json_scalars:
            value = facts.get(self._ids[0])
            if type(value) is str and value and len(value) <= TEXT_MAX and not value.startswith(PRUNED_PREFIX):
                return value
        return self._view(facts, name, span_kind).text(self._ids)

    def _read_cost(self, facts: FactMap, name: bytes, span_kind: int) -> str | None:
        view = self._view(facts, name, span_kind)
        for ref in self._cost:
            value = view.get(ref)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                try:
                    cost = Decimal(str(value))
                except InvalidOperation:
                    continue
                if cost.is_finite() and abs(cost) < COUNT_MAX:
                    return f"{cost:f}"[:TEXT_MAX]
        return None

    def _read_attempt(self, facts: FactMap, name: bytes, span_kind: int) -> int | None:
        view = self._view(facts, name, span_kind)
        return next((count for ref in self._attempt if (count := sane_count(view.get(ref), [])) is not None), None)

    def _read_prompt(self, facts: FactMap) -> str | None:
        for key in self._prompts:
            value = facts.get(key)
            if type(value) is str and value.startswith(PRUNED_PREFIX):
                return value[len(PRUNED_PREFIX) : len(PRUNED_PREFIX) + 64]
        return None


def _judged(what: What, usage: Usage, basis: str, flags: tuple[str, ...]) -> tuple[Usage | None, str, tuple[str, ...], UsageState]:
    """The usage with what its zeros and gaps mean: a call has at least one input token, and failed ones often say 0 and 0."""
    if what.kind == "aggregate":
        return (usage, basis, flags, "aggregate") if usage.input_tokens or usage.output_tokens else (None, "", flags, "missing")
    if not usage.input_tokens and not usage.output_tokens and not usage.extra:
        return None, "", (*flags, "zero_usage"), "missing"
    if not usage.input_tokens and usage.output_tokens:
        usage = usage._replace(input_tokens=None)
        return usage, basis, tuple(sorted({*flags, "input_unknown"})), "estimated" if what.state == "estimated" else "partial"
    if usage.output_tokens is None and what.operation not in _NO_OUTPUT and what.state == "measured" and what.kind == "inference":
        return usage, basis, tuple(sorted({*flags, "output_unknown"})), "partial"
    return usage, basis, flags, what.state


def _operation(what: What, call: Call | None) -> str | None:
    """The operation of a span that no kind rule decides but its usage tells of a call."""
    if call is None or call.usage is None or what.operation is not None:
        return what.operation
    model = (what.request_model or what.response_model or "").lower()
    return "embeddings" if "embed" in model and not call.usage.output_tokens else "chat"


def _payer_refs(dialect: Dialect, payers: PayerRules, name: str) -> tuple[str, ...]:
    refs = (*payers.span.get(name, ()), *dialect.payers.get(name, ()))
    return tuple(ref for ref in dict.fromkeys(refs) if ref not in dialect.not_payers)


def _present(refs: tuple[str, ...], keys: frozenset[str]) -> tuple[str, ...]:
    return tuple(ref for ref in refs if split_ref(ref)[0] in keys)


def _lookups_of(shape: Shape, keys: frozenset[str]) -> _Lookups | None:
    extras = sorted(shape.extra)
    lists = [*(getattr(shape, part) for part in SHAPE_PARTS), *(shape.extra[unit] for unit in extras)]
    found = [(place, ref) for place, refs in enumerate(lists) for ref in refs if split_ref(ref)[0] in keys]
    if not any(place < EXTRA for place, _ in found):
        return None
    plain = [(place, ref) for place, ref in found if "#" not in ref]
    more = [(place, ref) for place, ref in found if "#" in ref]
    if any(place in {p for p, _ in plain} for place, _ in more):  # one order of preference for both
        plain, more = [], found
    return _Lookups(shape, tuple(plain), tuple(more), len(lists) if any(place >= EXTRA for place, _ in found) else EXTRA, _usual_basis(shape, found))


def _usual_basis(shape: Shape, found: list[tuple[int, str]]) -> str:
    """The basis of spans with these keys where nothing but the usual reading applies; "" where more has to be looked at."""
    places = {place for place, _ in found}
    parts = {3: "cache_read", 4: "cache_write", 7: "reasoning"}
    usual = (
        places <= {0, 1, 3, 4, 7}
        and all(part in shape.inside for place, part in parts.items() if place in places)
        and not (shape.doubled or shape.rest_of_total or shape.zero_is_unknown or shape.untold)
    )
    if not usual:
        return ""
    notes = [shape.name, "input_includes_cache" if places & {3, 4} else "", "output_includes_reasoning" if 7 in places else ""]
    return ",".join(note for note in notes if note) or "as_told"


def _getter(keys: set[str]) -> Callable[[FactMap], Any]:
    return itemgetter(*sorted(keys)) if keys else _nothing


def _nothing(_: FactMap) -> tuple[()]:
    return ()


def _remember(memo: dict[Any, _T], key: Any, value: _T) -> _T:
    if len(memo) >= _MEMO_MAX:
        memo.clear()
    memo[key] = value
    return value
