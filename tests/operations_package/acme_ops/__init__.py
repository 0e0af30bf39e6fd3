"""Acme's operations: ``services`` is what agents carry, ``compiling`` what irc reads."""
