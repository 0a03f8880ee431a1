"""The spans Anthropic's own SDKs write (Python 2.x, TypeScript 1.x), on by default wherever a global tracer provider is set.

Scopes `com.anthropic.sdk.python` (also `.bedrock`, `.vertex`) 2.11.0 and `com.anthropic.sdk.typescript` 1.11.0:

* input = uncached + cache read + cache writes, on Bedrock too (boto3's instrumentations there say the uncached part only);
* `cache_read`, `cache_write` (every TTL), and as the only emitter the TTLs: `anthropic.usage.cache_creation.ephemeral_5m|1h_input_tokens`;
* output = all, thinking in it as `reasoning`;
* `anthropic.usage.compaction.*` are beside both totals (read in the SDK's code, not seen on the wire);
* one span a call whatever the retries (`http.request.resend_count`); `anthropic.messages.tool_runner` restates nothing.

`anthropic.organization.id` and `anthropic.workspace.id` say who pays Anthropic, never who the call is for. Any other instrumentation of
the SDK makes a second span of the same call with the same response id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_COMPACTION: Final = {
    "input_compaction_tokens": ("anthropic.usage.compaction.input_tokens",),
    "output_compaction_tokens": ("anthropic.usage.compaction.output_tokens",),
}

ANTHROPIC_SDK: Final = replace(
    OTEL_GENAI,
    name="anthropic-sdk",
    seen="com.anthropic.sdk.python 2.11.0, com.anthropic.sdk.python.bedrock 2.11.0, com.anthropic.sdk.typescript 1.11.0",
    scopes=("com.anthropic.sdk.*",),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="anthropic_sdk",
            extra={**c.MODALITIES, **_COMPACTION},
            inside=c.ALL_PARTS,
            outside=tuple(_COMPACTION),
        ),
    ),
    default_provider="anthropic",
)

DIALECTS: Final = (ANTHROPIC_SDK,)
