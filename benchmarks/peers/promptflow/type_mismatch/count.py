from promptflow.core import tool


@tool
def count(words: list) -> int:
    return len(words)
