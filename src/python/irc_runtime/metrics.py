"""What a process counts of its agents: requests and nodes, in flat rows of numbers.

A request adds to a few numbers and makes no objects; ``serving.metrics`` names the numbers when
Prometheus asks. Durations are in seconds.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import TypeAlias

#: Upper bounds of the buckets of all histograms; the last bucket has none.
BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip

#: The bound of the first bucket, where executions belong for which every microsecond counts.
FIRST_BOUND_S = BOUNDS_S[0]

#: The place of a histogram's sum, after its buckets.
SUM = len(BOUNDS_S) + 1

HISTOGRAM_SIZE = SUM + 1

#: The numbers of a node, or of an agent's requests.
Row: TypeAlias = MutableSequence[float]
Allocate: TypeAlias = Callable[[int], Row]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric of a row.

    Attributes:
        kind: ``histogram``, ``counter`` or ``gauge``.
        name: as Prometheus has it, without the ending that its type adds.
        help: what it counts.
        label: the name of its own label; empty where it has none.
        values: the label's values; each has its own numbers.
    """

    kind: str
    name: str
    help: str
    label: str = ""
    values: tuple[str, ...] = ("",)

    @property
    def size(self) -> int:
        """Numbers for each value of the label."""
        return HISTOGRAM_SIZE if self.kind == "histogram" else 1


NODE = (
    Family(
        "histogram",
        "irc_node_duration_seconds",
        "Executions of a node: all attempts, and the pauses between them",
        "outcome",
        ("ok", "timeout", "validation_fail", "error", "cancelled"),
    ),
    Family(
        "counter",
        "irc_node_failed_attempts",
        "Attempts of a node that failed",
        "outcome",
        ("timeout", "validation_fail", "error"),
    ),
    Family(
        "counter",
        "irc_node_handled_failures",
        "Failures of a node that its fallback or its error port took",
        "handler",
        ("fallback", "error_port"),
    ),
    Family(
        "counter",
        "irc_node_cache_requests",
        "Results of a node asked of its cache: kept, of a call under way, or of a new call",
        "result",
        ("hit", "shared", "miss"),
    ),
    Family(
        "counter",
        "irc_node_tokens",
        "Tokens that a node's calls of models were charged for",
        "type",
        ("input", "output"),
    ),
    Family(
        "histogram",
        "irc_node_time_to_first_token_seconds",
        "From a call of a model to the first piece of an answer that is streamed",
    ),
)

REQUEST = (
    Family(
        "histogram",
        "irc_request_duration_seconds",
        "Requests to an agent",
        "outcome",
        ("ok", "handled", "refused", "timeout", "error", "cancelled"),
    ),
    Family("gauge", "irc_requests_in_flight", "Requests under way"),
    Family(
        "histogram",
        "irc_request_time_to_first_token_seconds",
        "From a request to the first piece of an answer that is streamed to its caller",
    ),
)


def places(families: Iterable[Family]) -> dict[tuple[str, str], int]:
    """Where the numbers of each metric and value of its label begin in a row."""
    found = {}
    start = 0
    for family in families:
        for value in family.values:
            found[family.name, value] = start
            start += family.size
    return found


def size(families: Iterable[Family]) -> int:
    """The numbers of a row."""
    return sum(family.size * len(family.values) for family in families)


_NODE = places(NODE)
_REQUEST = places(REQUEST)


def _of(found: Mapping[tuple[str, str], int], wanted: str) -> dict[str, int]:
    return {value: start for (name, value), start in found.items() if name == wanted}


# A node's, by the value of the label. An execution that ends well has the first numbers of the row.
EXECUTIONS = _of(_NODE, "irc_node_duration_seconds")
FAILED_ATTEMPTS = _of(_NODE, "irc_node_failed_attempts")
HANDLED = _of(_NODE, "irc_node_handled_failures")
CACHE = _of(_NODE, "irc_node_cache_requests")
TOKENS = _of(_NODE, "irc_node_tokens")
FIRST_TOKEN = _NODE["irc_node_time_to_first_token_seconds", ""]

# An agent's requests'.
REQUESTS = _of(_REQUEST, "irc_request_duration_seconds")
IN_FLIGHT = _REQUEST["irc_requests_in_flight", ""]
REQUEST_FIRST_TOKEN = _REQUEST["irc_request_time_to_first_token_seconds", ""]


def observe(row: Row, start: int, seconds: float) -> None:
    """Add a duration to the histogram whose numbers begin at a place."""
    row[start + bisect_left(BOUNDS_S, seconds)] += 1
    row[start + SUM] += seconds


def zeros(size: int) -> Row:
    """A row in the process's own memory."""
    return [0.0] * size


class AgentMetrics:
    """The numbers of one agent in one process.

    Args:
        agent: the agent's name.
        nodes: ids of its nodes.
        allocate: makes rows.
    """

    __slots__ = ("agent", "nodes", "requests")

    def __init__(self, agent: str, nodes: Iterable[str], allocate: Allocate = zeros) -> None:
        self.agent = agent
        self.requests = allocate(size(REQUEST))
        self.nodes = {node: allocate(size(NODE)) for node in nodes}
