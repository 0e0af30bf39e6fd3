"""The compiler of agent flows: YAML in, a Python agent out."""
