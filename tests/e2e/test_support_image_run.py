"""``irc image run``: the packaged image, tried with podman as a user would."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from irc.oci.errors import ImageError
from irc.running.containers import Container, load, run_command
from tests.e2e.running import SEARCH_PATH, Podman, private_podman, running
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer

# What this machine's podman is told in its configuration, since a user gives no flags: some sandboxes
# in which tests run have neither systemd nor networks of their own.
CONFIGURATION = """\
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/root"
runroot = "{folder}/run"
"""


@pytest.fixture
def own_podman(podman: Podman) -> Iterator[Podman]:
    """A storage without containers of other tests, which another configuration started."""
    with private_podman() as own:
        yield own


def test_image_runs_and_answers(
    package: Path, features: Path, model: OpenAIServer, own_podman: Podman, tmp_path: Path
) -> None:
    folder = own_podman.folder
    (folder / "containers.conf").write_text(CONFIGURATION)
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    environment = {
        "PATH": SEARCH_PATH,
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "OPENAI_API_KEY": "not-a-real-key",
        "OPENAI_BASE_URL": model.base_url,
    }
    command = [
        *(sys.executable, "-m", "irc", "image", "run", str(package.absolute())),
        *("--env=OPENAI_API_KEY", "--env=OPENAI_BASE_URL"),
        "--env=IRC_FEATURES=sqlite:////features/features.db",
        f"--volume={features}:/features:ro",
        "--",
    ]
    model.script(Answer({"text": "Soon.", "sentiment": "neutral", "escalate": False}))
    with running(command, model="support", environment=environment, folder=tmp_path) as agent:
        answer = agent.predict({"user_id": "u1", "session_id": "s1", "query": "Where is it?"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["answer"] == "Soon."
        assert agent.stop() == 0



def test_docker_is_run_with_the_same_rights() -> None:
    container = Container(
        Path("dist/flows.support/agent"), 9000, ["KEY"], ["/a:/b:ro"], ["--workers=2"]
    )
    assert run_command("docker", "image", container) == [
        *("docker", "run", "--rm", "--read-only", "--cap-drop=all"),
        *("--security-opt=no-new-privileges", "--publish=127.0.0.1:9000:8080"),
        *("--env=KEY", "--volume=/a:/b:ro", "image", "--workers=2"),
    ]


def test_folder_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="package the agent first"):
        load("podman", tmp_path)
