"""The goals that `agent_flow` targets take part in."""
