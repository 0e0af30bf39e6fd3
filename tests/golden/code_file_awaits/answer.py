def transform(inputs, context, state):
    return await state.get(1)
