"""Figures as a table: medians with their range, ratios to a peer, and targets."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """A line of the table; cells that do not apply are empty."""

    figure: str
    median: str = ""
    min: str = ""
    max: str = ""
    ratio: str = ""
    target: str = ""
    met: str = ""


HEADINGS = Row("figure", "median", "min", "max", "ratio", "target", "met")


@dataclass(frozen=True)
class Target:
    """An upper bound, of a figure's median or of its ratio to the peer."""

    at_most: float
    of_ratio: bool = False


def row(
    figure: str,
    runs: Sequence[float],
    unit: str,
    *,
    peer: Sequence[float] | None = None,
    target: Target | None = None,
) -> Row:
    """The line of a figure.

    Args:
        runs: the value of each run.
        unit: of the values, as ``s``.
        peer: runs of what the figure is compared with, in the same unit.
    """
    value = median(runs)
    ratio = None if peer is None else value / median(peer)
    target_text = met = ""
    if target is not None:
        bounded = ratio if target.of_ratio else value
        assert bounded is not None, "a target of a ratio needs a peer"
        target_text = f"≤ {target.at_most:g} {'×' if target.of_ratio else unit}"
        met = "yes" if bounded <= target.at_most else "no"
    return Row(
        figure,
        median=f"{value:.2f} {unit}",
        min=f"{min(runs):.2f} {unit}",
        max=f"{max(runs):.2f} {unit}",
        ratio="" if ratio is None else f"{ratio:.2f} ×",
        target=target_text,
        met=met,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, with columns that line up."""
    cells = [astuple(line) for line in (HEADINGS, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
