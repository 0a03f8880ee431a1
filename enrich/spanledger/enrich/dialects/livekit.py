"""LiveKit Agents (1.x, read in its source; no capture): a voice agent's pipeline or realtime model, under one scope `livekit-agents`.

* `llm_request_run` (before, `llm_request`): input = U+R(+W) for every model plugin (Anthropic's adds its cache up), output = all;
  cached tokens as `gen_ai.usage.input_cached_tokens` and, since late 2025, the conventions' `cache_read`.
* Realtime models: the same on the turn's span, or on `realtime_metrics` where that had ended, with text and audio apart on
  both sides.
* `tts_request`, `stt` and the turns around them count nothing on spans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.generic import GENERIC

LIVEKIT: Final = replace(
    GENERIC,
    name="livekit",
    seen="livekit-agents 1.x (from its source)",
    scopes=("livekit-agents", "livekit.*"),
    shapes=(replace(c.SEMCONV_USAGE, name="livekit"),),
)

DIALECTS: Final = (LIVEKIT,)
