"""The model of a call that names none: that of the nearest span above it that restates it and names one.

Codex puts a response's counts on a span that says no model, and the model on the turn around it; without one there is no price. What is
taken so is flagged, as the span above may speak of several calls. Calls below a tool take nothing from beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from spanledger.enrich.charge import Charge
from spanledger.enrich.merge import bears_usage
from spanledger.enrich.records import Call, Reading

FLAG: Final = "model_from_above"

Spans = Mapping[bytes, Reading]


def with_models(charges: list[Charge], traces: Sequence[Spans]) -> list[Charge]:
    """The charges, those of calls with usage and without a model with the model of a span above them, where one has it."""
    nameless = [i for i, charge in enumerate(charges) if charge[1][3] is None and charge[1][4] is None and bears_usage(charge[1])]
    if not nameless:
        return charges
    found = list(charges)
    trace_of = {next(iter(spans.values())).trace_id: spans for spans in traces if spans}
    for i in nameless:
        charge = charges[i]
        above = None if charge.stands_for_others else _named_above(charge.reading, trace_of.get(charge.reading.trace_id, {}))
        if above is not None:
            call = charge.call
            named = call._replace(
                provider=call.provider or above.provider,
                request_model=above.request_model,
                response_model=above.response_model,
                flags=tuple(sorted({*call.flags, FLAG})),
            )
            found[i] = charge._replace(call=named)
    return found


def _named_above(reading: Reading, spans: Spans) -> Call | None:
    """The call of the nearest aggregate above that names a model, unless a tool is between."""
    seen = {reading.span_id}
    at = spans.get(reading.parent_span_id)
    while at is not None and at.span_id not in seen and at.kind != "tool":
        if at.kind == "aggregate" and bears_usage(at.call) and at.call is not None and (at.call.request_model or at.call.response_model):
            return at.call
        seen.add(at.span_id)
        at = spans.get(at.parent_span_id)
    return None
