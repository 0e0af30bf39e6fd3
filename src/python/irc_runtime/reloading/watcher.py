"""Noticing that there is a new version, by looking: volumes do not tell of changes on every system."""

from pathlib import Path

from irc_runtime.reloading.sources import Mark, Source
from irc_runtime.reloading.version import Facts, Version, VersionError


class Watcher:
    """Offers each version once, and one that was refused again when a file of it has changed."""

    def __init__(self, source: Source, folder: Path, own: Facts | None) -> None:
        """Args:
        folder: gets the copies of versions.
        own: of the image that runs, which versions have to fit.
        """
        self._source = source
        self._folder = folder
        self._own = own
        self._taken: Mark | None = None
        self._offered: Mark | None = None
        self._seen: tuple[Mark, ...] = ()
        self._refused: tuple[Mark, ...] = ()

    def look(self, *, at_once: bool) -> Version | None:
        """A version that is not known yet and has not changed since the last look, or None.

        Args:
            at_once: take what is there as it is, known or not.
        Raises:
            VersionError: it cannot be taken; it is not offered again as it is.
        """
        head = self._source.head()
        if head is None or (head == self._taken and not at_once):
            return None
        marks = (head, *self._source.marks())
        is_settled, self._seen = marks == self._seen, marks
        if not at_once and (marks == self._refused or not is_settled):
            return None
        self._offered = head
        try:
            return self._source.fetch(self._folder, self._own)
        except VersionError:
            self.refuse()
            raise

    def take(self) -> None:
        """What was offered last serves, or is known to be what serves; not if it was refused."""
        self._taken = self._offered

    def refuse(self) -> None:
        """What was offered last is no good."""
        self._refused, self._offered = self._seen, None
