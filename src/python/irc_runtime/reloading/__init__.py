"""Serving a new version of an agent in the place of the one that serves, between two requests.

A supervisor holds the port and starts the agent as a child. A new version is a second child, with
its own code first on its path: it loads, passes the flow's cases, and says so. Then it takes
connections, and the former child takes no more, finishes what it began, and ends. Where anything
fails, the former child goes on. docs/reloading.md is the guide, docs/design/0014-reloading.md says why.

The supervisor needs no more than the standard library, to stay small.
"""
