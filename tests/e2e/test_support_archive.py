"""The image in one file: podman loads it and runs what it has loaded.

docker loads the same file; there is no daemon of it here. skopeo's ``docker-archive`` reads it as docker does.
"""

import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import API_KEY, MODEL
from tests.e2e.oci_layout import Layout
from tests.e2e.running import Podman, running
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer

NAME = "localhost/support:archived"


def test_podman_loads_and_runs_the_archive(
    podman: Podman,
    package: Path,
    layout: Layout,
    features: Path,
    model: OpenAIServer,
    tmp_path: Path,
) -> None:
    archive = tmp_path / "image.tar"
    subprocess.run(
        [
            *(sys.executable, "-m", "irc", "image", "archive", str(package)),
            f"--output={archive}",
            f"--name={NAME}",
        ],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert podman.output("load", "--quiet", f"--input={archive}").endswith(NAME)
    archive.unlink()
    loaded = podman.output("image", "inspect", "--format={{.Id}}", NAME)
    assert f"sha256:{loaded}" == layout.manifest["config"]["digest"]
    environment = {
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "IRC_FEATURES": "sqlite:////features/features.db",
    }
    model.script(Answer({"text": "Yes.", "sentiment": "positive", "escalate": False}))
    command = podman.run_command(NAME, name="archived", environment=environment, features=features)
    with running(command, model=MODEL, environment=podman.environment, folder=tmp_path) as agent:
        answer = agent.predict({"user_id": "u1", "session_id": "s", "query": "Hello"})
    assert (answer.status_code, answer.json()["answer"]) == (200, "Yes.")
