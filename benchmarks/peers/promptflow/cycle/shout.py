from promptflow.core import tool


@tool
def shout(text: str, before: str) -> str:
    return before + text.upper()
