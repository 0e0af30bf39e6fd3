"""The model registry of a Hopsworks project."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irc_runtime.errors import LoadError
from irc_runtime.hopsworks.session import close_session, open_session, temporary_folder
from irc_runtime.registry import FetchedModel, ModelRegistry, RegisteredModel

#: Seconds for all models of an agent.
DOWNLOAD_TIMEOUT_S = 3600.0


def fetch(models: Sequence[RegisteredModel], folder: str) -> ModelRegistry:
    """Download models.

    Args:
        models: what the flow uses.
        folder: where their files go and stay, by name and version, so that the next start finds
            them; empty for a temporary folder, which goes with the registry.
    Raises:
        LoadError: the login or a download fails, or the project lacks a model.
    """
    session = open_session()
    root = Path(folder)
    try:
        root = Path(folder or temporary_folder("models-")).absolute()
        fetched = session.load(lambda: _download(session.project, models, root), DOWNLOAD_TIMEOUT_S)
    except BaseException:
        if not folder and root.is_absolute():
            shutil.rmtree(root, ignore_errors=True)
        raise
    finally:
        close_session(session)
    return ModelRegistry(fetched, None if folder else root)


def _download(
    project: Any, models: Sequence[RegisteredModel], root: Path
) -> dict[RegisteredModel, FetchedModel]:
    registry = project.get_model_registry()
    fetched: dict[RegisteredModel, FetchedModel] = {}
    for model in dict.fromkeys(models):
        entry = _entry(registry, model)
        if entry is None:
            raise LoadError(f"the project '{project.name}' has not {model.title}")
        path = root / model.name / str(entry.version)
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as beside:
                entry.download(local_path=f"{beside}/files")
                try:
                    Path(beside, "files").rename(path)
                except OSError:
                    if not path.is_dir():  # else another process has fetched it meanwhile
                        raise
        fetched[model] = FetchedModel(model.name, int(entry.version), path)
    return fetched


def _entry(registry: Any, model: RegisteredModel) -> Any:
    """The client's model; None where there is none."""
    if model.version is not None:
        return registry.get_model(model.name, version=model.version)
    return max(registry.get_models(model.name), key=lambda entry: int(entry.version), default=None)
