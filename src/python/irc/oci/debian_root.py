"""The root file system of the default base image: a Python, its libraries, and nothing to run else.

No shell, no package manager, no tool: ``usr/bin`` holds the interpreter alone. What packages do in
their install scripts is done here: the bundle of authorities, the users, the byte code.
"""

import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from irc.oci.conventions import PYTHON, USER_ID
from irc.oci.debian import MERGED_FOLDERS, Package, unpack
from irc.oci.errors import ImageError
from irc.oci.layer import Entry, Folder, Link, disk_file

ROOTS = (
    f"python{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    "libstdc++6",
    "ca-certificates",
    "tzdata",
    "base-files",
)

# They serve the installation of packages; what only they need is left out with them.
INSTALLERS = frozenset({"awk", "debconf", "debconf-2.0", "dpkg", "mawk", "openssl", "tar"})

CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"

ENVIRONMENT = (
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    f"SSL_CERT_FILE=/{CA_BUNDLE}",
)

_KEPT = re.compile(
    rf"""
      usr/bin/python{re.escape(PYTHON)}
    | usr/lib/(os-release|locale/.*|python3.*|[^/]*-linux-gnu[^/]*/.*)
    | usr/lib\d*/ld-.*
    | usr/share/(zoneinfo|common-licenses)/.*
    | usr/share/ca-certificates/.*\.crt
    | usr/share/doc/[^/]+/copyright
    | etc/(os-release|debian_version|host\.conf|gai\.conf|mime\.types|python3.*)
    """,
    re.VERBOSE,
)
# Conversions for iconv, tools of the loader, tests of the library.
_DROPPED = re.compile(r".*/(gconv|audit|getconf|perl-base|python3\.\d+/test|tests)/.*|.*\.(a|o)")

_FILES = {
    "etc/passwd": f"""\
root:x:0:0:root:/:/nonexistent
nonroot:x:{USER_ID}:{USER_ID}:nonroot:/home/nonroot:/nonexistent
""",
    "etc/group": f"""\
root:x:0:
nonroot:x:{USER_ID}:
""",
    "etc/nsswitch.conf": """\
passwd: files
group: files
hosts: files dns
""",
}

_VERSION = """
import json, sys
print(json.dumps({"python": ".".join(map(str, sys.version_info[:3]))}))
"""

_CHECK = """
import bz2, ctypes, decimal, hashlib, json, lzma, sqlite3, ssl, sys, uuid, zlib, zoneinfo
print(json.dumps({"python": ".".join(map(str, sys.version_info[:3]))}))
"""


def is_needed(path: str) -> bool:
    """Whether a file of a package, by its path from the root, goes into the image."""
    return bool(_KEPT.fullmatch(path)) and not _DROPPED.fullmatch(path)


def assemble(packages: Sequence[Package], root: Path, *, is_foreign: bool = False) -> str:
    """Unpack the packages into the empty folder ``root`` and finish what they leave undone.

    Args:
        is_foreign: whether they are of an architecture that this machine does not run.
    Returns:
        The version of the interpreter, for example ``3.11.2``.
    Raises:
        ImageError: the interpreter does not run; or it is foreign, and no interpreter of this machine
            has its version, so that byte code would be another.
    """
    for package in packages:
        unpack(package, root, is_needed)
    for folder in MERGED_FOLDERS:
        if (root / "usr" / folder).is_dir():
            (root / folder).symlink_to(f"usr/{folder}")
    for path, text in _FILES.items():
        _write(root / path, text.encode())
    for package in packages:  # where scanners look for what an image without dpkg holds
        _write(root / "var/lib/dpkg/status.d" / package.name, package.control.encode())
    _bundle_authorities(root)
    source = pkgutil.get_data("irc.oci", "bytecode.py")
    assert source is not None
    arguments = (str(root), f"usr/lib/python{PYTHON}")
    if is_foreign:
        version = next(upstream(item.version) for item in packages if item.name == ROOTS[0])
        _run([_interpreter_of(version)], source.decode(), *arguments)
        return version
    version = str(json.loads(_run_python(root, _CHECK))["python"])
    _run_python(root, source.decode(), *arguments)
    return version


def upstream(version: str) -> str:
    """A package's version as its authors call it: without Debian's epoch and revision."""
    return re.split("[-+~]", version.rpartition(":")[2])[0]


def _interpreter_of(version: str) -> str:
    """One of this machine, of the same version: byte code does not depend on the architecture.

    Raises:
        ImageError: there is none.
    """
    found = []
    for path in (sys.executable, f"/usr/bin/python{PYTHON}"):
        if Path(path).is_file():
            found.append(str(json.loads(_run([path], _VERSION))["python"]))
            if found[-1] == version:
                return path
    raise ImageError(
        f"the base image has Python {version}, this machine {', '.join(found)}: byte code for another "
        f"architecture takes an interpreter of its version. Install {version}, or on a machine of that "
        "architecture make the base there"
    )


def entries(root: Path) -> Iterator[Entry]:
    """All of the assembled folder, in the order of paths."""
    yield Folder("home/nonroot")
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield Link(name, str(path.readlink()))
        elif path.is_file():
            yield disk_file(name, path, executable=bool(path.stat().st_mode & 0o100))
    yield Folder("tmp", 0o1777)


def _bundle_authorities(root: Path) -> None:
    folder = root / "usr/share/ca-certificates"
    certificates = sorted(folder.rglob("*.crt"))
    if not certificates:
        raise ImageError("ca-certificates holds no certificates")
    texts = [certificate.read_bytes().rstrip(b"\n") + b"\n" for certificate in certificates]
    _write(root / CA_BUNDLE, b"".join(texts))
    for certificate in certificates:
        certificate.unlink()
    # Where OpenSSL looks when nothing tells it.
    default = root / "usr/lib/ssl/cert.pem"
    default.parent.mkdir(parents=True, exist_ok=True)
    default.symlink_to(f"/{CA_BUNDLE}")


def _run_python(root: Path, program: str, *arguments: str) -> str:
    """Run a program by the interpreter in ``root``, with the libraries in ``root``."""
    loaders = sorted(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    if not loaders:
        raise ImageError("libc6 holds no dynamic loader")
    libraries = loaders[0].parent
    command = [
        str(loaders[0]),
        "--library-path",
        str(libraries),
        str(root / f"usr/bin/python{PYTHON}"),
    ]
    return _run(command, program, *arguments)


def _run(interpreter: Sequence[str], program: str, *arguments: str) -> str:
    command = [*interpreter, "-ISB", "-", *arguments]
    result = subprocess.run(
        command, input=program, env={}, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [f"status {result.returncode}"])[-1]
        raise ImageError(f"the interpreter of the base image does not run: {reason}")
    return result.stdout


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
