"""The bill of materials of what agents share: the base and third-party layers.

It is made of the models of cyclonedx-python-lib from what the layers hold. Both take seconds, so it is
made apart from all else, and again only when one of these layers changes.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id
from packageurl import PackageURL

from irc.attestations.document import identified
from irc.attestations.inventory import DebianPackage, Distribution, read_inventory
from irc.oci.base import Base
from irc.oci.distributions import normalized_name
from irc.oci.thirdparty import ThirdParty

# Classifiers of the Python Package Index and short names of Debian, for which SPDX has identifiers.
# Those that may mean several licences, as "BSD License", stay what they are.
_SPDX = {
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Expat": "MIT",
    "GPL-2": "GPL-2.0-only",
    "GPL-2+": "GPL-2.0-or-later",
    "GPL-3": "GPL-3.0-only",
    "GPL-3+": "GPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "LGPL-2": "LGPL-2.0-only",
    "LGPL-2+": "LGPL-2.0-or-later",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-3": "LGPL-3.0-only",
    "LGPL-3+": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}


def libraries(base: Base, base_root: Path, deps: ThirdParty, deps_root: Path) -> dict[str, Any]:
    """The bill, as CycloneDX 1.6 in JSON.

    Args:
        base_root: the folder that holds ``blobs/`` of the base; ``deps_root`` as well.
    Raises:
        ImageError: a layer is not there or is damaged.
    """
    layers = [(base_root, layer) for layer in base.layers]
    layers += [(deps_root, item.layer) for item in deps.layers]
    inventory = read_inventory(layers)
    archives = {(item.name, item.version): item.sha256 for item in base.packages}
    release = inventory.release
    components = [
        *_operating_system(release),
        *_interpreter(base),
        *(_debian(item, release, archives) for item in inventory.packages),
        *map(_python, inventory.distributions),
    ]
    made = json.loads(JsonV1Dot6(Bom(components=components)).output_as_string())
    # The library adds the time and a graph in which nothing depends on anything.
    for key in ("metadata", "dependencies", "serialNumber"):
        made.pop(key, None)
    return identified(made)


def _operating_system(release: Mapping[str, str]) -> Iterator[Component]:
    if "ID" in release:
        yield Component(
            type=ComponentType.OPERATING_SYSTEM,
            name=release["ID"],
            version=release.get("VERSION_ID"),
            description=release.get("PRETTY_NAME"),
            bom_ref="operating-system",
        )


def _interpreter(base: Base) -> Iterator[Component]:
    """The interpreter of a base image that names it in its environment: it is from no package."""
    if base.kind == "oci" and base.python is not None:
        yield Component(
            type=ComponentType.APPLICATION,
            name="python",
            version=base.python,
            purl=PackageURL("generic", None, "python", base.python),
            bom_ref="interpreter",
        )


def _debian(
    package: DebianPackage, release: Mapping[str, str], archives: Mapping[tuple[str, str], str]
) -> Component:
    distribution = release.get("ID", "debian")
    qualifiers = {"arch": package.architecture}
    if "VERSION_ID" in release:
        qualifiers["distro"] = f"{distribution}-{release['VERSION_ID']}"
    archive = archives.get((package.name, package.version))
    purl = PackageURL("deb", distribution, package.name, package.version, qualifiers)
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=_licences(package.licences),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=archive)] if archive else (),
        evidence=_evidence(package.location),
        properties=[
            Property(name="irc:debian:source", value=package.source),
            Property(name="irc:layer", value=package.layer),
        ],
    )


def _python(distribution: Distribution) -> Component:
    purl = PackageURL("pypi", None, normalized_name(distribution.name), distribution.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=distribution.name,
        version=distribution.version,
        purl=purl,
        # A base may have a distribution that the requirements have as well.
        bom_ref=f"{purl}#{distribution.location.rpartition('/')[0]}",
        licenses=_licences(distribution.licences),
        evidence=_evidence(distribution.location),
        properties=[Property(name="irc:layer", value=distribution.layer)],
    )


def _evidence(location: str) -> ComponentEvidence:
    return ComponentEvidence(occurrences=[Occurrence(location=f"/{location}")])


def _licences(texts: Iterable[str]) -> list[Any]:
    """SPDX identifiers where there are, else names; CycloneDX takes an expression by itself alone."""
    factory = LicenseFactory()
    made = [factory.make_from_string(_spdx(text)) for text in texts]
    if len(made) > 1:
        return [
            DisjunctiveLicense(name=item.value) if isinstance(item, LicenseExpression) else item
            for item in made
        ]
    return made


def _spdx(text: str) -> str:
    in_brackets = re.search(r"\((\S+)\)$", text)
    candidates = (_SPDX.get(text), text, in_brackets[1] if in_brackets else None)
    return next((found for item in candidates if item and (found := fixup_id(item))), text)
