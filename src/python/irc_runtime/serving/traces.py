"""Whether the environment asks for traces, by OpenTelemetry's own variables.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
from collections.abc import Mapping

from irc_runtime import tracing
from irc_runtime.errors import LoadError
from irc_runtime.events import INFO, event

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"


def start_traces(agent: str) -> None:
    """Trace the process's requests where the environment asks for it; once.

    Args:
        agent: the agent's name.
    Raises:
        LoadError: it asks for what the agent cannot do.
    """
    if tracing.tracer is not None or not wanted(os.environ):
        return
    try:
        from irc_runtime.serving import otel
    except ModuleNotFoundError as error:
        raise LoadError(
            f"the environment asks for traces, but this agent does not carry '{error.name}'; "
            "OTEL_SDK_DISABLED=true turns traces off"
        ) from error
    except ValueError as error:  # of the module that reads it, when it is imported
        raise LoadError("OTEL_PROPAGATORS names a propagator that is unknown here") from error
    try:
        tracing.tracer = otel.OpenTelemetryTracer(otel.provider_for(agent))
    except ValueError as error:
        raise LoadError(f"OpenTelemetry's settings: {error}") from error
    if not os.environ.get("OTEL_PROPAGATORS"):
        otel.use_trace_context_alone()
    event(INFO, "tracing", agent=agent)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether traces are asked for: by an exporter, or by an endpoint.

    Raises:
        LoadError: by an exporter or a protocol that is not supported.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if not exporter:
        exporter = "otlp" if any(environment.get(name) for name in ENDPOINTS) else "none"
    if exporter == "none":
        return False
    if exporter != "otlp":
        raise LoadError(f"OTEL_TRACES_EXPORTER is '{exporter}'; supported are otlp and none")
    for name in PROTOCOLS:
        if environment.get(name):
            if environment[name].strip() != PROTOCOL:
                raise LoadError(f"{name} is '{environment[name]}'; supported is {PROTOCOL}")
            break
    return True
