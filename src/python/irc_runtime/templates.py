"""Jinja2's sandbox, with bounds: what a request holds cannot make a template endless, or its text.

Prompts import it when they are compiled.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from jinja2 import (
    DictLoader,
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateRuntimeError,
    nodes,
    pass_context,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from irc_runtime.template_growth import FILTERS, METHODS, converted

#: The longest text that a template makes, in characters: more than models take.
MAX_CHARACTERS = 10_000_000

#: Steps of all loops while one text is made.
MAX_STEPS = 1_000_000

#: The largest power of integers, in bits.
MAX_BITS = 4096

#: Steps that are left to the loops of the text that is being made.
_steps_left: ContextVar[list[int]] = ContextVar("steps_left")

#: The filters that loops go through; the names are ones that no template can write.
_COUNTED = "items of a loop"
_STEP = "step of a loop"


class BoundedTemplate(Template):
    """A template whose text is looked at while it is made."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        """The text that the template makes.

        Raises:
            TemplateRuntimeError: it is too long, or takes too many steps; besides what the template
                itself raises.
        """
        token = _steps_left.set([MAX_STEPS])
        try:
            return "".join(self._pieces(dict(*args, **kwargs)))
        except OverflowError as error:  # of a range, which the sandbox bounds, or a number
            raise TemplateRuntimeError("a range or a number is too large") from error
        finally:
            _steps_left.reset(token)

    def _pieces(self, variables: dict[str, Any]) -> list[str]:
        pieces, size = [], 0
        try:
            for piece in self.root_render_func(self.new_context(variables)):
                size += len(piece)
                if size > MAX_CHARACTERS:
                    raise TemplateRuntimeError(f"more than {MAX_CHARACTERS} characters")
                pieces.append(piece)
        except Exception:  # noqa: BLE001  # as in Jinja2's render: it is raised with the template's lines
            self.environment.handle_exception()
        return pieces


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox that counts the steps of loops, and looks at what may grow before it is made.

    Templates cannot change lists and maps: those that they are given are other nodes', too.
    """

    intercepted_binops = frozenset({"*", "**", "%"})
    template_class = BoundedTemplate

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """The text of a macro or a block, unless it is too long."""
        pieces = list(pieces)
        if sum(map(len, pieces)) > MAX_CHARACTERS:
            raise TemplateRuntimeError(f"more than {MAX_CHARACTERS} characters")
        return "".join(pieces)

    def compile(self, source: Any, *names: Any, **options: Any) -> Any:
        """As Jinja2's, for a template of which every loop is counted."""
        if isinstance(source, str):
            source = self.parse(source, *names, **options)
            for loop in source.find_all(nodes.For):
                _count(loop)
        return super().compile(source, *names, **options)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, unless it is too large."""
        if _is_too_large(operator, left, right):
            raise TemplateRuntimeError(f"the result of '{operator}' is too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, /, *values: Any, **named: Any) -> Any:
        """The result of a call, unless it is too large a text."""
        method = getattr(function, "__wrapped__", function)  # the sandbox has a `format` of its own
        text, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(text, str) and name in METHODS:
            if name == "join":  # its size is only known once the items are there
                values = tuple(map(list, values))
            _check_size(name, METHODS[name](text, *values, **named))
        return super().call(context, function, *values, **named)


def _bounded(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is only asked for what is not too large."""
    first = 1 if hasattr(plain, "jinja_pass_arg") else 0  # what Jinja2 passes before the value

    @wraps(plain)
    def bounded(*values: Any, **named: Any) -> Any:
        own, (value, *others) = values[:first], values[first:]
        if name == "join":
            value = list(value)
        _check_size(name, FILTERS[name](value, *others, **named))
        return plain(*own, value, *others, **named)

    return bounded


def _check_size(name: str, size: int) -> None:
    if size > MAX_CHARACTERS:
        raise TemplateRuntimeError(f"the result of '{name}' is too large")


def _count(loop: nodes.For) -> None:
    """Make a loop go through what is counted.

    What ``loop(…)`` of a recursive loop goes through is not in the loop's head. Its items are counted
    by its condition, which each has to pass.
    """
    at = loop.iter.lineno
    if not loop.recursive:
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=at)
        return
    always = nodes.Const(True, lineno=at)
    step = nodes.Filter(always, _STEP, [], [], None, None, lineno=at)
    loop.test = nodes.And(step, loop.test or always, lineno=at)


@pass_context  # as what filters without it give for constants is made when templates are compiled
def _counted(_: Any, items: Any) -> Any:
    """What a loop goes through, as long as that is.

    The steps are counted beforehand where their number is known and stays what it is.
    """
    if type(items) not in (list, tuple, str, range):
        return _Counted(items)
    _take(len(items))
    return items


@pass_context
def _step(_: Any, going_on: bool) -> bool:
    """Count a step."""
    _take(1)
    return going_on


def _take(steps: int) -> None:
    left = _steps_left.get()
    left[0] -= steps
    if left[0] < 0:
        raise TemplateRuntimeError(f"more than {MAX_STEPS} steps of loops")


class _Counted:
    """What a loop goes through, counted step by step."""

    __slots__ = ("_items",)

    def __init__(self, items: Any) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            _take(1)
            yield item

    def __len__(self) -> int:
        return len(self._items)


@cache
def environment() -> BoundedEnvironment:
    """The one Jinja environment: sandboxed, plain text, undefined values are errors."""
    made = BoundedEnvironment(undefined=StrictUndefined, autoescape=False, loader=DictLoader({}))
    made.filters[_COUNTED] = _counted
    made.filters[_STEP] = _step
    made.filters |= {name: _bounded(name, made.filters[name]) for name in FILTERS}
    return made


def environment_of(files: Mapping[str, str]) -> SandboxedEnvironment:
    """The environment, and for templates that refer to others one that knows those."""
    if not files:
        return environment()

    def load(name: str) -> tuple[str, str, None] | None:
        return (files[name], start_of(name), None) if name in files else None

    return environment().overlay(loader=FunctionLoader(load))


def compiled(jinja: SandboxedEnvironment, text: str, at: str | None) -> Template:
    """A template whose frames in tracebacks name the place where its text starts."""
    code = jinja.compile(text, filename=at)
    return jinja.template_class.from_code(jinja, code, jinja.make_globals(None))


def start_of(file: str) -> str:
    """The place where the text of a file starts."""
    return f"{file}:1"


def _is_too_large(operator: str, left: Any, right: Any) -> bool:
    if operator == "%":
        return isinstance(left, str) and converted(left, right) > MAX_CHARACTERS
    if operator == "**":
        both = isinstance(left, int) and isinstance(right, int)
        return both and left.bit_length() * right > MAX_BITS
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(times, int):
            return len(sequence) * times > MAX_CHARACTERS
    return False
