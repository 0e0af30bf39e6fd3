"""What a refusal of a registry asks for: the messages are those of registries that people use."""

import json
from pathlib import Path

import pytest

from irc.oci.credentials import refusal_hint

REFERENCE = "registry.example.com/agents/support:1"
LOG_IN = "log in with 'skopeo login registry.example.com'"


@pytest.fixture
def logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for one path of a registry."""
    auth = {"auths": {"registry.example.com/agents": {"auth": "Ym90OnNlY3JldA=="}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize(
    "said",
    [
        "denied: requested access to the resource is denied",
        "denied: permission_denied: write_package",
        'denied: Permission "artifactregistry.repositories.uploadArtifacts" denied on resource',
        "invalid status code from registry 403 (Forbidden), denied: access forbidden",
        "StatusCode: 403, <html>",
    ],
)
def test_a_right_is_missing(said: str) -> None:
    hint = refusal_hint(REFERENCE, said)
    assert (
        hint == "'bot' is logged in to registry.example.com, and lacks the right to do this there"
    )


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize(
    "said",
    [
        "unauthorized: authentication required",
        "denied: Your authorization token has expired. Reauthenticate and try again.",
        "denied: Unauthenticated request. Unauthenticated requests do not have permission",
        "StatusCode: 401, <html>",
    ],
)
def test_credentials_that_are_not_taken(said: str) -> None:
    assert LOG_IN in str(refusal_hint(REFERENCE, said))


def test_denied_to_whoever_is_not_logged_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    assert LOG_IN in str(
        refusal_hint(f"{REFERENCE}@sha256:{'0' * 64}", "requested access is denied")
    )


def test_other_failures_are_no_refusals() -> None:
    assert refusal_hint(REFERENCE, "received unexpected HTTP status: 500") is None
