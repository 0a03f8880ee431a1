"""A plan: how one dialect reads the spans that have exactly these keys.

Spans of one emitter come in a few sets of keys. What the rules decide from texts alone (kind, models, provider, payers) is
remembered by those texts; what differs from span to span (counts, ids) is read each time by a short list of lookups.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from spanledger.enrich.dialects.dialect import Dialect, condition_refs, conditions, number_refs, text_refs
from spanledger.enrich.interpret import PayerRefs, What, payer_refs, read_payers, read_what
from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.enrich.lookups import FactMap, getter, lookups_of, present, usual_getter
from spanledger.enrich.meters import whole_quantity
from spanledger.enrich.payers import FIELDS, PayerRules
from spanledger.enrich.records import Call, Kind, Payers, Usage, UsageState
from spanledger.enrich.refs import split_ref
from spanledger.enrich.usage import COUNT_MAX, Reckoned, reckon, sane_count
from spanledger.enrich.view import TEXT_MAX, View

_MEMO_MAX: Final = 8192
_NO_OUTPUT: Final = frozenset({"embeddings", "rerank", "moderation", "speech", "image_generation", "transcription", "audio"})
"""Operations whose result is no tokens: an absent output count is no gap."""
_MISSING: Final[UsageState] = "missing"
UNNAMED: Final = "unnamed"
"""The operation of a span with usage but no word on what it is, no model and no provider: it is a charge only if nothing below it is."""
_NO_FLAGS: Final[tuple[str, ...]] = ()
_ASK_NAME: Final = object()
"""Remembered for texts that leave the decision to the span's name or kind."""
_T = TypeVar("_T")
_new_call = tuple.__new__
_new_usage = tuple.__new__


class Plan:
    """Reads spans with one set of keys by one dialect. `known` are payers by the references they were found at, shared by all plans."""

    def __init__(self, dialect: Dialect, keys: frozenset[str], payers: PayerRules, known: dict[PayerRefs, dict[Any, Payers]]) -> None:
        self._dialect = dialect
        self._unique_ids = dialect.response_id_unique
        self._made_up = re.compile("|".join(dialect.made_up_ids)) if dialect.made_up_ids else None
        self._who_refs = payer_refs({name: _payer_refs(dialect, payers, name) for name in FIELDS}, payers.allocation, keys, "span")
        self._lookups = tuple(lookups_of(shape, keys) for shape in dialect.shapes)
        self._ids = present(dialect.response_id, keys)
        one_id = len(self._ids) == 1 and "#" not in self._ids[0] and not dialect.json_scalars and self._made_up is None
        self._plain_id = self._ids[0] if one_id else None
        self._usage_kind: Kind = dialect.usage_kind  # type: ignore[assignment]  # a table's text; the registry's tests hold it to the kinds
        self._name, self._needs_model = dialect.name, dialect.usage_needs_model
        self._usual, self._usual_basis = usual_getter(dialect, self._lookups)
        self._prompts = present(dialect.prompt, keys)
        self._cost = present(dialect.emitter_cost, keys)
        self._attempt = present(dialect.attempt, keys)
        counted = any(lookups is not None for lookups in self._lookups)
        self._steady = not (counted or self._ids or self._prompts or self._cost or self._attempt)
        refs = [ref for ref in (*text_refs(dialect), *condition_refs(dialect)) if not ref.startswith("$") and split_ref(ref)[0] in keys]
        self._dynamic = any("#" in ref for ref in refs if ref not in dialect.response_id) or _compares_counts(dialect, keys)
        apart = {*number_refs(dialect), *dialect.response_id, *dialect.prompt}
        what_keys = {ref for ref in refs if "#" not in ref and ref not in apart}
        who_keys = self._who_refs.keys()
        self._what_key, self._who_key, self._facts_key = getter(what_keys), getter(who_keys), getter(what_keys | who_keys)
        self._what: dict[Any, Any] = {}
        self._who = known.setdefault(self._who_refs, {})
        self._told: dict[Any, Any] = {}

    def read(self, facts: FactMap, span: Any) -> tuple[Kind, str | None, Payers, Call | None, bool]:
        """(kind, operation, payers, call, failed by the dialect's own signs) of one span (its `name` and `kind` if need be)."""
        if self._steady:
            key = self._facts_key(facts)
            told = self._told.get(key)
            if told is _ASK_NAME:
                key = (key, span.name, span.kind)
                told = self._told.get(key)
            return self._read_steady(facts, span) if told is None else told  # type: ignore[no-any-return]  # whole results are remembered
        key = self._who_key(facts)
        payers = self._who.get(key)
        if payers is None:
            payers = _remember(self._who, key, read_payers(self._view(facts, span), self._who_refs, "span"))
        what = None if self._dynamic else self._what.get(self._what_key(facts))
        if what is None or what is _ASK_NAME:
            what = self._read_what(facts, span)
        call = self._read_call(what, facts, span)
        kind = what[0]
        if kind is None:
            if call is None or what.named or not self._needs_model:
                return ("other" if call is None else self._usage_kind), _operation(what, call), payers, call, what.failed
            return "aggregate", UNNAMED, payers, call, what.failed
        return kind, what[1], payers, call, what[13]

    def _read_steady(self, facts: FactMap, span: Any) -> Any:
        """Read and remember the whole result of a span without counts or ids."""
        what, payers = self._read_what(facts, span), read_payers(self._view(facts, span), self._who_refs, "span")
        result = what[0] or "other", what[1], payers, self._read_call(what, facts, span), what[13]
        if self._dynamic:
            return result
        key = self._facts_key(facts)
        if self._what.get(self._what_key(facts)) is _ASK_NAME:
            _remember(self._told, key, _ASK_NAME)
            key = (key, span.name, span.kind)
        return _remember(self._told, key, result)

    def _read_what(self, facts: FactMap, span: Any) -> Any:
        """What the texts say, remembered by them and, where they leave it to these, the span's name and kind."""
        if self._dynamic:
            return read_what(self._dialect, self._view(facts, span))
        key = self._what_key(facts)
        found: Any = self._what.get(key)
        if found is None:
            view = self._view(facts, span)
            what = read_what(self._dialect, view)
            if not view.asked_name:
                return _remember(self._what, key, what)
            _remember(self._what, key, _ASK_NAME)
            return _remember(self._what, (key, span.name, span.kind), what)
        if found is not _ASK_NAME:
            return found
        key = (key, span.name, span.kind)
        found = self._what.get(key)
        return _remember(self._what, key, read_what(self._dialect, self._view(facts, span))) if found is None else found

    def _read_call(self, what: What, facts: FactMap, span: Any) -> Call | None:
        kind, _, provider, request_model, response_model, tier, region, error_type, tool_name, _, state, _, ignored, _ = what
        if kind == "other":
            return None
        usage: Usage | None = None
        basis, flags = "", _NO_FLAGS
        if ignored or kind == "tool":
            state = _MISSING
        else:
            if self._usual is not None:
                usage = self._usual_usage(facts)
            if usage is None:
                usage, basis, flags, state = self._read_usage(what, facts, span)
            else:
                basis, state = self._usual_basis, "aggregate" if kind == "aggregate" else state
        if kind is None and usage is None:
            return None
        return _new_call(
            Call,
            (
                self._name,
                basis,
                provider,
                request_model,
                response_model,
                self._read_id(facts, span) if self._ids else None,
                self._unique_ids,
                tier,
                region,
                usage,
                state,
                self._read_cost(facts, span) if self._cost else None,
                error_type,
                self._read_attempt(facts, span) if self._attempt else None,
                tool_name,
                self._read_prompt(facts) if self._prompts else None,
                flags,
            ),
        )

    def _usual_usage(self, facts: FactMap) -> Usage | None:
        """The usage of a span whose counts are all sane and within their totals, as nearly all are; None for any other."""
        facts[None] = None  # type: ignore[index]  # a dict, and what no rule reads is None: for the counts that are not there
        given, made, read, write, reasoning = self._usual(facts)  # type: ignore[misc]  # asked only where it is set
        if (
            type(given) is int
            and type(made) is int
            and 0 < given <= COUNT_MAX
            and 0 <= made <= COUNT_MAX
            and (read is None or (type(read) is int and read >= 0))
            and (write is None or (type(write) is int and write >= 0))
            and (read or 0) + (write or 0) <= given
            and (reasoning is None or (type(reasoning) is int and 0 <= reasoning <= made))
        ):
            return _new_usage(Usage, (given, made, read, write, None, None, reasoning, ()))
        return None

    def _read_usage(self, what: What, facts: FactMap, span: Any) -> tuple[Usage | None, str, tuple[str, ...], UsageState]:
        """(usage, basis, flags, state) of the first shape that applies and counts tokens, or else anything."""
        odd: list[str] = []
        beside: Reckoned | None = None
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
                view = self._view(facts, span)
                for place, ref in lookups.refs:
                    if counts[place] is None:
                        counts[place] = sane_count(view.get(ref), odd)
            for place, ref, factor in lookups.scaled:
                if counts[place] is None:
                    counts[place] = whole_quantity(self._view(facts, span).get(ref), factor)
            reckoned = reckon(lookups.shape, counts, odd)
            if reckoned.usage is None:
                continue
            if reckoned.usage.input_tokens is not None or reckoned.usage.output_tokens is not None:
                return _judged(what, reckoned.usage, reckoned.basis, reckoned.flags)
            beside = beside or reckoned
        if beside is not None and beside.usage is not None:
            return _judged(what, beside.usage, beside.basis, beside.flags)
        return None, "", tuple(sorted(set(odd))), "missing"

    def _view(self, facts: FactMap, span: Any) -> View:
        return View(facts, span, json_scalars=self._dialect.json_scalars)

    def _read_id(self, facts: FactMap, span: Any) -> str | None:
        if self._plain_id is not None:
            value = facts[self._plain_id]
            if type(value) is str and value and len(value) <= TEXT_MAX and not value.startswith(PRUNED_PREFIX):
                return value
        response_id = self._view(facts, span).text(self._ids)
        return None if response_id is not None and self._made_up is not None and self._made_up.match(response_id) else response_id

    def _read_cost(self, facts: FactMap, span: Any) -> str | None:
        view = self._view(facts, span)
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

    def _read_attempt(self, facts: FactMap, span: Any) -> int | None:
        view = self._view(facts, span)
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


def _compares_counts(dialect: Dialect, keys: frozenset[str]) -> bool:
    """Whether a condition looks at a number that differs from span to span."""
    return any(split_ref(ref)[0] in keys for when in conditions(dialect) for ref in when.below)


def _payer_refs(dialect: Dialect, payers: PayerRules, name: str) -> tuple[str, ...]:
    refs = (*payers.span.get(name, ()), *dialect.payers.get(name, ()))
    return tuple(ref for ref in dict.fromkeys(refs) if ref not in dialect.not_payers)


def _remember(memo: dict[Any, _T], key: Any, value: _T) -> _T:
    if len(memo) >= _MEMO_MAX:
        memo.clear()
    memo[key] = value
    return value
