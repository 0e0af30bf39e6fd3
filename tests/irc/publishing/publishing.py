"""Publishing by the command, and what a registry holds then."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

import irc.cli.publish
from tests.standins.registry_server import RegistryServer


def name_of(repository: str) -> str:
    return repository.partition("/")[2]


def tags_of(registry: RegistryServer, repository: str) -> list[str]:
    """The tags that people gave: not those under which registries list what refers to an image."""
    tags = registry.tags(name_of(repository))
    return [tag for tag in tags if not tag.startswith("sha256-")]


def digest_of(packaged: Path) -> str:
    digest: str = json.loads((packaged / "image.json").read_bytes())["manifest_digest"]
    return digest


def run(*arguments: str) -> Result:
    """The command ``irc publish``."""
    return CliRunner().invoke(irc.cli.publish.publish, arguments)


def options(repository: str, *tags: str) -> list[str]:
    return ["--repository", repository, *(part for tag in tags for part in ("--tag", tag))]
