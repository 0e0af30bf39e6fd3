"""Signing by cosign, which knows keys, identities and transparency logs: https://docs.sigstore.dev/"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from irc.oci.errors import ImageError
from irc.package.described import attested_images
from irc.publishing.attach import attestations, referrers
from irc.publishing.registry import Registry

# What a signature of cosign 3 is in a list of referrers; one of earlier versions has a tag of its own.
_BUNDLE = "application/vnd.dev.sigstore.bundle"


class Signer:
    """Signs images and what is attached to them.

    Args:
        arguments: of ``cosign sign``, such as ``--key=awskms:///alias/agents``.
    Raises:
        ImageError: cosign is not installed.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        program = shutil.which("cosign")
        if program is None:
            raise ImageError("signing needs cosign, which is not installed (nothing was pushed)")
        self._command = [program, "sign", "--yes", *arguments]

    def sign(self, package: Path, repository: str, digest: str, registry: Registry) -> bool:
        """Sign by digest an image that is in the registry, and what is attached to it.

        Of an index the image for each platform is signed, too.

        Returns:
            Whether anything was signed: what has a signature gets no second one.
        Raises:
            ImageError: cosign fails.
        """
        digests = [digest]
        for folder, image in attested_images(package):
            digests += [image, *(entry["digest"] for entry in attestations(folder).values())]
        unsigned = [
            item for item in dict.fromkeys(digests) if not _is_signed(repository, item, registry)
        ]
        if unsigned:
            self._run([f"{repository}@{item}" for item in unsigned])
        return bool(unsigned)

    def _run(self, references: list[str]) -> None:
        # It talks to whoever publishes: it asks for passwords, and says where to log in.
        done = subprocess.run([*self._command, *references], check=False)
        if done.returncode != 0:
            raise ImageError(
                f"{references[0]}: cosign sign failed with status {done.returncode}, for the reason "
                "above (no tag was moved)"
            )


def _is_signed(repository: str, digest: str, registry: Registry) -> bool:
    tag = f"{repository}:{digest.replace(':', '-')}"
    if registry.digest(f"{tag}.sig") is not None:
        return True
    listed = referrers(tag, registry)["manifests"]
    return any(str(entry.get("artifactType", "")).startswith(_BUNDLE) for entry in listed)
