from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.component
def count(words: list) -> int:
    return len(words)


@dsl.pipeline
def speak(query: str) -> int:
    loud = shout(text=query)
    return count(words=loud.output).output  # the defect


compiler.Compiler().compile(speak, "pipeline.yaml")
