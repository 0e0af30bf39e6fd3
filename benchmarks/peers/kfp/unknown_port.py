from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.pipeline
def speak(query: str) -> str:
    return shout(text=query).outputs["laud"]  # the defect


compiler.Compiler().compile(speak, "pipeline.yaml")
