"""Publishing to a real registry: with a password and TLS, and through one that fails."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from irc.oci.blobs import blob_path
from irc.oci.errors import ImageError
from irc.publishing.publish import publish
from irc.publishing.registry import Registry
from tests.irc.publishing.publishing import digest_of, name_of, options, run, tags_of
from tests.standins.registry_server import Fault, FaultyRegistry, RegistryServer


def test_image_is_there_by_digest_and_tags(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path
) -> None:
    written = tmp_path / "published.json"
    result = run(
        str(packaged), *options(repository, "main", "v1-{name}"), "--digest-file", str(written)
    )
    digest = digest_of(packaged)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        f"{repository}:main: pushed {digest}",
        f"{repository}:v1-demo: pushed {digest}",
    ]
    assert tags_of(registry, repository) == ["main", "v1-demo"]
    held = registry.get(
        f"{name_of(repository)}/manifests/main", accept="application/vnd.oci.image.manifest.v1+json"
    )
    assert held.content == blob_path(packaged / "image", digest).read_bytes()
    assert json.loads(written.read_bytes()) == [
        {
            "repository": repository,
            "tag": tag,
            "digest": digest,
            "reference": f"{repository}@{digest}",
            "changed": True,
        }
        for tag in ("main", "v1-demo")
    ]


def test_what_is_there_is_not_pushed_again(repository: str, packaged: Path) -> None:
    run(str(packaged), *options(repository, "main"))
    digest = digest_of(packaged)
    result = run(str(packaged), *options(repository, "main"))
    assert result.output == f"{repository}:main: unchanged, nothing pushed: {digest}\n"
    result = run(str(packaged), *options(repository, "main", "next"))
    assert result.output.splitlines() == [
        f"{repository}:main: unchanged, nothing pushed: {digest}",
        f"{repository}:next: pushed {digest}",
    ]


def test_without_tags_the_image_has_its_digest_alone(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    result = run(str(packaged), *options(repository))
    assert result.output == f"{repository}: pushed {digest_of(packaged)}\n"
    assert tags_of(registry, repository) == []
    assert run(str(packaged), *options(repository)).output.startswith(f"{repository}: unchanged")


def test_several_repositories(registry: RegistryServer, repository: str, packaged: Path) -> None:
    other = f"{repository}-copy"
    result = run(str(packaged), *options(repository, "main"), *options(other))
    assert result.exit_code == 0, result.output
    assert tags_of(registry, repository) == tags_of(registry, other) == ["main"]


def test_what_was_published_before_a_failure_is_written(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path
) -> None:
    written = tmp_path / "published.json"
    written.write_text("of an earlier run")
    with FaultyRegistry(registry, lambda method, path: None) as proxy:  # without credentials
        other = f"{proxy.address}/demo"
        targets = (*options(repository, "main"), *options(other))
        result = run(str(packaged), *targets, "--digest-file", str(written))
    assert (result.exit_code, "the registry refuses" in result.output) == (1, True)
    (only,) = json.loads(written.read_bytes())
    assert (only["repository"], only["tag"]) == (repository, "main")


def test_tags_hold_what_is_known_of_the_image(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    run(str(packaged), *options(repository, "{flow_digest}", "i{image_digest}"))
    short = digest_of(packaged).removeprefix("sha256:")[:12]
    assert tags_of(registry, repository) == ["1" * 12, f"i{short}"]


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("{git_shaa}", "did you mean 'git_sha'?"),
        ("{", "the tag '{' is malformed"),
        ("{name!r}", "holds '{name}'"),
        ("-latest", "'-latest' is no tag"),
        ("a b", "'a b' is no tag"),
        ("x" * 129, "at most 128"),
    ],
)
def test_tags_that_cannot_be_are_refused_before_anything_is_pushed(
    registry: RegistryServer, repository: str, packaged: Path, tag: str, message: str
) -> None:
    result = run(str(packaged), *options(repository, "main", tag))
    assert result.exit_code == 1
    assert message in result.output
    assert tags_of(registry, repository) == []


def test_wrong_password_is_said_with_what_to_do(
    registry: RegistryServer, repository: str, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(packaged / "nowhere.json"))
    result = run(str(packaged), *options(repository, "main"))
    assert result.exit_code == 1
    assert "the registry refuses" in result.output
    assert f"skopeo login {registry.address}" in result.output


def test_a_right_that_is_missing_is_not_told_as_a_password(
    registry: RegistryServer, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with through(
        registry, Faults("refuse", "POST", "/blobs/", None), tmp_path, monkeypatch
    ) as proxy:
        result = run(str(packaged), *options(f"{proxy.address}/demo", "main"))
    assert result.exit_code == 1
    assert f"hint: 'agents' is logged in to {proxy.address}, and lacks the right" in result.output
    assert "skopeo login" not in result.output


def test_credential_helpers_are_asked(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    helper = tmp_path / "bin/docker-credential-vault"
    helper.parent.mkdir()
    answer = json.dumps({"Username": "agents", "Secret": "correct-horse"})
    helper.write_text(f"#!/bin/sh\ncat > '{tmp_path}/asked'\necho '{answer}'\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    auth = tmp_path / "helpers.json"
    auth.write_text(json.dumps({"credHelpers": {registry.address: "vault"}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth))
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/local/bin:/usr/bin:/bin")
    result = run(str(packaged), *options(repository, "main"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "asked").read_text().strip() == registry.address


def test_folder_without_an_image(tmp_path: Path) -> None:
    result = run(str(tmp_path), *options("registry.example/demo"))
    assert (result.exit_code, "package the agent first" in result.output) == (1, True)


class Faults:
    """A fault for the first so many requests that fit; ``None`` is for all."""

    def __init__(self, kind: str, method: str, part: str, times: int | None) -> None:
        self.kind, self.method, self.part, self.times = kind, method, part, times
        self.seen = 0

    def __call__(self, method: str, path: str) -> str | None:
        if method != self.method or self.part not in path:
            return None
        self.seen += 1
        return self.kind if self.times is None or self.seen <= self.times else None


@contextmanager
def through(
    registry: RegistryServer, fault: Fault, tmp_path: Path, patch: pytest.MonkeyPatch
) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(registry, fault) as proxy:
        for name, value in proxy.environment(tmp_path / "faulty").items():
            patch.setenv(name, value)
        yield proxy


@pytest.mark.parametrize(
    "fault",
    [
        Faults("error", "PUT", "/manifests/", 1),
        Faults("error", "POST", "/blobs/uploads/", 1),
        Faults("cut", "PATCH", "/blobs/uploads/", 1),
        Faults("cut", "GET", "/manifests/", 1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.method} {fault.part}",
)
def test_a_fault_that_passes_is_outlasted(
    registry: RegistryServer, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    fault: Faults,
) -> None:  # fmt: skip
    with through(registry, fault, tmp_path, monkeypatch) as proxy:
        repository = f"{proxy.address}/{tmp_path.name.replace('_', '-').lower()}"
        (done,) = publish(packaged, [repository], ["main"], Registry(pause_s=0.01))
        assert (done.changed, fault.seen > 1) == (True, True)
        assert tags_of(registry, repository) == ["main"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Faults("error", "PUT", "/manifests/", None), "3 attempts"),
        (Faults("cut", "PATCH", "/blobs/uploads/", None), "3 attempts"),
        (Faults("refuse", "POST", "/blobs/uploads/", None), "the registry refuses"),
        (Faults("change", "GET", "/manifests/sha256", None), "the registry holds sha256:"),
    ],
    ids=["errors", "dies amid a layer", "refuses to write", "holds something else"],
)
def test_a_fault_that_stays_moves_no_tag_and_a_second_try_succeeds(
    registry: RegistryServer, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    fault: Faults, message: str,
) -> None:  # fmt: skip
    with through(registry, fault, tmp_path, monkeypatch) as proxy:
        repository = f"{proxy.address}/{tmp_path.name.replace('_', '-').lower()}"
        with pytest.raises(ImageError, match=message):
            list(publish(packaged, [repository], ["main"], Registry(pause_s=0.01)))
        assert registry.get(f"{name_of(repository)}/tags/list").json().get("tags") is None
        proxy.fault = lambda method, path: None
        (done,) = publish(packaged, [repository], ["main"], Registry(pause_s=0.01))
        assert done.changed
        assert tags_of(registry, repository) == ["main"]
