from haystack import Pipeline
from haystack.components.validators import JsonSchemaValidator

SCHEMA = {"type": "object", "properties": {"text": {"type": "strng"}}}

pipeline = Pipeline()
pipeline.add_component("validator", JsonSchemaValidator(json_schema=SCHEMA))  # the defect
pipeline.warm_up()
