"""What calls of models cost, in tokens: the one place that every call passes."""

from irc_runtime.chat import Usage
from irc_runtime.context import Context
from irc_runtime.events import INFO, event
from irc_runtime.prompt import Prompt


def report_usage(prompt: Prompt, usage: Usage | None, context: Context) -> None:
    """Report one call of a model, and add it to what the request costs.

    Counts are left out where the server did not give them.
    """
    if usage is not None:
        context.input_tokens += usage.input_tokens
        context.output_tokens += usage.output_tokens
    event(
        INFO,
        "model_called",
        trace_id=context.trace_id,
        node=prompt.node,
        location=context.location(prompt.node),
        provider=prompt.model.provider,
        model=prompt.model.name,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
    )
