"""How far it is: a bar that is redrawn on a terminal, else a line now and then; and the events of `--json`."""

import json
import sys
import time
from typing import TextIO

_REDRAW = 0.1
_LINE = 10.0
_WIDTH = 30


class Progress:
    """What a person sees on standard error. `size` is that of the whole input in bytes, 0 where nobody knows."""

    def __init__(self, *, size: int, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._size, self._quiet = size, quiet
        self._terminal = self._stream.isatty()
        self._drawn = False
        self._last = time.monotonic() - (_REDRAW if self._terminal else 0)
        self.batches = self.objects = self.bytes = 0

    def add(self, objects: int, size: int) -> None:
        """Another batch is answered."""
        self.batches, self.objects, self.bytes = self.batches + 1, self.objects + objects, self.bytes + size
        if not self._quiet and time.monotonic() - self._last >= (_REDRAW if self._terminal else _LINE):
            self._last = time.monotonic()
            self._show()

    def say(self, sentence: str) -> None:
        """A line that stays: a problem, or the end."""
        self.clear()
        self._stream.write(f"stillwatch: {sentence}\n")
        self._stream.flush()

    def remark(self, sentence: str) -> None:
        """A line that stays, unless nobody wants to read."""
        if not self._quiet:
            self.say(sentence)

    def clear(self) -> None:
        """Take the bar away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False

    def _show(self) -> None:
        text = f"{self.objects:,} objects in {self.batches:,} batches"
        if self._size:
            share = min(1.0, self.bytes / self._size)
            text = f"{share:4.0%} {text}"
            if self._terminal:
                text = f"[{'#' * int(share * _WIDTH):<{_WIDTH}}] {text}"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
            self._drawn = True
        else:
            self.say(text)


class Events:
    """What a program reads on standard output, a JSON object a line; nothing unless it is asked for."""

    def __init__(self, *, wanted: bool, stream: TextIO | None = None) -> None:
        self._stream = (stream or sys.stdout) if wanted else None

    def tell(self, event: str, **members: object) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps({"event": event, **members}) + "\n")
            self._stream.flush()
