"""Pages that were read before, for as long as they are what the database would say.

All readers of a collection see the same pages (decision 0004). Every change of what stands there, also an erasure,
appends to its log; what changes openings only, such as new signatures, counts its `epoch`. So a page is good while
both are what they were when it was read; when they are not, all that was remembered of the collection is forgotten.

What was erased must not stay in memory because nobody asks for that collection again: its pages go, at the latest,
when it was not asked for in a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock, Timer
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

_Page = TypeVar("_Page")
# What an entry weighs beside its bytes, so that empty pages do not pile up without end.
_OVERHEAD = 1024


class PageMemory(Generic[_Page]):
    """The least recently used pages go when there are more than `capacity` bytes; safe between threads.

    All pages of a collection that is not asked for go after `idle` seconds, or at most twice as many.
    """

    def __init__(self, capacity: int, *, idle: float = 30) -> None:
        self._capacity = capacity
        self._idle = idle
        self._weight = 0
        self._states: dict[UUID, Hashable] = {}
        self._asked_at: dict[UUID, float] = {}
        self._pages: OrderedDict[tuple[UUID, Hashable], tuple[_Page, int]] = OrderedDict()
        self._lock = Lock()
        self._sweep: Timer | None = None

    @property
    def weight(self) -> int:
        """How many bytes are remembered, and some for each page."""
        return self._weight

    def recall(
        self,
        collection_id: UUID,
        state: Hashable,
        key: Hashable,
        read: Callable[[], _Page],
        size: Callable[[_Page], int],
    ) -> _Page:
        """The page remembered under `key` in this state of the collection, else what `read` gives; `size` in bytes."""
        with self._lock:
            if self._states.get(collection_id) != state:
                self._forget(collection_id)
                self._states[collection_id] = state
            self._asked_at[collection_id] = monotonic()
            held = self._pages.get((collection_id, key))
            if held is not None:
                self._pages.move_to_end((collection_id, key))
                return held[0]
        page = read()
        self._keep(collection_id, state, key, page, size(page) + _OVERHEAD)
        return page

    def _keep(self, collection_id: UUID, state: Hashable, key: Hashable, page: _Page, weight: int) -> None:
        if weight > self._capacity // 4:
            return
        with self._lock:
            if self._states.get(collection_id) != state or (collection_id, key) in self._pages:
                return
            self._pages[collection_id, key] = page, weight
            self._weight += weight
            while self._weight > self._capacity:
                _, (_, freed) = self._pages.popitem(last=False)
                self._weight -= freed
            if self._sweep is None:
                self._sweep_later()

    def _forget(self, collection_id: UUID) -> None:
        self._states.pop(collection_id, None)
        self._asked_at.pop(collection_id, None)
        for name in [name for name in self._pages if name[0] == collection_id]:
            self._weight -= self._pages.pop(name)[1]

    def _sweep_later(self) -> None:
        # A timer of its own, as a process that nobody asks anything does nothing else.
        self._sweep = Timer(self._idle, self._sweep_idle)
        self._sweep.daemon = True
        self._sweep.start()

    def _sweep_idle(self) -> None:
        with self._lock:
            long_ago = monotonic() - self._idle
            for collection_id in [one for one, at in self._asked_at.items() if at <= long_ago]:
                self._forget(collection_id)
            self._sweep = None
            if self._asked_at:
                self._sweep_later()
