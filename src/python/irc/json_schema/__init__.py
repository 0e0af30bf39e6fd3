"""The JSON Schema of flows, for editors."""
