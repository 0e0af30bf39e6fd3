"""What changed between two versions of a flow, in terms of the language."""
