"""docs/adopting.md, done: from a repository that knows nothing of irc to an agent that answers."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import yaml
from checkout import Repository

from tests.adopting.adopter import adopt, commands_of, section
from tests.e2e.running import SEARCH_PATH, running
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer

FLOW = "code/acme/agents/triage"
PACKAGE = Path("dist/code.acme.agents.triage/triage")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    shutil.unpack_archive("tests.adopting/plugin.tar")
    with adopt(tmp_path_factory.mktemp("adopting"), Path()) as repository:
        yield repository


@pytest.fixture(scope="module")
def package(repository: Repository) -> Path:
    """What the page's commands have left behind."""
    goals = commands_of(list(section("Checking, testing, packaging").fences))
    for command, *arguments in goals:
        if command == "pants":
            repository.pants(*arguments)
    return repository.root / PACKAGE


def test_packaged_agent_answers(package: Path, tmp_path: Path) -> None:
    with OpenAIServer() as model:
        model.script(Answer({"team": "billing", "urgent": False}))
        environment = {
            "PATH": SEARCH_PATH,
            "HOME": str(tmp_path),
            "PEX_ROOT": str(tmp_path / "pex"),
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": "not-a-real-key",
        }
        command = ["python3.11", str(package / "agent.pex")]
        with running(command, model="triage", environment=environment, folder=tmp_path) as agent:
            answer = agent.predict({"ticket": "The   invoice is wrong"})
            refused = agent.predict({})
        assert "The invoice is wrong" in model.requests[0].prompt()
    assert answer.status_code == 200, answer.text
    assert {"team": "billing", "urgent": False}.items() <= answer.json().items()
    assert refused.status_code == 400
    assert "ticket" in refused.text


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    """With another text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        yield
    finally:
        path.write_text(text)


def failure(repository: Repository, capsys: pytest.CaptureFixture[str]) -> str:
    """What Pants says of a flow that it does not check."""
    with pytest.raises(SystemExit):
        repository.pants("check", FLOW)
    return capsys.readouterr().err


def test_versions_that_differ_are_named(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = section("When something is wrong").fences
    lock = repository.root / "third_party/py/agents.lock"
    with changed(lock, "irc-runtime==0.1.0", "irc-runtime==0.0.9"):
        assert shown.text in failure(repository, capsys)


def test_an_extra_that_is_missing_is_named(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with changed(repository.root / "third_party/py/agents.txt", "[kserve,openai]", "[kserve]"):
        told = failure(repository, capsys)
    assert "without the extra `openai`, which code/acme/agents/triage/flow.yaml needs" in told
    assert "Add the line `irc-runtime[kserve,openai]==0.1.0` to its requirements" in told


def test_runtime_is_the_wheel_that_the_resolve_names(repository: Repository, package: Path) -> None:
    (wheel,) = (repository.root / "wheels").glob("irc_runtime-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements = (package / "context/requirements.txt").read_text()
    assert f"irc-runtime==0.1.0 \\\n    --hash=sha256:{digest}" in requirements


# ``e_machine`` of an ELF header, at byte 18.
MACHINES = {"amd64": 62, "arm64": 183}


@pytest.fixture(scope="module")
def index(repository: Repository, package: Path) -> Path:
    """The package, for two platforms."""
    page = section("Images for other platforms").fences
    (shown,) = (fence for fence in page if fence.info == "python")
    with changed(repository.root / FLOW / "BUILD", 'agent_flow(name="triage")\n', shown.text):
        repository.pants("package", FLOW)
    return package


def config_of(layout: Path, architecture: str) -> dict[str, Any]:
    """What skopeo says of the image for a machine."""
    command = ["skopeo", f"--override-arch={architecture}", "inspect", f"oci:{layout}"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=PIPE).stdout)
    return found


def programs(layout: Path, layers: list[str]) -> Iterator[tuple[str, int]]:
    """The interpreter and compiled modules in layers, each with the machine that it is for."""
    for digest in layers:
        with tarfile.open(layout / "blobs/sha256" / digest.removeprefix("sha256:")) as tar:
            for member in tar:
                if member.name.endswith((".so", "/python3.11")) and member.isfile():
                    file = tar.extractfile(member)
                    assert file is not None
                    header = file.read(20)
                    assert header[:4] == b"\x7fELF", member.name
                    yield member.name, int.from_bytes(header[18:20], "little")


@pytest.mark.parametrize("architecture", list(MACHINES))
def test_all_that_an_image_runs_is_for_its_platform(index: Path, architecture: str) -> None:
    layout = index / "image"
    found = config_of(layout, architecture)
    assert found["Architecture"] == architecture
    machines = dict(programs(layout, found["Layers"]))
    assert "usr/bin/python3.11" in machines
    assert any(name.endswith(".so") and "/pydantic_core/" in name for name in machines)
    assert set(machines.values()) == {MACHINES[architecture]}


def test_the_manifest_names_the_index(index: Path) -> None:
    described = json.loads((index / "image.json").read_bytes())
    assert [image["platform"] for image in described["images"]] == ["linux/amd64", "linux/arm64"]
    manifest = yaml.safe_load((index / "inferenceservice.yaml").read_text())
    (container,) = manifest["spec"]["predictor"]["containers"]
    assert container["image"] == described["reference"]
    (entry,) = json.loads((index / "image/index.json").read_bytes())["manifests"]
    assert described["reference"].endswith(entry["digest"])
