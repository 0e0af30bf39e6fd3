"""The classic way to an image: buildah, a Dockerfile, and base images that need no registry."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from irc.oci.base import Platform
from irc.oci.blobs import MEDIA_TYPE_MANIFEST, Layer, blob_path, write_blob
from irc.oci.debian_root import ENVIRONMENT
from irc.oci.image import ImageLayer
from irc.oci.layer import disk_file, write_layer
from tests.e2e.running import SEARCH_PATH, Podman, tool
from tests.irc.oci.single_image import write_single_image

WHEELS = "/wheels"
# python3-pip of Debian.
_PIP = Path("/usr/lib/python3/dist-packages/pip")


def download_wheels(context: Path, folder: Path) -> None:
    """Fill a folder with what a context requires, by the machine's pip and its configuration."""
    subprocess.run(
        [
            *(tool("python3.11") or "python3.11", "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--require-hashes", f"--requirement={context / 'requirements.txt'}"),
            f"--dest={folder}",
        ],
        env={"PATH": SEARCH_PATH, "HOME": str(folder.parent)},
        stdout=sys.stderr,
        check=True,
    )


def write_base_images(package: Path, folder: Path) -> None:
    """Write the layouts ``base`` and ``builder``.

    ``base`` is what lies below an image of irc: Python alone. ``builder`` has pip besides, which takes
    wheels from the folder that is mounted at ``/wheels``.
    """
    described = json.loads((package / "image.json").read_bytes())
    platform = Platform.parse(described["platform"])
    base = [
        ImageLayer(Layer.from_json(layer), "base")
        for layer in described["layers"]
        if layer["role"] == "base"
    ]
    for name in ("base", "builder"):
        for item in base:
            blob = Path("blobs/sha256", item.layer.digest.removeprefix("sha256:"))
            (folder / name / blob).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package / "image" / blob, folder / name / blob)
    _write_image(folder / "base", platform, base, list(ENVIRONMENT))
    files = (
        disk_file(str(path.relative_to("/")), path)
        for path in sorted(_PIP.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    )
    pip = ImageLayer(write_layer(folder / "builder", files), "third-party")
    environment = [*ENVIRONMENT, "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={WHEELS}"]
    _write_image(folder / "builder", platform, [*base, pip], environment)


def _write_image(
    root: Path, platform: Platform, layers: list[ImageLayer], environment: list[str]
) -> None:
    """Write an image with a history, without which buildah 1.28 builds nothing on it."""
    written = write_single_image(root, platform, layers, {"Env": environment}, {})
    config = json.loads(blob_path(root, written.config.digest).read_bytes())
    config["history"] = [{"created_by": item.role} for item in layers]
    manifest = json.loads(blob_path(root, written.manifest.digest).read_bytes())
    for document, place in ((config, manifest["config"]), (manifest, None)):
        described = write_blob(root, MEDIA_TYPE_MANIFEST, json.dumps(document).encode())
        if place is not None:
            place |= {"digest": described.digest, "size": described.size}
    index = json.loads((root / "index.json").read_bytes())
    index["manifests"][0] |= {"digest": described.digest, "size": described.size}
    (root / "index.json").write_text(json.dumps(index))


@dataclass(frozen=True)
class Buildah:
    """buildah with the storage of a podman, which can run what it builds.

    Args:
        bases: the folder of ``write_base_images``.
        wheels: the folder of ``download_wheels``.
    """

    podman: Podman
    bases: Path
    wheels: Path

    def command(self, *arguments: str) -> list[str]:
        storage = (
            f"--root={self.podman.folder / 'root'}",
            f"--runroot={self.podman.folder / 'run'}",
        )
        return [tool("buildah") or "buildah", *storage, *arguments]

    def run(self, *arguments: str) -> str:
        """What a command of buildah prints; fails with what it says on stderr."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.podman.environment,
            cwd=self.bases,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"buildah {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout.strip()

    def build(self, context: Path, name: str) -> str:
        """Build a context to an image of that name; steps that nothing has changed are kept.

        Bases are given by relative paths: buildah makes names of them, in which not all is allowed.
        """
        return self.run(
            *("bud", "--quiet", "--layers", "--format=oci", "--isolation=chroot"),
            *("--build-arg=BASE=oci:base:latest", "--build-arg=BUILDER=oci:builder:latest"),
            *(f"--volume={self.wheels}:{WHEELS}:ro", f"--tag={name}", str(context)),
        ).splitlines()[-1]
