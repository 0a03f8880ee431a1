"""The words of `providers`: how emitters, hosts, model names and the catalog's inputs call each provider."""

from __future__ import annotations

import re
from typing import Final

SPELLINGS: Final = {
    # folded: lower-case letters and digits only
    "openai": "chatopenai openaichat openairesponses textcompletionopenai customopenai oai openaichatmodel openaidecisions",
    "azure.ai.openai": "azure azureopenai azaiopenai azureaiopenai azurechatopenai microsoftazure azuretext microsoftopenai",
    "azure.ai.inference": (
        "azaiinference azureai azureaifoundry azurefoundry azureinference azureaiagents azureaiprojects microsoftfoundry githubmodels"
    ),
    "anthropic": "anthropicmessages chatanthropic claude anthropicchat",
    "aws.bedrock": (
        "aws bedrock awsbedrock amazonbedrock bedrockconverse amazonbedrockconverse chatbedrock chatbedrockconverse amazon "
        "bedrockruntime bedrockmantle awsbedrockagent anthropicbedrock"
    ),
    "gcp.gemini": (
        "gemini googlegemini google googleai googleaistudio googlegenerativeai googlegenai googlegla chatgooglegenerativeai "
        "generativelanguage geminiapi genkitgoogleai"
    ),
    "gcp.vertex_ai": (
        "vertex vertexai gcpvertexai googlevertex googlevertexai chatvertexai vertexailanguagemodels gcpvertex "
        "googlevertexanthropic vertexanthropic vertexaianthropicmodels anthropicvertex chatanthropicvertex"
    ),
    "gcp.gen_ai": "gcpgenai",
    "cohere": "coherechat chatcohere cohereclient coherev2",
    "mistral_ai": "mistral mistralai chatmistralai codestral laplateforme",
    "groq": "groqcloud chatgroq",
    "deepseek": "chatdeepseek",
    "x_ai": "xai grok chatxai",
    "perplexity": "perplexityai pplx chatperplexity",
    "moonshot_ai": "moonshot moonshotai kimi",
    "ibm.watsonx.ai": "watsonx watsonxai ibmwatsonxai ibmwatsonx ibm chatwatsonx",
    "together_ai": "together togetherai chattogether",
    "fireworks_ai": "fireworks fireworksai chatfireworks",
    "openrouter": "openrouterai chatopenrouter",
    "cerebras": "cerebrasai chatcerebras",
    "voyage_ai": "voyage voyageai",
    "huggingface": "hf huggingfacehub hfinference huggingfaceendpoint",
    "replicate": "",
    "ollama": "chatollama ollamachat",
    "vllm": "hostedvllm",
    "databricks": "chatdatabricks mosaicml",
    "cloudflare": "cloudflareworkersai workersai",
    "sambanova": "",
    "novita": "novitaai",
    "nebius": "nebiusai nebiusaistudio",
    "deepinfra": "chatdeepinfra",
    "ai21": "ai21labs ai21chat",
    "aleph_alpha": "alephalpha",
    "z_ai": "zai zaiorg",
    "zhipu_ai": "zhipu zhipuai bigmodel",
    "minimax": "minimaxi",
    "dashscope": "alibaba alibabacloud qwen tongyi qwencloud alibabacloudbailian",
    "volcengine": "doubao ark volcengineark",
    "github_copilot": "githubcopilot copilot github",
    "vercel_ai_gateway": "vercel gateway vercelaigateway aigateway",
    "baseten": "",
    "nvidia_nim": "nvidia nvidianim chatnvidia nvidiaaiendpoints",
    "oci": "ocigenai oracle ocigenerativeai chatocigenai",
    "snowflake": "snowflakecortex cortex",
    "sagemaker": "awssagemaker amazonsagemaker",
    "jina_ai": "jina jinaai",
    "elevenlabs": "",
    "deepgram": "",
    "assemblyai": "",
    "stability": "stabilityai",
    "fal_ai": "fal falai",
    "friendliai": "friendli",
    "lambda_ai": "lambda lambdaai",
    "hyperbolic": "",
    "nscale": "",
    "ovhcloud": "ovh",
    "scaleway": "",
    "wandb": "wandbinference weightsandbiases",
    "writer": "",
    "inception": "",
    "liquid_ai": "liquid liquidai",
    "arcee": "arceeai",
    "meta": "metallama metaai llamaapi",
    "tavily": "",
    "exa_ai": "exa exaai",
}

"""Canonical provider name -> its other spellings."""


_FRAMEWORKS: Final = """
strandsagents strands microsoftagentframework agentframework langchain langgraph langsmith crewai autogen
autogenagentchat ag2 llamaindex haystack semantickernel microsoftsemantickernel pydanticai smolagents agno dspy mastra
genkit litellm litellmproxy openaiagents openaiagentssdk openaiswarm googleadk adk gcpvertexagent vercelaisdk ai aisdk
portkey beeai instructor guardrails mcp dify flowise n8n springai langchain4j copilotstudio letta memgpt mem0 browseruse
camel promptflow traceloop openllmetry openinference openlit langfuse mlflow logfire phoenix arize helicone
opentelemetry otel
"""
"""Agent frameworks, SDKs, gateways and observability tools that put their own name where a provider belongs."""

_STORES: Final = """
chroma chromadb qdrant pinecone weaviate milvus pgvector faiss lancedb redis opensearch elasticsearch
inmemoryvectorstore
"""
"""Vector stores and memories: they serve retrievals, not models."""

_PLACEHOLDERS: Final = """
none null unknown undefined other custom test fake default openaicompatible customprovider llm model
"""
"""Placeholders."""

NOT_PROVIDERS: Final = frozenset((_FRAMEWORKS + _STORES + _PLACEHOLDERS).split())
"""Folded labels that name no provider."""


HOSTS: Final = (
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("models.ai.azure.com", "azure.ai.inference"),
    ("models.inference.ai.azure.com", "azure.ai.inference"),
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai"),
    ("aiplatform.us.rep.googleapis.com", "gcp.vertex_ai"),
    ("api.groq.com", "groq"),
    ("api.x.ai", "x_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.mistral.ai", "mistral_ai"),
    ("codestral.mistral.ai", "mistral_ai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.moonshot.cn", "moonshot_ai"),
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together_ai"),
    ("api.together.ai", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("api.cerebras.ai", "cerebras"),
    ("api.voyageai.com", "voyage_ai"),
    ("api.deepinfra.com", "deepinfra"),
    ("api.novita.ai", "novita"),
    ("api.sambanova.ai", "sambanova"),
    ("api.z.ai", "z_ai"),
    ("open.bigmodel.cn", "zhipu_ai"),
    ("api.minimax.io", "minimax"),
    ("api.minimax.chat", "minimax"),
    ("api.githubcopilot.com", "github_copilot"),
    ("models.github.ai", "azure.ai.inference"),
    ("router.huggingface.co", "huggingface"),
    ("api-inference.huggingface.co", "huggingface"),
    ("integrate.api.nvidia.com", "nvidia_nim"),
    ("inference.baseten.co", "baseten"),
    ("api.studio.nebius.com", "nebius"),
    ("api.ai21.com", "ai21"),
    ("api.replicate.com", "replicate"),
    ("ml.cloud.ibm.com", "ibm.watsonx.ai"),
    ("ai-gateway.vercel.sh", "vercel_ai_gateway"),
    ("dashscope.aliyuncs.com", "dashscope"),
    ("dashscope-intl.aliyuncs.com", "dashscope"),
)
"""Host, or end of one, -> who answers there."""


SPOKEN_BY_OTHERS: Final = frozenset({"openai", "anthropic"})
"""Protocols that other providers serve too: these labels name the client library, so a known host or model says more."""


BEDROCK_MAKERS: Final = (
    r"anthropic|amazon|meta|mistral|cohere|ai21|deepseek|stability|openai|qwen|writer|twelvelabs|"
    r"luma|google|moonshotai|moonshot|minimax|nvidia|zai|xai|poolside"
)
"""Makers that prefix Bedrock model ids, as a regular expression."""


MAKERS: Final = tuple(
    (provider, re.compile("|".join(patterns)))
    for provider, patterns in {
        "openai": (
            r"(?:ft:)?gpt-(?!oss)",
            r"(?:ft:)?o[134](?:-|$)",
            r"chatgpt-|text-embedding-(?:3|ada)|dall-e|whisper-1$|tts-1|(?:text-)?davinci|babbage|omni-moderation|computer-use-preview|codex-|sora-",
        ),
        "anthropic": (r"claude",),
        "gcp.gemini": (r"gemini|gemma-3n|text-embedding-00[0-9]|embedding-001$|imagen-|veo-|text-multilingual-embedding|learnlm|aqa$",),
        "x_ai": (r"grok-",),
        "deepseek": (r"deepseek-(?:chat|reasoner|coder)$", r"deepseek-v[0-9.]+(?:-flash|-pro)?$"),
        "mistral_ai": (
            r"mistral-(?:large|medium|small|tiny|saba|nemo|embed|moderation|ocr)",
            r"ministral|pixtral|codestral|magistral|devstral|open-mi[sx]tral|voxtral",
        ),
        "cohere": (r"command(?:-|$)|c4ai-", r"(?:embed|rerank)-(?:v[0-9]|english|multilingual)"),
        "perplexity": (r"sonar(?:-|$)|pplx-",),
        "moonshot_ai": (r"moonshot-v|kimi-k",),
        "voyage_ai": (r"voyage-|rerank-(?:lite-)?[12]|rerank-2\.5",),
        "groq": (
            r"llama-?3\.[0-9]+-[0-9]+b-(?:versatile|instant|specdec)|llama3-(?:8b|70b)-8192|mixtral-8x7b-32768|gemma2-9b-it$",
            r"whisper-large-v3(?:-turbo)?$",
        ),
        "aws.bedrock": (r"nova-(?:pro|lite|micro|premier|canvas|reel|sonic|act)|titan-",),
        "z_ai": (r"glm-[0-9]",),
        "ai21": (r"jamba|j2-",),
    }.items()
)
"""Provider -> what the names of models start with that its own API serves."""


CATALOG_IDS: Final[dict[str, tuple[str, ...]]] = {
    # canonical name: (genai-prices provider id, then LiteLLM provider labels) of the catalog's inputs
    "openai": ("openai", "text-completion-openai"),
    "azure.ai.openai": ("azure", "azure_text"),
    "azure.ai.inference": ("azure_ai",),
    "anthropic": ("anthropic",),
    "aws.bedrock": ("aws", "bedrock", "bedrock_converse", "bedrock_mantle", "amazon_nova"),
    "gcp.gemini": ("google", "gemini"),
    "gcp.vertex_ai": ("vertex_ai",),
    "cohere": ("cohere", "cohere_chat"),
    "mistral_ai": ("mistral", "codestral", "text-completion-codestral"),
    "groq": ("groq",),
    "deepseek": ("deepseek",),
    "x_ai": ("x-ai", "xai"),
    "perplexity": ("perplexity",),
    "moonshot_ai": ("moonshotai", "moonshot"),
    "ibm.watsonx.ai": ("watsonx",),
    "together_ai": ("together", "together_ai"),
    "fireworks_ai": ("fireworks", "fireworks_ai", "fireworks_ai-embedding-models"),
    "voyage_ai": ("voyageai", "voyage"),
    "z_ai": ("zai",),
    "zhipu_ai": ("zhipuai", "bigmodel"),
    "github_copilot": ("github-copilot", "github_copilot"),
    "meta": ("meta", "meta_llama"),
    "stability": ("stability",),
}
"""Canonical provider -> provider ids of the inputs, where they are not the name itself."""
