"""Models of a Hopsworks project's registry, by its real client against a stand-in."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.errors import LoadError
from irc_runtime.registry import RegisteredModel, fetch_models
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.hopsworks_api import Hopsworks

LATEST = RegisteredModel("churn")
SECOND = RegisteredModel("churn", version=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopsworks]:
    with hopsworks_project(tmp_path_factory.mktemp("authority")) as server:
        yield server


@pytest.fixture
def project(server: Hopsworks, monkeypatch: pytest.MonkeyPatch) -> Hopsworks:
    """The server, as the registry that the environment names, with no request noted."""
    monkeypatch.setenv("IRC_MODELS", "hopsworks://")
    server.requests.clear()
    server.bodies.clear()
    return server


def test_models_are_fetched_at_load_and_go_with_the_agent(
    project: Hopsworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    registry = fetch_models(LATEST, SECOND)
    latest, second = registry.get(LATEST), registry.get(SECOND)
    assert (latest["name"], latest["version"], second["version"]) == ("churn", 10, 2)
    assert Path(latest["path"], "weights.json").read_bytes() == b'{"bias": 10}'
    assert Path(latest["path"], "notes", "about.txt").read_bytes() == b"by the growth team"
    assert Path(second["path"], "weights.json").read_bytes() == b'{"bias": 2}'
    asyncio.run(registry.close())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_models_for_the_next_start(
    project: Hopsworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRC_MODELS", f"hopsworks://{tmp_path}")
    registry = fetch_models(SECOND)
    path = str(tmp_path / "churn" / "2")
    assert registry.get(SECOND) == {"name": "churn", "version": 2, "path": path}
    asyncio.run(registry.close())
    assert [file.name for file in Path(path).iterdir()] == ["weights.json"]
    assert len(project.asked("/dataset/download/")) == 1
    fetch_models(SECOND)
    assert len(project.asked("/dataset/download/")) == 1


def test_processes_that_start_together_fetch_models_into_one_folder(
    project: Hopsworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hsml.model import Model  # type: ignore[import-untyped]  # it has no stubs

    monkeypatch.setenv("IRC_MODELS", f"hopsworks://{tmp_path}")
    download, path = Model.download, tmp_path / "churn" / "2"

    def overtaken(entry: Any, local_path: str) -> Any:
        """What downloads while another process does, and is done first."""
        fetched = download(entry, local_path=local_path)
        shutil.copytree(local_path, path)
        return fetched

    monkeypatch.setattr(Model, "download", overtaken)
    assert fetch_models(SECOND).get(SECOND)["path"] == str(path)
    assert [file.name for file in path.iterdir()] == ["weights.json"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RegisteredModel("churn", 3), "'shop' has not the model 'churn' in version 3"),
        (RegisteredModel("chorn"), "'shop' has not the model 'chorn' in the latest version"),
    ],
)
def test_a_model_that_is_not_there_is_found_at_load(
    project: Hopsworks, model: RegisteredModel, message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        fetch_models(model)


def test_a_download_that_fails_leaves_nothing_behind(
    project: Hopsworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRC_MODELS", f"hopsworks://{tmp_path}")
    files = "/Projects/shop/Models/churn/10/Files"
    project.failing[f"/project/5/dataset/download/with_auth/{files}/weights.json"] = 500
    with pytest.raises(LoadError, match="Hopsworks: status 500"):
        fetch_models(LATEST)
    assert list((tmp_path / "churn").iterdir()) == []
