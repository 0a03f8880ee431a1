"""Findings on calls: unusually large prompts, fallback models, runaway loops; recorded as flags that name the rule and its version.

A flag is a remark and changes no cost. It depends on the spans of the trace alone, so a late span may add or take one away, by a
correction like any other. A rule that is changed gets a new version, so that old flags keep their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.enrich.charge import Charge
from spanledger.enrich.model_family import differ
from spanledger.enrich.records import RETRIEVED_TOKENS, Reading
from spanledger.enrich.retrieved import RETRIEVED_ESTIMATE, Retrievals
from spanledger.enrich.settle import AGENT_OPERATIONS

LARGE_PROMPT: Final = "large_prompt.v1"
"""The input, cached tokens included, has at least `large_prompt_tokens`."""
FALLBACK_MODEL: Final = "fallback_model.v1"
"""Another family of model answered than was asked for, or the call before it at the same place failed with another one."""
LOOP_DEPTH: Final = "loop_depth.v1"
"""At least `loop_depth` tools and agents are one in another above the call."""
LOOP_REPEATS: Final = "loop_repeats.v1"
"""The same tool or agent had been started at least `loop_repeats` times in the trace when the call was made."""

Trace = Mapping[bytes, Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRules:
    """Thresholds; 0 turns a rule off."""

    large_prompt_tokens: int = 0
    fallback_models: bool = False
    loop_depth: int = 0
    loop_repeats: int = 0
    retrieved_tokens: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to look for."""
        return self != NO_FLAGS


NO_FLAGS: Final = FlagRules()


def flagged(rules: FlagRules, charges: Sequence[Charge], traces: Iterable[Trace]) -> list[Charge]:
    """The charges with what the rules find on them."""
    by_trace = {next(iter(spans.values())).trace_id: _Trace(rules, spans) for spans in traces if spans}
    found = [_with_flags(charge, by_trace[charge.reading.trace_id].flags(charge)) for charge in charges]
    if rules.retrieved_tokens:
        return [_with_estimate(charge, by_trace[charge.reading.trace_id].retrievals) for charge in found]
    return found


def _with_estimate(charge: Charge, retrievals: Retrievals) -> Charge:
    """A charge with the tokens that retrieval may have put into its input, where there are any."""
    tokens, usage = retrievals.estimate(charge), charge.call.usage
    if not tokens or usage is None:
        return charge
    extra = tuple(sorted((*usage.extra, (RETRIEVED_TOKENS, tokens))))
    return _with_flags(charge._replace(call=charge.call._replace(usage=usage._replace(extra=extra))), [RETRIEVED_ESTIMATE])


def _with_flags(charge: Charge, found: list[str]) -> Charge:
    if not found:
        return charge
    call = charge.call
    return charge._replace(call=call._replace(flags=tuple(sorted({*call.flags, *found}))))


class _Trace:
    """One trace as the rules look at it; what several charges share is worked out once."""

    def __init__(self, rules: FlagRules, spans: Trace) -> None:
        self._rules, self._spans = rules, spans
        self.retrievals = Retrievals(spans if rules.retrieved_tokens else {})
        self._flooded_ns = _flooded_ns(spans, rules.loop_repeats) if rules.loop_repeats else None
        failed = rules.fallback_models and any(span.failed and span.kind == "inference" for span in spans.values())
        self._attempts = _attempts(spans) if failed else {}

    def flags(self, charge: Charge) -> list[str]:
        """What is found on a charge of this trace."""
        rules, reading, call = self._rules, charge.reading, charge.call
        found = []
        if rules.large_prompt_tokens and call.usage is not None and (call.usage.input_tokens or 0) >= rules.large_prompt_tokens:
            found.append(LARGE_PROMPT)
        if rules.fallback_models and (differ(call.request_model, call.response_model) or self._after_another(reading)):
            found.append(FALLBACK_MODEL)
        if rules.loop_depth and self._depth(reading) >= rules.loop_depth:
            found.append(LOOP_DEPTH)
        if self._flooded_ns is not None and reading.start_ns >= self._flooded_ns:
            found.append(LOOP_REPEATS)
        return found

    def _after_another(self, reading: Reading) -> bool:
        """Whether the last call that had ended at this place before this one began had failed with another model."""
        if not self._attempts or reading.kind != "inference":
            return False
        place, own = _place(self._spans, reading)
        ended = [
            span
            for top, span in self._attempts.get(place, ())
            if top != own and span.end_ns <= reading.start_ns and span.span_id != reading.span_id
        ]
        if not ended:
            return False
        last = max(ended, key=lambda span: (span.end_ns, span.span_id))
        return last.failed and differ(_model(last), _model(reading))

    def _depth(self, reading: Reading) -> int:
        depth, seen, at = 0, 0, self._spans.get(reading.parent_span_id)
        while at is not None and seen <= len(self._spans):
            depth += at.kind == "tool" or at.operation in AGENT_OPERATIONS
            at, seen = self._spans.get(at.parent_span_id), seen + 1
        return depth


def _flooded_ns(spans: Trace, repeats: int) -> int | None:
    """When some tool or agent was started for the `repeats`-th time; None where none was."""
    starts: dict[tuple[str, str], list[int]] = {}
    for span in spans.values():
        if span.kind == "tool" and span.call is not None and span.call.tool_name:
            starts.setdefault(("tool", span.call.tool_name), []).append(span.start_ns)
        elif span.operation in AGENT_OPERATIONS and span.payers.agent:
            starts.setdefault(("agent", span.payers.agent), []).append(span.start_ns)
    return min((sorted(times)[repeats - 1] for times in starts.values() if len(times) >= repeats), default=None)


def _attempts(spans: Trace) -> dict[bytes, list[tuple[bytes, Reading]]]:
    """The calls of a trace by the place they were made at, each with the outermost span that tells of it."""
    found: dict[bytes, list[tuple[bytes, Reading]]] = {}
    for span in spans.values():
        if span.kind == "inference":
            place, top = _place(spans, span)
            found.setdefault(place, []).append((top, span))
    return found


def _place(spans: Trace, reading: Reading) -> tuple[bytes, bytes]:
    """(the span that made the call, the outermost inference span that tells of it): wrappers of a call are at the call's own place."""
    at, seen = reading, 0
    while (above := spans.get(at.parent_span_id)) is not None and above.kind == "inference" and seen <= len(spans):
        at, seen = above, seen + 1
    return at.parent_span_id, at.span_id


def _model(reading: Reading) -> str | None:
    return None if reading.call is None else reading.call.request_model or reading.call.response_model
