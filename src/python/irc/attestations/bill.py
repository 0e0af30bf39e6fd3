"""Bills of materials of one agent, in CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/

There are two parts, as of the image. What lies below the flow is the same after an edit of the flow and
for agents with the same code and requirements; the other part is of the flow alone and small. In a
registry they are apart, so that an edit adds little; the package holds one bill of all.

Plain documents without a library: an edited prompt is packaged in less than a second.
"""

import hashlib
from collections.abc import Iterator

from packageurl import PackageURL

from irc.attestations.document import Document, identified
from irc.oci.image import Image
from irc.package.agent import Agent
from irc.package.code import APP, Code, Files

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


def bill_below(libraries: Document, code: Code) -> Document:
    """What lies below the flow: base and libraries, and the code that flows share.

    Args:
        libraries: the document of :mod:`irc.attestations.libraries`.
    """
    return _bill(None, [*libraries["components"], *_files(code.shared)])


def bill_of_flow(
    agent: Agent, image: Image, reference: str, code: Code, below: Document
) -> Document:
    """The image, and the files of the flow; the other part is named by its BOM-Link."""
    link = f"urn:cdx:{below['serialNumber'].removeprefix('urn:uuid:')}/{below['version']}"
    component = {
        **_image(agent, image, reference),
        "externalReferences": [{"type": "bom", "url": link}],
    }
    return _bill(component, list(_files(code.flow)))


def whole_bill(agent: Agent, image: Image, reference: str, code: Code, below: Document) -> Document:
    """All that the image holds, in one document."""
    return _bill(_image(agent, image, reference), [*below["components"], *_files(code.flow)])


def _bill(component: Document | None, components: list[Document]) -> Document:
    return identified(
        {
            "$schema": _SCHEMA,
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            **({} if component is None else {"metadata": {"component": component}}),
            "components": components,
        }
    )


def _image(agent: Agent, image: Image, reference: str) -> Document:
    digest = image.manifest.digest
    repository = reference.partition("@")[0]
    # https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md
    purl = PackageURL(
        "oci",
        None,
        repository.rpartition("/")[2],
        digest,
        {"repository_url": repository} if "/" in repository else None,
    )
    return {
        "type": "container",
        "bom-ref": "image",
        "name": agent.name,
        "version": digest,
        **({"description": agent.description} if agent.description else {}),
        "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
        "purl": str(purl),
        "properties": [
            {"name": "irc:compiler", "value": agent.compiler},
            {"name": "irc:flow", "value": agent.flow},
            {"name": "irc:ir_digest", "value": agent.ir_digest},
        ],
    }


def _files(files: Files) -> Iterator[Document]:
    for name, path in files.items():
        place = f"/{APP}/{name}"
        yield {
            "type": "file",
            "bom-ref": f"file:{place}",
            "name": place,
            "hashes": [
                {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
            ],
        }
