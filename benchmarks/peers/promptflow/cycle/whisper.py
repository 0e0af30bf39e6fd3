from promptflow.core import tool


@tool
def whisper(text: str) -> str:
    return text.lower()
