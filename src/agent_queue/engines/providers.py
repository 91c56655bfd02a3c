"""Names under which people keep the keys of model services, for programs that speak with many of them.

Keys that open more than models (a cloud account's) are left out: who needs one passes it on with `[env] pass`.
"""

_SERVICES = (
    "AI_GATEWAY", "ANTHROPIC", "AZURE", "AZURE_OPENAI", "CEREBRAS", "COHERE", "DASHSCOPE", "DEEPINFRA", "DEEPSEEK",
    "FIREWORKS", "GEMINI", "GOOGLE", "GOOGLE_GENERATIVE_AI", "GROQ", "HUGGINGFACE", "KIMI", "LLAMA", "LMSTUDIO",
    "MINIMAX", "MISTRAL", "MOONSHOT", "NVIDIA", "OLLAMA", "OPENAI", "OPENCODE", "OPENROUTER", "PERPLEXITY",
    "TOGETHER", "TOGETHER_AI", "UPSTAGE", "VENICE", "XAI", "XIAOMI", "ZAI", "ZHIPU",
)  # fmt: skip

KEYS: tuple[str, ...] = (
    *(f"{service}_API_KEY" for service in _SERVICES),
    "ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OPENAI_ORGANIZATION", "HF_TOKEN",
    "AZURE_RESOURCE_NAME", "AZURE_OPENAI_*", "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION", "AWS_PROFILE",
    "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_GATEWAY_ID",
)  # fmt: skip

BASES: tuple[str, ...] = (
    "OPENAI_API_BASE",
    "ANTHROPIC_API_BASE",
    "OLLAMA_API_BASE",
    "AZURE_API_*",
    "OPENROUTER_API_BASE",
)
"""Where the services are, for programs that speak with them by litellm."""
