"""Agent flows as Pants targets: rules that wire; the work is done by the ``irc`` command."""
