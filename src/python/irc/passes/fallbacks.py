"""Fallbacks of prompts: another model, a static response checked at compile time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from irc.emit.code import Code, call, literal
from irc.ir.lowered import Body, Fallback
from irc.ir.model import Prompt
from irc.passes.schemas import mismatch
from irc.source import Path

if TYPE_CHECKING:
    from irc.passes.lower import Lowering
    from irc.passes.prompts import Answer, Asking


def lower_fallback(lowering: Lowering, prompt: Prompt, constant: str, asking: Asking) -> None:
    """Give the methods that answer in the node's place: the other model's, then the static one.

    The other model is asked as in one more attempt: with the state opened, and the transform run.

    Args:
        constant: the name of the node's prompt.
    Reports:
        E202 an empty fallback, E203 a static response that does not fit.
    """
    from irc.passes.prompts import ask, model_code, temperature

    fallback = prompt.fallback
    assert fallback is not None
    place = (*lowering.path, "prompt", "fallback")
    if fallback.model is None and fallback.static_response is None:
        lowering.report.error(
            "E202",
            lowering.document.key_span(place),
            "a fallback needs a 'model' or a 'static_response'",
        )
        return
    if fallback.model is not None:
        name = lowering.constant("fallback_prompt")
        lowering.result.constants[name] = call(
            f"{constant}.to",
            model_code(lowering, fallback.model),
            **temperature(prompt, fallback.model),
        )
        lowering.result.prompts.append(name)
        body = ask(lowering, name, asking)
        with_state = lowering.node.state is not None
        lowering.result.fallbacks.append(Fallback("fallback", body, with_state))
    if fallback.static_response is not None:
        static = _static(lowering, prompt, (*place, "static_response"), asking.answer)
        if static is None:
            return
        body = Body()
        body.add("return ", static)
        suffix = "fallback" if fallback.model is None else "static_fallback"
        lowering.result.fallbacks.append(Fallback(suffix, body))


def _static(lowering: Lowering, prompt: Prompt, path: Path, answer: Answer) -> Code | None:
    """The static response by port, parsed and checked at compile time."""
    assert prompt.fallback is not None
    value = prompt.fallback.static_response
    if prompt.output_schema is not None:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                lowering.report.error(
                    "E203",
                    lowering.document.span(path),
                    f"the static response is not JSON: {error}",
                )
                return None
        problem = mismatch(prompt.output_schema, value)
        if problem:
            lowering.report.error(
                "E203", lowering.document.span(path),
                f"the static response does not fit the output schema: {problem}",
            )  # fmt: skip
            return None
    if isinstance(answer, str):
        return literal({answer: value})
    lacking = [
        port.name
        for port in lowering.node.outputs
        if not port.optional
        and port.default is None
        and not (isinstance(value, dict) and port.name in value)
    ]
    if lacking:
        lowering.report.error(
            "E203", lowering.document.span(path),
            f"the static response does not say the outputs {', '.join(lacking)}",
        )  # fmt: skip
        return None
    return literal({name: value[name] for name in answer if name in value})
