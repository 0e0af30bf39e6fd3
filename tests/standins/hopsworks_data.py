"""What a stand-in for Hopsworks holds, and the JSON in which its API tells of it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

PROJECT = "shop"
PROJECT_ID = 5
STORE_ID = 7

AVRO = {"string": "string", "bigint": "long", "int": "int", "double": "double"}


@dataclass
class Group:
    """A feature group: rows are its history, of which the online store has the latest.

    Attributes:
        types: Hive type by column.
        rows: records; times are naive datetimes in UTC.
    """

    id: int
    name: str
    version: int
    key: tuple[str, ...]
    types: dict[str, str]
    event_time: str | None = "event_time"
    online: bool = True
    rows: list[dict[str, Any]] = field(default_factory=list)

    def latest(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """The row that the online store has for a key."""
        rows = [row for row in self.rows if all(row[name] == key.get(name) for name in self.key)]
        return max(rows, key=lambda row: row[self.event_time or self.key[0]], default=None)

    def json(self) -> dict[str, Any]:
        """As the API gives it."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "type": "streamFeatureGroupDTO",
            "featurestoreId": STORE_ID,
            "featurestoreName": f"{PROJECT}_featurestore",
            "eventTime": self.event_time,
            "onlineEnabled": self.online,
            "timeTravelFormat": "DELTA",
            "onlineTopicName": f"{PROJECT_ID}_{self.id}_{self.name}_{self.version}_onlinefs",
            "statisticsConfig": {"enabled": False},
            "features": [
                {"name": name, "type": type_, "primary": name in self.key}
                for name, type_ in self.types.items()
            ],
        }

    def avro(self) -> str:
        """The schema of the records on the group's topic."""
        fields = [
            {
                "name": name,
                "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]
                if type_ == "timestamp"
                else ["null", AVRO[type_]],
            }
            for name, type_ in self.types.items()
        ]
        return json.dumps({"type": "record", "name": self.name, "fields": fields})


@dataclass
class View:
    """A feature view over all columns of one or more groups, joined by the key of the first."""

    id: int
    name: str
    version: int
    groups: tuple[Group, ...]

    def features(self) -> list[tuple[str, str, Group]]:
        """Name, type and group of each feature."""
        named: dict[str, tuple[str, str, Group]] = {}
        for group in self.groups:
            for name, type_ in group.types.items():
                named.setdefault(name, (name, type_, group))
        return list(named.values())

    def json(self) -> dict[str, Any]:
        """As the API gives it."""
        root, *others = self.groups
        query = {"leftFeatureGroup": root.json(), "leftFeatures": root.json()["features"]}
        joins = [
            {
                "query": {"leftFeatureGroup": g.json(), "leftFeatures": g.json()["features"]},
                "on": [],
                "leftOn": [],
                "rightOn": [],
                "type": "LEFT",
            }
            for g in others
        ]
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "type": "featureViewDTO",
            "featurestoreId": STORE_ID,
            "featurestoreName": f"{PROJECT}_featurestore",
            "query": {**query, "joins": joins},
            "features": [
                {"name": name, "type": type_, "label": False, "featuregroup": group.json()}
                for name, type_, group in self.features()
            ],
            "servingKeys": [
                {
                    "featureName": name,
                    "prefix": "",
                    "required": True,
                    "joinIndex": 0,
                    "featureGroup": {**root.json(), "features": []},
                }
                for name in root.key
            ],
        }

    def vector(self, entry: dict[str, Any]) -> tuple[list[Any], str, list[dict[str, int]]]:
        """Values, status and detailed status of one key, as the online store's server gives them."""
        found = {group.id: group.latest(entry) for group in self.groups}
        values = []
        for name, _, group in self.features():
            row = found[group.id]
            values.append(entry[name] if name in entry else row and wire(row[name]))
        status = "COMPLETE" if all(found.values()) else "MISSING"
        details = [
            {"featureGroupId": group_id, "httpStatus": 200 if row else 404}
            for group_id, row in found.items()
        ]
        return values, status, details


def wire(value: Any) -> Any:
    """A value as the online store's server writes it in JSON."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date) else value


def matches(row: dict[str, Any], logic: dict[str, Any] | None) -> bool:
    """Whether a row passes the filter of a query, as the client sends it."""
    if logic is None:
        return True
    parts = [
        *(_passes(row, logic[side]) for side in ("leftFilter", "rightFilter") if logic.get(side)),
        *(matches(row, logic[side]) for side in ("leftLogic", "rightLogic") if logic.get(side)),
    ]
    return any(parts) if logic["type"] == "OR" else all(parts)


def _passes(row: dict[str, Any], condition: dict[str, Any]) -> bool:
    value, wanted = row[condition["feature"]["name"]], condition["value"]
    match condition["condition"]:
        case "IN":
            return bool(value in json.loads(wanted))
        case "EQUALS":
            return bool(str(value) == wanted)
        case "LESS_THAN_OR_EQUAL" if isinstance(value, datetime):
            limit = datetime.strptime(wanted, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            return bool(value.replace(tzinfo=UTC) <= limit)
        case "LESS_THAN_OR_EQUAL":
            return bool(value <= type(value)(wanted))
    raise ValueError(f"the stand-in knows no condition {condition['condition']}")
