"""The numbers of ``irc_runtime.metrics``, as KServe's ``/metrics`` shows them to Prometheus.

One process shows its own. Several processes of one server, as of ``--workers``, keep their numbers
in files of one folder, and whichever is asked shows the sum. The folder is that of Prometheus' own
client (``PROMETHEUS_MULTIPROC_DIR``), which does the same for KServe's metrics.
"""

import json
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fastapi import Request, Response
from kserve import model_server  # type: ignore[import-untyped]  # it says nothing of its types
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import (
    REGISTRY,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from irc_runtime.agent import Agent
from irc_runtime.metrics import (
    BOUNDS_S,
    IN_FLIGHT,
    NODE,
    REQUEST,
    SUM,
    AgentMetrics,
    Family,
    Row,
    places,
    size,
)
from irc_runtime.metrics_folder import FOLDER

#: The ending of this module's files in it.
SUFFIX = ".irc"

#: Bytes of a number: a double.
NUMBER_BYTES = 8


def publish(agent: Agent) -> None:
    """Show an agent's numbers on ``/metrics``; before its first request."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        REGISTRY.register(AgentCollector(lambda: [agent.metrics]))
        return
    agent.metrics = _shared(agent, Path(folder))
    # Before KServe's own route, which shows what this process alone has counted.
    model_server.app.add_api_route("/metrics", _metrics_of_all, methods=["GET"])


class AgentCollector(Collector):
    """Prometheus' view of the numbers of agents.

    Args:
        metrics: gives them at each scrape; numbers of the same agent and node are added up.
    """

    def __init__(self, metrics: Callable[[], Iterable[AgentMetrics]]) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """The names, so that registering does not count as a scrape."""
        return [_family(family, ["agent"]) for family in (*REQUEST, *NODE)]

    def collect(self) -> Iterator[Metric]:
        """The metrics, each with what has been counted at least once."""
        requests: dict[tuple[str, ...], Row] = {}
        nodes: dict[tuple[str, ...], Row] = {}
        for metrics in self._metrics():
            _add(requests, (metrics.agent,), metrics.requests)
            for node, row in metrics.nodes.items():
                _add(nodes, (metrics.agent, node), row)
        yield from _families(REQUEST, ["agent"], requests)
        yield from _families(NODE, ["agent", "node"], nodes)


def _add(rows: dict[tuple[str, ...], Row], labels: tuple[str, ...], row: Row) -> None:
    known = rows.get(labels)
    rows[labels] = list(row) if known is None else [a + b for a, b in zip(known, row, strict=True)]


def _families(
    families: Sequence[Family], labels: list[str], rows: dict[tuple[str, ...], Row]
) -> Iterator[Metric]:
    found = places(families)
    for family in families:
        metric = _family(family, labels)
        for values, row in rows.items():
            for value in family.values:
                start = found[family.name, value]
                numbers = row[start : start + family.size]
                if any(numbers) or value == family.values[0]:
                    own = [*values, value] if family.label else list(values)
                    _fill(metric, own, numbers)
        yield metric


def _family(family: Family, labels: list[str]) -> Metric:
    names = [*labels, family.label] if family.label else labels
    if family.kind == "histogram":
        return HistogramMetricFamily(family.name, family.help, labels=names)
    if family.kind == "counter":
        return CounterMetricFamily(family.name, family.help, labels=names)
    return GaugeMetricFamily(family.name, family.help, labels=names)


def _fill(metric: Metric, labels: list[str], numbers: Row) -> None:
    if isinstance(metric, HistogramMetricFamily):
        buckets, total = [], 0.0
        for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], numbers, strict=False):
            total += count
            buckets.append((bound, total))
        metric.add_metric(labels, buckets, numbers[SUM])
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily):
        metric.add_metric(labels, numbers[0])


async def _metrics_of_all(request: Request) -> Response:
    """As KServe's, of all processes that share the folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it registers itself
    registry.register(AgentCollector(lambda: _read(Path(os.environ[FOLDER]))))
    encoder, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
    return Response(encoder(registry), headers={"content-type": content_type})


def _shared(agent: Agent, folder: Path) -> AgentMetrics:
    """Numbers in a file: a line of JSON that says whose they are, and then doubles."""
    nodes = list(agent.nodes)
    header = json.dumps({"agent": agent.name, "nodes": nodes, "pid": os.getpid()}).encode()
    header += b" " * (-(len(header) + 1) % NUMBER_BYTES) + b"\n"
    count = size(REQUEST) + len(nodes) * size(NODE)
    with tempfile.NamedTemporaryFile(
        prefix=f"{os.getpid()}-", suffix=".new", dir=folder, delete=False
    ) as file:
        file.write(header + bytes(count * NUMBER_BYTES))
        file.flush()
        numbers = memoryview(mmap.mmap(file.fileno(), 0))[len(header) :].cast("d")
    path = Path(file.name)
    path.rename(path.with_suffix(SUFFIX))
    return AgentMetrics(agent.name, nodes, _parts(numbers))


def _read(folder: Path) -> Iterator[AgentMetrics]:
    """The numbers of all processes; what is under way in those that have ended is not."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        header, _, content = path.read_bytes().partition(b"\n")
        facts = json.loads(header)
        numbers = memoryview(bytearray(content)).cast("d")
        metrics = AgentMetrics(facts["agent"], facts["nodes"], _parts(numbers))
        if not Path(f"/proc/{facts['pid']}").exists():
            metrics.requests[IN_FLIGHT] = 0.0
        yield metrics


def _parts(numbers: "memoryview[float]") -> Callable[[int], Row]:
    """Gives rows out of numbers, one after the other."""
    start = 0

    def part(size: int) -> Row:
        nonlocal start
        start += size
        return numbers[start - size : start]  # type: ignore[return-value]  # it cannot insert

    return part
