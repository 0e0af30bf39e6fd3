"""Platforms, as the OCI image specification names them: `linux/arm64`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pants.engine.addresses import Address
from pants.engine.platform import Platform
from pants.engine.target import InvalidFieldException, StringSequenceField
from pants.util.strutil import softwrap

_PLATFORM = re.compile(r"linux/[a-z0-9]+(/[a-z0-9]+)?")

_NATIVE = {Platform.linux_x86_64: "linux/amd64", Platform.linux_arm64: "linux/arm64"}


class PlatformsField(StringSequenceField):
    """Platforms of Linux, each once."""

    alias = "platforms"

    @classmethod
    def compute_value(
        cls, raw_value: Iterable[str] | None, address: Address
    ) -> tuple[str, ...] | None:
        value = super().compute_value(raw_value, address)
        machines = [_machine(platform) for platform in value or ()]
        for platform in value or ():
            if not _PLATFORM.fullmatch(platform):
                problem = f"has {platform!r}, which is none of Linux: `linux/<architecture>`"
            elif machines.count(_machine(platform)) > 1:
                problem = f"has {_machine(platform)!r} more than once"
            else:
                continue
            raise InvalidFieldException(
                softwrap(
                    f"""
                    The field `{cls.alias}` of the target {address} {problem}. An example is
                    `{cls.alias}=["linux/amd64", "linux/arm64"]`.
                    """
                )
            )
        return value


def is_native(platform: str, machine: Platform) -> bool:
    """Whether it is what this machine builds for without being asked."""
    return _machine(platform) == _NATIVE.get(machine)


def _machine(platform: str) -> str:
    """Without the variant."""
    return "/".join(platform.split("/")[:2])
