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


@component
class Title:
    @component.output_types(title=str)
    def run(self, text: str) -> dict[str, str]:
        return {"title": text.title()}


pipeline = Pipeline()
pipeline.add_component("shout", Shout())
pipeline.add_component("title", Title())
pipeline.add_component("whisper", Whisper())
pipeline.connect("shout.loud", "whisper.text")
pipeline.connect("title.title", "whisper.text")  # the defect
pipeline.warm_up()
