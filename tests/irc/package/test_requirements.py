"""Requirements with hashes, cut to what an agent carries."""

import pytest

from irc.oci.errors import ImageError
from irc.package.requirements import cut_requirements
from tests.irc.package.agent_files import LOCK


def test_only_what_is_carried_with_all_its_hashes() -> None:
    assert cut_requirements(LOCK, [("beta-b", "2.0"), ("alpha", "1.0")]) == (
        "alpha==1.0 \\\n"
        "    --hash=sha256:1111 \\\n"
        "    --hash=sha256:2222\n"
        "Beta_B[extra]==2.0 ; python_full_version < '3.12' \\\n"
        "    --hash=sha256:4444\n"
    )


def test_hash_on_the_same_line() -> None:
    assert cut_requirements(LOCK, [("unused", "3.0")]) == "unused==3.0 --hash=sha256:5555\n"


@pytest.mark.parametrize(
    ("name", "version", "locked"),
    [("beta-b", "2.1", "1.9, 2.0"), ("gamma", "1.0", "not at all")],
)
def test_what_the_lock_does_not_have(name: str, version: str, locked: str) -> None:
    with pytest.raises(
        ImageError, match=f"carries {name} {version}, the lock file has it {locked}"
    ):
        cut_requirements(LOCK, [(name, version)])


def test_lock_that_ends_within_a_requirement() -> None:
    assert cut_requirements("alpha==1.0 \\", [("alpha", "1.0")]) == "alpha==1.0\n"
