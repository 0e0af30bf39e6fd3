from haystack import Pipeline, component


@component
class Shout:
    @component.output_types(loud=str)
    def run(self, text: str) -> dict[str, str]:
        return {"loud": text.upper()}


@component
class Count:
    @component.output_types(number=int)
    def run(self, words: list[int]) -> dict[str, int]:
        return {"number": len(words)}


pipeline = Pipeline()
pipeline.add_component("shout", Shout())
pipeline.add_component("count", Count())
pipeline.connect("shout.loud", "count.words")  # the defect
pipeline.warm_up()
