"""What a flow reads and writes, looked up in a Hopsworks project when the agent loads."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import (
    FeatureRead,
    FeatureWrite,
    Kind,
    candidates,
    check_features,
    check_key,
    title,
)
from irc_runtime.hopsworks.groups import GroupRows
from irc_runtime.hopsworks.views import OnlineView
from irc_runtime.hopsworks.writes import GroupWriter

Source: TypeAlias = OnlineView | GroupRows


class Sources:
    """Where each read and write of a flow goes; made on the session's worker thread.

    Reads of one view or group share a source, and so their calls.

    Args:
        project: the client's project.
        uses: all reads and writes.
    Raises:
        LoadError: the project lacks something, or cannot do what is asked for.
    """

    def __init__(self, project: Any, uses: Iterable[FeatureRead | FeatureWrite]) -> None:
        self._project: str = project.name
        self._store: Any = project.get_feature_store()
        self._entities: dict[tuple[Kind, str, int], Any] = {}
        uses = list(uses)
        reads = [use for use in uses if isinstance(use, FeatureRead)]
        entities = {read: self._find(read.kind, read.name, read.version) for read in reads}
        sources: dict[tuple[int, bool], Source] = {}
        self.by_read: dict[FeatureRead, Source] = {}
        for read, entity in entities.items():
            place = (id(entity), read.as_of)
            if place not in sources:
                alike = [
                    other.features
                    for other, its in entities.items()
                    if its is entity and other.as_of == read.as_of
                ]
                first = not any(isinstance(source, OnlineView) for source in sources.values())
                sources[place] = self._source(read, entity, alike, first)
            source = self.by_read[read] = sources[place]
            try:
                check_key(source.title, read.key, tuple(source.key_types))
                check_features(source.title, read.features or (), source.columns)
            except FeatureStoreError as error:
                raise LoadError(error.reason) from None
        for source in sources.values():
            if isinstance(source, GroupRows):
                source.probe()
        self.by_write = {
            use: GroupWriter(self._find("feature_group", use.name, use.version))
            for use in uses
            if isinstance(use, FeatureWrite)
        }

    def _find(self, kind: Kind, name: str, version: int | None) -> Any:
        """The client's view or group; looked up once."""
        for meant in candidates(name, version):
            place = (kind, *meant)
            if place not in self._entities:
                get = getattr(self._store, f"get_{kind}")
                self._entities[place] = get(meant[0], version=meant[1])
            if self._entities[place] is not None:
                return self._entities[place]
        raise LoadError(
            f"the project '{self._project}' has no {kind.replace('_', ' ')} {title(*meant)}"
        )

    def _source(
        self, read: FeatureRead, entity: Any, features: list[tuple[str, ...] | None], first: bool
    ) -> Source:
        if read.kind == "feature_view" and not read.as_of:
            return OnlineView(entity, first)
        columns = None
        if all(feature is not None for feature in features):
            columns = list(dict.fromkeys(name for names in features for name in names or ()))
        if read.kind == "feature_group":
            return GroupRows(entity, columns, read.as_of)
        query = entity.query
        groups = query.featuregroups
        if len(groups) != 1 or query.filters is not None:
            raise LoadError(
                f"{title(entity.name, entity.version)} joins or filters feature groups, so 'as_of' "
                "cannot be read from it; read the groups, or leave 'as_of' out"
            )
        group = self._find("feature_group", groups[0].name, groups[0].version)
        names = [feature.name for feature in entity.schema if not feature.label]
        rows = GroupRows(group, columns or names, True, entity.name, entity.version)
        rows.columns = tuple(names)
        return rows
