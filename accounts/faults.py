"""What went wrong, told without a value: the messages of exceptions may quote what partners sent."""

import traceback
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_OURS = frozenset(("accounts", "config", "indicators", "sharing", "tests"))
_MOST_FRAMES = 8
_MOST_ERRORS = 6


def summary(error: BaseException) -> str:
    """The exceptions of a chain by type, the last raised first, each with the project's frames that it came through.

    A frame is `file:line function`, with the file as it stands in the project; the innermost stands last.
    """
    return "\n".join(
        line
        for one, link in _chain(error)
        for line in (f"{link}{_name(one)}", *(f"  {frame}" for frame in _frames(one)))
    )


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """As Python prints it, but the other way round: what was raised, then what it came from."""
    found: BaseException | None = error
    link, seen = "", set[int]()
    while found is not None and id(found) not in seen and len(seen) < _MOST_ERRORS:
        yield found, link
        seen.add(id(found))
        link = "from " if found.__cause__ is not None else "while handling "
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _name(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    sqlstate = getattr(error, "sqlstate", None)
    return f"{name} (SQLSTATE {sqlstate})" if isinstance(sqlstate, str) else name


def _frames(error: BaseException) -> list[str]:
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT):
            place = path.relative_to(_ROOT)
            if place.parts[0] in _OURS:
                found.append(f"{place.as_posix()}:{line} {frame.f_code.co_name}")
    return found[-_MOST_FRAMES:]
