"""New flows to start from."""
