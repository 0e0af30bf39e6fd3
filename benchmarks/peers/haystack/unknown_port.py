from haystack import Pipeline, component


@component
class Shout:
    @component.output_types(loud=str)
    def run(self, text: str) -> dict[str, str]:
        return {"loud": text.upper()}


@component
class Whisper:
    @component.output_types(low=str)
    def run(self, text: str) -> dict[str, str]:
        return {"low": text.lower()}


pipeline = Pipeline()
pipeline.add_component("shout", Shout())
pipeline.add_component("whisper", Whisper())
pipeline.connect("shout.laud", "whisper.text")  # the defect
pipeline.warm_up()
