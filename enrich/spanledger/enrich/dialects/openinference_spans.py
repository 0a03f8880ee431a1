"""OpenInference's keys on spans of other scopes: an application's own, or another framework's that a processor rewrote.

Asked after every family with scopes of its own. What the keys mean is said in `openinference.py`; all parts are within their totals. A
processor may leave the conventions' operation on the span, which goes before `openinference.span.kind`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects.dialect import Dialect, When
from spanledger.enrich.dialects.openinference import ALL_INSIDE, ANY_FRAMEWORK

OPENINFERENCE_SPANS: Final[Dialect] = replace(
    ANY_FRAMEWORK,
    name="openinference-spans",
    seen="openinference.span.kind under scopes without a dialect of their own",
    scopes=(),
    when=When(keys=("openinference.span.kind",)),
    shapes=(ALL_INSIDE,),
)

DIALECTS: Final = (OPENINFERENCE_SPANS,)
