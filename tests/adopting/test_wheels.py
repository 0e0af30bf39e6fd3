"""The wheels of the compiler, the runtime and the plugin, as `package` writes them."""

import ast
import shutil
import subprocess
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path
from sys import stdlib_module_names

import pytest
from packaging.requirements import Requirement

from irc.oci.distributions import normalized_name
from irc.version import VERSION
from tests.e2e.running import SEARCH_PATH

LIBRARIES = {"irc": Path("src/python/irc"), "irc_runtime": Path("src/python/irc_runtime")}
PLUGIN = Path("pants-plugins/irc_pants")
PYTHON = {"irc": "==3.11.*", "irc_runtime": "==3.11.*", "irc_pants": ">=3.9"}
# Distributions that share a namespace: a module's first name does not say which one has it.
NAMESPACES = {"google", "opentelemetry"}

each_wheel = pytest.mark.parametrize("name", sorted(PYTHON))
each_library = pytest.mark.parametrize("name", sorted(LIBRARIES))


def wheel(name: str) -> zipfile.ZipFile:
    shutil.unpack_archive("tests.adopting/plugin.tar")
    return zipfile.ZipFile(wheel_file(name))


def wheel_file(name: str) -> str:
    return f"{name}-{VERSION}-py3-none-any.whl"


def metadata(name: str) -> Message:
    return Parser().parsestr(wheel(name).read(f"{name}-{VERSION}.dist-info/METADATA").decode())


def requirements(name: str) -> list[Requirement]:
    """All that a wheel asks for, with and without extras."""
    return [Requirement(text) for text in metadata(name).get_all("Requires-Dist", [])]


@each_library
def test_wheel_has_every_module(name: str) -> None:
    modules = {str(path.relative_to("src/python")) for path in LIBRARIES[name].rglob("*.py")}
    assert modules == {path for path in wheel(name).namelist() if path.endswith(".py")}


def test_plugin_comes_without_its_tests() -> None:
    names = wheel("irc_pants").namelist()
    assert "irc_pants/register.py" in names
    assert not [path for path in names if path.endswith("_test.py") or "testutil" in path]


@each_wheel
def test_wheel_says_what_it_is(name: str) -> None:
    said = metadata(name)
    names = wheel(name).namelist()
    assert said["Name"] == name.replace("_", "-")
    assert said["Version"] == VERSION
    assert said["Requires-Python"] == PYTHON[name]
    assert said["License-Expression"] == "Apache-2.0"
    assert str(said.get_payload()).startswith(f"# {said['Name']}\n")
    assert f"{name}-{VERSION}.dist-info/licenses/LICENSE" in names
    assert f"{name}/py.typed" in names


def test_compiler_brings_its_command_and_the_pages_that_it_reads() -> None:
    entry_points = wheel("irc").read(f"irc-{VERSION}.dist-info/entry_points.txt").decode()
    assert entry_points == "[console_scripts]\nirc = irc.cli.main:main\n"
    assert {"irc/errors.md", "irc/language.md"} <= set(wheel("irc").namelist())


@each_wheel
def test_wheel_holds_no_time(name: str) -> None:
    assert {file.date_time for file in wheel(name).infolist()} == {(1980, 1, 1, 0, 0, 0)}


@each_wheel
def test_wheel_built_in_another_folder_is_the_same_bytes(name: str, tmp_path: Path) -> None:
    shutil.unpack_archive("tests.adopting/plugin.tar")
    folder = tmp_path / "another" / "folder"
    shutil.copytree({**LIBRARIES, "irc_pants": PLUGIN}[name], folder / name)
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(Path("distributions", name, file), folder)
    shutil.copy("LICENSE", folder)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run(
        [Path("tests.adopting/setuptools.pex/__main__.py").absolute(), "-c", build],
        cwd=folder,
        env={"HOME": str(tmp_path), "PATH": SEARCH_PATH, "SOURCE_DATE_EPOCH": "315532800"},
        check=True,
    )
    assert (tmp_path / wheel_file(name)).read_bytes() == Path(wheel_file(name)).read_bytes()


@each_library
def test_wheel_asks_for_what_its_modules_import(name: str) -> None:
    asked = {normalized_name(requirement.name) for requirement in requirements(name)}
    distributions = packages_distributions()
    imported = {
        module.partition(".")[0]
        for path in LIBRARIES[name].rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for module in modules_of(node)
    }
    third_party = imported - stdlib_module_names - NAMESPACES - {name}
    missing = {
        module
        for module in third_party
        if not asked & {normalized_name(found) for found in distributions.get(module, [module])}
    }
    assert third_party
    assert missing == set()


def modules_of(node: ast.AST) -> list[str]:
    """The modules that a statement imports, but for relative imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        return [node.module]
    return []


@each_library
def test_wheel_asks_for_the_versions_that_are_tested(name: str) -> None:
    lines = Path("3rdparty/python/default.txt").read_text(encoding="utf-8").splitlines()
    tested = {
        requirement.name: (requirement.extras, requirement.specifier)
        for requirement in map(Requirement, (line for line in lines if line and line[0] != "#"))
    }
    own = {"irc-runtime", "pytest"}
    asked = {
        requirement.name: (requirement.extras, requirement.specifier)
        for requirement in requirements(name)
        if requirement.name not in own
    }
    assert asked == {requirement: tested[requirement] for requirement in asked}
