"""What Pants loads for the backend `irc_pants.mypy`: MyPy on generated agents.

A backend of its own, since it needs Pants' own MyPy backend beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pants.engine.rules import Rule
from pants.engine.unions import UnionRule

from irc_pants.mypy import rules as mypy_rules


def rules() -> Iterable[Rule | UnionRule]:
    return mypy_rules.rules()
