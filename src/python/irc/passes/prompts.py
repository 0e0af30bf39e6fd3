"""Prompts: templates checked, the answer mapped to ports, fallbacks made ready."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from irc.emit.code import Code, block_text, call, literal, quoted
from irc.ir.lowered import Body
from irc.ir.model import ModelRef, Prompt
from irc.passes.code import read_code
from irc.passes.schemas import mismatch, read_schema
from irc.passes.templates import read_template
from irc.source import Path

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

SUPPORTED_PROVIDERS = ("openai",)


def lower_prompt(lowering: Lowering) -> None:
    """Check a prompt and give the method that asks the model.

    Reports:
        E404 and E405 for templates, E206 for the output schema, E203 for outputs that the answer
        cannot fill and fallbacks that do not fit, E501 for what is not supported yet.
    """
    prompt = lowering.node.prompt
    assert prompt is not None
    path = (*lowering.path, "prompt")
    _refuse_unsupported(lowering, prompt, path)
    first = None
    if lowering.node.transform is not None:
        if lowering.node.transform.mode == "declarative":
            lowering.report.error(
                "E501", lowering.document.key_span((*lowering.path, "transform")),
                "a declarative transform together with a prompt",
                hint="put the operation into a node of its own and connect it to this one",
            )  # fmt: skip
            return
        first = read_code(lowering)
        lowering.result.user_code = first
    any_variable = first is not None
    template = read_template(lowering, prompt.template, (*path, "template"), any_variable)
    system = None
    if prompt.system is not None:
        system = read_template(lowering, prompt.system, (*path, "system"), any_variable)
        if system is None:
            return
    if template is None:
        return
    schema = None
    if prompt.output_schema is not None:
        whole = read_schema(lowering.files, prompt.output_schema, (*path, "output_schema"))
        if whole is None:
            return
        prompt = prompt.model_copy(update={"output_schema": whole})
        lowering.result.answer_schema = whole
        schema = lowering.schema_constant("answer_schema", whole, (*path, "output_schema"))
    answer = _answer(lowering, prompt, path)
    if answer is None:
        return
    constant = _constant(lowering, "prompt", prompt, prompt.model, template, system, schema)
    body = Body()
    inputs = "inputs"
    if first is not None:
        state = "state" if lowering.node.state is not None else "None"
        settled = lowering.uses("irc_runtime.node", "settled")
        body.add(f"prepared = await {settled}({first.function}(inputs, ctx, {state}))")
        inputs = "{**inputs, **prepared}"
    _ask(lowering, body, constant, inputs, answer, with_state=lowering.node.state is not None)
    lowering.result.body = body
    if prompt.fallback is not None:
        _fallback(lowering, prompt, path, (template, system, schema), answer)


def _ask(
    lowering: Lowering,
    body: Body,
    constant: str,
    inputs: str,
    answer: list[str] | str,
    *,
    with_state: bool,
) -> None:
    """Ask the model and return its answer by port."""
    models = lowering.needs("models")
    arguments: list[Code] = [constant, inputs, "ctx"]
    if with_state:
        arguments.append("state")
    body.add("answer = await ", call(f"{models}.complete", *arguments))
    if isinstance(answer, str):
        body.add(f"return {{{quoted(answer)}: answer}}")
    else:
        body.add("return ", lowering.by_port("answer"))


def _refuse_unsupported(lowering: Lowering, prompt: Prompt, path: Path) -> None:
    models = [(prompt.model, (*path, "model"))]
    if prompt.fallback is not None and prompt.fallback.model is not None:
        models.append((prompt.fallback.model, (*path, "fallback", "model")))
    for model, place in models:
        if model.provider not in SUPPORTED_PROVIDERS:
            lowering.report.error(
                "E501", lowering.document.span((*place, "provider")), f"the provider '{model.provider}'",
                hint="use 'openai', with 'endpoint' for any server that speaks its protocol",
            )  # fmt: skip
    if prompt.tools:
        lowering.report.error(
            "E501", lowering.document.key_span((*path, "tools")), "tools of a prompt"
        )
    if prompt.stream:
        lowering.report.error("E501", lowering.document.key_span((*path, "stream")), "streaming")


def _answer(lowering: Lowering, prompt: Prompt, path: Path) -> list[str] | str | None:
    """The ports that the answer fills: several by name, or one with the whole."""
    ports = [port.name for port in lowering.node.outputs]
    properties = (prompt.output_schema or {}).get("properties")
    if isinstance(properties, dict) and ports and all(port in properties for port in ports):
        return ports
    if len(ports) == 1:
        return ports[0]
    missing = [port for port in ports if not isinstance(properties, dict) or port not in properties]
    lowering.report.error(
        "E203", lowering.document.key_span((*lowering.path, "outputs")),
        f"the model's answer does not say the outputs {', '.join(missing)}"
        if ports else f"'{lowering.name}' has a prompt and no output",
        related=[(lowering.document.key_span((*path, "output_schema")), "its schema")]
        if prompt.output_schema else [],
        hint="declare one output for the whole answer, or an output_schema with a property for each",
    )  # fmt: skip
    return None


def _constant(
    lowering: Lowering,
    suffix: str,
    prompt: Prompt,
    model: ModelRef,
    template: str,
    system: str | None,
    schema: str | None,
) -> str:
    name = lowering.constant(suffix)
    lowering.uses("irc_runtime.prompt", "Prompt")
    lowering.uses("irc_runtime.prompt", "ChatModel")
    keywords: dict[str, Code] = {
        "node": quoted(lowering.name),
        "template": block_text(template),
        "model": call("ChatModel", **_model(model)),
    }
    if system is not None:
        keywords["system"] = block_text(system)
    keywords["temperature"] = repr(float(prompt.temperature))
    if prompt.max_tokens is not None:
        keywords["max_tokens"] = repr(prompt.max_tokens)
    if schema is not None:
        keywords["output_schema"] = schema
    lowering.result.constants[name] = call("Prompt", **keywords)
    lowering.result.prompts.append(name)
    return name


def _model(model: ModelRef) -> dict[str, Code]:
    fields: dict[str, Code] = {"provider": quoted(model.provider), "name": quoted(model.name)}
    if model.endpoint is not None:
        fields["endpoint"] = quoted(model.endpoint)
    return fields


def _needs_more_than_inputs(lowering: Lowering, parts: tuple[str, str | None, str | None]) -> bool:
    """Whether a prompt reads what the fallback's method does not have."""
    if lowering.node.transform is not None:
        return True
    texts = f"{parts[0]}\n{parts[1] or ''}"
    return lowering.node.state is not None and re.search(r"\bstate\b", texts) is not None


def _fallback(
    lowering: Lowering,
    prompt: Prompt,
    path: Path,
    parts: tuple[str, str | None, str | None],
    answer: list[str] | str,
) -> None:
    fallback = prompt.fallback
    assert fallback is not None
    place = (*path, "fallback")
    if fallback.model is None and fallback.static_response is None:
        lowering.report.error(
            "E202",
            lowering.document.key_span(place),
            "a fallback needs a 'model' or a 'static_response'",
        )
        return
    body = Body()
    static = None
    if fallback.static_response is not None:
        static = _static(lowering, prompt, (*place, "static_response"), answer)
        if static is None:
            return
    if fallback.model is not None and _needs_more_than_inputs(lowering, parts):
        lowering.report.error(
            "E501", lowering.document.key_span((*place, "model")),
            "a fallback model of a node whose template reads state or a transform's result",
            hint="use a 'static_response', or another node on the error port",
        )  # fmt: skip
        return
    if fallback.model is not None:
        constant = _constant(lowering, "fallback_prompt", prompt, fallback.model, *parts)
        inner = Body()
        _ask(lowering, inner, constant, "inputs", answer, with_state=False)
        if static is None:
            body = inner
        else:
            body.add("try:")
            for line in inner.lines:
                body.add(line.text, line.code, 1)
            body.add(f"except {lowering.uses('irc_runtime.errors', 'AgentError')}:")
            body.add("return ", static, 1)
    else:
        assert static is not None
        body.add("return ", static)
    lowering.result.fallback = body


def _static(lowering: Lowering, prompt: Prompt, path: Path, answer: list[str] | str) -> Code | None:
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
