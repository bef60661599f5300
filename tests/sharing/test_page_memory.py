"""What is remembered of pages is what the database would say, and what was erased does not stay."""

import time
from uuid import UUID, uuid4

from sharing.page_memory import PageMemory

FEED, OTHER = uuid4(), uuid4()


def recall(memory: PageMemory[bytes], page: bytes, *, of: UUID = FEED, state: object = (1, 0)) -> bytes:
    return memory.recall(of, state, "first", lambda: page, len)


def test_a_page_is_read_once_while_the_log_and_its_openings_stay_as_they_are() -> None:
    memory: PageMemory[bytes] = PageMemory(100_000)

    assert [recall(memory, b"one"), recall(memory, b"two")] == [b"one", b"one"]


def test_a_longer_log_and_new_signatures_both_make_it_read_again() -> None:
    memory: PageMemory[bytes] = PageMemory(100_000)
    recall(memory, b"one", state=(1, 0))

    assert recall(memory, b"longer", state=(2, 0)) == b"longer"
    assert recall(memory, b"signed anew", state=(2, 1)) == b"signed anew"


def test_a_page_that_was_read_while_the_log_grew_is_not_kept() -> None:
    memory: PageMemory[bytes] = PageMemory(100_000)

    def read() -> bytes:
        recall(memory, b"longer", state=(2, 0))
        return b"shorter"

    assert memory.recall(FEED, (1, 0), "first", read, len) == b"shorter"
    assert recall(memory, b"read again", state=(2, 0)) == b"longer"


def test_pages_that_nobody_asks_for_leave_memory_by_themselves() -> None:
    """Else what was erased would stay for as long as nobody reads the collection."""
    memory: PageMemory[bytes] = PageMemory(100_000, idle=0.02)
    recall(memory, b"erased since")
    assert memory.weight > 0

    while memory.weight:
        time.sleep(0.005)

    assert recall(memory, b"read again") == b"read again"


def test_pages_that_are_asked_for_stay_while_others_leave() -> None:
    memory: PageMemory[bytes] = PageMemory(100_000, idle=0.5)
    recall(memory, b"asked for")
    recall(memory, b"not asked for", of=OTHER)
    full = memory.weight

    while memory.weight == full:
        time.sleep(0.01)
        assert recall(memory, b"read again") == b"asked for"

    assert recall(memory, b"read again", of=OTHER) == b"read again"
