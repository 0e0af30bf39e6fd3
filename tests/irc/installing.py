"""Packages with operations, installed as an installer leaves them: a folder of ``sys.path``."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.irc.cli.calling import IMPORT_PATH

SOURCE = Path("tests/operations_package").resolve()


@dataclass
class Site:
    """A folder for packages, and a folder with a flow beside it.

    Attributes:
        packages: what stands first in ``PYTHONPATH``.
        work: where ``irc`` runs.
    """

    packages: Path
    work: Path

    def install(self, source: Path = SOURCE) -> None:
        """Copy the package in a folder, and write what its ``pyproject.toml`` says of it."""
        project = tomllib.loads((source / "pyproject.toml").read_text())
        packages = project["tool"]["setuptools"]["packages"]
        for name in packages:
            shutil.copytree(source / name, self.packages / name)
        project = project["project"]
        offers = project["entry-points"]["irc.operations"]
        self.describe(project["name"], project["version"], offers, packages)

    def describe(
        self, name: str, version: str, offers: dict[str, str], packages: Iterable[str] = ()
    ) -> None:
        """The metadata of a distribution; the code of ``packages`` is there."""
        for old in self.packages.glob(f"{name.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(old)
        folder = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        record = "".join(f"{package}/__init__.py,,\n" for package in packages)
        (folder / "RECORD").write_text(record)
        lines = ["[irc.operations]", *(f"{key} = {value}" for key, value in offers.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def module(self, name: str, text: str) -> None:
        """A module that stands in no package."""
        (self.packages / f"{name}.py").write_text(text)

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run ``python COMMAND`` as a process, in the flow's folder."""
        path = os.pathsep.join([str(self.packages), str(self.work), IMPORT_PATH])
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.work, env={**os.environ, "PYTHONPATH": path, **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def irc(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``irc ARGUMENTS``; what it keeps of nodes is the site's own."""
        return self.run("-m", "irc", *arguments, IRC_CACHE_DIR=str(self.packages.parent / "cache"))
