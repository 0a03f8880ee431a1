"""Spring AI and .NET's Microsoft.Extensions.AI: applications off the Python and JavaScript road. Read in their sources, none captured.

* Spring AI (Micrometer's bridge, scope `org.springframework.boot`): counts are texts; `chat MODEL` hands on the provider's own numbers, so
  Anthropic's and Bedrock's input = U with the cache beside it and `total_tokens` = U+O, all others' input = U+R. `spring_ai chat_client`
  and advisors around it have no usage.
* Microsoft.Extensions.AI (`Experimental.Microsoft.Extensions.AI`) and Microsoft's agents for .NET: input and output inclusive for every
  provider, as `UsageDetails` asks of the adapters; `orchestrate_tools` and `invoke_agent` restate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_NET_PROVIDERS: Final = ("anthropic", "aws.bedrock")

SPRING_AI: Final = replace(
    OTEL_GENAI,
    name="spring-ai",
    seen="org.springframework.boot (Spring AI 1.x, from its source)",
    scopes=("org.springframework.boot",),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="provider_counts_net",
            when=When(providers=_NET_PROVIDERS),
            inside=tuple(part for part in c.ALL_PARTS if part not in ("cache_read", "cache_write")),
            outside=("cache_read", "cache_write"),
        ),
        replace(c.SEMCONV_USAGE, name="provider_counts"),
    ),
    payers={"session": ("spring.ai.chat.client.conversation.id",)},
)
EXTENSIONS_AI: Final = replace(
    OTEL_GENAI,
    name="extensions-ai",
    seen="Experimental.Microsoft.Extensions.AI, Experimental.Microsoft.Agents.AI (from their sources)",
    scopes=("Experimental.Microsoft.*", "Microsoft.Extensions.AI*", "Microsoft.Agents.AI*"),
    shapes=(replace(c.SEMCONV_USAGE, name="extensions_ai"),),
)

DIALECTS: Final = (SPRING_AI, EXTENSIONS_AI)
