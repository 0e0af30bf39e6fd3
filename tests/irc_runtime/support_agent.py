"""The support flow as the compiler writes it; the runtime's tests run against this shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.branches import Branches
from irc_runtime.context import Context
from irc_runtime.delivery import ABSENT, delivered, first_delivered, output
from irc_runtime.features import FeatureRead, FeatureStore, connect_features
from irc_runtime.http import HttpClient
from irc_runtime.models import ChatModels
from irc_runtime.node import SKIPPED, Inputs, Node, Outputs, by_port, node
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from irc_runtime.state import State, StateSpec, StateStore

FETCH_CUSTOMER_FEATURES = FeatureRead(
    "customers_v1", kind="feature_view", key=("user_id",), features=("name", "plan"), as_of=True
)

ANSWER_OUTPUT_SCHEMA = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["text", "sentiment", "escalate"],
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "sentiment": {"type": "string", "enum": ["positive", "neutral", "negative"]},
            "escalate": {"type": "boolean"},
        },
    }
)

ANSWER_PROMPT = Prompt(
    node="answer",
    template="""\
Customer: {{ customer.name }}, plan {{ customer.plan }}
{% for question in history %}
Earlier: {{ question }}
{% endfor %}
Question: {{ query }}
""",
    system="""\
Be brief.
{% if context.locale %}Answer in the language of {{ context.locale }}.{% endif %}
""",
    model=ChatModel(provider="openai", name="gpt-4o-mini", endpoint=None),
    temperature=0.2,
    max_tokens=400,
    output_schema=ANSWER_OUTPUT_SCHEMA,
)

REMEMBER_HISTORY_SCHEMA = Schema({"type": "array", "items": {"type": "string"}})

PRIORITY_LEVEL_SCHEMA = Schema({"enum": ["low", "normal", "high"]})

MAX_TURNS = 10


async def remember_transform(inputs: Inputs, context: Context, state: State) -> Any:
    # The question is kept even when the model fails: the next turn sees it.
    history = await state.get("history", [])
    await state.set("history", [*history, inputs["query"]][-MAX_TURNS:])
    return {"history": history}


def priority_transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, str]:
    return {"level": "high" if inputs["customer"]["plan"] == "gold" else "low"}


def apologise_transform(inputs: Inputs, context: Context, state: None) -> Any:
    return {"reply": {"text": "Sorry", "escalate": True, "reason": inputs["error"]["type"]}}


class SupportAgent(Agent):
    """Answers customer questions from their profile and the conversation so far."""

    name = "support"
    source = "flows/support/flow.yaml"
    requires = ("user_id", "session_id", "query")
    optional = ("locale",)

    features: FeatureStore
    models: ChatModels
    http: HttpClient
    states: StateStore

    def load(self) -> bool:
        """Connect what the nodes use."""
        self.features = connect_features(FETCH_CUSTOMER_FEATURES)
        self.models = ChatModels(ANSWER_PROMPT, openai=OpenAIChat)
        self.http = HttpClient()
        self.states = StateStore()
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the nodes in the order of their dependencies."""
        async with Branches() as branches:
            # flow.yaml:38
            remember_task = branches.start(self.remember({"query": request["query"]}, ctx))
            # flow.yaml:15
            fetch_customer = await self.fetch_customer({"user_id": request["user_id"]}, ctx)
            # flow.yaml:53
            priority = await self.priority(
                {"customer": fetch_customer["customer"], "query": request["query"]}, ctx
            )
            remember = await remember_task
            # flow.yaml:63
            answer = await self.answer(
                {
                    "query": request["query"],
                    "customer": fetch_customer["customer"],
                    "history": remember["history"],
                    "level": priority["level"],
                },
                ctx,
            )
            apologise: Outputs = SKIPPED
            error = answer.get("error", ABSENT)
            if delivered(error):
                apologise = await self.apologise(
                    {"error": error, "customer": fetch_customer["customer"]}, ctx
                )
            respond: Outputs = SKIPPED
            reply = first_delivered(answer.get("reply", ABSENT), apologise.get("reply", ABSENT))
            if delivered(reply):
                respond = await self.respond(
                    {"reply": reply, "history": remember["history"], "level": priority["level"]},
                    ctx,
                )
        return output(respond.get("response", ABSENT))

    @node(
        Node(
            "fetch_customer",
            line=15,
            timeout_s=0.5,
            attempts=2,
            backoff_s=0.05,
            requires_context=("user_id",),
        )
    )
    async def fetch_customer(self, inputs: Inputs, ctx: Context) -> Outputs:
        """The customer's profile as it was at the time of the event."""
        customer = await self.features.read(
            FETCH_CUSTOMER_FEATURES, {"user_id": inputs["user_id"]}, as_of=ctx.event_time
        )
        return {"customer": customer}

    @node(
        Node(
            "remember",
            line=38,
            outputs={"history": REMEMBER_HISTORY_SCHEMA},
            state=StateSpec(scope="session", key="support:{session_id}", ttl_s=3600.0),
        )
    )
    async def remember(self, inputs: Inputs, ctx: Context, state: State) -> Outputs:
        """Appends the question to the session's history and returns what came before."""
        return by_port(await remember_transform(inputs, ctx, state), "history")

    @node(Node("priority", line=53, outputs={"level": PRIORITY_LEVEL_SCHEMA}))
    async def priority(self, inputs: Inputs, ctx: Context) -> Outputs:
        """How urgent the question is."""
        return by_port(priority_transform(inputs, ctx, None), "level")

    @node(
        Node(
            "answer",
            line=63,
            timeout_s=20.0,
            attempts=2,
            backoff_s=0.2,
            error_port="error",
            fallback_on=("validation_fail",),
            fallbacks=("_answer_fallback",),
        )
    )
    async def answer(self, inputs: Inputs, ctx: Context) -> Outputs:
        """The model's answer, as structured output."""
        completion = await self.models.complete(ANSWER_PROMPT, inputs, ctx)
        return {"reply": completion}

    async def _answer_fallback(self, inputs: Inputs, ctx: Context) -> Outputs:
        return {"reply": {"text": "Thank you.", "sentiment": "neutral", "escalate": True}}

    @node(Node("apologise", line=104))
    async def apologise(self, inputs: Inputs, ctx: Context) -> Outputs:
        """What the customer reads when the model cannot be reached."""
        return by_port(apologise_transform(inputs, ctx, None), "reply")

    @node(Node("respond", line=121))
    async def respond(self, inputs: Inputs, ctx: Context) -> Outputs:
        """The response in the shape that the web client reads."""
        response = {
            "answer": inputs["reply"]["text"],
            "escalate": inputs["reply"]["escalate"],
            "priority": inputs["level"],
            "earlier": inputs["history"],
            "trace_id": ctx.trace_id,
        }
        return {"response": response}


if __name__ == "__main__":
    from irc_runtime.serving import serve

    serve(SupportAgent())
