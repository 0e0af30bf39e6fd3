"""Images on their way to registries."""
