"""The layer of first-party code that flows share, apart from the flow: edits of it leave the layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.oci.blobs import Layer
from irc.oci.bytecode import compile_pyc, pyc_path
from irc.oci.layer import File, bytes_file, write_layer
from irc.package.code import APP, Files, files_digest


@dataclass(frozen=True)
class SharedCode:
    """What ``irc image code`` made, as ``code.json`` holds it.

    Attributes:
        layer: None where there is no such code.
        files_digest: of the files that it holds, without their byte code.
    """

    layer: Layer | None
    files_digest: str

    def to_json(self) -> dict[str, Any]:
        layer = None if self.layer is None else self.layer.to_json()
        return {"layer": layer, "files_digest": self.files_digest}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "SharedCode":
        layer = None if raw["layer"] is None else Layer.from_json(raw["layer"])
        return cls(layer, raw["files_digest"])


def build_shared_code(sources: Path, output: Path) -> SharedCode:
    """Write all files below ``sources``, by source root, as a layer into ``output``."""
    files = {
        path.relative_to(sources).as_posix(): path
        for path in sorted(sources.rglob("*"))
        if path.is_file()
    }
    layer = write_layer(output, with_byte_code(files, APP)) if files else None
    return SharedCode(layer, files_digest(files))


def with_byte_code(files: Files, folder: str) -> Iterator[File]:
    """Files below a folder, modules with their byte code: they are imported where nothing can be written.

    Args:
        folder: by its path from the root.
    """
    for name, path in files.items():
        data = path.read_bytes()
        yield bytes_file(f"{folder}/{name}", data)
        if name.endswith(".py"):
            byte_code = compile_pyc(data, f"/{folder}/{name}")
            if byte_code is not None:
                yield bytes_file(pyc_path(f"{folder}/{name}"), byte_code)
