"""Online reads of feature views, by the REST server of the online store."""

from collections.abc import Mapping, Sequence
from typing import Any

from irc_runtime.features import title
from irc_runtime.hopsworks.failures import failure, is_for_all
from irc_runtime.hopsworks.session import MAX_CONNECTIONS
from irc_runtime.hopsworks.values import key_values, plain

Question = tuple[tuple[str | int, ...], int | None]
Answer = dict[str, Any] | None | Exception


class OnlineView:
    """The latest records of a feature view. Its features come as they are stored: transformations
    that belong to a model are not applied.

    Args:
        view: the client's feature view.
        first: whether it is the first of a session, so that the client's REST client is set up anew.
    """

    def __init__(self, view: Any, first: bool) -> None:
        self.name: str = view.name
        self.version: int = view.version
        self.title = title(self.name, self.version)
        view.init_serving(
            1,
            init_rest_client=True,
            reset_rest_client=first,
            config_rest_client={"max_connections": MAX_CONNECTIONS},
        )
        self._view = view
        self.key_types = {
            key.required_serving_key: _key_type(view, key) for key in view.serving_keys
        }
        self.columns = tuple(
            feature.name
            for feature in view.schema
            if not (
                feature.label
                or feature.inference_helper_column
                or feature.training_helper_column
                or feature.on_demand_transformation_function
            )
        )

    def question(self, key: Mapping[str, Any], instant: int | None) -> Question:
        """A read, checked; see ``FeatureStore.find``."""
        return key_values(self.title, self.key_types, key), instant

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The records of many keys, in one call; a key that the server refuses fails alone."""
        entries = [dict(zip(self.key_types, values, strict=True)) for values, _ in questions]
        try:
            return self._without_missing(entries, self._vectors(entries))
        except Exception as error:  # noqa: BLE001  # the client raises a great many types
            if len(entries) == 1 or is_for_all(error):
                return [failure("the online store failed", error) for _ in entries]
            return [answer for question in questions for answer in self.ask([question])]

    def _vectors(self, entries: list[dict[str, Any]], missing: bool = True) -> list[list[Any]]:
        vectors: list[list[Any]] = self._view.get_feature_vectors(
            serving_keys=entries,
            allow_missing=missing,
            transform=False,
            on_demand_features=False,
        )
        return vectors

    def _without_missing(
        self, entries: list[dict[str, Any]], rows: list[list[Any]]
    ) -> list[Answer]:
        """Records, with None for a key without a row.

        A row of nulls stands for one that is not there, and for one that holds nothing. The client
        tells them apart only in calls that leave out what is missing, and so lose the order.
        """
        records: list[Answer] = [
            {name: plain(value) for name, value in zip(self.columns, row, strict=True)}
            for _, row in zip(entries, rows, strict=True)
        ]
        doubtful = [number for number, record in enumerate(records) if self._is_bare(record)]
        if not doubtful:
            return records
        asked = [entries[number] for number in doubtful]
        if self._count(asked) == 0:
            for number in doubtful:
                records[number] = None
        elif len(asked) > 1:
            for number in doubtful:
                if self._count([entries[number]]) == 0:
                    records[number] = None
        return records

    def _is_bare(self, record: Any) -> bool:
        return all(value is None or name in self.key_types for name, value in record.items())

    def _count(self, entries: list[dict[str, Any]]) -> int:
        """How many of these keys have a row; one of which a joined group lacks its part has."""
        try:
            return len(self._vectors(entries, missing=False))
        except Exception as error:  # the client raises a great many types
            if is_for_all(error):
                raise
            return len(entries)


def _key_type(view: Any, key: Any) -> str:
    """The type of a serving key's column; ``key`` itself holds but a part of its group."""
    groups = {group.id: group for group in view.query.featuregroups}
    group = groups.get(key.feature_group.id, key.feature_group)
    types = {column.name: column.type for column in group.columns}
    return str(types.get(key.feature_name, "string"))
