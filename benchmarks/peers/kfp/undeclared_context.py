from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.pipeline
def speak(query: str) -> str:
    return shout(text=question).output  # the defect


compiler.Compiler().compile(speak, "pipeline.yaml")
