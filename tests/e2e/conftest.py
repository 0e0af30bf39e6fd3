"""The packaged flows/support, started as an image and as a PEX, with what it talks to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.feature_files import load_features
from tests.e2e.oci_layout import Layout
from tests.e2e.running import SEARCH_PATH, Podman, RunningAgent, private_podman, running, tool
from tests.standins.openai_server import OpenAIServer

API_KEY = "not-a-real-key"
MODEL = "support"
PACKAGE = Path("flows.support/agent")


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder that ``package flows/support:agent`` leaves behind.

    Pants puts it at the root of the sandbox; by hand it is looked for in ``dist``.
    """
    for folder in (Path.cwd(), Path.cwd() / "dist"):
        if (folder / PACKAGE).is_dir():
            return folder / PACKAGE
    pytest.fail("flows/support:agent is not packaged: run ./pants package flows/support:agent")


@pytest.fixture(scope="session")
def layout(package: Path) -> Layout:
    return Layout(package / "image")


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with features.db, loaded from the flow's sample data by the real command."""
    folder = tmp_path_factory.mktemp("features")
    csv = "flows/support/data/customers.csv"
    load_features(csv, folder, name="customers", version=1, key="user_id")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    missing = [name for name in ("podman", "skopeo") if tool(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with private_podman() as podman:
        yield podman


@pytest.fixture(scope="session")
def container(
    podman: Podman,
    layout: Layout,
    features: Path,
    model: OpenAIServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningAgent]:
    """The image, run as an unprivileged user without anything that it could write to."""
    image = podman.pull(layout.folder)
    environment = {
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "IRC_FEATURES": "sqlite:////features/features.db",
    }
    command = podman.run_command(image, name="support", environment=environment, features=features)
    folder = tmp_path_factory.mktemp("container")
    with running(command, model=MODEL, environment=podman.environment, folder=folder) as agent:
        yield agent


@pytest.fixture(scope="session")
def pex(
    package: Path, features: Path, model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAgent]:
    """agent.pex, run by the machine's own Python."""
    python = tool("python3.11")
    if python is None:
        pytest.skip("not installed: python3.11")
    folder = tmp_path_factory.mktemp("pex")
    environment = {
        "PATH": SEARCH_PATH,
        "HOME": str(folder),
        "PEX_ROOT": str(folder / "pex_root"),
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "IRC_FEATURES": f"sqlite:///{features / 'features.db'}",
    }
    command = [python, str(package / "agent.pex")]
    with running(command, model=MODEL, environment=environment, folder=folder) as agent:
        yield agent


@pytest.fixture(params=["container", "pex"])
def agent(request: Any, model: OpenAIServer) -> RunningAgent:
    """The packaged agent, once as the image and once as the PEX."""
    model.script()
    model.requests.clear()
    running_agent: RunningAgent = request.getfixturevalue(request.param)
    return running_agent
