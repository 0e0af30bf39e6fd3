from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.component
def ask(text: str, mark: str) -> str:
    return text + mark


@dsl.pipeline
def speak(query: str) -> str:
    return ask(text=shout(text=query).output).output  # the defect


compiler.Compiler().compile(speak, "pipeline.yaml")
