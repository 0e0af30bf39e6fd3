"""The options of the backend."""

from __future__ import annotations

from collections.abc import Iterable

from pants.backend.python.subsystems.setup import PythonSetup
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.rules import Rule, collect_rules
from pants.option.option_types import (
    BoolOption,
    SkipOption,
    StrListOption,
    StrOption,
    TargetListOption,
)
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap

from irc_pants.target_types import AgentFlowImageRepositoriesField


class Irc(Subsystem):
    options_scope = "irc"
    name = "irc"
    help = "The compiler of agent flows, and what becomes of its agents."

    skip = SkipOption("check", "fmt", "lint", "test")
    fmt_skip = SkipOption("fmt", "lint")
    lint_skip = SkipOption("lint")
    error = StrListOption(
        help=softwrap(
            """
            Warnings of the compiler that count as errors, so that nothing is built: codes such as
            `W301`, beginnings of codes such as `W3`, or `W` for all. `irc explain` lists them.
            """
        ),
        metavar="CODE",
    )
    ignore = StrListOption(
        help=softwrap(
            """
            Warnings of the compiler that are not told: codes such as `W302`, beginnings of codes, or
            `W` for all.
            """
        ),
        metavar="CODE",
    )
    tailor = BoolOption(
        default=True,
        advanced=True,
        help=softwrap(
            """
            If true, `tailor` adds targets for flows: `agent_flow`, for several in a folder
            `agent_flows`, and `resources` for prompts, schemas and other files that they name.
            """
        ),
    )
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
            What stands before each of the `image_repositories` of every `agent_flow`, for example
            `registry.example.com/agents`.
            """
        ),
    )
    image_tags = StrListOption(
        default=["{image_digest}"],
        help=softwrap(
            """
            Tags under which `publish` pushes the image of an `agent_flow` without `image_tags`.

            The default never moves, and keeps a registry from taking the image for rubbish.
            """
        ),
    )
    sign = BoolOption(
        default=False,
        help=softwrap(
            """
            Whether `publish` signs images, and what is attached to them, by cosign, which must be
            installed.
            """
        ),
    )
    cosign_args = StrListOption(
        default=[],
        help=softwrap(
            """
            Arguments of `cosign sign`, such as `--key=awskms:///alias/agents`. Without a key, cosign
            signs by the identity of whoever publishes.
            """
        ),
    )
    publish_env_vars = StrListOption(
        default=[
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "COSIGN_PASSWORD",
            "DOCKER_CONFIG",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "HOME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "PATH",
            "REGISTRY_AUTH_FILE",
            "SIGSTORE_ID_TOKEN",
            "SSL_CERT_DIR",
            "SSL_CERT_FILE",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ],
        advanced=True,
        help=softwrap(
            """
            Environment variables that `publish` hands on to skopeo, cosign and helpers for credentials:
            names, or `NAME=value`.
            """
        ),
    )
    kubectl_args = StrListOption(
        default=[],
        help=softwrap(
            """
            Arguments of the `kubectl apply` of `experimental-deploy`, such as `--context=staging`,
            `--namespace=agents` or `--server-side`. Without a context, kubectl's own.
            """
        ),
    )
    deploy_env_vars = StrListOption(
        default=[
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "HOME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "KUBECONFIG",
            "NO_PROXY",
            "PATH",
            "SSL_CERT_DIR",
            "SSL_CERT_FILE",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ],
        advanced=True,
        help=softwrap(
            """
            Environment variables that `experimental-deploy` hands on to kubectl and its helpers for
            credentials: names, or `NAME=value`. kubectl is looked for on its `PATH`.
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
    def reporting_args(self) -> tuple[str, ...]:
        """The options of `irc compile` that say which warnings count."""
        return (
            *(f"--error={code}" for code in self.error),
            *(f"--ignore={code}" for code in self.ignore),
        )

    @property
    def operation_addresses(self) -> UnparsedAddressInputs:
        """The targets of `operations`."""
        return UnparsedAddressInputs(
            self.operations,
            owning_address=None,
            description_of_origin=f"the option `[{self.options_scope}].operations`",
        )

    def image_repositories(self, field: AgentFlowImageRepositoriesField) -> tuple[str, ...]:
        """The whole names of the repositories that a field names."""
        prefix = (
            f"{self.image_repository_prefix.rstrip('/')}/" if self.image_repository_prefix else ""
        )
        return tuple(f"{prefix}{name}" for name in field.value or ())

    def resolve(self, python_setup: PythonSetup) -> str:
        """The resolve of the compiler."""
        return self.install_from_resolve or python_setup.default_resolve


def rules() -> Iterable[Rule]:
    return collect_rules()
