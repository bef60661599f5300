"""What is pulled from another server: deltas, each with the checkpoint that goes with it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class UpstreamError(Exception):
    """A server answered, but not with what can be pulled; the message is a sentence for an operator.

    `retry_after` is in seconds, where the server said so.
    """

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after

    @property
    def sentence(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Delta:
    """What one answer brought, and where the pull stands once it is taken: both are committed together or neither.

    `bodies` are submissions to make (none if nothing in the answer is new), `objects` how many objects they hold,
    `latest_at` the upstream's own date of the last of them. `checkpoint` is JSON, and the adapter's alone to read.
    `is_last` says that nothing more waits there now.
    """

    bodies: tuple[bytes, ...]
    checkpoint: dict[str, Any]
    objects: int = 0
    latest_at: datetime | None = None
    is_last: bool = False
    taken: "tuple[Taken, ...]" = field(default=())


@dataclass(frozen=True, slots=True)
class Taken:
    """An item of an upstream's list, in the version (its timestamp) that was taken; `error` says why it was not."""

    key: str
    version: int
    error: str = ""
