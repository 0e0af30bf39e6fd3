"""``agent.pex``: the packed PEX of the requirements, with code added to it.

A packed PEX keeps third-party archives in ``.deps``, its loader in ``.bootstrap`` and code as loose
files beside them. Adding code to one is a matter of files, and of three entries in PEX-INFO: where
to start, the hash of the code, and the hash of the whole. By these hashes a PEX finds the unpacked
copy of an earlier run, and the loader has the second as a literal: a stale hash runs stale code.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from irc.oci.distributions import read_pex_info
from irc.oci.errors import ImageError
from irc.package.code import Files

# Files of a packed PEX that hold the hash of the whole; the second is its import hook.
_LOADERS = ("__main__.py", "__pex__/__init__.py")
_RESERVED = frozenset({".bootstrap", ".deps", "PEX-INFO", "__main__.py", "__pex__", "pex"})


def compose_pex(requirements: Path, files: Files, entry_point: str, output: Path) -> None:
    """Write what of the agent's PEX differs from that of its requirements.

    Args:
        requirements: holds PEX-INFO and the loaders of a packed PEX without code.
        files: the code, by path from the root of the PEX.
        entry_point: the module to run.
        output: gets PEX-INFO, the loaders and the code; ``.deps`` and ``.bootstrap`` of the
            requirements' PEX belong beside them.
    Raises:
        ImageError: not a packed PEX without code, or of an unknown make; a file of the code would
            take the place of one of the PEX's own.
    """
    for name in files:
        if name.split("/", 1)[0] in _RESERVED:
            raise ImageError(f"{name}: a PEX keeps a file of its own there")
    info = read_pex_info(requirements)
    old_hash = info.get("pex_hash")
    new_info = _with_code(info, files, entry_point)
    output.mkdir(parents=True, exist_ok=True)
    (output / "PEX-INFO").write_text(_dump(new_info), "utf-8")
    for name in _LOADERS:
        loader = requirements / name
        if name == "__main__.py" or loader.is_file():
            _rewrite(loader, output / name, f"pex_hash={old_hash!r}", new_info["pex_hash"])
    for name, source in files.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def code_hash(files: Files) -> str:
    """SHA-1 of names, then contents, in the order of names: as pex itself computes it."""
    digest = hashlib.sha1(usedforsecurity=False)
    names = sorted(files)
    digest.update("".join(names).encode())
    for name in names:
        digest.update(files[name].read_bytes())
    return digest.hexdigest()


def _with_code(info: dict[str, Any], files: Files, entry_point: str) -> dict[str, Any]:
    changed = {**info, "entry_point": entry_point, "code_hash": code_hash(files)}
    del changed["pex_hash"]
    whole = hashlib.sha1(_dump(changed).encode(), usedforsecurity=False).hexdigest()
    return {**changed, "pex_hash": whole}


def _rewrite(loader: Path, target: Path, literal: str, new_hash: str) -> None:
    try:
        text = loader.read_text("utf-8")
    except OSError as error:
        raise ImageError(f"{loader}: {error.strerror}") from error
    if text.count(literal) != 1:
        raise ImageError(f"{loader}: does not hold {literal}; this version of pex is not known")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace(literal, f"pex_hash={new_hash!r}"), "utf-8")
    shutil.copymode(loader, target)


def _dump(info: dict[str, Any]) -> str:
    return json.dumps(info, sort_keys=True, separators=(",", ":"))
