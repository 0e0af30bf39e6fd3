"""Provenance: of what and by what an image was made, as an in-toto statement with SLSA's predicate.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://slsa.dev/spec/v1.0/provenance
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from irc.attestations.document import Document
from irc.oci.base import Base
from irc.oci.image import Image
from irc.oci.thirdparty import ThirdParty
from irc.package.agent import Agent

# Names, as the specification wants them: they need not resolve. docs/trust.md says what they mean.
BUILD_TYPE = "urn:irc:package:v1"
BUILDER = "urn:irc:builder"


def provenance(
    agent: Agent,
    image: Image,
    reference: str,
    sources: Path,
    lock: bytes,
    base: Base,
    third_party: ThirdParty,
) -> Document:
    """The statement. It says neither when nor where, so that the same build makes the same.

    Args:
        sources: the folder of first-party files, the flow's among them, by source root.
        lock: the content of the file with the locked requirements.
    """
    repository = reference.partition("@")[0]
    own, shared = _parted(agent, sources)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": repository, "digest": _digest(image.manifest.digest)}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "flow": agent.flow,
                    "target": agent.target,
                    "platform": str(base.platform),
                },
                "internalParameters": {
                    "compiler": agent.compiler,
                    "python": third_party.python,
                    "compressor": third_party.compressor,
                },
                "resolvedDependencies": [
                    {"name": "flow", "digest": _digest(agent.ir_digest)},
                    *(_named(name, _sha256(path.read_bytes())) for name, path in own.items()),
                    _named("shared-code", _tree(shared)),
                    _named("requirements-lock", _sha256(lock)),
                    *_base(base),
                    *(_layer("third-party", item.layer.diff_id) for item in third_party.layers),
                ],
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"irc": agent.compiler}}},
        },
    }


def _parted(agent: Agent, sources: Path) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Files of the flow's folder, and others, by path from the source root."""
    own: dict[str, Path] = {}
    shared: dict[str, Path] = {}
    for path in sorted(sources.rglob("*")):
        if path.is_file():
            name = path.relative_to(sources)
            is_own = bool(agent.folder.parts) and name.is_relative_to(agent.folder)
            (own if is_own else shared)[name.as_posix()] = path
    return own, shared


def _tree(files: Mapping[str, Path]) -> str:
    """One digest over files: that of the lines which sha256sum prints for them, in order of paths."""
    lines = (f"{_sha256(path.read_bytes())}  {name}\n" for name, path in files.items())
    return _sha256("".join(lines).encode())


def _base(base: Base) -> Iterator[Document]:
    if base.digest is not None:
        yield {"name": "base-image", "digest": _digest(base.digest)}
    if base.packages:  # one by one they are in the bill of materials
        lines = (f"{item.sha256}  {item.name}={item.version}\n" for item in base.packages)
        yield _named("debian-packages", _sha256("".join(lines).encode()))
    for layer in base.layers:
        yield _layer("base", layer.diff_id)


def _layer(role: str, diff_id: str) -> Document:
    return {"name": f"layer/{role}", "digest": _digest(diff_id)}


def _named(name: str, sha256: str) -> Document:
    return {"name": name, "digest": {"sha256": sha256}}


def _digest(text: str) -> dict[str, str]:
    algorithm, _, value = text.partition(":")
    return {algorithm: value}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
