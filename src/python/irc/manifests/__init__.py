"""The documents with which a cluster takes an agent."""
