"""One pool of connections for each endpoint in a process, whatever asks."""

import asyncio

import pytest

from irc_runtime import pools
from irc_runtime.context import Context
from irc_runtime.errors import LoadError, ModelError
from irc_runtime.models import ChatModels
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from tests.irc_runtime.providers import LOOSE, PROVIDERS, Asked
from tests.standins.openai_wire import Answer, Failure

#: boto3 has a transport of its own.
OVER_HTTPX = pytest.mark.parametrize(
    "asked", PROVIDERS[:3], indirect=True, ids=lambda provider: provider.name
)


def models_of(asked: Asked, *prompts: Prompt) -> ChatModels:
    return ChatModels(*prompts, **{asked.provider.name: asked.provider.client})


def test_all_prompts_of_all_agents_of_a_process_share_their_connections(asked: Asked) -> None:
    asked.server.script(*[Answer({"text": "Hello"})] * 16)
    prompts = [asked.prompt(), asked.prompt(output_schema=Schema(LOOSE)), asked.prompt()]
    context = Context({})

    async def main() -> None:
        agents = [models_of(asked, *prompts) for _ in range(3)]
        for agent in agents:
            for prompt in prompts:
                await agent.complete(prompt, {"query": "Why?"}, context)
        assert asked.server.accepted == 1
        await agents[0].close()
        await agents[0].close()  # twice is once
        questions = [
            agent.complete(prompt, {"query": "Why?"}, context)
            for agent in agents[1:]
            for prompt in prompts
        ]
        await asyncio.gather(*questions)
        assert asked.server.accepted <= len(questions)
        held = asked.server.accepted
        await agents[1].complete(prompts[0], {"query": "Why?"}, context)
        assert asked.server.accepted == held
        await agents[1].close()
        await agents[2].close()

    asyncio.run(main())


def test_an_agent_outlives_the_loop_that_it_was_used_in(asked: Asked) -> None:
    asked.server.script(Answer("One."), Answer("Two."), Answer("Three."))
    prompt = asked.prompt()
    agent = models_of(asked, prompt)
    other = models_of(asked, prompt)
    for user in (agent, agent, other):
        assert asyncio.run(user.complete(prompt, {"query": "Why?"}, Context({})))
    asyncio.run(agent.close())
    asyncio.run(other.close())


@OVER_HTTPX
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_without_an_end_is_cut(
    asked: Asked, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MAX_RESPONSE_BYTES", 10_000)
    asked.server.script(Answer("word " * 10_000))
    with pytest.raises(ModelError, match="sent too much") as caught:
        asked.complete(asked.prompt(stream=stream))
    assert not caught.value.retryable


def test_a_redirection_is_not_followed(asked: Asked) -> None:
    there = {"Location": f"{asked.provider.endpoint(asked.server)}/elsewhere"}
    asked.server.script(Failure(307, headers=there), Answer("Hello."))
    with pytest.raises(ModelError, match="answered 307"):
        asked.complete(asked.prompt())
    assert len(asked.bodies) == 1


def test_cookies_of_one_caller_are_not_sent_for_another(asked: Asked) -> None:
    cookie = {"Set-Cookie": "session=one; Path=/"}
    asked.server.script(Failure(503, headers=cookie), Answer("Hello."))
    prompt = asked.prompt()
    models = models_of(asked, prompt)

    async def main() -> None:
        with pytest.raises(ModelError):
            await models.complete(prompt, {"query": "Why?"}, Context({}))
        await models.complete(prompt, {"query": "Why?"}, Context({}))
        await models.close()

    asyncio.run(main())
    headers = {name.lower() for name in asked.server.requests[1].headers}
    assert "cookie" not in headers


@OVER_HTTPX
def test_a_proxy_that_is_none_is_found_at_load(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://u:secret@proxy.example.com")
    with pytest.raises(LoadError, match="proxy") as caught:
        models_of(asked, Prompt("answer", "", ChatModel(asked.provider.name, "m", "http://x")))
    assert "secret" not in str(caught.value)
