"""Packaging an agent anew, with an edit, from what ``package`` left of it: without Pants.

The steps are those of the plugin: compile, then package over the same base and requirements.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from irc.manifests.image import PLACEHOLDER
from irc.oci.base import Base, Platform
from irc.oci.blobs import Layer
from irc.oci.debian_root import ENVIRONMENT
from irc.oci.distributions import read_distributions, read_pex_info
from irc.oci.thirdparty import SHARED_BYTES, ThirdParty, ThirdPartyLayer

FLOW = Path("flows/support")
GENERATED = ("agent.py", "agent.map.json", "agent.cases.json")


class Workshop:
    """An agent's sources and what it is packaged with, to be edited and packaged.

    Args:
        package: what ``package flows/support:agent`` has written.
        folder: gets the inputs.

    Attributes:
        sources: first-party files by their source root, the flow among them.
    """

    def __init__(self, package: Path, folder: Path) -> None:
        self.package = package
        self.folder = folder
        self.sources = folder / "sources"
        described = json.loads((package / "image.json").read_bytes())
        shutil.copytree(package / "context/app", self.sources)
        (self.sources / "irc-version.json").unlink()
        for name in GENERATED:
            (self.sources / FLOW / name).unlink()
        shutil.copyfile(package / "agent/flow.yaml", self.sources / FLOW / "flow.yaml")
        self.third_party = _third_party(described, package / "agent.pex")
        self._write("base.json", _base(described).to_json())
        bill = json.loads((package / "sbom.cdx.json").read_bytes())
        libraries = [item for item in bill["components"] if item["type"] != "file"]
        self._write("libraries.cdx.json", {"components": libraries})
        manifest = yaml.safe_load((package / "inferenceservice.yaml").read_bytes())
        (container,) = manifest["spec"]["predictor"]["containers"]
        container["image"] = PLACEHOLDER
        self._write("manifest.json", {"base": manifest, "overlays": {}})

    def packaged(self, output: Path) -> Path:
        """Compile and package what the sources are now; blobs of libraries and base are not written."""
        generated = output.with_name(f"{output.name}-generated")
        self.irc(
            *("compile", str(FLOW / "flow.yaml"), "--source-root=.", "--no-cache"),
            f"--output-dir={generated}",
        )
        self._write("deps.json", self.third_party.to_json())
        code = self._shared_code()
        self.irc(
            *("package", f"--agent={generated / FLOW / 'agent.json'}", f"--generated={generated}"),
            *(f"--sources={self.sources}", f"--deps-pex={self.package / 'agent.pex'}"),
            *(f"--{name}={self.folder / name}.json" for name in ("base", "deps", "manifest")),
            *(f"--code={code}", f"--libraries={self.folder / 'libraries.cdx.json'}"),
            f"--lock={self.package / 'context/requirements.txt'}",
            f"--output-dir={output}",
        )
        add_blobs(output, code.parent)
        return output

    def _shared_code(self) -> Path:
        """``code.json`` of what is not the flow's own: made once, as nothing here edits it."""
        code = self.folder / "code"
        if not code.exists():
            shared = self.folder / "shared"
            own = shutil.ignore_patterns("flows")
            shutil.copytree(self.sources, shared, ignore=own)
            self.irc("image", "code", f"--sources={shared}", f"--output-dir={code}")
        return code / "code.json"

    def irc(self, *arguments: str) -> None:
        """Run a command of irc, in the folder of the sources."""
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        command = [sys.executable, "-m", "irc", *arguments]
        subprocess.run(command, cwd=self.sources, env={"PYTHONPATH": path}, check=True)

    def with_layer(self, old: Layer, new: Layer) -> None:
        """Put a layer of requirements in the place of another."""
        layers = (
            replace(item, layer=new) if item.layer == old else item
            for item in self.third_party.layers
        )
        self.third_party = replace(self.third_party, layers=tuple(layers))

    def _write(self, name: str, document: Any) -> None:
        (self.folder / name).write_text(json.dumps(document))


def add_blobs(package: Path, *others: Path) -> None:
    """Put beside the image what it shares with other images: blobs of their layouts, by links."""
    blobs = package / "image/blobs/sha256"
    for other in others:
        for blob in (other / "blobs/sha256").iterdir():
            if not (blobs / blob.name).exists():
                (blobs / blob.name).symlink_to(blob.resolve())


def small_requirements(pex: Path, output: Path) -> Path:
    """A PEX of the distributions in the lowest of the shared layers; one of them has another file."""
    small = [item for item in read_distributions(pex) if item.size < SHARED_BYTES[-2]]
    names = [item.archive.name for item in small]
    info = json.loads((pex / "PEX-INFO").read_bytes())
    info["distributions"] = {name: info["distributions"][name] for name in names}
    (output / ".deps").mkdir(parents=True)
    for name in names:
        shutil.copyfile(pex / ".deps" / name, output / ".deps" / name)
    (output / "PEX-INFO").write_text(json.dumps(info))
    with zipfile.ZipFile(output / ".deps" / names[0], "a") as archive:
        archive.writestr(f"{small[0].name.replace('-', '_')}_changed.py", "VERSION = 2\n")
    return output


def _third_party(described: dict[str, Any], pex: Path) -> ThirdParty:
    pex_info = read_pex_info(pex)
    layers = (
        ThirdPartyLayer(Layer.from_json(layer), tuple(layer["distributions"]))
        for layer in described["layers"]
        if layer["role"] == "third-party"
    )
    wheels = tuple(sorted(pex_info["distributions"]))
    constraints = tuple(pex_info.get("interpreter_constraints") or ())
    return ThirdParty(
        tuple(layers), described["python"], described["compressor"], wheels, constraints
    )


def _base(described: dict[str, Any]) -> Base:
    system, architecture = described["platform"].split("/")
    layers = (Layer.from_json(layer) for layer in described["layers"] if layer["role"] == "base")
    return Base(
        "debian",
        Platform(system, architecture),
        tuple(layers),
        {"Env": list(ENVIRONMENT)},
        described["base"]["python"],
        interpreters=("3.11",),
    )
