"""Which names a code transform sets in its state, as far as its text shows."""

from __future__ import annotations

import ast


def state_writes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that a ``transform`` sets with its third parameter whenever it ends well.

    These are the ones in statements of its own body, ``await state.set("name", ...)``, that no
    ``return`` comes before.
    """
    parameters = [*function.args.posonlyargs, *function.args.args]
    if len(parameters) < 3:
        return set()
    state, names = parameters[2].arg, set()
    for statement in function.body:
        name = _name_set(statement, state)
        if name is not None:
            names.add(name)
        if any(isinstance(item, ast.Return) for item in ast.walk(statement)):
            break
    return names


def _name_set(statement: ast.stmt, state: str) -> str | None:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Await)):
        return None
    call = statement.value.value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
        return None
    function, first = call.func, call.args[0]
    of_state = isinstance(function.value, ast.Name) and function.value.id == state
    if of_state and function.attr == "set" and isinstance(first, ast.Constant):
        return first.value if isinstance(first.value, str) else None
    return None
