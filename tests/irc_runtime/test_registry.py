import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from irc_runtime.errors import LoadError
from irc_runtime.registry import RegisteredModel, fetch_models


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with the versions 2 and 10 of one model, and what is none."""
    for version in ("2", "10", "drafts"):
        (tmp_path / "churn" / version).mkdir(parents=True)
        (tmp_path / "churn" / version / "model.txt").write_text(version)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    monkeypatch.setenv("IRC_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("asked", "version"), [(None, 10), (2, 2), (10, 10)])
def test_a_folder_gives_models_by_version_and_the_latest_by_number(
    folder: Path, asked: int | None, version: int
) -> None:
    model = RegisteredModel("churn", version=asked)
    found = fetch_models(model).get(model)
    path = folder / "churn" / str(version)
    assert found == {"name": "churn", "version": version, "path": str(path)}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RegisteredModel("chorn"), "no model 'chorn'; it has churn, empty"),
        (RegisteredModel("churn", 3), "'churn' in version 3; versions: 2, 10"),
        (RegisteredModel("empty"), "'empty' in the latest version; versions: none"),
        (RegisteredModel(".."), "no model '..'"),
        (RegisteredModel("churn/10"), "no model 'churn/10'"),
    ],
)
def test_a_model_that_is_not_there_is_found_at_load(
    folder: Path, model: RegisteredModel, message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        fetch_models(model)


@pytest.mark.parametrize(
    ("address", "message"),
    [("", "IRC_MODELS is not set"), ("/nowhere/models", "no folder /nowhere/models")],
)
def test_a_registry_that_is_not_there_is_found_at_load(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("IRC_MODELS", address)
    with pytest.raises(LoadError, match=message):
        fetch_models(RegisteredModel("churn"))


def test_a_registry_that_cannot_be_read_is_found_at_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(LoadError, match=f"IRC_MODELS: {folder}: Permission denied"):
        fetch_models(RegisteredModel("churn"))


def test_closing_leaves_a_folder_as_it_is(folder: Path) -> None:
    registry = fetch_models(RegisteredModel("churn"))
    asyncio.run(registry.close())
    assert (folder / "churn" / "10" / "model.txt").read_text() == "10"
