from kfp import compiler, dsl


@dsl.component
def shout(text: str) -> str:
    return text.upper()


@dsl.component
def whisper(text: str) -> str:
    return text.lower()


@dsl.pipeline
def speak(query: str) -> str:
    loud = shout(text=query)
    low = whisper(text=loud.output)
    loud.after(low)  # the defect
    return low.output


compiler.Compiler().compile(speak, "pipeline.yaml")
