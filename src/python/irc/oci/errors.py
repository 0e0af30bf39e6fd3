"""The one error that image and package commands report to their user."""


class ImageError(Exception):
    """An input or a tool is not as it must be; the message is one line, for the user."""
