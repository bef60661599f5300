"""One change to the theme: it makes the headers of a list anew for each of its rows, which is half of a page's time."""

from collections.abc import Callable, Iterable
from typing import Any

from unfold.templatetags import unfold_list


def _once(headers: Callable[[Any], Iterable[Any]]) -> Callable[[Any], list[Any]]:
    def remembered(changelist: Any) -> list[Any]:
        if not hasattr(changelist, "desk_headers"):
            changelist.desk_headers = list(headers(changelist))
        found: list[Any] = changelist.desk_headers
        return found

    return remembered


unfold_list.result_headers = _once(unfold_list.result_headers)
