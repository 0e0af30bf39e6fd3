"""The files of docs/ci: what users copy to have GitHub or GitLab build what has changed."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

CI = Path("docs/ci").resolve()

GITHUB = ("--builtin-schema", "vendor.github-workflows")
GITLAB = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")


def checked(file: Path, schema: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says of a file, by the schema that it carries."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "schema", "key"),
    [("github.yml", GITHUB, "runs-on:"), ("gitlab.yml", GITLAB, "interruptible: true")],
)
def test_files_are_what_the_services_take(
    tmp_path: Path, name: str, schema: tuple[str, ...], key: str
) -> None:
    done = checked(CI / name, schema)
    assert done.returncode == 0, done.stdout + done.stderr
    misspelt = tmp_path / name
    text = (CI / name).read_text()
    assert key in text
    misspelt.write_text(text.replace(key, f"{key[0]}-{key[1:]}"))
    assert checked(misspelt, schema).returncode == 1


def test_what_a_pull_request_runs_on_github_may_not_write() -> None:
    workflow = YAML(typ="safe").load(CI / "github.yml")
    writing = {}
    for name, job in workflow["jobs"].items():
        granted = job.get("permissions", workflow["permissions"])
        if "write" in granted.values():
            writing[name] = job.get("if")
    assert writing == {"publish": "github.event_name == 'push'"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("pants.toml", "pants", "agents/flow.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=Before")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def targets(root: Path, since: str) -> str:
    done = subprocess.run(
        [CI / "targets.sh", since], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("changed", [None, "agents/flow.yaml", "README.md"])
def test_what_has_changed_is_built(repository: Path, changed: str | None) -> None:
    before = git(repository, "rev-parse", "HEAD").strip()
    if changed is not None:
        (repository / changed).write_text("after\n")
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message=After")
    expected = f"--changed-since={before} --changed-dependents=transitive"
    assert targets(repository, before) == expected


@pytest.mark.parametrize("changed", ["pants.toml", "pants", "pants-plugins/register.py"])
def test_everything_is_built_when_what_pants_is_set_up_with_changes(
    repository: Path, changed: str
) -> None:
    (repository / changed).parent.mkdir(exist_ok=True)
    (repository / changed).write_text("after\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=After")
    assert targets(repository, "HEAD~1") == "::"


def test_everything_is_built_on_a_branch_that_is_new(repository: Path) -> None:
    assert targets(repository, "0" * 40) == "::"
