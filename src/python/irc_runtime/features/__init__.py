"""Feature stores: records by key, as they were at an instant."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, overload

from irc_runtime.errors import LoadError

#: Environment variable that names the store, as ``sqlite:///path/to/features.db``.
VARIABLE = "IRC_FEATURES"

SQLITE = "sqlite:///"

Kind = Literal["feature_view", "feature_group"]


class FeatureStore(Protocol):
    """What an agent asks of a feature store."""

    @overload
    async def read(
        self,
        name: str,
        *,
        kind: Kind = "feature_group",
        version: int | None = None,
        key: Mapping[str, Any],
        as_of: str | None = None,
        features: Sequence[str] | None = None,
        optional: Literal[False] = False,
    ) -> dict[str, Any]: ...

    @overload
    async def read(
        self,
        name: str,
        *,
        kind: Kind = "feature_group",
        version: int | None = None,
        key: Mapping[str, Any],
        as_of: str | None = None,
        features: Sequence[str] | None = None,
        optional: bool,
    ) -> dict[str, Any] | None: ...

    async def read(
        self,
        name: str,
        *,
        kind: Kind = "feature_group",
        version: int | None = None,
        key: Mapping[str, Any],
        as_of: str | None = None,
        features: Sequence[str] | None = None,
        optional: bool = False,
    ) -> dict[str, Any] | None:
        """The record of a key.

        Args:
            name: of the feature view or group; ``customers_v3`` with no version is version 3 of
                ``customers``, unless the store has something of exactly that name.
            kind: whether the name is a view's or a group's.
            version: None is version 1.
            key: value by key column; all of the key's columns, and no others.
            as_of: RFC 3339 instant; of the rows at or before it the latest. None is the latest row.
            features: names to return, in this order; None returns all.
            optional: whether a missing row gives None instead of an error.
        Raises:
            RowNotFoundError: there is no row.
            FeatureStoreError: unknown name, version, key column or feature; or the store fails.
        """

    async def write(
        self,
        name: str,
        *,
        version: int | None = None,
        data: Any,
        event_time: str | None = None,
    ) -> bool:
        """Add a record (an object) or several (a list of objects) to a feature group.

        Args:
            name: of the group, which exists; as for ``read``.
            version: as for ``read``.
            data: every record holds the key's columns. A record of the same key and event time is
                replaced.
            event_time: RFC 3339 instant of records that do not hold one themselves.
        Returns:
            True, once the records are kept.
        Raises:
            FeatureStoreError: unknown name or version, records that do not fit, or the store fails.
        """

    async def close(self) -> None:
        """Give back connections."""


def connect_features() -> FeatureStore:
    """The feature store that the environment names.

    Raises:
        LoadError: none is named, or it cannot be opened.
    """
    address = os.environ.get(VARIABLE, "")
    if not address:
        raise LoadError(
            f"the flow reads features, but {VARIABLE} is not set; "
            f"set it to {SQLITE}path/to/features.db"
        )
    if not address.startswith(SQLITE):
        scheme = address.partition(":")[0]
        raise LoadError(f"{VARIABLE}: unknown store '{scheme}:'; expected {SQLITE}path/features.db")
    from irc_runtime.features.sqlite import SqliteFeatures

    return SqliteFeatures(address.removeprefix(SQLITE))
