"""The backend `irc_pants.mypy`."""
