"""A repository that adopts irc, made of what docs/adopting.md shows and of the wheels."""

import os
import re
import shutil
import subprocess
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from checkout import Repository, launcher_cache

from tests.docs.pages import Fence, Section, fences, sections

PAGE = Path("docs/adopting.md")
WHEELS = ("irc", "irc_runtime", "irc_pants")
# The script, and what it installs: the page says to copy them where the official launcher is not.
LAUNCHER = (
    "pants",
    *(f"3rdparty/python/{name}.lock" for name in ("pants", "pex", "uv")),
)
VERSIONS = Path("3rdparty/python/default.lock")


def files_of(page: list[Fence]) -> dict[str, str]:
    """The blocks that are files: behind the language stands the path."""
    return {
        path: fence.text for fence in page for _, _, path in [fence.info.partition(" ")] if path
    }


def commands_of(page: list[Fence]) -> list[list[str]]:
    """The commands of the page, in order."""
    lines = [fence.text.splitlines() for fence in page if fence.info == "sh"]
    return [line.split() for block in lines for line in block]


def section(title: str) -> Section:
    (found,) = [section for section in sections(PAGE) if section.title == title]
    return found


def adopt(folder: Path, wheels: Path) -> Repository:
    """Make the repository below a folder, with its locks; its caches of downloads are the user's.

    Args:
        wheels: the folder that has irc's.
    """
    root = folder / "repository"
    page = list(fences(PAGE.read_text(encoding="utf-8")))
    for path, text in files_of(page).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "wheels").mkdir()
    for name in WHEELS:
        (wheel,) = wheels.glob(f"{name}-*.whl")
        shutil.copy(wheel, root / "wheels")
    for path in LAUNCHER:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path)
    uv = install_uv(folder / "uv")
    for command in commands_of(page):
        if command[0] == "uv":
            lock(uv, command, root)
    add_arm64_wheel(root / "wheels", root / "third_party/py/agents.lock")
    repository = Repository(root, folder / "own", launcher_cache())
    named_caches = Path.home() / ".cache/pants/named_caches"
    repository.environment["PANTS_NAMED_CACHES_DIR"] = str(named_caches)
    return repository


def add_arm64_wheel(folder: Path, lock: Path) -> None:
    """Stand in for the wheel that the page has somebody build on arm64; its module holds nothing."""
    (version,) = re.findall(r"^psutil==(\S+)", lock.read_text(), re.MULTILINE)
    metadata = f"psutil-{version}.dist-info"
    tag = "cp311-abi3-linux_aarch64"
    files = {
        "psutil/__init__.py": b"",
        # The beginning of an ELF header: 64 bits, little endian, a shared object for EM_AARCH64.
        "psutil/_psutil_linux.abi3.so": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00",
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: psutil\nVersion: {version}\n".encode(),
        f"{metadata}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = "".join(
        f"{name},sha256={urlsafe_b64encode(sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{metadata}/RECORD"] = f"{record}{metadata}/RECORD,,\n".encode()
    path = folder / f"psutil-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
    digest = sha256(path.read_bytes()).hexdigest()
    (folder / "arm64.html").write_text(f'<a href="{path.name}#sha256={digest}">psutil</a>\n')
    entry = f"psutil=={version} \\\n"
    lock.write_text(lock.read_text().replace(entry, f"{entry}    --hash=sha256:{digest} \\\n"))


def install_uv(folder: Path) -> Path:
    subprocess.run(
        ["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        + ["--require-hashes", f"--target={folder}", "--requirement=3rdparty/python/uv.lock"],
        check=True,
    )
    return folder / "bin/uv"


def lock(uv: Path, command: list[str], root: Path) -> None:
    """Run a command of the page, held to the versions with which irc is tested."""
    environment = {**os.environ, "UV_CONSTRAINT": str(VERSIONS.absolute())}
    subprocess.run([uv, *command[1:]], cwd=root, env=environment, check=True)
