"""Reading an OCI image layout without trusting it."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def sha256(file: Path, *, unzip: bool = False) -> str:
    """The digest of a file's content, or of what its gzip stream holds, as ``sha256:<hex>``."""
    digest = hashlib.sha256()
    with gzip.open(file) if unzip else file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


@dataclass(frozen=True)
class Layout:
    """A layout folder that holds one image."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """The file of a digest such as ``sha256:<hex>``."""
        return self.folder / "blobs" / Path(*digest.split(":"))

    def blobs(self) -> dict[str, Path]:
        """All blob files by the digest that their names state."""
        files = (self.folder / "blobs" / "sha256").iterdir()
        return {f"sha256:{file.name}": file for file in files}

    def json(self, digest: str) -> Any:
        return json.loads(self.blob(digest).read_bytes())

    @property
    def index(self) -> Any:
        return json.loads((self.folder / "index.json").read_bytes())

    @property
    def manifest_digest(self) -> str:
        (descriptor,) = self.index["manifests"]
        return str(descriptor["digest"])

    @property
    def manifest(self) -> Any:
        return self.json(self.manifest_digest)

    @property
    def config(self) -> Any:
        return self.json(self.manifest["config"]["digest"])

    def descriptors(self) -> list[dict[str, Any]]:
        """What the image is made of: manifest, config and layers, each once."""
        manifest = self.manifest
        every = [*self.index["manifests"], manifest["config"], *manifest["layers"]]
        return list({descriptor["digest"]: descriptor for descriptor in every}.values())

    def layer_members(self, index: int) -> Iterator[tarfile.TarInfo]:
        """The entries of one layer; negative indices count from the top one."""
        file = self.blob(self.manifest["layers"][index]["digest"])
        with tarfile.open(file, "r:gz") as archive:
            yield from archive
