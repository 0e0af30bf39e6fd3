"""Prompts: templates checked, tools made ready, the answer mapped to ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from irc.emit.code import Code, call, quoted
from irc.ir.lowered import Body
from irc.ir.model import ModelRef, Port, Prompt
from irc.passes.code import read_code
from irc.passes.fallbacks import lower_fallback
from irc.passes.operations import lower_operation
from irc.passes.prompt_tools import lower_tools
from irc.passes.schemas import read_schema
from irc.passes.template_texts import TemplateTexts
from irc.passes.templates import TemplateReader
from irc.providers import PROVIDERS
from irc.source import Path

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

Answer = list[str] | str
"""The ports that a model's answer fills: several by name, or one with the whole."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What runs before a model is asked.

    Attributes:
        body: the statements.
        inputs: the code of the template's variables, after them.
        names: the variables that they add to the node's inputs; None where only the run time knows.
    """

    body: Body = dataclasses.field(default_factory=Body)
    inputs: str = "inputs"
    names: Collection[str] | None = ()


@dataclasses.dataclass(frozen=True)
class Asking:
    """What stands around the call of a model; a fallback's model shares it."""

    prepared: Prepared
    answer: Answer


def lower_prompt(lowering: Lowering) -> None:
    """Check a prompt and give the method that asks the model.

    Reports:
        E404 and E405 for templates, E206 for the output schema, E203 for outputs that the answer
        cannot fill and fallbacks that do not fit, E410 and E411 for tools.
    """
    prompt = lowering.node.prompt
    assert prompt is not None
    path = (*lowering.path, "prompt")
    prepared: Prepared | None = Prepared()
    if lowering.node.transform is not None:
        prepared = _transform_first(lowering)
    if prepared is None:
        return
    reader = TemplateReader(lowering, prepared.names)
    # What is wrong is told; what else the prompt says is checked all the same.
    template = reader.read(prompt.template, (*path, "template")) or ""
    system = None
    if prompt.system is not None:
        system = reader.read(prompt.system, (*path, "system")) or ""
    schema = None
    if prompt.output_schema is not None:
        place = (*path, "output_schema")
        whole = read_schema(lowering.files, prompt.output_schema, place)
        if whole is None:
            return
        prompt = prompt.model_copy(update={"output_schema": whole})
        lowering.result.answer_schema = whole
        schema = lowering.schema_constant("answer_schema", whole, place)
    tools = lower_tools(lowering, prompt, path)
    answer = _answer(lowering, prompt, path)
    if tools is None or answer is None:
        return
    texts = TemplateTexts(lowering)
    keywords: dict[str, Code] = {
        "node": quoted(lowering.name),
        **texts.keywords("template", prompt.template, template),
        "model": model_code(lowering, prompt.model),
    }
    if system is not None:
        assert prompt.system is not None
        keywords |= texts.keywords("system", prompt.system, system)
    keywords |= temperature(prompt, prompt.model)
    if prompt.max_tokens is not None:
        keywords["max_tokens"] = repr(prompt.max_tokens)
    if schema is not None:
        keywords["output_schema"] = schema
    if tools:
        keywords["tools"] = tools
        if "max_tool_rounds" in prompt.model_fields_set:
            keywords["max_tool_rounds"] = repr(prompt.max_tool_rounds)
    if prompt.stream:
        keywords["stream"] = "True"
    if reader.files:
        keywords["files"] = texts.files(reader.files)
    constant = lowering.constant("prompt")
    lowering.result.texts[constant] = texts.placed
    lowering.result.constants[constant] = call(
        lowering.uses("irc_runtime.prompt", "Prompt"), **keywords
    )
    lowering.result.prompts.append(constant)
    asking = Asking(prepared, answer)
    lowering.result.body = ask(lowering, constant, asking)
    if prompt.fallback is not None:
        lower_fallback(lowering, prompt, constant, asking)


def ask(lowering: Lowering, constant: str, asking: Asking) -> Body:
    """The statements that ask a model and return its answer by port."""
    prompt = lowering.node.prompt
    assert prompt is not None
    body = Body([*asking.prepared.body.lines])
    arguments: list[Code] = [constant, asking.prepared.inputs, "ctx"]
    if lowering.node.state is not None:
        arguments.append("state")
    own = {"agent": "self"} if prompt.tools else {}
    body.add("answer = await ", call(f"{lowering.needs('models')}.complete", *arguments, **own))
    if isinstance(asking.answer, str):
        body.add(f"return {{{quoted(asking.answer)}: answer}}")
    else:
        body.add("return ", lowering.by_port("answer"))
    return body


def model_code(lowering: Lowering, model: ModelRef) -> Code:
    """A model as code; its provider's client is imported."""
    lowering.uses("irc_runtime.prompt", "ChatModel")
    module, client = PROVIDERS[model.provider]
    lowering.uses(module, client)
    fields: dict[str, Code] = {"provider": quoted(model.provider), "name": quoted(model.name)}
    if model.endpoint is not None:
        fields["endpoint"] = quoted(model.endpoint)
    return call("ChatModel", **fields)


def temperature(prompt: Prompt, model: ModelRef) -> dict[str, Code]:
    """The temperature as a keyword; Anthropic's models get one only where the flow sets it.

    Its API refuses requests that hold one, the default included, from version 2026-10-21 on.
    """
    if model.provider == "anthropic" and "temperature" not in prompt.model_fields_set:
        return {}
    return {"temperature": repr(float(prompt.temperature))}


def _transform_first(lowering: Lowering) -> Prepared | None:
    """The transform before a prompt."""
    transform = lowering.node.transform
    assert transform is not None
    before = Body()
    if transform.mode == "code":
        code = read_code(lowering)
        if code is None:
            return None
        lowering.result.user_code = code
        state = "state" if lowering.node.state is not None else "None"
        settled = lowering.uses("irc_runtime.node", "settled")
        before.add(f"prepared = await {settled}({code.function}(inputs, ctx, {state}))")
        return Prepared(before, "{**inputs, **prepared}", None)
    outputs = lowering.node.outputs
    name = outputs[0].name if len(outputs) == 1 else "result"
    # The node's outputs are the answer's; the operation has one of its own.
    view = lowering.node.model_copy(
        update={"outputs": [Port.model_validate({"name": name, "type": "object"})]}
    )
    operation = lower_operation(dataclasses.replace(lowering, node=view))
    if operation is None:
        return None
    lowering.result.prepare = operation.body
    before.add(f"prepared = await self._{lowering.name}_operation(inputs, ctx)")
    variables = lowering.uses("irc_runtime.prompt", "as_variables")
    names = None if operation.keys is None else {name, *operation.keys}
    return Prepared(before, f"{{**inputs, **{variables}(prepared)}}", names)


def _answer(lowering: Lowering, prompt: Prompt, path: Path) -> Answer | None:
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
