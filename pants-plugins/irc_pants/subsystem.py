"""The options of the backend."""

from __future__ import annotations

from collections.abc import Iterable

from pants.backend.python.subsystems.setup import PythonSetup
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.rules import Rule, collect_rules
from pants.option.option_types import SkipOption, StrOption, TargetListOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap

from irc_pants.target_types import AgentFlowImageRepositoryField


class Irc(Subsystem):
    options_scope = "irc"
    name = "irc"
    help = "The compiler of agent flows."

    skip = SkipOption("check", "test")
    install_from_resolve = StrOption(
        default=None,
        advanced=True,
        help=softwrap(
            """
            The resolve that the compiler's requirements come from.

            The compiler is whatever provides the module `irc` there: code of this repository, or a
            requirement. If unset, `[python].default_resolve`.
            """
        ),
    )
    image_repository_prefix = StrOption(
        default=None,
        help=softwrap(
            """
            What stands before the `image_repository` of every `agent_flow`, for example
            `registry.example.com/agents`.
            """
        ),
    )

    operations = TargetListOption(
        advanced=True,
        help=softwrap(
            """
            Packages whose operations flows may use, such as `3rdparty/python#acme-ops`.

            A package is a requirement of the compiler's resolve, or code of this repository: then
            the address is that of the target with its metadata, a folder
            `<name>-<version>.dist-info` at a source root, which depends on the code.
            """
        ),
    )

    @property
    def operation_addresses(self) -> UnparsedAddressInputs:
        """The targets of `operations`."""
        return UnparsedAddressInputs(
            self.operations,
            owning_address=None,
            description_of_origin=f"the option `[{self.options_scope}].operations`",
        )

    def image_repository(self, field: AgentFlowImageRepositoryField) -> str | None:
        """The whole name of the repository that a field names, or None."""
        if field.value is None or self.image_repository_prefix is None:
            return field.value
        return f"{self.image_repository_prefix.rstrip('/')}/{field.value}"

    def resolve(self, python_setup: PythonSetup) -> str:
        """The resolve of the compiler."""
        return self.install_from_resolve or python_setup.default_resolve


def rules() -> Iterable[Rule]:
    return collect_rules()
