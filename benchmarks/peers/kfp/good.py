from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.pipeline
def speak(query: str) -> str:
    return shout(text=query).output


compiler.Compiler().compile(speak, "pipeline.yaml")
