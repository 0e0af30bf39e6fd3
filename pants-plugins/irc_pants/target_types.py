"""The target `agent_flow`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pants.backend.python.target_types import (
    InterpreterConstraintsField,
    PexLayout,
    PythonResolveField,
)
from pants.core.goals.package import OutputPathField
from pants.core.goals.run import RestartableField
from pants.core.goals.test import TestTimeoutField
from pants.engine.addresses import Address
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    AsyncFieldMixin,
    BoolField,
    Dependencies,
    Field,
    InvalidFieldException,
    InvalidFieldTypeException,
    SingleSourceField,
    SourcesField,
    SpecialCasedDependencies,
    StringField,
    StringSequenceField,
    Target,
)
from pants.util.strutil import help_text, softwrap

from irc_pants.naming import agent_path, is_flow
from irc_pants.platforms import PlatformsField

_OVERLAY = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]*")


def validate_flow_names(field: SourcesField, files: Iterable[str]) -> None:
    """Refuse files that are not called as flows are."""
    for file in files:
        if not is_flow(file):
            raise InvalidFieldException(
                softwrap(
                    f"""
                    The field `{field.alias}` of the target {field.address} has the file `{file}`. The
                    name of a flow is `flow.yaml`, `flow.json`, `<name>.flow.yaml` or
                    `<name>.flow.json`, where `<name>` starts with a letter.
                    """
                )
            )


class AgentFlowSourceField(SingleSourceField):
    required = False
    default = "flow.yaml"
    help = help_text(
        """
        The flow: `flow.yaml` or `flow.json`, which becomes the module `agent` of its folder, or
        `<name>.flow.yaml` or `<name>.flow.json`, which becomes `<name>_agent` (with `_` for `-`
        and `.`).
        """
    )

    def validate_resolved_files(self, files: Sequence[str]) -> None:
        super().validate_resolved_files(files)
        validate_flow_names(self, files)


class AgentFlowDependenciesField(Dependencies):
    pass


class AgentFlowCompilerField(SpecialCasedDependencies):
    alias = "_compiler"
    default = ("//:_irc_compiler",)
    help = help_text("What the flow is compiled, tested and packaged by.")


NO_PEX = "none"


class AgentFlowLayoutField(StringField):
    alias = "layout"
    valid_choices = (PexLayout.PACKED.value, PexLayout.ZIPAPP.value, NO_PEX)
    default = PexLayout.PACKED.value
    value: str
    help = help_text(
        """
        The layout of `agent.pex`: `packed`, a folder that is cheap to rebuild after an edit, or
        `zipapp`, one file; `none` for the image alone, which leaves 80 MB less in `dist/`.
        """
    )


class AgentFlowBaseImageField(AsyncFieldMixin, StringField):
    alias = "base_image"
    help = help_text(
        """
        The image below the agent's layers, with a Python 3.11: the address of an `oci_base_image`,
        or an image given by its digest: one of a registry
        (`registry.example.com/python@sha256:...`), a folder with an OCI layout
        (`oci:images/python@sha256:...`) or an archive of one (`oci-archive:python.tar@sha256:...`),
        by its path from the build root.

        If unset, a base made of Debian packages of the build machine's own distribution release.
        """
    )


class AgentFlowImageCompressionField(StringField):
    alias = "image_compression"
    valid_choices = ("gzip", "zstd")
    default = "gzip"
    value: str
    help = help_text(
        """
        How the layers of base and requirements are compressed that are made here: `gzip`, which every
        tool reads, or `zstd`, a quarter smaller, for registries and container engines of 2020 and
        later. The small layers of code are gzip.
        """
    )


class AgentFlowPlatformsField(PlatformsField):
    help = help_text(
        """
        What the image is for: `["linux/amd64", "linux/arm64"]` gives an image index. For other
        platforms than the build machine's nothing is run: wheels are taken from the lock's indexes,
        so each requirement needs one, and byte code is made here. `base_image` must have these
        platforms; one of Debian packages is made for `linux/amd64` and `linux/arm64`. `agent.pex`
        stays for the build machine.

        If unset, the build machine's platform.
        """
    )


class AgentFlowImageRepositoriesField(StringSequenceField):
    alias = "image_repositories"
    help = help_text(
        """
        Where `publish` pushes the image to, without tags: `registry.example.com/agents/support`, or
        what follows `[irc].image_repository_prefix`. The KServe manifest or Compose file names the
        image in the first of them, by its digest.
        """
    )


class AgentFlowImageTagsField(StringSequenceField):
    alias = "image_tags"
    help = help_text(
        """
        Tags under which `publish` pushes the image. They may hold `{flow_digest}`, `{git_sha}` and
        `{image_digest}`, each the first 12 digits, and `{name}`, the flow's.

        If unset, those of `[irc].image_tags`.
        """
    )


class AgentFlowSkipPublishField(BoolField):
    alias = "skip_publish"
    default = False
    help = help_text("If true, `publish` leaves this target out.")


class AgentFlowOverlaysField(Field):
    alias = "overlays"
    default = None
    value: str | None
    help = help_text(
        """
        What differs in one environment: by the name of a Kustomize overlay, the keys of the flow's
        `deployment.kserve` that have other values there.

            overlays={"staging": {"namespace": "agents-staging", "min_replicas": 0}}

        Of `annotations`, `env`, `labels`, `resources` and `secrets`, an overlay names only the items
        that differ. The package then holds `kustomize/overlays/staging` beside `kustomize/base`.
        """
    )

    @classmethod
    def compute_value(cls, raw_value: Any, address: Address) -> str | None:
        """The overlays as JSON, since a field's value has to be hashable."""
        value = super().compute_value(raw_value, address)
        if value is None:
            return None
        expected = "a dictionary of overlay names, as folders may have, to dictionaries of values"
        if not isinstance(value, Mapping):
            raise InvalidFieldTypeException(address, cls.alias, value, expected_type=expected)
        for name, overlay in value.items():
            if not (
                isinstance(name, str) and _OVERLAY.fullmatch(name) and isinstance(overlay, Mapping)
            ):
                raise InvalidFieldTypeException(address, cls.alias, value, expected_type=expected)
        try:
            return json.dumps(value, sort_keys=True, default=dict)
        except (TypeError, ValueError):
            raise InvalidFieldTypeException(
                address, cls.alias, value, expected_type=f"{expected} that JSON has"
            ) from None


class AgentFlowHelmField(BoolField):
    alias = "helm"
    default = False
    help = help_text("Also write a Helm chart, into `helm/` of the package.")


class AgentFlowOutputPathField(OutputPathField):
    def value_or_default(self, *, file_ending: str | None) -> str:
        """As of all targets, but that those of one `agent_flows` have a folder each."""
        if self.value or not self.address.is_file_target:
            return super().value_or_default(file_ending=file_ending)
        agent = PurePath(agent_path(self.address.filename))
        name = f"{agent.stem}{self.address.parameters_repr.replace('.', '_')}"
        name = name if file_ending is None else f"{name}.{file_ending}"
        return os.path.join(".".join(agent.parent.parts), name)


class AgentFlowTestTimeoutField(TestTimeoutField):
    alias = "test_timeout"


class AgentFlowTarget(Target):
    alias = "agent_flow"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        AgentFlowSourceField,
        AgentFlowDependenciesField,
        AgentFlowCompilerField,
        AgentFlowLayoutField,
        AgentFlowBaseImageField,
        AgentFlowImageCompressionField,
        AgentFlowPlatformsField,
        AgentFlowImageRepositoriesField,
        AgentFlowImageTagsField,
        AgentFlowSkipPublishField,
        AgentFlowOverlaysField,
        AgentFlowHelmField,
        AgentFlowTestTimeoutField,
        RestartableField,
        PythonResolveField,
        InterpreterConstraintsField,
        AgentFlowOutputPathField,
    )
    help = help_text(
        """
        A flow in YAML or JSON: compiled to a Python agent, tested, and packaged as a PEX, an OCI
        image and a KServe manifest.

        What the flow refers to (prompts and the templates that they include, schema files, Python
        files, functions, what its code imports) is inferred, so that an agent carries only what it
        uses.
        """
    )
