"""The settings of a server: KServe's own flags, and those that say what an agent's process bears.

Each of the latter is an environment variable, too, which the flag overrides: ``--drain_delay_s`` is
``IRC_DRAIN_DELAY_S``. docs/serving.md says what they are for.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from kserve import model_server  # type: ignore[import-untyped]  # it says nothing of its types

from irc_runtime.agent import Agent


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process bears, and how long it waits.

    Attributes:
        max_request_bytes: of a request's body, over REST and gRPC.
        max_requests: requests that are answered at once.
        max_waiting: requests that wait for their turn besides.
        max_wait_s: seconds for which they wait.
        receive_timeout_s: seconds in which all of a request has to arrive.
        drain_delay_s: seconds from SIGTERM in which the server takes requests as before, but says
            that it is not ready.
        drain_grace_s: seconds after that in which requests under way are finished.
        blocked_limit_s: seconds for which the event loop may stand still before the process ends.
    """

    max_request_bytes: int = 8 * 1024 * 1024
    max_requests: int = 256
    max_waiting: int = 1024
    max_wait_s: float = 10.0
    receive_timeout_s: float = 30.0
    drain_delay_s: float = 0.0
    drain_grace_s: float = 30.0
    blocked_limit_s: float = 30.0


HELP = {
    "max_request_bytes": "Bytes of a request's body at most.",
    "max_requests": "Requests that a process answers at once.",
    "max_waiting": "Requests that wait for their turn besides.",
    "max_wait_s": "Seconds for which they wait.",
    "receive_timeout_s": "Seconds in which all of a request has to arrive.",
    "drain_delay_s": "Seconds from SIGTERM until new connections are refused.",
    "drain_grace_s": "Seconds after that for requests under way.",
    "blocked_limit_s": "Seconds without the event loop after which the process ends.",
}


def parsed(agent: Agent, arguments: list[str] | None) -> argparse.Namespace:
    """The command line; where it is wrong, the process ends with status 2 and says why.

    Two of KServe's flags have other defaults: the model's name is the flow's, and latencies are not
    logged for each request.
    """
    parser = argparse.ArgumentParser(
        prog=agent.name,
        description=f"Serve {agent.name} ({agent.source}).",
        parents=[model_server.parser],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(model_name=agent.name, enable_latency_logging=False)
    for field in fields(Limits):
        kind = _amount(int, 0 if field.name == "max_waiting" else 1)
        if field.name.endswith("_s"):
            kind = _amount(float, 0)
        default = os.environ.get(f"IRC_{field.name.upper()}", field.default)
        parser.add_argument(f"--{field.name}", default=default, type=kind, help=HELP[field.name])
    parser.add_argument(
        "--http_fd",
        type=_amount(int, 0),
        help="An open socket to take REST connections from, bound to --http_port; "
        "the gRPC port may then be shared with another process.",
    )
    _add_reloading(parser)
    return parser.parse_args(arguments)


def _add_reloading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reload_from",
        metavar="PLACE",
        default=os.environ.get("IRC_RELOAD_FROM") or None,
        help="Take new versions from a folder of code, or from oci:FOLDER, an OCI image layout.",
    )
    for name, usual_s, text in (
        ("reload_timeout_s", 120.0, "Seconds in which a new version has to be ready."),
        ("reload_linger_s", 10.0, "Seconds in which the former one answers on open connections."),
    ):
        default = os.environ.get(f"IRC_{name.upper()}", usual_s)
        parser.add_argument(f"--{name}", default=default, type=_amount(float, 0), help=text)


def limits(options: argparse.Namespace) -> Limits:
    """The limits that a command line says."""
    return Limits(**{field.name: getattr(options, field.name) for field in fields(Limits)})


def _amount(kind: Callable[[str], Any], least: int) -> Callable[[str], Any]:
    def amount(text: str) -> Any:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not {least} or more")
        return value

    amount.__name__ = getattr(
        kind, "__name__", "amount"
    )  # argparse says it where text is no number
    return amount
