"""Findings as text for people and as documents for tools: one format a file."""
