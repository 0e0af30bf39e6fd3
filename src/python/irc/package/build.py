"""All that ``package`` leaves behind for one agent, apart from what it shares with others."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.attestations.document import Document
from irc.documents import read_json, read_text
from irc.emit.compose import compose_file
from irc.emit.documents import yaml_document
from irc.files import whole_folder, write_files
from irc.manifests.helm import chart
from irc.manifests.image import with_image
from irc.manifests.kustomize import kustomization
from irc.oci.base import Base
from irc.oci.blobs import Layer
from irc.oci.conventions import PORT
from irc.oci.distributions import read_pex_info, wheel_name_and_version
from irc.oci.errors import ImageError
from irc.oci.image import Image, ImageLayer, merged_environment, write_image, write_layout
from irc.oci.thirdparty import SITE_PACKAGES, ThirdParty
from irc.package.agent import Agent, read_agent
from irc.package.attested import write_attestations
from irc.package.code import (
    APP,
    Code,
    copy_documents,
    files_digest,
    read_code,
    write_flow_layer,
)
from irc.package.compatibility import check_compatibility
from irc.package.context import write_context
from irc.package.described import loaded_name, platform_folder
from irc.package.pex import compose_pex
from irc.package.requirements import cut_requirements
from irc.package.settings import USER, agent_environment, entry_point, image_labels
from irc.package.shared_code import SharedCode
from irc.package.version import VERSION_FILE, version_file

# A registry with an optional port, then lower-case names: the OCI distribution specification.
_REPOSITORY = re.compile(r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*")


@dataclass(frozen=True)
class Inputs:
    """Where everything comes from; see ``irc package --help``."""

    agent: Path
    generated: Path
    sources: Path
    deps_pex: Path
    image: "ImageInputs | None" = None


@dataclass(frozen=True)
class ImageInputs:
    """What images and their manifests are made of besides; a Lambda function has none.

    Attributes:
        manifest: ``manifest.json`` of ``irc manifest``; the target ``local`` has none.
        helm: whether a chart is written.
    """

    platforms: "tuple[PlatformInputs, ...]"
    code: Path
    lock: Path
    repository: str | None
    manifest: Path | None = None
    helm: bool = False


@dataclass(frozen=True)
class PlatformInputs:
    """What differs between images for different platforms.

    Attributes:
        libraries: ``libraries.cdx.json`` of ``irc sbom``.
    """

    base: Path
    deps: Path
    libraries: Path


@dataclass(frozen=True)
class _Below:
    """What lies below the code in the image for one platform, and the bill of it."""

    base: Base
    third_party: ThirdParty
    libraries: Document

    @property
    def layers(self) -> list[ImageLayer]:
        layers = [ImageLayer(layer, "base") for layer in self.base.layers]
        return [*layers, *(ImageLayer(it.layer, "third-party") for it in self.third_party.layers)]


def package(inputs: Inputs, output: Path) -> tuple[str, ...]:
    """Write what the agent's target takes, below ``output``, and its sources.

    Returns:
        Warnings.
    Raises:
        ImageError: an input is missing or does not fit the others, or ``output`` is not empty:
            what an earlier package left there must not be shipped with this one.
        OSError: the disk is full; nothing is left behind.
    """
    if output.is_dir() and any(output.iterdir()):
        raise ImageError(f"{output} is not empty")
    with whole_folder(output) as beside:
        warnings = _package(inputs, beside)
    return warnings


def _package(inputs: Inputs, output: Path) -> tuple[str, ...]:
    agent = read_agent(inputs.agent)
    code = read_code(agent, inputs.generated, inputs.sources)
    warnings: tuple[str, ...] = ()
    if agent.target == "lambda":
        from irc.package.function import write_function

        warnings = write_function(agent, code.all, inputs.deps_pex, output)
    elif inputs.image is None:
        raise ImageError(
            f"the target '{agent.target}' needs --base, --deps, --code, --lock and --libraries"
        )
    else:
        _package_image(agent, code, inputs.image, inputs.deps_pex, inputs.sources, output)
    copy_documents(agent, inputs.generated, inputs.sources, output / "agent")
    return warnings


def _package_image(
    agent: Agent, code: Code, inputs: ImageInputs, deps_pex: Path, sources: Path, output: Path
) -> None:
    """Write the image or images, PEX, build context, and the manifests or Compose file.

    Of an image's blobs only those of this agent are written: the flow, configuration, manifest. PEX and
    context are of the machine's own platform.
    """
    if inputs.repository is not None and not _REPOSITORY.fullmatch(inputs.repository):
        raise ImageError(
            f"{inputs.repository!r} is not a repository: <registry>/<name> "
            "in lower case, without a tag"
        )
    below = _read_below(inputs.platforms)
    shared = read_json(inputs.code, SharedCode.from_json)
    if shared.files_digest != files_digest(code.shared):
        raise ImageError(f"{inputs.code}: made of other code than {sources} holds")
    code = _with_version(agent, code, below, output / "agent")
    images = _write_images(agent, code, shared.layer, below, output / "image")
    named = write_layout(output / "image", images, _annotations(agent))
    reference = f"{inputs.repository or agent.service_name}@{named.digest}"
    described = [_describe(*item) for item in zip(images, below, strict=True)]
    _write_json(
        output / "image.json",
        {
            "schema_version": 1,
            "name": agent.name,
            "ir_digest": agent.ir_digest,
            "reference": reference,
            "repository": inputs.repository,
            "manifest_digest": named.digest,
            **(described[0] if len(described) == 1 else {"images": described}),
        },
    )
    if agent.target == "local":
        write_files(output, {"compose.yaml": _compose(agent, named.digest, inputs.repository)})
    else:
        _write_manifests(agent, inputs, reference, output)
    lock = read_text(inputs.lock)
    for image, item in zip(images, below, strict=True):
        folder = output if len(images) == 1 else platform_folder(output, str(image.platform))
        write_attestations(
            *(folder, agent, image, reference, code, item.libraries, sources, lock),
            *(item.base, item.third_party),
        )
    wheels = map(wheel_name_and_version, read_pex_info(deps_pex)["distributions"])
    requirements = cut_requirements(lock, wheels)
    write_context(agent, code, requirements, output / "context")
    compose_pex(deps_pex, code.all, agent.module, output / "agent.pex")


def _write_manifests(agent: Agent, inputs: ImageInputs, reference: str, output: Path) -> None:
    """Write the manifest by itself, as a Kustomize base with overlays, and as a Helm chart."""
    if inputs.manifest is None:
        raise ImageError(f"the target '{agent.target}' needs --manifest")
    documents = with_image(read_json(inputs.manifest, dict), reference)
    base, overlays = documents["base"], documents["overlays"]
    write_files(output, {"inferenceservice.yaml": yaml_document(base)})
    write_files(output / "kustomize", kustomization(base, overlays))
    if inputs.helm:
        digest = agent.ir_digest.removeprefix("sha256:")[:12]
        version = f"{agent.compiler}+{digest}"
        write_files(output / "helm", chart(base, agent.description, version))


def _read_below(platforms: Sequence[PlatformInputs]) -> tuple[_Below, ...]:
    """What images are made of, by platform.

    Raises:
        ImageError: parts do not fit, or two are for one platform.
    """
    found: dict[str, _Below] = {}
    for inputs in platforms:
        base = read_json(inputs.base, Base.from_json)
        third_party = read_json(inputs.deps, ThirdParty.from_json)
        check_compatibility(base, third_party)
        if base.platform.machine in found:
            raise ImageError(f"there are two base images for {base.platform.machine}")
        found[base.platform.machine] = _Below(
            base, third_party, read_json(inputs.libraries, Document)
        )
    return tuple(found[name] for name in sorted(found))


def _with_version(agent: Agent, code: Code, below: Sequence[_Below], folder: Path) -> Code:
    """The code and the file, written to the folder, by which a running agent knows it again."""
    archives = {
        item.base.platform.machine: [layer.layer.diff_id for layer in item.layers] for item in below
    }
    folder.mkdir(parents=True)
    path = folder / VERSION_FILE
    path.write_text(version_file(agent, code.all, archives), "utf-8")
    return Code(code.shared, dict(sorted({**code.flow, VERSION_FILE: path}.items())))


def _compose(agent: Agent, digest: str, repository: str | None) -> str:
    return compose_file(
        compiler=agent.compiler,
        flow=agent.flow,
        service=agent.service_name,
        imports=agent.imports,
        environment=agent.environment,
        writes_features=agent.writes_features,
        kserve=agent.kserve,
        image=f"{repository}@{digest}"
        if repository
        else loaded_name(f"{agent.service_name}@{digest}"),
        is_pushed=repository is not None,
    )


def _write_images(
    agent: Agent, code: Code, shared: Layer | None, below: Sequence[_Below], root: Path
) -> tuple[Image, ...]:
    """An image for each platform; all have the same layers of code."""
    layers = []
    if shared is not None:
        layers.append(ImageLayer(shared, "first-party"))
    layers.append(ImageLayer(write_flow_layer(root, code), "flow"))
    return tuple(_write_image(agent, item.base, [*item.layers, *layers], root) for item in below)


def _write_image(agent: Agent, base: Base, layers: Sequence[ImageLayer], root: Path) -> Image:
    annotations = {
        **_annotations(agent),
        **({"org.opencontainers.image.base.digest": base.digest} if base.digest else {}),
    }
    own = {"PYTHONPATH": f"/{APP}:/{SITE_PACKAGES}", **agent_environment(agent)}
    settings = {
        **base.config,
        "User": USER,
        "WorkingDir": f"/{APP}",
        "Env": merged_environment(base.config.get("Env", ()), own),
        "Entrypoint": entry_point(agent),
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "Labels": {**base.config.get("Labels", {}), **annotations, **image_labels(agent)},
    }
    return write_image(root, base.platform, layers, settings, annotations)


def _annotations(agent: Agent) -> dict[str, str]:
    return {"org.opencontainers.image.title": agent.name}


def _describe(image: Image, below: _Below) -> dict[str, Any]:
    base, third_party = below.base, below.third_party
    return {
        "manifest_digest": image.manifest.digest,
        "config_digest": image.config.digest,
        "platform": str(image.platform),
        "size": image.size,
        "layers": [_describe_layer(item, third_party) for item in image.layers],
        "base": {
            "kind": base.kind,
            "digest": base.digest,
            "python": base.python,
            "packages": [item.to_json() for item in base.packages],
        },
        "distributions": list(third_party.distributions),
        "python": third_party.python,
        "compressor": third_party.compressor,
    }


def _describe_layer(item: ImageLayer, third_party: ThirdParty) -> dict[str, Any]:
    described = {"role": item.role, **item.layer.to_json()}
    for other in third_party.layers:
        if item.role == "third-party" and other.layer == item.layer:
            described["distributions"] = list(other.distributions)
    return described


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
