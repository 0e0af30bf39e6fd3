"""Everything that ``irc package`` leaves behind."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import irc.cli.package
from irc.oci.blobs import Layer, blob_path
from irc.package.build import package
from tests.irc.oci.listing import listing
from tests.irc.package.agent_files import arguments, summary, write_inputs


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_outputs(tmp_path: Path) -> None:
    package(write_inputs(tmp_path), tmp_path / "out")
    names = {name for name in tree(tmp_path / "out") if "/blobs/" not in name}
    assert names == {
        "agent.pex/PEX-INFO",
        "agent.pex/__main__.py",
        "agent.pex/flows/demo/agent.map.json",
        "agent.pex/flows/demo/agent.py",
        "agent.pex/flows/demo/prompts/answer.j2",
        "agent.pex/irc-version.json",
        "agent.pex/shared/code.py",
        "agent/agent.json",
        "agent/agent.map.json",
        "agent/agent.py",
        "agent/flow.yaml",
        "agent/irc-version.json",
        "agent/test_agent.py",
        "attestations/index.json",
        "attestations/oci-layout",
        "context/Dockerfile",
        "context/app/flows/demo/agent.map.json",
        "context/app/flows/demo/agent.py",
        "context/app/flows/demo/prompts/answer.j2",
        "context/app/irc-version.json",
        "context/app/shared/code.py",
        "context/config.yaml",
        "context/requirements.txt",
        "image.json",
        "image/index.json",
        "image/oci-layout",
        "inferenceservice.yaml",
        "kustomize/base/inferenceservice.yaml",
        "kustomize/base/kustomization.yaml",
        "provenance.intoto.json",
        "sbom.cdx.json",
    }


LISTING = Path(__file__).parent / "listings" / "demo.txt"


def test_listing_of_all_layers(tmp_path: Path, update: bool) -> None:
    """``listings/demo.txt``: what each layer of an image holds, from the lowest up."""
    package(write_inputs(tmp_path), tmp_path / "out")
    shutil.copytree(tmp_path / "shared/blobs", tmp_path / "out/image/blobs", dirs_exist_ok=True)
    lines = []
    for layer in read_json(tmp_path / "out/image.json")["layers"]:
        lines.append(f"# {layer['role']}")
        lines += listing(tmp_path / "out/image", Layer.from_json(layer))
    text = "".join(f"{line}\n" for line in lines)
    if update:
        LISTING.write_text(text)
    assert text == LISTING.read_text()


def test_image_runs_the_agent_as_nobody_in_particular(tmp_path: Path) -> None:
    package(write_inputs(tmp_path), tmp_path / "out")
    described = read_json(tmp_path / "out/image.json")
    config = read_json(blob_path(tmp_path / "out/image", described["config_digest"]))["config"]
    assert config["User"] == "65532:65532"
    assert config["WorkingDir"] == "/opt/agent/app"
    assert config["Entrypoint"] == ["python3.11", "-m", "flows.demo.agent"]
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert config["Env"] == [
        "PATH=/usr/bin",
        "PYTHONPATH=/opt/agent/app:/opt/agent/site-packages",
        "MODEL_NAME=demo",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
    ]
    assert config["Labels"]["irc.ir_digest"] == f"sha256:{'1' * 64}"
    assert config["Labels"]["org.opencontainers.image.title"] == "demo"


def test_image_names_its_base_and_keeps_what_that_says_of_itself(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    assert inputs.image is not None
    digest = f"sha256:{'b' * 64}"
    base = read_json(inputs.image.platforms[0].base)
    base["config"]["Labels"] = {"vendor": "someone", "org.opencontainers.image.title": "the base"}
    inputs.image.platforms[0].base.write_text(json.dumps({**base, "kind": "oci", "digest": digest}))
    package(inputs, tmp_path / "out")
    described = read_json(tmp_path / "out/image.json")
    root = tmp_path / "out/image"
    labels = read_json(blob_path(root, described["config_digest"]))["config"]["Labels"]
    annotations = read_json(blob_path(root, described["manifest_digest"]))["annotations"]
    for said in (labels, annotations):
        assert said["org.opencontainers.image.base.digest"] == digest
        assert said["org.opencontainers.image.title"] == "demo"
    assert labels["vendor"] == "someone"


def test_image_json_agrees_with_the_layout(tmp_path: Path) -> None:
    package(write_inputs(tmp_path, repository="registry.example:5000/demo"), tmp_path / "out")
    described = read_json(tmp_path / "out/image.json")
    (entry,) = read_json(tmp_path / "out/image/index.json")["manifests"]
    manifest = read_json(blob_path(tmp_path / "out/image", entry["digest"]))
    assert described["manifest_digest"] == entry["digest"]
    assert described["config_digest"] == manifest["config"]["digest"]
    assert [layer["digest"] for layer in described["layers"]] == [
        layer["digest"] for layer in manifest["layers"]
    ]
    assert described["reference"] == f"registry.example:5000/demo@{entry['digest']}"
    assert described["size"] == entry["size"] + manifest["config"]["size"] + sum(
        layer["size"] for layer in manifest["layers"]
    )
    manifest_yaml = yaml.safe_load((tmp_path / "out/inferenceservice.yaml").read_text())
    container = manifest_yaml["spec"]["predictor"]["containers"][0]
    assert container["image"] == described["reference"]


def test_without_a_repository_the_service_names_the_image(tmp_path: Path) -> None:
    package(write_inputs(tmp_path), tmp_path / "out")
    described = read_json(tmp_path / "out/image.json")
    assert described["reference"] == f"demo-agent@{described['manifest_digest']}"


def test_edit_of_the_flow_moves_its_layer_alone(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    package(inputs, tmp_path / "before")
    (inputs.generated / "flows/demo/agent.py").write_text("print('edited')\n")
    package(inputs, tmp_path / "after")
    before, after = (
        [layer["digest"] for layer in read_json(tmp_path / name / "image.json")["layers"]]
        for name in ("before", "after")
    )
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_two_folders_and_hash_seeds_give_the_same_bytes(tmp_path: Path) -> None:
    source_root = Path(irc.cli.package.__file__).parents[2]
    path = os.pathsep.join([str(source_root), *sys.path])
    program = "from irc.cli.package import package; package()"
    for folder, seed in ((tmp_path / "one", "1"), (tmp_path / "a" / "longer" / "one", "2")):
        inputs = write_inputs(folder)
        subprocess.run(
            [sys.executable, "-c", program, *arguments(inputs, folder / "out")],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": seed},
            check=True,
            timeout=20,
        )
    assert tree(tmp_path / "one/out") == tree(tmp_path / "a/longer/one/out")


def test_heavy_libraries_are_not_imported() -> None:
    program = (
        "import sys, irc.cli.package, irc.package.build\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"cyclonedx", "kserve", "networkx", "numpy", "pydantic", "jinja2"} & set(
        done.stdout.split()
    )


def remove_source(folder: Path) -> None:
    (folder / "generated/flows/demo/agent.py").unlink()


def older_compiler(folder: Path) -> None:
    path = folder / "generated/flows/demo/agent.json"
    path.write_text(json.dumps(summary(schema_version=0)))


def no_summary(folder: Path) -> None:
    (folder / "generated/flows/demo/agent.json").write_text("[]")


def other_python(folder: Path) -> None:
    raw = read_json(folder / "base.json")
    (folder / "base.json").write_text(
        json.dumps({**raw, "python": "3.12.1", "interpreters": ["3.12"]})
    )


def no_base(folder: Path) -> None:
    (folder / "base.json").write_text("{}")


def source_in_the_place_of_the_agent(folder: Path) -> None:
    (folder / "sources/flows/demo/agent.py").write_text("")


def edited_shared_code(folder: Path) -> None:
    (folder / "sources/shared/code.py").write_text("NAME = 'edited'\n")


def unlocked(folder: Path) -> None:
    (folder / "default.lock").write_text("alpha==1.1 --hash=sha256:1\n")


def no_lock(folder: Path) -> None:
    (folder / "default.lock").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_source, "flows/demo/agent.py is missing: compile flows/demo/flow.yaml first"),
        (older_compiler, "schema_version 0, expected 1"),
        (no_summary, "not the summary of a compiled agent"),
        (other_python, "(it has Python 3.12.1), the requirements are for Python 3.11."),
        (no_base, "base.json: not as this version of irc writes it"),
        (source_in_the_place_of_the_agent, "is generated from flows/demo/flow.yaml, and a source"),
        (edited_shared_code, "code.json: made of other code than"),
        (unlocked, "the agent carries alpha 1.0, the lock file has it 1.1"),
        (no_lock, "default.lock: No such file or directory"),
    ],
)
def test_wrong_input_is_one_clear_line(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    inputs = write_inputs(tmp_path)
    damage(tmp_path)
    command = arguments(inputs, tmp_path / "out")
    result = CliRunner().invoke(irc.cli.package.package, command)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_outputs_of_two_agents_do_not_mix(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    package(inputs, tmp_path / "out")
    before = tree(tmp_path / "out")
    result = CliRunner().invoke(irc.cli.package.package, arguments(inputs, tmp_path / "out"))
    assert result.exit_code == 1
    assert "is not empty" in result.output
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("repository", ["Registry/Upper", "registry.example/demo:1", "a@b", "/a"])
def test_repository_must_be_one(tmp_path: Path, repository: str) -> None:
    command = arguments(write_inputs(tmp_path, repository=repository), tmp_path / "out")
    result = CliRunner().invoke(irc.cli.package.package, command)
    assert result.exit_code == 1
    assert "is not a repository" in result.output
