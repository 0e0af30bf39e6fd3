"""Whether traces are asked for: OpenTelemetry's own variables, and what cannot be done."""

import sys

import pytest

from irc_runtime import serving, tracing
from irc_runtime.errors import LoadError
from irc_runtime.serving.traces import start_traces, wanted


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_traces_are_asked_for_by_the_environment(
    environment: dict[str, str], is_wanted: bool
) -> None:
    assert wanted(environment) is is_wanted


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; supported is http/protobuf",
        ),
    ],
)
def test_what_cannot_be_done_is_told_at_load(environment: dict[str, str], said: str) -> None:
    with pytest.raises(LoadError, match=said):
        wanted(environment)


def test_an_agent_without_the_sdk_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(tracing, "tracer", None)
    monkeypatch.delitem(sys.modules, "irc_runtime.serving.otel", raising=False)
    monkeypatch.delattr(serving, "otel", raising=False)  # another test may have imported it
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # type: ignore[misc]  # mypy cannot tell None from a module
    with pytest.raises(LoadError, match="does not carry 'opentelemetry.sdk.trace'"):
        start_traces("support")
