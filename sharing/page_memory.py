"""Pages that were read before, for as long as they are what the database would say.

All readers of a collection see the same pages (decision 0004), and every change of a collection, also an erasure,
appends to its log. So a page is good while the log has the length that it was read at; when it has another, all that
was remembered of the collection is forgotten.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

_Page = TypeVar("_Page")
# What an entry weighs beside its bytes, so that empty pages do not pile up without end.
_OVERHEAD = 1024


class PageMemory(Generic[_Page]):
    """The least recently used pages go when there are more than `capacity` bytes; safe between threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._weight = 0
        self._lengths: dict[UUID, int] = {}
        self._pages: OrderedDict[tuple[UUID, Hashable], tuple[_Page, int]] = OrderedDict()
        self._lock = Lock()

    def recall(
        self,
        collection_id: UUID,
        length: int,
        key: Hashable,
        read: Callable[[], _Page],
        size: Callable[[_Page], int],
    ) -> _Page:
        """The page remembered under `key` at this length of the log, else what `read` gives; `size` in bytes."""
        with self._lock:
            if self._lengths.get(collection_id) != length:
                self._forget(collection_id)
                self._lengths[collection_id] = length
            held = self._pages.get((collection_id, key))
            if held is not None:
                self._pages.move_to_end((collection_id, key))
                return held[0]
        page = read()
        self._keep(collection_id, length, key, page, size(page) + _OVERHEAD)
        return page

    def _keep(self, collection_id: UUID, length: int, key: Hashable, page: _Page, weight: int) -> None:
        if weight > self._capacity // 4:
            return
        with self._lock:
            if self._lengths.get(collection_id) != length or (collection_id, key) in self._pages:
                return
            self._pages[collection_id, key] = page, weight
            self._weight += weight
            while self._weight > self._capacity:
                _, (_, freed) = self._pages.popitem(last=False)
                self._weight -= freed

    def _forget(self, collection_id: UUID) -> None:
        for name in [name for name in self._pages if name[0] == collection_id]:
            self._weight -= self._pages.pop(name)[1]
