"""What the stand-in for Hopsworks answers: the API and the server of the online store."""

import base64
import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.standins.hopsworks_data import PROJECT, PROJECT_ID, STORE_ID, Group, View, matches

QUERY_PORT = 5005

API_KEY = "stand-in.key"  # what the tests log in with
INTERNAL_NAME = "flyingduck.service.consul"

NO_GROUP, NO_VIEW, NO_MODEL, NO_FILE = 270009, 270181, 360000, 110011


@dataclass
class Hopsworks:
    """The server's state.

    Attributes:
        models: by name and version the files, by their path.
        requests: method and path of what came, in order.
        failing: status by path, for paths that fail.
        garbled: body by path, for paths whose answer is not what it should be.
        cut: paths whose connection ends without an answer.
        retry_after_s: what failures name in ``Retry-After``.
        held: paths that wait until ``release`` is set; ``holding`` is set when one does.
        queries: rows and columns of the queries that the query service was asked for.
    """

    address: str
    port: int = 0
    certificate: str = ""
    key: str = ""
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    groups: list[Group] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    models: dict[str, dict[int, dict[str, bytes]]] = field(default_factory=dict)
    bootstrap_servers: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    garbled: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    retry_after_s: int | None = None
    held: set[str] = field(default_factory=set)
    holding: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    queries: list[tuple[Group, list[str], dict[str, Any] | None]] = field(default_factory=list)

    def environment(self, folder: Path) -> dict[str, str]:
        """What the client takes from the environment; the certificate is kept in a folder."""
        trusted = folder / "authority.pem"
        trusted.write_text(self.certificate)
        return {
            "HOPSWORKS_HOST": self.address,
            "HOPSWORKS_PORT": str(self.port),
            "HOPSWORKS_PROJECT": PROJECT,
            "HOPSWORKS_API_KEY": API_KEY,
            "HOPSWORKS_TRUST_STORE_PATH": str(trusted),
            "NO_PROXY": self.address,
        }

    def asked(self, part: str) -> list[Any]:
        """The bodies of the requests whose path holds this."""
        pairs = zip(self.requests, self.bodies, strict=True)
        return [body for (_, path), body in pairs if part in path]

    def heal(self) -> None:
        """Nothing fails, and no request is noted."""
        self.retry_after_s = None
        for troubles in (self.failing, self.garbled, self.cut, self.held):
            troubles.clear()
        self.requests.clear()
        self.bodies.clear()

    def answer(self, method: str, target: str, headers: Any, body: Any) -> tuple[int, Any]:
        """Status and body of the answer to one request; ``ConnectionError`` where there is none."""
        url = urlsplit(target)
        path = unquote(url.path).removeprefix("/hopsworks-api/api")
        self.requests.append((method, path))
        self.bodies.append(body)
        if path in self.held:
            self.holding.set()
            self.release.wait(30)
        if path in self.cut:
            raise ConnectionAbortedError
        if path in self.garbled:
            return 200, self.garbled[path]
        if path in self.failing:
            return self.failing[path], {"errorCode": 1, "errorMsg": "out of order"}
        given = headers.get("X-API-KEY") or headers.get("Authorization", "").partition(" ")[2]
        if given != API_KEY:
            return 401, {"errorCode": 320001, "errorMsg": "invalid API key"}
        if path.startswith("/0.1.0/"):
            return self._online(path, body)
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, path):
                return answer(self, url.query, body, *match.groups())  # type: ignore[no-any-return]
        code = NO_VIEW if "/featureview/" in path else NO_GROUP
        return 404, {"errorCode": code, "errorMsg": f"the stand-in has no {path}"}

    def _online(self, path: str, body: Any) -> tuple[int, Any]:
        """The online store's server."""
        if path == "/0.1.0/ping":
            return 200, {}
        place = body["featureViewName"], body["featureViewVersion"]
        view = next(view for view in self.views if (view.name, view.version) == place)
        single = path == "/0.1.0/feature_store"
        entries = [body["entries"]] if single else body["entries"]
        if any(value == "poison" for entry in entries for value in entry.values()):
            return 400, {"code": 2, "message": "an entry cannot be read"}
        vectors = [view.vector(entry) for entry in entries]
        features, status, details = (list(part) for part in zip(*vectors, strict=True))
        answer = {"features": features, "status": status, "metadata": None}
        if body["options"]["includeDetailedStatus"]:
            answer["detailedStatus"] = details
        return 200, {key: value[0] if single and value else value for key, value in answer.items()}

    def group(self, name: str, version: int) -> Group | None:
        return next((g for g in self.groups if (g.name, g.version) == (name, version)), None)

    def rows(self, number: int) -> list[dict[str, Any]]:
        """The rows that a query of the query service gives."""
        group, columns, condition = self.queries[number]
        return [
            {column: row[column] for column in columns}
            for row in group.rows
            if matches(row, condition)
        ]


def _group(state: Hopsworks, query: str, body: Any, name: str) -> tuple[int, Any]:
    version = int(re.search(r"version=(\d+)", query)[1])  # type: ignore[index]  # the client gives it
    group = state.group(name, version)
    if group is None:
        return 404, {"errorCode": NO_GROUP, "errorMsg": "Featuregroup wasn't found."}
    return 200, [group.json()]


def _view(
    state: Hopsworks, query: str, body: Any, name: str, version: str, rest: str | None
) -> tuple[int, Any]:
    place = name, int(version)
    view = next((view for view in state.views if (view.name, view.version) == place), None)
    if view is None:
        return 404, {"errorCode": NO_VIEW, "errorMsg": "Feature view wasn't found."}
    if rest is None:
        return 200, view.json()
    nodes = [
        {
            "artifactType": "FEATURE_GROUP",
            "accessible": True,
            "deleted": False,
            "artifact": g.json(),
        }
        for g in view.groups
    ]
    return 200, {"upstream": [{"node": node} for node in nodes], "downstream": []}


def _query(state: Hopsworks, query: str, body: Any) -> tuple[int, Any]:
    """The SQL of a query, and what the query service is to be told."""
    group = next(g for g in state.groups if g.id == body["leftFeatureGroup"]["id"])
    columns = [feature["name"] for feature in body["leftFeatures"]]
    state.queries.append((group, columns, body["filter"]))
    number = len(state.queries) - 1
    listed = ", ".join(f"`{column}`" for column in columns)
    return 200, {
        "query": "",
        "queryOnline": f"SELECT {listed} FROM `{group.name}_{group.version}` -- {number}",
        "hqsPayload": json.dumps({"number": number}),
        "hqsPayloadSignature": "signature",
        "onDemandFeatureGroups": [],
        "hudiCachedFeatureGroups": [],
        "deltaCachedFeatureGroups": [],
        "icebergCachedFeatureGroups": [],
    }


def _model(state: Hopsworks, query: str, body: Any, name: str | None) -> tuple[int, Any]:
    """One model by name and version, or all that a filter names."""
    if name is None:
        wanted = re.search(r"name_eq(?::|%3A)([^&]+)", query)[1]  # type: ignore[index]  # as above
        items = [_model_json(wanted, version) for version in state.models.get(wanted, {})]
        return 200, {"items": items, "count": len(items)}
    model, _, version = name.rpartition("_")
    if int(version) not in state.models.get(model, {}):
        return 404, {"errorCode": NO_MODEL, "errorMsg": "Model not found"}
    return 200, _model_json(model, int(version))


def _model_json(name: str, version: int) -> dict[str, Any]:
    return {
        "id": f"{name}_{version}",
        "name": name,
        "version": version,
        "projectName": PROJECT,
        "modelRegistryId": PROJECT_ID,
        "framework": "PYTHON",
    }


def _dataset(state: Hopsworks, query: str, body: Any, path: str) -> tuple[int, Any]:
    """What the project's file system says of a path, or lists of it."""
    files = {
        f"Models/{name}/{version}/Files/{file}": content
        for name, versions in state.models.items()
        for version, contents in versions.items()
        for file, content in contents.items()
    }
    place = path.removeprefix(f"/Projects/{PROJECT}/")
    if path.startswith("download/with_auth/"):
        return 200, files[
            path.removeprefix("download/with_auth/").removeprefix(f"/Projects/{PROJECT}/")
        ]
    below = sorted(file for file in files if file.startswith(f"{place}/"))
    if place not in files and not below and place != "Models":
        return 404, {"errorCode": NO_FILE, "errorMsg": "Path not found"}
    if "action=listing" not in query:
        size = len(files.get(place, b""))
        return 200, {"attributes": {"path": f"/Projects/{PROJECT}/{place}", "size": size}}
    names = dict.fromkeys(file.removeprefix(f"{place}/").partition("/")[0] for file in below)
    items = [
        {
            "attributes": {
                "path": f"/Projects/{PROJECT}/{place}/{name}",
                "dir": f"{place}/{name}" not in files,
                "name": name,
            }
        }
        for name in names
    ]
    return 200, {"count": len(items), "items": items}


def _subject(state: Hopsworks, query: str, body: Any, name: str) -> tuple[int, Any]:
    group = next(g for g in state.groups if name == f"{g.name}_{g.version}")
    return 200, {"id": 40, "subject": name, "version": 1, "schema": group.avro()}


def _fixed(answer: Any) -> Any:
    return lambda state, query, body, *rest: (200, answer(state) if callable(answer) else answer)


STORE = f"/project/{PROJECT_ID}/featurestores/{STORE_ID}"

ROUTES: list[tuple[str, Any]] = [
    ("/variables/versions", _fixed([{"software": "hopsworks", "version": "5.2.1"}])),
    (
        "/variables/loadbalancer_external_domain_(?:online_store_rest_server|feature_query|mysqld)",
        _fixed(lambda state: {"successMessage": state.address}),
    ),
    ("/variables/service_discovery_domain", _fixed({"successMessage": "consul"})),
    ("/variables/enable_flyingduck", _fixed({"successMessage": "true"})),
    (
        f"/project/getProjectInfo/{PROJECT}",
        _fixed({"projectId": PROJECT_ID, "projectName": PROJECT}),
    ),
    ("/project", _fixed([{"project": {"id": PROJECT_ID}, "user": {"username": "meb10000"}}])),
    (
        f"/project/{PROJECT_ID}/credentials",
        _fixed(
            lambda state: {
                "kStore": base64.b64encode(b"key store").decode(),
                "tStore": base64.b64encode(b"trust store").decode(),
                "password": "password",
                "caChain": state.certificate,
                "clientCert": state.certificate,
                "clientKey": state.key,
            }
        ),
    ),
    (
        f"/project/{PROJECT_ID}/featurestores/{PROJECT}_featurestore",
        _fixed(
            {
                "featurestoreId": STORE_ID,
                "featurestoreName": f"{PROJECT}_featurestore",
                "projectName": PROJECT,
                "projectId": PROJECT_ID,
                "created": "2024-01-01T00:00:00Z",
                "onlineEnabled": True,
                "offlineFeaturestoreName": f"{PROJECT}_featurestore",
                "onlineFeaturestoreName": PROJECT,
                "numFeatureGroups": 1,
                "numTrainingDatasets": 0,
                "numStorageConnectors": 0,
                "numFeatureViews": 1,
            }
        ),
    ),
    (f"{STORE}/featuregroups/([^/]+)", _group),
    (rf"{STORE}/featureview/([^/]+)/version/(\d+)(/provenance/links)?", _view),
    (f"/project/{PROJECT_ID}/featurestores/query", _query),
    (
        f"{STORE}/storageconnectors/onlinefeaturestore",
        _fixed(
            {
                "type": "featurestoreJdbcConnectorDTO",
                "id": 1,
                "name": "online",
                "featurestoreId": STORE_ID,
                "storageConnectorType": "JDBC",
                "connectionString": f"jdbc:mysql://mysql.service.consul:3306/{PROJECT}",
                "arguments": [{"name": "user", "value": "u"}, {"name": "password", "value": "p"}],
            }
        ),
    ),
    (
        f"{STORE}/storageconnectors/kafka_connector/byok",
        _fixed(
            lambda state: {
                "type": "featureStoreKafkaConnectorDTO",
                "id": 2,
                "name": "kafka",
                "featurestoreId": STORE_ID,
                "storageConnectorType": "KAFKA",
                "bootstrapServers": state.bootstrap_servers,
                "securityProtocol": "PLAINTEXT",
                "sslEndpointIdentificationAlgorithm": "none",
                "externalKafka": True,
                "options": [],
            }
        ),
    ),
    (rf"{STORE}/featuregroups/\d+/online_ingestion", _fixed({"id": 60, "numEntries": 1})),
    (
        rf"/project/{PROJECT_ID}/jobs/[^/]+_offline_fg_materialization",
        _fixed(
            {
                "id": 50,
                "name": "materialization",
                "creationTime": "2024-01-01T00:00:00Z",
                "config": {},
                "jobType": "PYSPARK",
                "creator": "meb10000",
            }
        ),
    ),
    (rf"{STORE}/kafka/subjects/([^/]+)/versions/latest", _subject),
    (rf"/project/{PROJECT_ID}/modelregistries/{PROJECT_ID}/models(?:/([^/]+))?", _model),
    (f"/project/{PROJECT_ID}/dataset/(.+)", _dataset),
]
