"""Publishing an agent's image: by its digest, then what is attached to it, and only then its tags.

So a tag never names an image that is not there whole or not signed, whenever a push ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from irc.package.described import attested_images, described_image
from irc.publishing.attach import attach
from irc.publishing.registry import Registry
from irc.publishing.signing import Signer
from irc.publishing.tags import SHORT, checked_out, filled


@dataclass(frozen=True)
class Published:
    """An image in a repository, under one tag or by its digest alone.

    Attributes:
        reference: by digest.
        changed: whether the registry had to be told anything.
    """

    repository: str
    tag: str | None
    digest: str
    reference: str
    changed: bool

    def __str__(self) -> str:
        name = self.repository if self.tag is None else f"{self.repository}:{self.tag}"
        return f"{name}: {'pushed' if self.changed else 'unchanged, nothing pushed:'} {self.digest}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def publish(
    package: Path,
    repositories: Sequence[str],
    tags: Sequence[str],
    registry: Registry,
    git_sha: str | None = None,
    signer: Signer | None = None,
) -> Iterator[Published]:
    """Push an image to each repository; yields what is there as soon as it is.

    Args:
        package: what ``package`` has written for an agent.
        repositories: names with their registry, without tags.
        tags: templates; without any, the image is there by its digest alone.
        git_sha: the commit; None is the one that is checked out in the working folder.
        signer: None leaves the image unsigned.
    Raises:
        ImageError: a tag is none, a registry does not take the image, or it cannot be signed. What was
            yielded is there; a second try pushes the rest.
    """
    described = described_image(package)
    digest = described["manifest_digest"]
    values = _values(described, git_sha)
    names = list(dict.fromkeys(filled(tag, values) for tag in tags))
    for repository in repositories:
        reference = f"{repository}@{digest}"
        changed = registry.digest(reference) != digest
        if changed:
            registry.push(package / "image", digest, reference)
        for folder, subject in attested_images(package):
            changed |= attach(folder, repository, subject, registry)
        if signer is not None:
            changed |= signer.sign(package, repository, digest, registry)
        if not names:
            yield Published(repository, None, digest, reference, changed)
        for name in names:
            tagged = f"{repository}:{name}"
            moved = registry.digest(tagged) != digest
            if moved:
                registry.push(package / "image", digest, tagged)
            yield Published(repository, name, digest, reference, changed or moved)


def _values(described: dict[str, Any], sha: str | None) -> dict[str, Callable[[], str]]:
    """What a tag may hold."""
    return {
        "flow_digest": lambda: described["ir_digest"].removeprefix("sha256:")[:SHORT],
        "git_sha": lambda: (sha or checked_out())[:SHORT],
        "image_digest": lambda: described["manifest_digest"].removeprefix("sha256:")[:SHORT],
        "name": lambda: described["name"],
    }
