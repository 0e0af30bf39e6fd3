from haystack import Pipeline
from haystack.components.builders import PromptBuilder

TEMPLATE = """\
Answer in one sentence.
Question: {{ query
"""

pipeline = Pipeline()
pipeline.add_component("prompt", PromptBuilder(template=TEMPLATE))  # the defect
pipeline.warm_up()
