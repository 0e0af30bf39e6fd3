"""The Hopsworks client behind the runtime's own interfaces.

Nothing here is imported by the rest of the runtime: the client and what it requires are in an
agent's image only where the agent's target depends on this package.
"""
