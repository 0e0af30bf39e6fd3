"""Artifacts that refer to an image, as an OCI image layout: one manifest each, with a ``subject``.

https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irc.attestations.document import Document, encoded
from irc.files import write_files
from irc.oci.blobs import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor, write_blob

CYCLONEDX = "application/vnd.cyclonedx+json"
IN_TOTO = "application/vnd.in-toto+json"

_EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Attestation:
    """A document on an image; ``title`` is a name for it as a file."""

    title: str
    media_type: str
    document: Document


def write_referrers(root: Path, subject: Descriptor, attestations: Sequence[Attestation]) -> None:
    """Write the layout; its index has each manifest's type and annotations, as lists of referrers do."""
    entries = []
    for item in attestations:
        content = write_blob(root, item.media_type, encoded(item.document))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_MANIFEST,
            "artifactType": item.media_type,
            "config": write_blob(root, _EMPTY, b"{}").to_oci(),
            "layers": [{**content.to_oci(), "annotations": {TITLE: item.title}}],
            "subject": subject.to_oci(),
            "annotations": {TITLE: item.title},
        }
        written = write_blob(root, MEDIA_TYPE_MANIFEST, encoded(manifest))
        entries.append(
            {
                **written.to_oci(),
                "artifactType": item.media_type,
                "annotations": {TITLE: item.title, _NAME: item.title},
            }
        )
    index = {"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": entries}
    # The index last: a layout without one is none.
    for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
        write_files(root, {name: encoded(document).decode()})
