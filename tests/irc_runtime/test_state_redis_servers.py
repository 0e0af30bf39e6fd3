"""Which Redis an agent takes, and what it says of others."""

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from irc_runtime.context import Context
from irc_runtime.errors import LoadError
from irc_runtime.state import StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend
from tests.standins.certificates import self_signed
from tests.standins.redis_server import RedisServer, free_port, running_redis

SESSION = StateSpec(scope="session", key="chat:{session_id}", ttl_s=60.0, backend="redis")

#: What docs/stores.md says that the agent's user needs.
RULES = "on >hunter2 resetchannels &irc:turn:* ~irc:* -@all +@connection +info +evalsha"
COMMANDS = (
    "+script|load +time +get +set +del +pexpire +pttl +hset +hgetall +zadd +zrem +zpopmin"
    " +publish +subscribe +unsubscribe"
)


def use() -> None:
    """Have two processes take turns, which needs all that an agent does with Redis."""

    async def main() -> None:
        stores = [StateStore(redis=RedisBackend("support")) for _ in range(2)]

        async def turn(store: StateStore) -> None:
            async with store.open(SESSION, {}, Context({"session_id": "s1"})) as state:
                await state.set("number", await state.get("number", 0) + 1)

        await asyncio.gather(*(turn(store) for store in stores for _ in range(5)))
        async with stores[0].open(SESSION, {}, Context({"session_id": "s1"})) as state:
            assert state.values() == {"number": 10}
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_without_an_address_the_agent_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(LoadError, match="needs the environment variable REDIS_URL"):
        RedisBackend("support")


@pytest.mark.parametrize("url", ["redis://:hunter2@host:port/0", "hunter2", "hunter2://host"])
def test_a_malformed_address_is_not_quoted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(LoadError, match="^REDIS_URL is not the address of a Redis server$"):
        RedisBackend("support")


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+cluster", "http", "valkey"])
def test_an_address_of_another_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("REDIS_URL", f"{scheme}://:hunter2@host:26379/0")
    with pytest.raises(LoadError) as caught:
        RedisBackend("support")
    assert caught.value.reason == (
        f"REDIS_URL: '{scheme}://' is not supported; name one Redis, or a primary behind one "
        "address, with redis://, rediss://, unix://"
    )


@pytest.mark.parametrize("mode", ["cluster", "sentinel"])
def test_a_server_of_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    (tmp_path / "redis.conf").touch()  # Sentinel wants one, to write to
    options = {
        "cluster": ["--cluster-enabled", "yes", "--cluster-port", str(free_port())],
        "sentinel": [str(tmp_path / "redis.conf"), "--sentinel"],
    }
    with running_redis(tmp_path, *options[mode]) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        with pytest.raises(LoadError, match=f"is a {mode}; name one Redis"):
            RedisBackend("support")


def test_a_wrong_password_keeps_the_agent_from_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_redis(tmp_path) as server, server.client() as client:
        client.config_set("requirepass", "hunter2")
        for password in ("", ":hunter3@"):
            monkeypatch.setenv("REDIS_URL", server.url.replace("//", f"//{password}"))
            with pytest.raises(LoadError, match="does not let the agent in"):
                RedisBackend("support")
        monkeypatch.setenv("REDIS_URL", server.url.replace("//", "//:hunter2@"))
        use()


def test_a_user_needs_no_more_than_the_page_says(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "agent", *f"{RULES} {COMMANDS}".split())
    monkeypatch.setenv("REDIS_URL", redis.url.replace("//", "//agent:hunter2@"))
    use()


@pytest.mark.parametrize("rule", ["-evalsha", "-script|load", "resetkeys"])
def test_a_user_that_may_not_run_scripts_keeps_the_agent_from_loading(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "agent", *f"{RULES} {COMMANDS} {rule}".split())
    monkeypatch.setenv("REDIS_URL", redis.url.replace("//", "//agent:hunter2@"))
    with pytest.raises(LoadError, match="does not let the agent run its scripts on the keys"):
        RedisBackend("support")


def test_tls_is_spoken_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed("127.0.0.1")
    (tmp_path / "server.crt").write_text(certificate)
    (tmp_path / "server.key").write_text(key)
    with running_redis(tmp_path) as server:
        with server.client() as client:
            client.config_set("tls-cert-file", str(tmp_path / "server.crt"))
            client.config_set("tls-key-file", str(tmp_path / "server.key"))
            client.config_set("tls-auth-clients", "no")
            client.config_set("tls-ca-cert-file", str(tmp_path / "server.crt"))
            client.config_set("port", 0)
            client.config_set("tls-port", server.port)
        url = f"rediss://127.0.0.1:{server.port}/0"
        monkeypatch.setenv("REDIS_URL", url)
        with pytest.raises(LoadError, match="its certificate is not trusted; ssl_ca_certs in its"):
            RedisBackend("support")
        monkeypatch.setenv("REDIS_URL", f"{url}?ssl_ca_certs={tmp_path / 'server.crt'}")
        use()


def test_a_socket_of_the_machine_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "redis.sock"
    with running_redis(tmp_path, "--unixsocket", str(path)):
        monkeypatch.setenv("REDIS_URL", f"unix://{path}?db=0")
        use()
        with Redis(unix_socket_path=str(path)) as client:
            assert client.exists("irc:{support/chat:s1}:values")
