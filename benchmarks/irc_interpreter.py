"""An interpreter that imports irc: one of the user's, or irc's PEX, packaged from HEAD."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checkout import Checkout, launcher_cache

IRC = "src/python/irc:irc"
PEX = Path("dist/src.python.irc/irc.pex")


@dataclass(frozen=True)
class Interpreter:
    """What starts Python with irc, before arguments such as a script or ``-m irc``."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def irc_interpreter(python: str | None, folder: Path) -> Interpreter:
    """An interpreter whose byte code is kept from run to run.

    Args:
        python: one that imports irc; None packages irc's PEX in a clone of HEAD.
        folder: gets the clone, what the PEX unpacks, and byte code.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if python is not None:
        return Interpreter((python,), environment)
    print(f"packaging {IRC} …", file=sys.stderr)
    with Checkout(folder / "clone", launcher_cache()) as checkout:
        checkout.pants("package", IRC)
    environment |= {"PEX_INTERPRETER": "1", "PEX_ROOT": str(folder / "pex")}
    return Interpreter((sys.executable, str(checkout.root / PEX)), environment)
