"""How an agent runs in a container, whichever way the image is made."""

from irc.oci.conventions import PYTHON, USER_ID
from irc.package.agent import Agent

USER = f"{USER_ID}:{USER_ID}"


def agent_environment(agent: Agent) -> dict[str, str]:
    """Variables that hold in every container of the agent."""
    return {
        "MODEL_NAME": agent.name,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def image_labels(agent: Agent) -> dict[str, str]:
    """Labels of every image of the agent."""
    return {
        "org.opencontainers.image.title": agent.name,
        "org.opencontainers.image.description": agent.description,
        "irc.flow": agent.flow,
        "irc.ir_digest": agent.ir_digest,
        "irc.compiler": agent.compiler,
    }


def entry_point(agent: Agent) -> list[str]:
    """The command, in exec form; the base has the interpreter on its PATH."""
    return [f"python{PYTHON}", "-m", agent.module]
