"""Providers of models: the client that the runtime has for each."""

PROVIDERS = {
    "anthropic": ("irc_runtime.anthropic_chat", "AnthropicChat"),
    "azure": ("irc_runtime.azure_chat", "AzureChat"),
    "bedrock": ("irc_runtime.bedrock_chat", "BedrockChat"),
    "openai": ("irc_runtime.openai_chat", "OpenAIChat"),
}
"""Module and class of each; a generated module imports those that its flow uses, and no others."""
