"""A project of the stand-in for Hopsworks, which tests log in to with the real client."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.standins.hopsworks_api import Hopsworks
from tests.standins.hopsworks_data import Group, View
from tests.standins.hopsworks_server import hopsworks_server

CUSTOMER_TYPES = {
    "customer_id": "string",
    "event_time": "timestamp",
    "plan": "string",
    "tickets": "bigint",
    "joined": "date",
}


def customers() -> Group:
    """Two customers, one of whom has a history."""
    rows = [
        ("u1", datetime(2024, 1, 15, 9), "free", 0, date(2023, 5, 1)),
        ("u1", datetime(2024, 6, 1, 10, 30, 0, 500_000), "gold", 2, date(2023, 5, 1)),
        ("u2", datetime(2024, 1, 1), "team", 7, date(2022, 1, 1)),
    ]
    records = [dict(zip(CUSTOMER_TYPES, row, strict=True)) for row in rows]
    return Group(11, "customers", 3, ("customer_id",), CUSTOMER_TYPES, rows=records)


def scores() -> Group:
    """Scores by a number, of one customer alone."""
    types = {"customer_no": "bigint", "event_time": "timestamp", "score": "double"}
    row = {"customer_no": 1001, "event_time": datetime(2024, 2, 1), "score": 0.25}
    return Group(12, "scores", 1, ("customer_no",), types, rows=[row])


def visits() -> Group:
    """Visits of customers, by the key of ``customers``."""
    types = {"customer_id": "string", "seen": "timestamp", "pages": "bigint"}
    row = {"customer_id": "u1", "seen": datetime(2024, 7, 1), "pages": 12}
    return Group(13, "visits", 1, ("customer_id",), types, event_time="seen", rows=[row])


def notes() -> Group:
    """Notes on customers: one has a note, the other an empty one."""
    types = {"customer_id": "string", "note": "string"}
    rows: list[dict[str, Any]] = [
        {"customer_id": "u1", "note": "vip"},
        {"customer_id": "u2", "note": None},
    ]
    return Group(16, "notes", 1, ("customer_id",), types, event_time=None, rows=rows)


@contextmanager
def hopsworks_project(folder: Path) -> Iterator[Hopsworks]:
    """The project, with the environment that leads to it.

    Args:
        folder: for the certificate.
    """
    group, visited = customers(), visits()
    views = [
        View(21, "customers", 3, (group,)),
        View(22, "activity", 1, (group, visited)),
        View(23, "scores", 1, (scores(),)),
        View(24, "notes", 1, (notes(),)),
    ]
    models = {
        "churn": {
            2: {"weights.json": b'{"bias": 2}'},
            10: {"weights.json": b'{"bias": 10}', "notes/about.txt": b"by the growth team"},
        }
    }
    groups = [group, scores(), visited, notes()]
    with hopsworks_server(groups=groups, views=views, models=models) as server:
        environment = {**server.environment(folder), "IRC_FEATURES": "hopsworks://"}
        with patch.dict("os.environ", environment):
            yield server
