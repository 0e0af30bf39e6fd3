"""URLs with references in them: what says their host."""

from __future__ import annotations

from irc.references import Reference, find_references


def host_references(url: str) -> list[Reference]:
    """The references of a URL that say, or may extend, its scheme or host.

    Behind a reference that begins the URL, and so may hold a whole address, none counts.
    """
    references, _, end = _authority(url)
    if end is None:
        return [item for item in references if item.start == 0]
    return [item for item in references if item.start < end]


def chooses_host(url: str) -> bool:
    """Whether something else than the flow and its environment says the host."""
    return any(reference.root != "env" for reference in host_references(url))


def written_address(url: str) -> str | None:
    """The start of a URL that says its host; None where a node's values say it, or it has none."""
    references, literal, end = _authority(url)
    if chooses_host(url) or (end is None and not host_references(url)):
        return None
    if end is None:
        ends = [at for at in map(literal.find, "/?#") if at >= 0]
        ends += [item.start for item in references if item.root != "env"]
        end = min(ends, default=len(literal))
    return url[:end]


def open_address(url: str) -> str | None:
    """The start of a URL that says its host, where a node's value follows at once and may extend it.

    ``${env.BASE}${path}``: where BASE has no path, a path of ``.example.com`` makes another host.
    """
    references, _, end = _authority(url)
    written = written_address(url)
    if written is None or end is not None:
        return None
    return written if any(item.start == len(written) for item in references) else None


def _authority(url: str) -> tuple[list[Reference], str, int | None]:
    """References, the text with these blotted out, and where the host and port end.

    The end is None where the text has no scheme: a reference may hold it, and the host.
    """
    references = find_references(url, lambda start, end: None)
    literal = url
    for reference in references:
        hidden = "_" * (reference.end - reference.start)
        literal = literal[: reference.start] + hidden + literal[reference.end :]
    scheme = literal.find("://")
    first = min((at for at in map(literal.find, "/?#") if at >= 0), default=len(literal))
    if scheme < 0 or scheme + 1 > first:
        return references, literal, None
    after = scheme + 3
    ends = [at for at in (literal.find(mark, after) for mark in "/?#") if at >= 0]
    return references, literal, min(ends, default=len(literal))
