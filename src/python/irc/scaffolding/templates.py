"""Flows to start from: files by path below the flow's folder; ``NAME`` stands for the flow's name."""

PROMPT = {
    "flow.yaml": """\
# Answers a question with a model, as structured output.
version: "1.0"
metadata:
  name: NAME
  description: Answers a question.

context:
  requires: [question]

nodes:
  answer:
    description: The model's answer.
    inputs:
      - {name: question, type: string}
    outputs:
      - {name: text, type: string}
      - {name: confident, type: boolean}
    prompt:
      template: {file: prompts/answer.j2}
      system: You answer in one sentence.
      model: {provider: openai, name: gpt-4o-mini}
      temperature: 0.2
      output_schema:
        type: object
        additionalProperties: false
        required: [text, confident]
        properties:
          text: {type: string, minLength: 1}
          confident: {type: boolean}
      fallback:
        on: [timeout, error, validation_fail]
        static_response: '{"text": "I cannot say right now.", "confident": false}'
    runtime: {timeout_ms: 20000, retries: 2, retry_backoff_ms: 200}

edges:
  - {from: _input.question, to: answer.question}
  - {from: answer.text, to: _output.answer}
  - {from: answer.confident, to: _output.confident}

tests:
  - name: the model's answer is the response
    request: {question: "How high is the Brocken?"}
    mocks:
      answer: {completion: '{"text": "1141 metres.", "confident": true}'}
    expect:
      output: {answer: 1141 metres., confident: true}

  - name: an unreachable model gives the fallback
    request: {question: "How high is the Brocken?"}
    mocks:
      answer: {error: connection refused}
    expect:
      output: {answer: I cannot say right now., confident: false}
""",
    "prompts/answer.j2": "Question: {{ question }}\n",
    "BUILD": """\
resources(name="prompts", sources=["prompts/*.j2"])

agent_flow(name="agent")
""",
}

SERVICE = {
    "flow.yaml": """\
# Asks a service and shapes its answer; without the service there is a plain response.
version: "1.0"
metadata:
  name: NAME
  description: Looks up offers for a product.

context:
  requires: [sku]

nodes:
  fetch:
    description: The offers of the service at OFFERS_URL.
    inputs:
      - {name: sku, type: string}
    outputs:
      - {name: found, type: object}
    error: {name: failure}
    transform:
      mode: declarative
      spec:
        op: http.get
        args:
          url: "${env.OFFERS_URL}/v1/offers"
          query: {sku: "${sku}"}
    runtime: {timeout_ms: 500, retries: 2, retry_backoff_ms: 50}

  choose:
    description: The cheapest offer in stock; ordinary, tested Python beside the flow.
    inputs:
      - {name: found, type: object}
    outputs:
      - {name: offer, type: object}
    transform:
      mode: code
      spec: {file: choosing.py}

  unavailable:
    description: The response while the service does not answer.
    inputs:
      - {name: failure, type: object}
    outputs:
      - {name: offer, type: object}
    transform:
      mode: declarative
      spec:
        op: io.format_response
        args:
          template: {available: false, reason: "${failure.type}"}

edges:
  - {from: _input.sku, to: fetch.sku}
  - {from: fetch.found, to: choose.found}
  - {from: fetch.failure, to: unavailable.failure}
  # Either the service answered, or it did not.
  - {from: choose.offer, to: _output}
  - {from: unavailable.offer, to: _output}

tests:
  - name: the cheapest offer in stock is chosen
    request: {sku: k-1}
    mocks:
      fetch:
        outputs:
          found:
            offers:
              - {shop: a, price_cents: 900, stock: 0}
              - {shop: b, price_cents: 1200, stock: 4}
              - {shop: c, price_cents: 1500, stock: 2}
    expect:
      output: {available: true, shop: b, price_cents: 1200}

  - name: a service that does not answer gives a plain response
    request: {sku: k-1}
    mocks:
      fetch: {error: connection refused}
    expect:
      output: {available: false, reason: error}
      ran: [unavailable]
      skipped: [choose]
""",
    "choosing.py": '''\
"""Which of the offers is shown."""

from collections.abc import Mapping
from typing import Any


def transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, Any]:
    """The cheapest offer in stock, or that there is none."""
    offers = [offer for offer in inputs["found"]["offers"] if offer["stock"] > 0]
    if not offers:
        return {"offer": {"available": False, "reason": "sold out"}}
    best = min(offers, key=lambda offer: offer["price_cents"])
    return {
        "offer": {"available": True, "shop": best["shop"], "price_cents": best["price_cents"]}
    }
''',
    "BUILD": """\
python_sources()

agent_flow(name="agent")
""",
}

TEMPLATES = {"prompt": PROMPT, "service": SERVICE}
