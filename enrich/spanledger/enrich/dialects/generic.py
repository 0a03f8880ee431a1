"""The generic dialect: spans of the GenAI conventions from an emitter nobody described, hand-made ones included.

It reads every spelling of the conventions, current and deprecated, follows their rule (totals include everything) where the numbers do not
contradict it, and says where it had to assume: an exclusive input is recognised by a part larger than its total or by
total = input + parts + output.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect

GENERIC: Final = Dialect(
    name="generic",
    seen="any scope without a dialect of its own: hand-made spans, unknown instrumentations",
    kinds=(c.SEMCONV_KINDS, c.REQUEST_TYPE_KINDS, c.NAME_KINDS),
    shapes=(replace(c.SEMCONV_USAGE, inside=()),),
    provider=c.PROVIDER,
    request_model=c.REQUEST_MODEL,
    response_model=c.RESPONSE_MODEL,
    response_id=c.RESPONSE_ID,
    service_tier=c.TIER,
    region=c.REGION,
    tool_name=c.TOOL_NAME,
    emitter_cost=c.COST,
    attempt=c.ATTEMPT,
    prompt=c.PROMPT,
    usage_events=c.USAGE_EVENTS,
)

DIALECTS: Final = (GENERIC,)
