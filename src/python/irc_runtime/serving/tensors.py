"""Requests and responses as tensors: the V2 protocol, over REST and gRPC.

Every tensor's first dimension counts requests; ``[n]`` and ``[n, 1]`` hold a field's value for each
of them, other shapes nested lists. ``BYTES`` are texts; with the tensor's parameter
``content_type: json``, they are JSON. A single tensor called ``request`` of that kind holds whole
request objects. Tensors come and go as JSON or as bytes, as the caller has it.

Responses that are objects of the same fields come back as one tensor a field, all others as one
tensor ``response``. Fields of one scalar type have it; anything else is JSON as above.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from kserve import (  # type: ignore[import-untyped]  # it says nothing of its types
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
)

from irc_runtime import v1
from irc_runtime.errors import RequestError

WHOLE_REQUEST = "request"
WHOLE_RESPONSE = "response"
CONTENT_TYPE = "content_type"
JSON = "json"


def requests_of(tensors: InferRequest) -> list[dict[str, Any]]:
    """The request objects that tensors spell.

    Raises:
        RequestError: shapes do not go together, or a text is not what it should be.
    """
    if not tensors.inputs:
        raise RequestError("the request has no tensors")
    sizes = {_size(tensor) for tensor in tensors.inputs}
    if len(sizes) != 1:
        raise RequestError("the tensors' first dimensions differ: each counts the requests")
    columns = {tensor.name: _values(tensor) for tensor in tensors.inputs}
    if list(columns) == [WHOLE_REQUEST]:
        requests = columns[WHOLE_REQUEST]
        if all(isinstance(request, dict) for request in requests):
            return requests
    return [
        {name: values[number] for name, values in columns.items()} for number in range(sizes.pop())
    ]


def response_of(request: InferRequest, responses: Sequence[Any]) -> InferResponse:
    """The tensors that answer a request, in the order of its requests."""
    outputs: list[InferOutput]
    if _alike(responses):
        outputs = [
            _tensor(name, [response[name] for response in responses]) for name in responses[0]
        ]
    else:
        outputs = [_tensor(WHOLE_RESPONSE, list(responses))]
    return InferResponse(
        response_id=request.id or str(uuid4()),
        model_name=request.model_name,
        infer_outputs=outputs,
        from_grpc=request.from_grpc,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def _size(tensor: InferInput) -> int:
    shape = tensor.shape
    if not shape:
        raise RequestError(f"tensor '{tensor.name}' has no dimensions: the first counts requests")
    # An empty tensor can have any size in its other dimensions, and lists would be made of them.
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise RequestError(f"tensor '{tensor.name}' has a shape that is no list of sizes")
    if shape[0] > v1.MAX_INSTANCES:
        raise RequestError(f"one call takes {v1.MAX_INSTANCES} requests at most")
    return int(shape[0])


def _values(tensor: InferInput) -> list[Any]:
    """The value of each request: scalars, or nested lists."""
    name = tensor.name
    try:
        array = tensor.as_numpy()
        values = (array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array).tolist()
    except Exception as error:  # numpy and kserve raise what they like on malformed tensors
        raise RequestError(f"tensor '{name}' does not fit its shape and data type") from error
    if tensor.datatype == "BYTES":
        values = _mapped(lambda value: _text(name, value), values)
        if _parameter(tensor, CONTENT_TYPE) == JSON or name == WHOLE_REQUEST:
            values = _mapped(lambda value: _parsed(name, value), values)
    return list(values)


def _mapped(function: Any, values: Any) -> Any:
    if isinstance(values, list):
        return [_mapped(function, value) for value in values]
    return function(values)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise RequestError(f"tensor '{name}' holds bytes that are not UTF-8") from None
    return str(value)


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError(f"tensor '{name}' holds a text that is not JSON") from None


def _parameter(tensor: InferInput, name: str) -> Any:
    parameters = tensor.parameters
    if not parameters or name not in parameters:
        return None
    value = parameters[name]
    return getattr(value, "string_param", value)  # gRPC's are messages


def _alike(responses: Sequence[Any]) -> bool:
    first = responses[0] if responses else None
    return (
        isinstance(first, dict)
        and bool(first)
        and all(isinstance(other, dict) and list(other) == list(first) for other in responses)
    )


def _tensor(name: str, values: list[Any]) -> InferOutput:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return InferOutput(name, [len(values)], "BOOL", values)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return InferOutput(name, [len(values)], "INT64", values)
    if kinds and kinds <= {int, float}:
        return InferOutput(name, [len(values)], "FP64", [float(value) for value in values])
    if kinds == {str}:
        return InferOutput(name, [len(values)], "BYTES", values)
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    return InferOutput(name, [len(values)], "BYTES", texts, parameters={CONTENT_TYPE: JSON})
