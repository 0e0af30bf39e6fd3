"""The target `oci_base_image`."""

from __future__ import annotations

import os
import re

from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    AsyncFieldMixin,
    InvalidFieldException,
    InvalidTargetException,
    SecondaryOwnerMixin,
    StringField,
    StringSequenceField,
    Target,
)
from pants.source.filespec import Filespec
from pants.util.strutil import help_text, softwrap

from irc_pants.platforms import PlatformsField

_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


class _PathField(AsyncFieldMixin, SecondaryOwnerMixin, StringField):
    """A path from the folder of the BUILD file; what lies there changes the target."""

    @property
    def path(self) -> str | None:
        """The path from the build root."""
        if self.value is None:
            return None
        path = os.path.normpath(os.path.join(self.address.spec_path, self.value))
        if os.path.isabs(self.value) or path.startswith(".."):
            raise InvalidFieldException(
                f"The field `{self.alias}` of the target {self.address} is `{self.value}`, which is "
                "not in the repository."
            )
        return path

    @property
    def filespec(self) -> Filespec:
        return {"includes": [] if self.path is None else [self.path]}


class OciBaseImageImageField(StringField):
    alias = "image"
    help = help_text(
        """
        An image of a registry, by its digest: `registry.example.com/python@sha256:...`. It is
        fetched by skopeo, with its files of credentials (`skopeo login`, `REGISTRY_AUTH_FILE`) and
        credential helpers. `skopeo inspect --format '{{.Digest}}' docker://<image>` tells the digest
        of a tag.
        """
    )


class OciBaseImageLayoutField(_PathField):
    alias = "layout"
    help = help_text("A folder with an OCI image layout, by its path from the BUILD file's folder.")

    @property
    def filespec(self) -> Filespec:
        return {"includes": [] if self.path is None else [os.path.join(self.path, "**")]}


class OciBaseImageArchiveField(_PathField):
    alias = "archive"
    help = help_text(
        """
        An archive of an image, by its path from the BUILD file's folder: of an OCI image layout, or
        as `docker save` and `podman save` write it.
        """
    )


class OciBaseImageDigestField(StringField):
    alias = "digest"
    help = help_text(
        """
        The digest of the image in `layout` or `archive`: `sha256:...`. It may be left out where there
        is one image alone. Of an archive of Docker it is the image's ID.
        """
    )


class OciBaseImageLockField(_PathField):
    alias = "lock"
    help = help_text(
        """
        A lock of Debian packages, by its path from the BUILD file's folder; its name ends in
        `.lock.json`. `generate-lockfiles --resolve=<its path from the build root>` writes it, and
        refreshes it when a mirror does not have its versions any more.
        """
    )


class OciBaseImagePackagesField(StringSequenceField):
    alias = "packages"
    help = help_text(
        """
        Debian packages to have besides the interpreter and what it needs, such as `libgomp1`: the
        libraries that wheels load. Programs in them are left out. Goes with `lock`.
        """
    )


class OciBaseImagePlatformsField(PlatformsField):
    help = help_text(
        """
        What `lock` has packages for: `linux/amd64`, `linux/arm64`. Those of an agent must be among
        them. Goes with `lock`.

        If unset, the platform of the machine that writes the lock.
        """
    )


class OciBaseImageTarget(Target):
    alias = "oci_base_image"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        OciBaseImageImageField,
        OciBaseImageLayoutField,
        OciBaseImageArchiveField,
        OciBaseImageDigestField,
        OciBaseImageLockField,
        OciBaseImagePackagesField,
        OciBaseImagePlatformsField,
    )
    help = help_text(
        """
        The image below the layers of agents: one of a registry (`image`), of the repository (`layout`
        or `archive`), or made of Debian packages (`lock`). An `agent_flow` names it in `base_image`.
        """
    )

    def validate(self) -> None:
        kinds = (
            OciBaseImageImageField,
            OciBaseImageLayoutField,
            OciBaseImageArchiveField,
            OciBaseImageLockField,
        )
        given = [field.alias for field in kinds if self[field].value is not None]
        if len(given) != 1:
            raise InvalidTargetException(
                softwrap(
                    f"""
                    The target {self.address} takes one of the fields `image`, `layout`, `archive` and
                    `lock`, and has {", ".join(f"`{alias}`" for alias in given) or "none of them"}.
                    """
                )
            )
        image = self[OciBaseImageImageField].value
        if image is not None and not _BY_DIGEST.fullmatch(image):
            raise InvalidTargetException(
                softwrap(
                    f"""
                    The field `image` of the target {self.address} is `{image}`, and must be given by
                    its digest: `{image}@sha256:...`. To find it: skopeo inspect --format
                    '{{{{.Digest}}}}' docker://{image}
                    """
                )
            )
        for field, partners in (
            (OciBaseImageDigestField, ("layout", "archive")),
            (OciBaseImagePackagesField, ("lock",)),
            (OciBaseImagePlatformsField, ("lock",)),
        ):
            if self[field].value is not None and given[0] not in partners:
                raise InvalidTargetException(
                    softwrap(
                        f"""
                        The field `{field.alias}` of the target {self.address} goes with
                        {" or ".join(f"`{alias}`" for alias in partners)}, not with `{given[0]}`.
                        """
                    )
                )
