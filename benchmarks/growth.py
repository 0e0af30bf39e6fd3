"""What a registry holds of many flows with one requirement set, against one that holds one of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from report import Row, Target, row

from irc.package.build import ImageInputs, Inputs, PlatformInputs, package
from irc.publishing.registry import Registry
from tests.e2e.repackaging import FLOW, Workshop, add_blobs
from tests.standins.registry_server import running_registry

FLOWS = 200


def growth_rows(workshop: Workshop, folder: Path) -> Iterator[Row]:
    """Make flows that differ in name and prompt, push each to a repository of its own, and weigh.

    Args:
        workshop: of ``flows/support``.
        folder: gets everything that is made.
    """
    names = [f"f{number:03}" for number in range(FLOWS)]
    compiled = compile_flows(workshop, folder, names)
    (folder / "registry").mkdir()
    sizes: list[float] = []
    shared = set()
    with running_registry(folder / "registry") as registry:
        os.environ.update(registry.environment(folder / "login"))
        for number, name in enumerate(names):
            if number % 20 == 0:
                say(f"{number} of {FLOWS} flows are pushed")
            made = package_one(name, workshop, compiled, folder)
            digest = json.loads((made / "image.json").read_bytes())["manifest_digest"]
            layers = [item["digest"] for item in manifest_of(made / "image")["layers"]]
            shared.add(tuple(layers[:-2]))
            Registry().push(made / "image", digest, f"{registry.address}/agents/{name}:main")
            if number == 0:
                sizes.append(folder_mb(registry.data))
            shutil.rmtree(made)
        sizes.append(folder_mb(registry.data))
    if len(shared) != 1:
        raise SystemExit("flows of one requirement set do not share all but their last two layers")
    yield row(
        f"registry with {FLOWS} flows : with one",
        sizes[1:],
        "MB",
        peer=sizes[:1],
        target=Target(1.1, of_ratio=True),
    )
    yield row("registry with one flow", sizes[:1], "MB")


def compile_flows(workshop: Workshop, folder: Path, names: Sequence[str]) -> Path:
    """Write flows by these names and compile them; gives a folder with ``sources`` and ``generated``."""
    compiled = folder / "flows"
    sources = compiled / "sources"
    support = workshop.sources / FLOW
    text = (support / "flow.yaml").read_text()
    shutil.copytree(workshop.sources, sources, ignore=shutil.ignore_patterns(FLOW.name))
    for name in names:
        own = sources / "flows" / name
        shutil.copytree(support, own)
        (own / "flow.yaml").write_text(text.replace("name: support\n", f"name: {name}\n", 1))
        with (own / "prompts/answer.j2").open("a") as prompt:
            prompt.write(f"You are {name}.\n")
    command = [
        *(sys.executable, "-m", "irc", "compile", "--no-cache", "--source-root=."),
        f"--output-dir={compiled / 'generated'}",
        *(f"flows/{name}/flow.yaml" for name in names),
    ]
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    subprocess.run(command, cwd=sources, env={"PYTHONPATH": path}, check=True)
    return compiled


def package_one(name: str, workshop: Workshop, compiled: Path, folder: Path) -> Path:
    """Package one of the flows, with the blobs that it shares; gives the folder, which is one for all."""
    own, made = folder / "own", folder / "made"
    if own.exists():
        shutil.rmtree(own / "flows")
    else:
        shutil.copytree(compiled / "sources", own, ignore=shutil.ignore_patterns("flows"))
    shutil.copytree(compiled / "sources/flows" / name, own / "flows" / name)
    below = (workshop.folder / f"{name}.json" for name in ("base", "deps", "libraries.cdx"))
    image = ImageInputs(
        platforms=(PlatformInputs(*below),),
        code=workshop.folder / "code" / "code.json",
        lock=workshop.package / "context/requirements.txt",
        repository=None,
        manifest=workshop.folder / "manifest.json",
    )
    generated = compiled / "generated"
    agent = generated / "flows" / name / "agent.json"
    package(Inputs(agent, generated, own, workshop.package / "agent.pex", image), made)
    add_blobs(made, workshop.package / "image", folder / "changed")
    return made


def manifest_of(layout: Path) -> Any:
    """The manifest of a layout's last image."""
    entry = json.loads((layout / "index.json").read_bytes())["manifests"][-1]
    return json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_bytes())


def folder_mb(folder: Path) -> float:
    """What the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def say(step: str) -> None:
    """Tell the user what is being measured."""
    print(f"{step} …", file=sys.stderr)
