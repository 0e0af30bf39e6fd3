"""Which flows a change reaches, as Pants says with `--changed-since`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Repository, launcher_cache
from monorepo import Monorepo, write_monorepo

FLOW_COUNT = 12
EVERY_FLOW = tuple(range(FLOW_COUNT))
FIRST_TEAM, SECOND_TEAM = EVERY_FLOW[:10], EVERY_FLOW[10:]

TEAM, FLOW = "agents/team_000", "agents/team_000/agent_0003"

BASE = 'oci_base_image(name="base", lock="base.lock.json")\n'
WITH_BASE = f"{TEAM}/agent_0005/BUILD"

# Of the second resolve, by the folder's BUILD file, are the flows of the second team.
CHANGES = [
    pytest.param(f"{FLOW}/flow.yaml", (3,), id="a flow"),
    pytest.param(f"{FLOW}/BUILD", (3,), id="its BUILD file"),
    pytest.param(f"{FLOW}/prompts/answer.j2", (3,), id="its prompt"),
    pytest.param(f"{TEAM}/prompts/tone.j2", FIRST_TEAM, id="a template that others include"),
    pytest.param(f"{TEAM}/urgency.py", FIRST_TEAM, id="a helper"),
    pytest.param(f"{TEAM}/BUILD", FIRST_TEAM, id="the BUILD file of a helper"),
    pytest.param("schemas/level.json", EVERY_FLOW, id="a schema"),
    pytest.param("schemas/text.json", EVERY_FLOW, id="a schema to which one refers"),
    pytest.param("schemas/unused.json", (), id="a schema of no flow"),
    pytest.param("images/base.lock.json", (5,), id="the lock of a base image"),
    pytest.param("images/BUILD", (5,), id="the BUILD file of a base image"),
    pytest.param("3rdparty/python/second.lock", SECOND_TEAM, id="a lockfile"),
    # It is also the lock of the compiler, with which all flows are compiled.
    pytest.param("3rdparty/python/default.lock", EVERY_FLOW, id="the compiler's lockfile"),
    pytest.param("src/python/irc/passes/types.py", EVERY_FLOW, id="the compiler"),
    pytest.param("src/python/irc/oci/layer.py", EVERY_FLOW, id="what writes images"),
    pytest.param("src/python/irc/cli/new.py", (), id="a command that no build calls"),
    pytest.param("src/python/irc_runtime/node.py", EVERY_FLOW, id="the runtime"),
    pytest.param("src/python/irc_runtime/testing.py", EVERY_FLOW, id="what tests import"),
    pytest.param(
        "src/python/irc_runtime/aws_lambda.py", (), id="a part of the runtime that none uses"
    ),
    pytest.param("README.md", (), id="a page"),
]


@pytest.fixture(scope="module")
def monorepo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    monorepo = write_monorepo(
        tmp_path_factory.mktemp("monorepo") / "repository", FLOW_COUNT, second_resolve=True
    )
    with_base = monorepo.root / WITH_BASE
    with_base.write_text(
        with_base.read_text().replace('"agent"', '"agent", base_image="//images:base"')
    )
    texts = {
        "images/BUILD": BASE,
        "images/base.lock.json": "{}\n",
        "schemas/unused.json": "{}\n",
        "README.md": "Agents\n",
    }
    for path, text in texts.items():
        (monorepo.root / path).parent.mkdir(exist_ok=True)
        (monorepo.root / path).write_text(text)
    git(monorepo.root, "init", "--quiet")
    git(monorepo.root, "add", ".")
    git(monorepo.root, "commit", "--quiet", "--message=Agents")
    return monorepo


@pytest.fixture(scope="module")
def repository(
    monorepo: Monorepo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    own = tmp_path_factory.mktemp("own")
    with Repository(monorepo.root, own, launcher_cache()) as repository:
        yield repository


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True)


@pytest.mark.parametrize(("path", "reached"), CHANGES)
def test_a_change_reaches_these_flows(
    repository: Repository, monorepo: Monorepo, path: str, reached: tuple[int, ...]
) -> None:
    changed = monorepo.root / path
    before = changed.read_bytes()
    # A line that neither Python, YAML, JSON nor templates mind.
    changed.write_bytes(before + b"\n")
    try:
        found = repository.pants(
            "--changed-since=HEAD",
            "--changed-dependents=transitive",
            "--filter-target-type=agent_flow",
            "list",
        ).split()
    finally:
        changed.write_bytes(before)
    assert found == [monorepo.addresses[number] for number in reached]


def test_a_flow_that_is_gone_reaches_no_other(repository: Repository, monorepo: Monorepo) -> None:
    folder = monorepo.root / FLOW
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in kept:
        path.unlink()
    try:
        found = repository.pants(
            "--changed-since=HEAD", "--changed-dependents=transitive", "list"
        ).split()
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert found == []
