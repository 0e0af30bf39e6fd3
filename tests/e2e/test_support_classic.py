"""The classic way: buildah builds ``context/`` to an image that behaves as the one of ``package``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.classic import Buildah, download_wheels, write_base_images
from tests.e2e.conftest import API_KEY, MODEL
from tests.e2e.running import Podman, RunningAgent, running, tool
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure, Reply

GREETING = {"text": "It arrives today.", "sentiment": "positive", "escalate": False}
PREDICT = f"/v1/models/{MODEL}:predict"


@pytest.fixture(scope="module")
def built(podman: Podman, package: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the context, over the same base as the image of ``package``."""
    if tool("buildah") is None:
        pytest.skip("not installed: buildah")
    folder = tmp_path_factory.mktemp("classic")
    download_wheels(package / "context", folder / "wheels")
    write_base_images(package, folder / "bases")
    buildah = Buildah(podman, folder / "bases", folder / "wheels")
    return buildah.build(package / "context", "localhost/classic")


@pytest.fixture(scope="module")
def classic(
    podman: Podman,
    built: str,
    features: Path,
    model: OpenAIServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningAgent]:
    environment = {
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "IRC_FEATURES": "sqlite:////features/features.db",
    }
    command = podman.run_command(built, name="classic", environment=environment, features=features)
    folder = tmp_path_factory.mktemp("container")
    with running(command, model=MODEL, environment=podman.environment, folder=folder) as agent:
        yield agent


def question(session: str, **fields: Any) -> dict[str, Any]:
    return {"user_id": "u1", "session_id": session, "query": "Where is my parcel?", **fields}


CASES: dict[str, tuple[Sequence[Reply], str, Any, int]] = {
    "an answer": ([Answer(GREETING)], PREDICT, question("one"), 200),
    "the second turn of a session": ([Answer(GREETING)], PREDICT, question("one"), 200),
    "a customer that is not there": ([], PREDICT, question("x", user_id="no"), 500),
    "an answer that is no JSON": ([Answer("Sure!")] * 4, PREDICT, question("two"), 200),
    "the error route": ([Failure(400)], PREDICT, question("three"), 200),
    "a field is missing": ([], PREDICT, {"user_id": "u1", "session_id": "four"}, 400),
    "code of the flow fails": ([], PREDICT, question("five", query=1), 500),
    "no JSON": ([], PREDICT, b"{", 400),
    "a model that is not there": ([], "/v1/models/other:predict", question("six"), 404),
    "instances": ([Answer(GREETING)], PREDICT, {"instances": [question("seven")]}, 200),
}


def ask(agent: RunningAgent, path: str, body: Any) -> tuple[int, Any]:
    """Status and body of an answer, without what is different for each request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{agent.base_url}{path}", content=content, headers=headers, timeout=60)
    return answer.status_code, without_trace_ids(answer.json())


def without_trace_ids(document: Any) -> Any:
    if isinstance(document, dict):
        items = document.items()
        return {key: without_trace_ids(value) for key, value in items if key != "trace_id"}
    return (
        [without_trace_ids(item) for item in document] if isinstance(document, list) else document
    )


def test_both_images_answer_alike(
    container: RunningAgent, classic: RunningAgent, model: OpenAIServer
) -> None:
    for name, (replies, path, body, status) in CASES.items():
        answers = []
        for agent in (container, classic):
            model.script(*replies)
            answers.append(ask(agent, path, body))
        assert answers[0] == answers[1], name
        assert answers[0][0] == status, (name, answers[0])


def test_the_built_image_is_set_up_as_the_other(podman: Podman, built: str, package: Path) -> None:
    described = json.loads((package / "image.json").read_bytes())
    config = package / "image/blobs" / Path(*described["config_digest"].split(":"))
    ours = json.loads(config.read_bytes())["config"]
    (inspected,) = json.loads(podman.output("image", "inspect", built))
    theirs = inspected["Config"]
    for name in ("User", "WorkingDir", "Entrypoint", "ExposedPorts"):
        assert theirs[name] == ours[name], name
    assert sorted(theirs["Env"]) == sorted(ours["Env"])
    assert theirs["Labels"].items() >= ours["Labels"].items()


def test_requirements_are_hashed_and_those_that_the_flow_uses(package: Path) -> None:
    text = (package / "context/requirements.txt").read_text()
    requirements = text.replace("\\\n", " ").splitlines()
    assert all("--hash=sha256:" in line for line in requirements)
    named = sorted(line.split()[0] for line in requirements)
    distributions = json.loads((package / "image.json").read_bytes())["distributions"]
    assert [name.partition("[")[0].lower().replace("_", "-") for name in named] == distributions
    assert {"jinja2", "kserve", "openai"} <= {name.partition("==")[0] for name in named}
    # The lock has them, for other flows and for tests.
    assert not {"redis", "hopsworks", "networkx", "pytest"} & {
        name.partition("==")[0] for name in named
    }
