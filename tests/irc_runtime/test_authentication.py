"""Tokens at the door of a served agent: the real KServe server, over every protocol that it speaks."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from irc_runtime.errors import LoadError
from irc_runtime.serving.authentication import token_check
from tests.irc_runtime.compiled_agents import compiled, serving
from tests.irc_runtime.forged_tokens import ATTACKS
from tests.irc_runtime.served import START_TIMEOUT_S, Served, free_port
from tests.irc_runtime.test_serving import tensor
from tests.standins.identity_provider import ISSUER, IdentityProvider

WHOAMI = """\
version: "1.0"
metadata: {name: whoami}
context: {requires: [auth], optional: [messages]}
nodes:
  tell:
    inputs: [{name: auth, type: object}]
    outputs: [{name: told, type: object}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            subjects = {inputs["auth"]["sub"], context.auth["sub"], context.get("auth")["sub"]}
            return {"told": {"subjects": sorted(subjects)}}
edges:
  - {from: _input.auth, to: tell}
  - {from: tell, to: _output}
"""

U1 = {"subjects": ["u1"]}
FORGED = {"auth": {"sub": "root", "iss": ISSUER}}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as own:
        yield own


@pytest.fixture(scope="module")
def agent(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    flags = ("--enable_grpc=true", f"--grpc_port={free_port()}")
    folder = tmp_path_factory.mktemp("whoami")
    with serving(WHOAMI, "whoami", folder, *flags, **provider.environment) as own:
        yield own


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_claims_are_the_requests_auth(agent: Served, provider: IdentityProvider) -> None:
    response = agent.predict({}, headers=bearer(provider.token()))
    assert (response.status_code, response.json()) == (200, U1)


def test_a_caller_cannot_say_who_it_is(agent: Served, provider: IdentityProvider) -> None:
    headers = bearer(provider.token())
    assert agent.predict(FORGED, headers=headers).json() == U1
    both = agent.predict({"instances": [FORGED, {}]}, headers=headers).json()
    assert both == {"predictions": [U1, U1]}
    events = agent.predict(FORGED, headers={**headers, "accept": "text/event-stream"}).text
    assert json.loads(events.rpartition("data: ")[2]) == U1


def test_tensors_need_a_token_too(agent: Served, provider: IdentityProvider) -> None:
    url = agent.url("/v2/models/whoami/infer")
    body = {"inputs": [tensor("request", [json.dumps(FORGED)])]}
    assert httpx.post(url, json=body).status_code == 401
    (output,) = httpx.post(url, json=body, headers=bearer(provider.token())).json()["outputs"]
    assert json.loads(output["data"][0]) == ["u1"]


def test_openais_client_brings_the_token_as_its_key(
    agent: Served, provider: IdentityProvider
) -> None:
    def ask(key: str) -> Any:
        client = openai.OpenAI(base_url=agent.url("/openai/v1"), api_key=key)
        messages: Any = [{"role": "user", "content": "Who am I?"}]
        return client.chat.completions.create(model="whoami", messages=messages, extra_body=FORGED)

    assert ask(provider.token()).choices[0].message.content == '{"subjects":["u1"]}'
    with pytest.raises(openai.AuthenticationError, match="malformed") as caught:
        ask("sk-of-elsewhere")
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code == "unauthenticated"


def test_grpc_takes_the_token_from_its_metadata(agent: Served, provider: IdentityProvider) -> None:
    from kserve import InferInput, InferRequest  # type: ignore[import-untyped]
    from kserve.inference_client import InferenceGRPCClient  # type: ignore[import-untyped]

    async def infer(*tokens: str) -> Any:
        client = InferenceGRPCClient(f"127.0.0.1:{agent.flags[-1].partition('=')[2]}")
        try:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("whoami")
            request = [InferInput("request", [1], "BYTES", [json.dumps(FORGED).encode()])]
            named = [("authorization", f"Bearer {token}") for token in tokens]
            answer = await client.infer(InferRequest("whoami", request), headers=named)
            return json.loads(answer.outputs[0].data[0])
        finally:
            await client.close()

    assert asyncio.run(infer(provider.token())) == ["u1"]
    for tokens, reason in ((), "no bearer token"), (("x.y.z",), "malformed"):
        with pytest.raises(Exception, match=reason) as caught:
            asyncio.run(infer(*tokens))
        assert "UNAUTHENTICATED" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/v1/models/whoami",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/whoami/ready",
    ],
)
def test_health_and_metrics_are_open(agent: Served, path: str) -> None:
    assert httpx.get(agent.url(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/v1/models", "/v2", "/v2/models/whoami", "/openapi.json")),
        ("GET", "/v2/models/whoami/versions/1/ready"),
        *(("GET", path) for path in ("/openai/v1/models", "/nothing", "//metrics", "/metrics/x")),
        ("POST", "/v1/models/whoami:predict"),
        ("POST", "/v1/models/whoami:explain"),
        ("POST", "/v2/models/whoami/infer"),
        ("POST", "/v2/repository/models/whoami/unload"),
        ("POST", "/openai/v1/chat/completions"),
        ("POST", "/metrics"),
    ],
)
def test_everything_else_is_closed(agent: Served, method: str, path: str) -> None:
    response = httpx.request(method, agent.url(path))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_that_does_not_hold_is_refused(
    agent: Served, provider: IdentityProvider, attack: str
) -> None:
    make, reason = ATTACKS[attack]
    token = make(provider)
    response = agent.predict({}, headers=bearer(token))
    assert response.status_code == 401
    body = response.json()
    assert (body["type"], body["error"]) == ("unauthenticated", body["reason"])
    assert reason in body["reason"]
    challenge = response.headers["www-authenticate"]
    assert challenge == f'Bearer error="invalid_token", error_description="{body["reason"]}"'
    assert token not in agent.log


@pytest.mark.parametrize("value", ["", "Bearer", "Basic dTpw"])
def test_a_request_without_a_token_is_told_no_error(agent: Served, value: str) -> None:
    response = agent.predict({}, headers={"authorization": value})
    assert (response.status_code, response.json()["type"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


def test_two_tokens_are_none(agent: Served, provider: IdentityProvider) -> None:
    headers = [("authorization", f"Bearer {provider.token()}")] * 2
    response = agent.predict({}, headers=headers)
    assert (response.status_code, response.json()["reason"]) == (
        401,
        "there is more than one token",
    )


def test_what_is_good_enough_is_taken(agent: Served, provider: IdentityProvider) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 5}, {"nbf": now + 5}, {"aud": ["others", "agents"]}):
        assert agent.predict({}, headers=bearer(provider.token(**claims))).json() == U1
    lower = {"authorization": f"bearer {provider.token()}"}
    assert agent.predict({}, headers=lower).json() == U1


def test_a_new_key_is_taken_and_the_old_one_no_longer(tmp_path: Path) -> None:
    with (
        IdentityProvider() as provider,
        serving(WHOAMI, "whoami", tmp_path, **provider.environment) as agent,
    ):
        old = provider.token()
        assert agent.predict({}, headers=bearer(old)).status_code == 200
        provider.rotate("k2", ec.generate_private_key(ec.SECP256R1()))
        assert agent.predict({}, headers=bearer(provider.token())).json() == U1
        assert agent.predict({}, headers=bearer(old)).status_code == 401
        assert provider.fetches == 2
        # The provider is down: what it signed before holds, and what it signs now waits.
        provider.stop()
        assert agent.predict({}, headers=bearer(provider.token())).json() == U1


def test_a_token_whose_key_cannot_be_fetched_may_be_good(tmp_path: Path) -> None:
    with (
        IdentityProvider() as provider,
        serving(WHOAMI, "whoami", tmp_path, **provider.environment) as agent,
    ):
        known = provider.token()
        provider.stop()
        provider.rotate("k2")
        response = agent.predict({}, headers=bearer(provider.token()))
        assert (response.status_code, response.json()["type"]) == (503, "keys_unavailable")
        assert response.headers["retry-after"] == "30"
        assert agent.predict({}, headers=bearer(known)).json() == U1
        events = [event["event"] for event in agent.events]
        assert events.count("token_keys_not_fetched") == 1


def test_where_tokens_are_not_checked_auth_is_what_the_caller_says(tmp_path: Path) -> None:
    with serving(WHOAMI, "whoami", tmp_path) as agent:
        assert agent.predict(FORGED).json() == {"subjects": ["root"]}
        response = agent.predict({}, headers=bearer("any"))
        assert (response.status_code, response.json()["missing"]) == (400, ["auth"])


def test_an_agent_does_not_start_without_keys(tmp_path: Path, provider: IdentityProvider) -> None:
    compiled(WHOAMI, tmp_path, "whoami_agent")
    environment = {**os.environ, **provider.environment}
    environment["IRC_JWT_JWKS_URL"] = "http://127.0.0.1:9/keys"
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    process = subprocess.run(
        [sys.executable, tmp_path / "whoami_agent.py", f"--http_port={free_port()}"],
        env=environment,
        capture_output=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 1
    *_, last = process.stderr.splitlines()
    event = json.loads(last)
    assert event["event"] == "load_failed"
    assert event["reason"] == "the keys at IRC_JWT_JWKS_URL cannot be had: no answer (ConnectError)"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"IRC_JWT_AUDIENCE": ""}, "without IRC_JWT_AUDIENCE"),
        ({"IRC_JWT_ISSUER": "", "IRC_JWT_JWKS_URL": ""}, "IRC_JWT_ISSUER and IRC_JWT_JWKS_URL"),
        ({"IRC_JWT_JWKS_URL": "http://identity.example/keys"}, "has to begin with https://"),
        ({"IRC_JWT_JWKS_URL": "file:///etc/passwd"}, "has to begin with https://"),
    ],
)
def test_half_a_configuration_is_none(
    provider: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    reason: str,
) -> None:
    for name, value in {**provider.environment, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LoadError, match=reason):
        token_check()


def test_nothing_is_imported_for_a_check_that_nobody_asks_for() -> None:
    code = (
        "import sys; from irc_runtime.serving.authentication import token_check; "
        "assert token_check() is None; "
        "print([name for name in sys.modules if name in ('jwt', 'irc_runtime.serving.token_check')])"
    )
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert output.strip() == "[]"


def test_kserve_requires_what_the_check_is_made_of() -> None:
    required = {re.split(r"[^\w-]", text)[0] for text in metadata.requires("kserve") or ()}
    assert required >= {"cryptography", "httpx", "pyjwt"}
