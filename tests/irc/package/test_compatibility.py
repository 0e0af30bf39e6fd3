"""Base image, requirements and agent: what does not fit is named on both sides."""

from dataclasses import replace

import pytest

from irc.oci.base import Base, Platform
from irc.oci.errors import ImageError
from irc.oci.thirdparty import ThirdParty
from irc.package.compatibility import check_compatibility

BASE = Base("oci", Platform("linux", "amd64"), (), {}, "3.11.9", interpreters=("3.11", "3.9"))
WHEELS = (
    "click-8.5.1-py3-none-any.whl",
    "grpcio-1.85.3-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
)
THIRD_PARTY = ThirdParty((), "3.11.2", "", WHEELS, ("CPython<3.11,>=3.9", "==3.11.*"))


def message(base: Base, third_party: ThirdParty = THIRD_PARTY) -> str:
    with pytest.raises(ImageError) as error:
        check_compatibility(base, third_party)
    return str(error.value)


def test_what_fits_passes() -> None:
    check_compatibility(BASE, THIRD_PARTY)
    check_compatibility(replace(BASE, python=None), THIRD_PARTY)
    check_compatibility(replace(BASE, python="3.12.1"), THIRD_PARTY)
    check_compatibility(BASE, ThirdParty((), "3.11.2", "", (), ()))


def test_base_without_the_interpreter() -> None:
    assert message(replace(BASE, python="3.12.1", interpreters=("3.12",))) == (
        "the base image has no interpreter python3.11 (it has Python 3.12.1), "
        "the requirements are for Python 3.11.2"
    )
    assert "(it has none)" in message(replace(BASE, python=None, interpreters=()))


def test_byte_code_of_another_python() -> None:
    assert message(BASE, replace(THIRD_PARTY, python="3.12.0")) == (
        "the requirements' byte code is of Python 3.12.0, the agent is for Python 3.11"
    )


@pytest.mark.parametrize(
    ("python", "said"), [("3.11.9", "3.11.9"), (None, "3.11"), ("3.12.1", "3.11")]
)
def test_interpreter_that_the_pex_does_not_take(python: str | None, said: str) -> None:
    constraints = ("CPython<3.11",) if said == "3.11" else ("CPython==3.11.2",)
    third_party = replace(THIRD_PARTY, interpreter_constraints=constraints)
    assert message(replace(BASE, python=python), third_party) == (
        f"the base image has Python {said}, the requirements' PEX takes {constraints[0]}"
    )


def test_wheel_of_another_machine() -> None:
    assert message(replace(BASE, platform=Platform("linux", "arm64", "v8"))) == (
        "the base image is for linux/arm64/v8, the requirement grpcio-1.85.3-cp311-cp311-"
        "manylinux2014_x86_64.manylinux_2_17_x86_64.whl for manylinux2014_x86_64, "
        "manylinux_2_17_x86_64"
    )


def test_wheel_of_another_system() -> None:
    wheels = ("grpcio-1.85.3-cp311-cp311-macosx_11_0_x86_64.whl",)
    said = message(BASE, replace(THIRD_PARTY, wheels=wheels))
    assert "for linux/amd64, the requirement grpcio" in said
