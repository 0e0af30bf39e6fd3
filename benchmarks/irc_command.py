"""The command that runs irc: an interpreter that imports it, or its PEX, packaged from HEAD."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checkout import Checkout, launcher_cache

IRC = "src/python/irc:irc"
PEX = Path("dist/src.python.irc/irc.pex")


@dataclass(frozen=True)
class Command:
    """What starts irc, before its own arguments."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@contextmanager
def irc_command(python: str | None, folder: Path) -> Iterator[Command]:
    """irc as a command, whose byte code is kept from run to run.

    Args:
        python: an interpreter that imports irc; None packages irc's PEX in a clone of HEAD.
        folder: gets the clone, what the PEX unpacks, and byte code.
    """
    if python is not None:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield Command((python, "-m", "irc"), environment)
        return
    print(f"packaging {IRC} …", file=sys.stderr)
    with Checkout(folder / "clone", launcher_cache()) as checkout:
        checkout.pants("package", IRC)
    environment = {**os.environ, "PEX_ROOT": str(folder / "pex")}
    yield Command((sys.executable, str(checkout.root / PEX)), environment)
