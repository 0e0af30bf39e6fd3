def transform(inputs, context, state)
    return {}
