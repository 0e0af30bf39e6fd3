"""Registries, by skopeo: it knows the credentials, helpers and certificates of container tools.

See containers-auth.json(5), containers-registries.conf(5) and containers-certs.d(5).
"""

import hashlib
import subprocess
import time
from pathlib import Path

from irc.oci.credentials import refusal_hint
from irc.oci.errors import ImageError

ATTEMPTS = 3
TIMEOUT = "15m"
PAUSE_S = 1.0

# Of an index, nothing but itself; see also containers-transports(5) on "dir".
_INDEX_ONLY = "--multi-arch=index-only"
_GIVEN = "given"

# What skopeo says where there is nothing of a name: a manifest, or a whole repository.
_UNKNOWN = ("manifest unknown", "name unknown", "MANIFEST_UNKNOWN", "NAME_UNKNOWN")


class Registry:
    """The registries that this machine knows how to reach.

    Args:
        pause_s: seconds before the second attempt of a call; doubled before each further one.
    """

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s

    def digest(self, reference: str) -> str | None:
        """The digest of the manifest that a reference names; None where there is none.

        Raises:
            ImageError: the registry does not say.
        """
        raw = self.manifest(reference)
        return None if raw is None else f"sha256:{hashlib.sha256(raw).hexdigest()}"

    def manifest(self, reference: str) -> bytes | None:
        """The manifest that a reference names, as the registry holds it; raises as ``digest``."""
        return self._run(reference, "inspect", "--raw", f"docker://{reference}")

    def push(self, layout: Path, digest: str, reference: str) -> None:
        """Copy an image, or an index with all of its images; what is there already stays.

        Args:
            layout: an OCI image layout of one image.
            digest: of its manifest, which the registry must hold afterwards.
            reference: with a tag or a digest.
        Raises:
            ImageError: the registry does not take it, or holds something else afterwards.
        """
        self._copy(reference, "--all", f"oci:{layout}")
        self._check(reference, digest)

    def push_artifact(self, layout: Path, name: str, digest: str, reference: str) -> None:
        """Copy one artifact as it is.

        Args:
            layout: an OCI image layout of several artifacts, with their names.
            digest: of its manifest; ``reference`` has the same.
        Raises:
            ImageError: as ``push``.
        """
        self._copy(reference, "--preserve-digests", f"oci:{layout}:{name}")
        self._check(reference, digest)

    def pull(self, reference: str, layout: Path) -> None:
        """Copy what a reference names into an OCI image layout; raises as ``push``."""
        found = self._run(
            reference, "copy", "--all", "--quiet", f"docker://{reference}", f"oci:{layout}"
        )
        if found is None:
            raise ImageError(f"{reference}: there is no such image")

    def rewritten_index(self, index: bytes, folder: Path) -> bytes:
        """Lay down an index for ``push_index``.

        Args:
            folder: an empty folder of the caller's.
        Returns:
            The index as it will be pushed: skopeo writes it anew, with the fields that it knows.
        """
        given, made = folder / _GIVEN, folder / "made"
        given.mkdir()
        (given / "version").write_text("Directory Transport Version: 1.1\n")
        (given / "manifest.json").write_bytes(index)
        self._run("an index", "copy", "--quiet", _INDEX_ONLY, f"dir:{given}", f"dir:{made}")
        return (made / "manifest.json").read_bytes()

    def push_index(self, folder: Path, reference: str) -> None:
        """Copy an index alone, whose manifests the registry has.

        Args:
            folder: that of ``rewritten_index``.
            reference: with a tag.
        Raises:
            ImageError: the registry does not take it.
        """
        self._copy(reference, _INDEX_ONLY, f"dir:{folder / _GIVEN}")

    def _copy(self, reference: str, option: str, source: str) -> None:
        copied = self._run(reference, "copy", option, "--quiet", source, f"docker://{reference}")
        if copied is None:
            raise ImageError(f"{reference}: the registry does not know what it was sent")

    def _check(self, reference: str, digest: str) -> None:
        held = self.digest(reference)
        if held != digest:
            raise ImageError(f"{reference}: the registry holds {held or 'nothing'}, not {digest}")

    def _run(self, reference: str, *arguments: str) -> bytes | None:
        """What skopeo prints; None where the registry knows nothing of that name."""
        pause_s = self._pause_s
        for attempt in range(1, ATTEMPTS + 1):
            try:
                run = subprocess.run(
                    ["skopeo", "--command-timeout", TIMEOUT, *arguments],
                    capture_output=True,
                    check=False,
                )
            except FileNotFoundError:
                raise ImageError("publishing needs skopeo, which is not installed") from None
            if run.returncode == 0:
                return run.stdout
            said = run.stderr.decode(errors="replace").strip()
            if any(text in said for text in _UNKNOWN):
                return None
            hint = refusal_hint(reference, said)
            if hint is not None:
                raise ImageError(
                    f"{reference}: the registry refuses: {_reason(said)}\nhint: {hint}"
                )
            if attempt < ATTEMPTS:
                time.sleep(pause_s)
                pause_s *= 2
        raise ImageError(f"{reference}: {_reason(said)} ({ATTEMPTS} attempts)")


def _reason(said: str) -> str:
    """The message of skopeo's last line, which is a record of its log."""
    last = said.splitlines()[-1] if said else "skopeo failed and does not say why"
    _, found, message = last.partition("msg=")
    return message.strip('"').replace('\\"', '"') if found else last
