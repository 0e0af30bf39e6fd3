"""Code beside the flow."""

from collections.abc import Mapping
from typing import Any


async def transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, str]:
    """Answer with the locale."""
    return {"text": f"{inputs['query']} {context.get('locale', 'en')}"}
