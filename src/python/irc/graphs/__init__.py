"""Drawings of flows: what is drawn, and the languages that it is drawn in."""
