"""Feature stores: records by key, as they were at an instant."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from re import fullmatch
from typing import Any, Literal

from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError

#: Environment variable that names the store, as ``sqlite:///path/to/features.db``.
VARIABLE = "IRC_FEATURES"

SQLITE = "sqlite:///"
HOPSWORKS = "hopsworks://"

#: Brings its client with it, so it is found at run time: only agents whose targets ask for it do.
HOPSWORKS_MODULE = "irc_runtime.hopsworks.features"

Kind = Literal["feature_view", "feature_group"]


@dataclass(frozen=True, slots=True)
class FeatureRead:
    """What a node reads: known when the agent loads, so that requests only bring keys.

    Attributes:
        name: of the feature view or group; ``customers_v3`` with no version is version 3 of
            ``customers``, unless the store has something of exactly that name.
        kind: whether the name is a view's or a group's.
        version: None is version 1.
        key: the key's columns; all of them, and no others.
        features: names to return, in this order; None returns all.
        as_of: whether reads ask for an instant.
    """

    name: str
    kind: Kind = "feature_group"
    version: int | None = None
    key: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    as_of: bool = False


@dataclass(frozen=True, slots=True)
class FeatureWrite:
    """The feature group that a node writes to; name and version as for ``FeatureRead``."""

    name: str
    version: int | None = None


class FeatureStore(ABC):
    """What an agent asks of a feature store, which is made with all reads and writes of the flow."""

    async def read(
        self, read: FeatureRead, key: Mapping[str, Any], *, as_of: str | None = None
    ) -> dict[str, Any]:
        """The record of a key, which is there.

        Raises:
            RowNotFoundError: there is no row.
            FeatureStoreError: as for ``find``.
        """
        record = await self.find(read, key, as_of=as_of)
        if record is None:
            name, version = self.resolved(read)
            since = "" if as_of is None else " at or before that time"
            raise RowNotFoundError(f"{title(name, version)} has no row for that key{since}")
        return record

    @abstractmethod
    async def find(
        self, read: FeatureRead, key: Mapping[str, Any], *, as_of: str | None = None
    ) -> dict[str, Any] | None:
        """The record of a key; None where there is no row.

        Args:
            read: one of those that the store was made with.
            key: value by key column.
            as_of: RFC 3339 instant; of the rows at or before it the latest. None is the latest row.
        Raises:
            FeatureStoreError: the key or the instant is malformed, or the store fails.
        """

    @abstractmethod
    def resolved(self, use: FeatureRead | FeatureWrite) -> tuple[str, int]:
        """Name and version of what a read or write means."""

    @abstractmethod
    async def write(self, write: FeatureWrite, data: Any, *, event_time: str | None = None) -> bool:
        """Add a record (an object) or several (a list of objects) to a feature group.

        Args:
            write: one of those that the store was made with.
            data: every record holds the key's columns. A record of the same key and event time is
                replaced.
            event_time: RFC 3339 instant of records that do not hold one themselves.
        Returns:
            True, once the records are kept.
        Raises:
            FeatureStoreError: records do not fit, or the store fails.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give back connections."""


def connect_features(*uses: FeatureRead | FeatureWrite) -> FeatureStore:
    """The feature store that the environment names.

    Args:
        uses: all that the flow reads and writes.
    Raises:
        LoadError: none is named, it cannot be opened, or it lacks something of that.
    """
    address = os.environ.get(VARIABLE, "")
    if not address:
        raise LoadError(
            f"the flow uses features, but {VARIABLE} is not set; "
            f"set it to {SQLITE}path/to/features.db or {HOPSWORKS}"
        )
    if address.startswith(SQLITE):
        from irc_runtime.features.sqlite import SqliteFeatures

        return SqliteFeatures(address.removeprefix(SQLITE), uses)
    if address == HOPSWORKS:
        store: FeatureStore = carried(HOPSWORKS_MODULE, VARIABLE).HopsworksFeatures(uses)
        return store
    scheme = address.partition(":")[0]
    raise LoadError(
        f"{VARIABLE}: unknown store '{scheme}:'; expected {SQLITE}path/features.db or {HOPSWORKS}"
    )


def carried(module: str, variable: str) -> Any:
    """A module of the Hopsworks client's, which only agents carry whose targets say so.

    Raises:
        LoadError: this agent does not carry it; the message has the line to add.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not fullmatch(r"irc_runtime\.hopsworks(\..+)?|hopsworks|hsfs|pyarrow", missing):
            raise
        raise LoadError(
            f"{variable} names Hopsworks, but this agent does not carry its client (no module "
            f"'{missing}'); add dependencies=[\"src/python/irc_runtime/hopsworks\"] to the agent_flow "
            "target in its BUILD file, or, where the runtime is a requirement, its extra: "
            "irc-runtime[hopsworks]"
        ) from None


def candidates(name: str, version: int | None) -> Iterator[tuple[str, int]]:
    """The names and versions that a flow can mean, the first that a store has is meant."""
    yield name, 1 if version is None else version
    if version is None and (match := fullmatch(r"(.+)_v([0-9]{1,9})", name)):
        yield match[1], int(match[2])


def title(name: str, version: int) -> str:
    """A view or group as messages call it."""
    return f"'{name}' version {version}"


def hint(name: str, known: Sequence[str]) -> str:
    """What a misspelt name may mean, to put behind it."""
    close = get_close_matches(name, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def check_features(name: str, features: Sequence[str], columns: Sequence[str]) -> None:
    """Raise FeatureStoreError, which names all of them, where features are unknown."""
    unknown = [feature for feature in features if feature not in columns]
    if unknown:
        listed = ", ".join(f"'{feature}'{hint(feature, columns)}" for feature in unknown)
        raise FeatureStoreError(f"{name} has no feature {listed}; it has {', '.join(columns)}")


def check_key(name: str, key: Sequence[str], columns: Sequence[str]) -> None:
    """Raise FeatureStoreError where a key is not of all the key's columns and no others."""
    if sorted(key) != sorted(columns):
        given, wanted = ", ".join(key), ", ".join(columns)
        raise FeatureStoreError(f"the key of {name} is ({wanted}), not ({given})")
