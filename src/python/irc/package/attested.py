"""What says of an image what it holds and what it was made of, beside it and attached to it."""

import json
from pathlib import Path

from irc.attestations.bill import bill_below, bill_of_flow, whole_bill
from irc.attestations.document import Document
from irc.attestations.provenance import provenance
from irc.attestations.referrers import CYCLONEDX, IN_TOTO, Attestation, write_referrers
from irc.files import write_files
from irc.oci.base import Base
from irc.oci.image import Image
from irc.oci.thirdparty import ThirdParty
from irc.package.agent import Agent
from irc.package.code import Code

BILL = "sbom.cdx.json"
PROVENANCE = "provenance.intoto.json"
REFERRERS = "attestations"


def write_attestations(
    output: Path,
    agent: Agent,
    image: Image,
    reference: str,
    code: Code,
    libraries: Document,
    sources: Path,
    lock: str,
    base: Base,
    third_party: ThirdParty,
) -> None:
    """Write bill of materials and provenance, and the layout of what is attached to the image.

    Args:
        libraries: of ``irc sbom``.
        sources: the folder of first-party files, by source root.
        lock: the text of the locked requirements.
    """
    below = bill_below(libraries, code)
    statement = provenance(agent, image, reference, sources, lock.encode(), base, third_party)
    whole = whole_bill(agent, image, reference, code, below)
    files = {BILL: whole, PROVENANCE: statement}
    write_files(output, {name: json.dumps(item, indent=2) + "\n" for name, item in files.items()})
    attached = [
        Attestation("sbom-below-flow.cdx.json", CYCLONEDX, below),
        Attestation(
            "sbom-flow.cdx.json", CYCLONEDX, bill_of_flow(agent, image, reference, code, below)
        ),
        Attestation(PROVENANCE, IN_TOTO, statement),
    ]
    write_referrers(output / REFERRERS, image.manifest, attached)
