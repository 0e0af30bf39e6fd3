"""A compiled agent on disk, with all that ``irc package`` asks for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from irc.attestations.libraries import libraries
from irc.manifests.inference_service import inference_service
from irc.oci.base import Base, Platform
from irc.oci.layer import bytes_file, write_layer
from irc.oci.thirdparty import build_third_party
from irc.package.build import ImageInputs, Inputs, PlatformInputs
from irc.package.shared_code import build_shared_code
from tests.irc.oci.packed_pex import write_packed_pex

LOADER = """\
#!/usr/bin/env python3.11

run(
    pex_hash='{pex_hash}',
)
"""

LOCK = """\
# Written by a tool.
--no-binary :none:
alpha==1.0 \\
    --hash=sha256:1111 \\
    --hash=sha256:2222
    # via beta-b
beta-b==1.9 ; python_full_version >= '3.12' \\
    --hash=sha256:3333
Beta_B[extra]==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:4444
unused==3.0 --hash=sha256:5555
"""

KSERVE: dict[str, Any] = {
    "namespace": "agents",
    "service_name": "demo-agent",
    "min_replicas": 0,
    "max_replicas": 4,
    "target_rps": 20,
    "canary_traffic_percent": None,
    "resources": {"cpu": "1", "memory": "1Gi", "gpu": None},
    "env": {"LOG_LEVEL": "info"},
    "secrets": {"OPENAI_API_KEY": {"secret": "openai", "key": "api-key"}},
    "service_account": None,
    "annotations": {},
    "labels": {},
}


def summary(**changes: Any) -> dict[str, Any]:
    """``agent.json`` of an agent in ``flows/demo``."""
    return {
        "schema_version": 1,
        "compiler": "0.1.0",
        "flow": "flows/demo/flow.yaml",
        "ir_digest": f"sha256:{'1' * 64}",
        "name": "demo",
        "description": "Shows how: é.",
        "module": "flows.demo.agent",
        "class": "DemoAgent",
        "sources": ["flows/demo/agent.py", "flows/demo/agent.map.json"],
        "imports": ["shared.code"],
        "environment": ["LOG_LEVEL"],
        "writes_features": False,
        "deployment": {"target": "kserve", "kserve": KSERVE},
        **changes,
    }


def write_inputs(folder: Path, *, repository: str | None = None) -> Inputs:
    """Write generated and first-party code, a base, requirements and a lock file."""
    files = {
        "generated/flows/demo/agent.py": "import alpha, shared.code\nprint(shared.code.NAME)\n",
        "generated/flows/demo/test_agent.py": "def test_agent(): pass\n",
        "generated/flows/demo/agent.map.json": "{}",
        "generated/flows/demo/agent.json": json.dumps(summary()),
        "generated/flows/other/agent.py": "",
        "sources/shared/code.py": "NAME = 'demo'\n",
        "sources/flows/demo/flow.yaml": "version: '1.0'\n",
        "sources/flows/demo/prompts/answer.j2": "Hello",
        "default.lock": LOCK,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    pex = write_packed_pex(
        folder / "deps.pex",
        {"alpha-1.0": {"alpha.py": "VALUE = 1\n"}, "beta_b-2.0": {"beta.py": "VALUE = 2\n"}},
    )
    (pex / "__main__.py").write_text(LOADER.format(pex_hash="a" * 40))
    layer = write_layer(folder / "shared", [bytes_file("usr/bin/python3.11", b"")])
    base = Base(
        "debian",
        Platform("linux", "amd64"),
        (layer,),
        {"Env": ["PATH=/usr/bin"]},
        "3.11.2",
        interpreters=("3.11",),
    )
    (folder / "base.json").write_text(json.dumps(base.to_json()))
    manifests = {"base": inference_service(KSERVE), "overlays": {}}
    (folder / "manifest.json").write_text(json.dumps(manifests))
    third_party, _ = build_third_party(pex, folder / "shared")
    (folder / "deps.json").write_text(json.dumps(third_party.to_json()))
    bill = libraries(base, folder / "shared", third_party, folder / "shared")
    (folder / "libraries.cdx.json").write_text(json.dumps(bill))
    without_flows = shutil.ignore_patterns("flows")
    shutil.copytree(folder / "sources", folder / "shared_sources", ignore=without_flows)
    code = build_shared_code(folder / "shared_sources", folder / "shared")
    (folder / "code.json").write_text(json.dumps(code.to_json()))
    return Inputs(
        agent=folder / "generated/flows/demo/agent.json",
        generated=folder / "generated",
        sources=folder / "sources",
        deps_pex=pex,
        image=ImageInputs(
            platforms=(
                PlatformInputs(
                    folder / "base.json", folder / "deps.json", folder / "libraries.cdx.json"
                ),
            ),
            code=folder / "code.json",
            lock=folder / "default.lock",
            repository=repository,
            manifest=folder / "manifest.json",
        ),
    )


def write_two_platforms(
    folder: Path, *, foreign: str = "arm64", is_reversed: bool = False
) -> Inputs:
    """As ``write_inputs``, with a base and requirements for another architecture as well."""
    inputs = write_inputs(folder)
    assert inputs.image is not None
    root = folder / "foreign"
    layer = write_layer(root, [bytes_file("usr/bin/python3.11", foreign.encode())])
    (native,) = inputs.image.platforms
    base = replace(
        Base.from_json(json.loads(native.base.read_bytes())),
        platform=Platform("linux", foreign),
        layers=(layer,),
    )
    third_party, _ = build_third_party(inputs.deps_pex, root)
    documents = {
        "base.json": base.to_json(),
        "deps.json": third_party.to_json(),
        "libraries.cdx.json": libraries(base, root, third_party, root),
    }
    for name, document in documents.items():
        (root / name).write_text(json.dumps(document))
    platforms = (native, PlatformInputs(*(root / name for name in documents)))
    image = replace(inputs.image, platforms=platforms[::-1] if is_reversed else platforms)
    return replace(inputs, image=image)


def arguments(inputs: Inputs, output: Path) -> list[str]:
    """The command line of ``irc package``."""
    options = {
        "--agent": inputs.agent,
        "--generated": inputs.generated,
        "--sources": inputs.sources,
        "--deps-pex": inputs.deps_pex,
        "--output-dir": output,
    }
    if inputs.image is not None:
        image = inputs.image
        (platform,) = image.platforms
        options |= {"--base": platform.base, "--deps": platform.deps, "--lock": image.lock}
        options |= {"--code": image.code, "--libraries": platform.libraries}
        options |= {"--manifest": image.manifest} if image.manifest else {}
        options |= {"--repository": Path(image.repository)} if image.repository else {}
    return [str(part) for option in options.items() for part in option]
