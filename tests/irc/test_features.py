"""Agents that the compiler makes of flows with features and models, against real stores."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.errors import LoadError
from irc_runtime.features.load import load_features
from tests.irc.compiling import agent_of
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.hopsworks_api import Hopsworks

FLOW = """\
version: "1.0"
metadata: {name: offers}
context: {requires: [customer_id, friend_id]}
nodes:
  customer:
    inputs: [{name: customer_id, type: string}]
    outputs: [{name: plan, type: string}, {name: tickets, type: number}]
    transform:
      mode: declarative
      spec:
        op: hopsworks.read_features
        args: {feature_view: customers_v3, key: "${customer_id}"}
  friend:
    inputs: [{name: friend_id, type: string}]
    outputs: [{name: friend, type: object, optional: true}]
    transform:
      mode: declarative
      spec:
        op: hopsworks.read_features
        args:
          feature_view: customers
          version: 3
          key: {customer_id: "${friend_id}"}
          features: [plan]
  model:
    outputs: [{name: model, type: object}]
    transform:
      mode: declarative
      spec: {op: hopsworks.get_model, args: {name: churn}}
  score:
    inputs: [{name: tickets, type: number}, {name: model, type: object}]
    outputs: [{name: score, type: number}]
    transform:
      mode: code
      spec: |
        import json
        from pathlib import Path

        def transform(inputs, context, state):
            weights = json.loads(Path(inputs["model"]["path"], "weights.json").read_text())
            return weights["bias"] + inputs["tickets"]
edges:
  - {from: _input.customer_id, to: customer.customer_id}
  - {from: _input.friend_id, to: friend.friend_id}
  - {from: customer.tickets, to: score.tickets}
  - {from: model.model, to: score.model}
  - {from: customer.plan, to: _output.plan}
  - {from: friend.friend, to: _output.friend}
  - {from: score.score, to: _output.score}
"""


@pytest.fixture(scope="module")
def agent_type() -> type[Agent]:
    return agent_of(FLOW)


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded store and registry, which hold what the stand-in's project holds."""
    source = tmp_path / "customers.csv"
    source.write_text(
        "customer_id,event_time,plan,tickets\nu1,2024-06-01,gold,2\nu2,2024-01-01,team,7\n"
    )
    store = tmp_path / "features.db"
    load_features(
        source, store, name="customers", version=3, key=("customer_id",), event_time="event_time"
    )
    for version in (2, 10):
        folder = tmp_path / "models" / "churn" / str(version)
        folder.mkdir(parents=True)
        (folder / "weights.json").write_text(json.dumps({"bias": version}))
    monkeypatch.setenv("IRC_FEATURES", f"sqlite:///{store}")
    monkeypatch.setenv("IRC_MODELS", str(tmp_path / "models"))


@pytest.fixture
def hopsworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hopsworks]:
    """The stand-in's project as store and registry."""
    with hopsworks_project(tmp_path) as server:
        monkeypatch.setenv("IRC_MODELS", "hopsworks://")
        yield server


def answers(agent_type: type[Agent], *requests: dict[str, str]) -> list[Any]:
    """What an agent, loaded for this, answers one request after the other."""

    async def main() -> list[Any]:
        agent = agent_type()
        assert agent.load()
        try:
            return [await agent.predict(request) for request in requests]
        finally:
            await agent.close()

    return asyncio.run(main())


def check(agent_type: type[Agent]) -> None:
    known, unknown = answers(
        agent_type,
        {"customer_id": "u1", "friend_id": "u2"},
        {"customer_id": "u2", "friend_id": "nobody"},
    )
    assert known == {"plan": "gold", "friend": {"plan": "team"}, "score": 12}
    assert unknown == {"plan": "team", "score": 17}


def test_an_agent_reads_the_embedded_store_and_registry(
    agent_type: type[Agent], embedded: None
) -> None:
    check(agent_type)


def test_the_same_agent_reads_hopsworks_with_one_call_a_request(
    agent_type: type[Agent], hopsworks: Hopsworks
) -> None:
    check(agent_type)
    first = hopsworks.asked("/0.1.0/batch_feature_store")[0]
    assert first["entries"] == [{"customer_id": "u1"}, {"customer_id": "u2"}]


def test_an_agent_is_not_ready_without_what_its_flow_reads(
    agent_type: type[Agent], embedded: None, tmp_path: Path
) -> None:
    (tmp_path / "models" / "churn").rename(tmp_path / "models" / "other")
    agent = agent_type()
    with pytest.raises(LoadError, match="no model 'churn'; it has other"):
        agent.load()
    assert not agent.ready
