"""All that ``package`` leaves behind for one agent, apart from what it shares with others."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from irc.oci.image import Image, ImageLayer, merged_environment, write_image
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
from irc.package.described import loaded_name
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
    """What an image and its manifests are made of besides; a Lambda function has none.

    Attributes:
        libraries: ``libraries.cdx.json`` of ``irc sbom``.
        manifest: ``manifest.json`` of ``irc manifest``; the target ``local`` has none.
        helm: whether a chart is written.
    """

    base: Path
    deps: Path
    code: Path
    lock: Path
    libraries: Path
    repository: str | None
    manifest: Path | None = None
    helm: bool = False


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
    """Write image, PEX, build context, and the manifests or Compose file.

    Of the image's blobs only those of this agent are written: the flow, configuration, manifest.
    """
    if inputs.repository is not None and not _REPOSITORY.fullmatch(inputs.repository):
        raise ImageError(
            f"{inputs.repository!r} is not a repository: <registry>/<name> "
            "in lower case, without a tag"
        )
    base = read_json(inputs.base, Base.from_json)
    third_party = read_json(inputs.deps, ThirdParty.from_json)
    pex_info = read_pex_info(deps_pex)
    shared = read_json(inputs.code, SharedCode.from_json)
    if shared.files_digest != files_digest(code.shared):
        raise ImageError(f"{inputs.code}: made of other code than {sources} holds")
    check_compatibility(base, third_party, pex_info)
    code = _with_version(agent, code, base, third_party, output / "agent")
    image = _write_image(agent, code, shared.layer, base, third_party, output / "image")
    reference = f"{inputs.repository or agent.service_name}@{image.manifest.digest}"
    _write_json(
        output / "image.json", _describe(agent, image, reference, inputs, base, third_party)
    )
    if agent.target == "local":
        write_files(output, {"compose.yaml": _compose(agent, image, inputs.repository)})
    else:
        _write_manifests(agent, inputs, reference, output)
    libraries = read_json(inputs.libraries, dict)
    lock = read_text(inputs.lock)
    write_attestations(
        output, agent, image, reference, code, libraries, sources, lock, base, third_party
    )
    wheels = map(wheel_name_and_version, pex_info["distributions"])
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


def _with_version(
    agent: Agent, code: Code, base: Base, third_party: ThirdParty, folder: Path
) -> Code:
    """The code and the file, written to the folder, by which a running agent knows it again."""
    below = [layer.diff_id for layer in base.layers]
    below += [item.layer.diff_id for item in third_party.layers]
    folder.mkdir(parents=True)
    path = folder / VERSION_FILE
    path.write_text(version_file(agent, code.all, below), "utf-8")
    return Code(code.shared, dict(sorted({**code.flow, VERSION_FILE: path}.items())))


def _compose(agent: Agent, image: Image, repository: str | None) -> str:
    digest = image.manifest.digest
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


def _write_image(
    agent: Agent,
    code: Code,
    shared: Layer | None,
    base: Base,
    third_party: ThirdParty,
    root: Path,
) -> Image:
    layers = [
        *(ImageLayer(layer, "base") for layer in base.layers),
        *(ImageLayer(item.layer, "third-party") for item in third_party.layers),
    ]
    if shared is not None:
        layers.append(ImageLayer(shared, "first-party"))
    layers.append(ImageLayer(write_flow_layer(root, code), "flow"))
    annotations = {
        "org.opencontainers.image.title": agent.name,
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


def _describe(
    agent: Agent,
    image: Image,
    reference: str,
    inputs: ImageInputs,
    base: Base,
    third_party: ThirdParty,
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": agent.name,
        "ir_digest": agent.ir_digest,
        "reference": reference,
        "repository": inputs.repository,
        "manifest_digest": image.manifest.digest,
        "config_digest": image.config.digest,
        "platform": str(base.platform),
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
