"""Secrets of the environment are in no log, answer, metric or trace, whatever fails."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from irc_runtime.errors import LoadError
from tests.irc_runtime import secretive_agent
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.irc_runtime.served import Served
from tests.standins.anthropic_server import AnthropicServer
from tests.standins.bedrock_server import BedrockServer
from tests.standins.hopsworks_api import API_KEY
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply
from tests.standins.otlp_collector import OtlpCollector
from tests.standins.redis_server import RedisServer
from tests.standins.web_server import WebServer

#: The environment's secrets by what holds them, and what callers and others say in confidence.
SECRETS = {
    "OPENAI_API_KEY": "sk-s3ntinel-openai",
    "AZURE_OPENAI_API_KEY": "s3ntinel-azure",
    "ANTHROPIC_API_KEY": "s3ntinel-anthropic",
    "AWS_ACCESS_KEY_ID": "AKIAS3NTINEL",
    "AWS_SECRET_ACCESS_KEY": "s3ntinel/aws",
    "AWS_SESSION_TOKEN": "s3ntinel-session",
    "SHOP_TOKEN": "s3ntinel-shop",
    "password of REDIS_URL": "s3ntinel-redis",
    "password of SHOP_URL": "s3ntinel-basic",
    "HOPSWORKS_API_KEY": API_KEY,
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3ntinel-otlp",
    "a question": "s3ntinel question",
    "what a server says": "s3ntinel reply",
}
REPLIES: list[Reply] = [
    Failure(401, f"wrong key {SECRETS['OPENAI_API_KEY']}: s3ntinel reply"),
    Failure(500, "s3ntinel reply", headers={"X-Debug": "s3ntinel reply"}),
    Failure(307, headers={"Location": "http://u:s3ntinel-redis@127.0.0.1:9/s3ntinel reply"}),
    Malformed(b"s3ntinel reply"),
    Malformed(b'{"s3ntinel reply": 1}'),
    CutConnection(),
    Answer(""),
]


class Edges:
    """Everything that the agent uses, on the loopback, and the environment that leads to it."""

    def __init__(self, stack: ExitStack, redis: RedisServer, folder: Path) -> None:
        self.openai = stack.enter_context(OpenAIServer())
        self.anthropic = stack.enter_context(AnthropicServer())
        self.bedrock = stack.enter_context(BedrockServer())
        self.web = stack.enter_context(WebServer())
        self.collector = stack.enter_context(OtlpCollector())
        self.hopsworks = stack.enter_context(hopsworks_project(folder))
        self.redis = redis
        password = SECRETS["password of REDIS_URL"]
        with redis.client() as client:
            client.config_set("requirepass", password)
        secrets = {name: value for name, value in SECRETS.items() if " " not in name}
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **secrets,
            **self.hopsworks.environment(folder),
            "IRC_FEATURES": "hopsworks://",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url,
            "OPENAI_BASE_URL": self.openai.base_url,
            "OPENAI_LOG": "debug",
            "AZURE_OPENAI_ENDPOINT": self.openai.base_url.removesuffix("/v1"),
            "ANTHROPIC_BASE_URL": self.anthropic.url,
            "ANTHROPIC_LOG": "debug",
            "BEDROCK_URL": self.bedrock.url,
            "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "REDIS_URL": f"redis://:{password}@127.0.0.1:{redis.port}/0",
            "SHOP_URL": f"http://u:{SECRETS['password of SHOP_URL']}@127.0.0.1:{self.web.port}",
        }

    def models(self) -> dict[str, Any]:
        """The server of each provider."""
        return {
            "openai": self.openai, "azure": self.openai,
            "anthropic": self.anthropic, "bedrock": self.bedrock,
        }  # fmt: skip


@pytest.fixture
def edges(redis: RedisServer, tmp_path: Path) -> Iterator[Edges]:
    with ExitStack() as stack:
        yield Edges(stack, redis, tmp_path)


def found(text: str) -> list[str]:
    """What of the secrets is in a text."""
    return [name for name, secret in SECRETS.items() if secret in text]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOPSWORKS_API_KEY", "s3ntinel-other"),
        ("REDIS_URL", "redis://:s3ntinel-other@127.0.0.1:{redis}/0"),
        ("REDIS_URL", "s3ntinel-redis"),
        ("HTTPS_PROXY", "gopher://u:s3ntinel-proxy@127.0.0.1"),
        ("OPENAI_BASE_URL", "http://u:s3ntinel-url@[::1"),
        ("AZURE_OPENAI_ENDPOINT", "http://u:s3ntinel-url@[::1"),
        ("ANTHROPIC_BASE_URL", "http://u:s3ntinel-url@[::1"),
        ("BEDROCK_URL", "http://u:s3ntinel-url@[::1"),
    ],
)
def test_secrets_are_not_said_by_an_agent_that_does_not_load(
    edges: Edges,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    value: str,
) -> None:
    for name, text in edges.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv(variable, value.format(redis=edges.redis.port))
    with pytest.raises(LoadError) as caught:
        secretive_agent.SecretiveAgent().load()
    for text in (str(caught.value), caught.value.reason, caplog.text):
        assert "s3ntinel" not in text
        assert found(text) == []


def test_secrets_are_nowhere_when_every_edge_fails(
    edges: Edges, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module = secretive_agent.__name__
    agent = Served(edges.environment, tmp_path, module=module, name="secretive")
    said = []

    def ask(node: str, **fields: Any) -> httpx.Response:
        headers = {"authorization": "Bearer s3ntinel question"}
        body = {"node": node, "query": "s3ntinel question", **fields}
        response = agent.predict(body, headers=headers)
        said.append(response.text + str(response.headers))
        return response

    try:
        agent.wait_until_ready()
        for provider, server in edges.models().items():
            for reply in REPLIES:
                server.script(reply, reply)
                assert ask("ask", provider=provider).status_code == 500, (provider, reply)
        for path in ("/status/500", "/raw/application-json", "/cut", "/to/http://u:s3ntinel@h/"):
            assert ask("fetch", path=path).status_code == 500
        assert ask("fetch", path="/echo", token="\nX-Other: 1").status_code == 500
        edges.web.stop()
        assert ask("fetch", path="/echo").status_code == 500
        assert ask("remember", session_id="s1").status_code == 200
        edges.redis.kill()
        assert ask("remember", session_id="s1").status_code == 500
        assert ask("read").status_code == 200
        edges.hopsworks.cut = {"/0.1.0/feature_store", "/0.1.0/batch_feature_store"}
        assert ask("read").status_code == 500
        metrics = httpx.get(agent.url("/metrics")).text
    finally:
        agent.stop()
    assert {event["event"] for event in agent.events} >= {"attempt_failed", "node_failed"}
    assert "irc_node_failed_attempts_total" in metrics
    spans = edges.collector.spans
    assert {"attempt ask", "chat m", "GET", "attempt remember"} <= {span.name for span in spans}
    for text in (*said, metrics, str(spans), agent.log, *capfd.readouterr()):
        assert found(text) == []
