def transform(inputs, context, state):
    return inputs["query"]
