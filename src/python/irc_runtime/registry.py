"""Model registries: files of models by name and version, fetched once, when the agent loads."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc_runtime.errors import LoadError
from irc_runtime.features import HOPSWORKS, carried

#: Environment variable that names the registry: a folder, or ``hopsworks://``.
VARIABLE = "IRC_MODELS"

#: As with features, only agents whose targets ask for it carry it.
HOPSWORKS_MODULE = "irc_runtime.hopsworks.registry"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model that a node uses.

    Attributes:
        name: in the registry.
        version: None is the latest: the highest number.
    """

    name: str
    version: int | None = None

    @property
    def title(self) -> str:
        """The model as messages call it."""
        version = "the latest version" if self.version is None else f"version {self.version}"
        return f"the model '{self.name}' in {version}"


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """A model whose files are here: ``version`` is a number, ``path`` an absolute folder."""

    name: str
    version: int
    path: Path


class ModelRegistry:
    """The models of an agent.

    Args:
        fetched: by what was asked for.
        folder: removed when the agent closes.
    """

    def __init__(
        self, fetched: Mapping[RegisteredModel, FetchedModel], folder: Path | None = None
    ) -> None:
        self._fetched = fetched
        self._folder = folder

    def get(self, model: RegisteredModel) -> dict[str, Any]:
        """Name, version and path of a model."""
        found = self._fetched[model]
        return {"name": found.name, "version": found.version, "path": str(found.path)}

    async def close(self) -> None:
        """Remove what was fetched into a temporary folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def fetch_models(*models: RegisteredModel) -> ModelRegistry:
    """The models, from the registry that the environment names.

    Raises:
        LoadError: no registry is named, or it does not have one of the models.
    """
    address = os.environ.get(VARIABLE, "")
    if not address:
        raise LoadError(
            f"the flow uses models, but {VARIABLE} is not set; set it to a folder that holds "
            f"<name>/<version>/, or to {HOPSWORKS}"
        )
    if address.startswith(HOPSWORKS):
        fetch = carried(HOPSWORKS_MODULE, VARIABLE).fetch
        registry: ModelRegistry = fetch(models, address.removeprefix(HOPSWORKS))
        return registry
    folder = Path(address)
    if not folder.is_dir():
        raise LoadError(f"{VARIABLE}: there is no folder {address}")
    try:
        return ModelRegistry({model: _find(folder.absolute(), model) for model in models})
    except OSError as error:
        raise LoadError(f"{VARIABLE}: {error.filename}: {error.strerror}") from error


def _find(folder: Path, model: RegisteredModel) -> FetchedModel:
    """A model of a folder registry; the name is one step of the path, never more."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if model.name not in names:
        available = ", ".join(names) or "nothing"
        raise LoadError(f"{folder} has no model '{model.name}'; it has {available}")
    versions = {
        int(path.name): path
        for path in (folder / model.name).iterdir()
        if path.is_dir() and path.name.isascii() and path.name.isdigit()
    }
    version = max(versions, default=None) if model.version is None else model.version
    if version is None or version not in versions:
        available = ", ".join(map(str, sorted(versions))) or "none"
        raise LoadError(f"{folder} has not {model.title}; versions: {available}")
    return FetchedModel(model.name, version, versions[version])
