"""Asking a generated agent in this process, with its real connections."""

import asyncio
from collections.abc import Mapping
from typing import Any

from irc_runtime.agent import Agent


def ask(agent_type: type[Agent], request: Mapping[str, Any]) -> Any:
    """Load an agent, send it one request and close it.

    Args:
        agent_type: the generated class; what it connects to is in the environment.
        request: the request's fields.
    """

    async def answer() -> Any:
        agent = agent_type()
        agent.load()
        try:
            return await agent.predict(request)
        finally:
            await agent.close()

    return asyncio.run(answer())
