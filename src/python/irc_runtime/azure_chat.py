"""Azure OpenAI: the official client's own class for it; a model's name is that of a deployment."""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from irc_runtime.errors import LoadError
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel

if TYPE_CHECKING:
    import openai

#: The version of the service that is asked for where ``OPENAI_API_VERSION`` names no other.
API_VERSION = "2024-10-21"


class AzureChat(OpenAIChat):
    """A client for one resource of Azure OpenAI.

    The resource's address is the flow's ``endpoint``, or ``AZURE_OPENAI_ENDPOINT``; the key comes
    from ``AZURE_OPENAI_API_KEY``, or a token from ``AZURE_OPENAI_AD_TOKEN``.

    Raises:
        LoadError: there is no address, or neither key nor token.
    """

    def client_of(self, model: ChatModel) -> "Callable[..., openai.AsyncOpenAI]":
        """What makes the official client for the model's resource, of an ``http_client``."""
        import openai

        endpoint = model.endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT")
        if not endpoint:
            raise LoadError(
                f"model '{model.name}' needs the environment variable AZURE_OPENAI_ENDPOINT,"
                " or an 'endpoint' in the flow"
            )
        if not os.environ.get("AZURE_OPENAI_API_KEY") and not os.environ.get(
            "AZURE_OPENAI_AD_TOKEN"
        ):
            raise LoadError(
                f"model '{model.name}' needs the environment variable AZURE_OPENAI_API_KEY"
            )
        return partial(
            openai.AsyncAzureOpenAI,
            azure_endpoint=endpoint,
            api_version=os.environ.get("OPENAI_API_VERSION") or API_VERSION,
            max_retries=0,
        )
