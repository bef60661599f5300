"""One row for each figure, one table at the end."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, what it should be, and (secondary) the absolute numbers behind it."""

    part: str
    what: str
    figure: str
    target: str = ""
    reached: bool | None = None
    """None where there is no target."""
    behind: str = ""


def at_least(part: str, what: str, figure: float, target: float | None, behind: str) -> Row:
    """A row whose figure should be large; a target of None is none."""
    if target is None:
        return Row(part, what, f"{figure:.3f}", behind=behind)
    return Row(part, what, f"{figure:.3f}", f">= {target:.2f}", figure >= target, behind)


def at_most(part: str, what: str, figure: float, target: float | None, behind: str) -> Row:
    """A row whose figure should be small; a target of None is none."""
    if target is None:
        return Row(part, what, f"{figure:.2f}", behind=behind)
    return Row(part, what, f"{figure:.2f}", f"<= {target:.2f}", figure <= target, behind)


_REACHED = {True: "yes", False: "NO", None: ""}
_HEAD = ("part", "what", "figure", "target", "reached", "absolute")


def formatted(rows: Sequence[Row]) -> str:
    """The table as text."""
    cells = [_HEAD] + [
        (row.part, row.what, row.figure, row.target, _REACHED[row.reached], row.behind) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)
