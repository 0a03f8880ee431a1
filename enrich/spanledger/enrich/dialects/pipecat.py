"""Pipecat (1.14, read in its source; no capture): a voice agent's speech to text, model and text to speech, under one scope `pipecat`.

* `llm`: totals as the service has them: OpenAI and Google input = U+R(+W); Anthropic and Bedrock input = U only, cache beside it (the
  services' own comments say so). Output = all. Audio tokens are parts, cached audio a part of both.
* `llm_response` of the realtime services (OpenAI, Gemini Live) has the usage of one response; `llm_setup`, `llm_request` and the spans of
  tools tell nothing of usage.
* `tts`: characters of the text (`metrics.character_count`), no tokens. `stt`: seconds of audio (`metrics.audio_seconds`), a fraction, which
  may be of several events.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, When
from spanledger.enrich.dialects.generic import GENERIC

_USAGE: Final = replace(
    c.SEMCONV_USAGE,
    extra=MappingProxyType(
        {
            **c.MODALITIES,
            "audio_ms": ("metrics.audio_seconds",),
            "input_characters": ("metrics.character_count",),
        }
    ),
    scaled=MappingProxyType({"metrics.audio_seconds": 1000}),
)
_BESIDE: Final = ("cache_read", "cache_write")

PIPECAT: Final = replace(
    GENERIC,
    name="pipecat",
    seen="pipecat 1.14.0 (from its source)",
    scopes=("pipecat",),
    kinds=(
        Kinds(
            ref="gen_ai.operation.name",
            values=MappingProxyType(
                {
                    "llm_response": "inference:realtime",
                    "llm_setup": "other:llm_setup",
                    "llm_request": "other:llm_request",
                    "llm_tool_call": "other:llm_tool_call",
                    "llm_tool_result": "other:llm_tool_result",
                }
            ),
        ),
        *GENERIC.kinds,
    ),
    shapes=(
        replace(
            _USAGE,
            name="pipecat_net",
            when=When(providers=("anthropic", "aws.bedrock")),
            inside=tuple(part for part in c.ALL_PARTS if part not in _BESIDE),
            outside=_BESIDE,
        ),
        replace(_USAGE, name="pipecat"),
    ),
    response_id=(*c.RESPONSE_ID, "response.id"),
)

DIALECTS: Final = (PIPECAT,)
