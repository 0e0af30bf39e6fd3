"""What to do where a registry refuses: skopeo does not say whether a login or a right is missing."""

import subprocess

_NO_LOGIN = ("unauthorized", "authentication required", "statuscode: 401")
_NO_RIGHT = ("denied", "statuscode: 403")
# Of registries that say "denied" of credentials, too: ECR's tokens last 12 hours.
_STALE = ("expired", "unauthenticated")


def refusal_hint(reference: str, said: str) -> str | None:
    """What helps where a registry refuses; None where what skopeo said is no refusal.

    Args:
        reference: what was asked for, with its registry.
        said: by skopeo, on standard error.
    """
    text = said.lower()
    is_right = any(part in text for part in _NO_RIGHT) and not any(
        part in text for part in (*_NO_LOGIN, *_STALE)
    )
    if not is_right and not any(part in text for part in (*_NO_LOGIN, *_NO_RIGHT)):
        return None
    registry = reference.partition("/")[0]
    user = _logged_in(reference) if is_right else None
    if user is not None:
        return f"'{user}' is logged in to {registry}, and lacks the right to do this there"
    return f"log in with 'skopeo login {registry}', or name the credentials' file in REGISTRY_AUTH_FILE"


def _logged_in(reference: str) -> str | None:
    """The user whose credentials skopeo sends: they may be those of one repository."""
    repository = reference.partition("@")[0]
    name, _, last = repository.rpartition("/")
    repository = f"{name}/{last.partition(':')[0]}"
    done = subprocess.run(
        ["skopeo", "login", "--get-login", repository], capture_output=True, check=False, text=True
    )
    return done.stdout.strip() or None
