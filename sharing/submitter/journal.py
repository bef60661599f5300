"""What was acknowledged: a file of JSON lines beside the input, so that a run that broke off goes on where it was.

The first line says what is submitted, from where to where; each other line is a batch, written when its answer came.
A line that was cut off by a crash counts for nothing: that batch is sent again, under the same key.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

_FORM = 1
_BEGINNING = b'{"stillwatch_submit":'


class Unusable(ValueError):
    """The state is of something else, or cannot be read or written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is submitted: the same again is the same run. `input` is the digest of a file, empty for a stream."""

    url: str
    community: str
    format: str
    input: str
    batch_lines: int
    batch_bytes: int
    signed_by: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch that the server answered: the submission that it became, or why it was refused."""

    batch: int
    digest: str
    runs: tuple[tuple[int, int], ...]
    submission: str = ""
    refusal: str = ""


class Journal:
    """One run: its random id and what is acknowledged. Without a file it remembers nothing beyond this process."""

    def __init__(
        self,
        run: str,
        known: dict[int, Acknowledged],
        descriptor: int | None = None,
        path: Path | None = None,
    ) -> None:
        self.run = run
        self.known = known
        self._descriptor = descriptor
        self._path = path

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path | None, task: Task) -> Iterator[Self]:
        """Begin one, or go on with one of the same task; `Unusable` if it is of another, or in use."""
        if path is None:
            yield cls(secrets.token_hex(8), {})
            return
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unusable(
                f"cannot write the state {path}: {error.strerror}; name another with --state"
            ) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Unusable(f"another process uses the state {path}") from None
            yield cls._begun(descriptor, path, task)
        finally:
            os.close(descriptor)

    @classmethod
    def _begun(cls, descriptor: int, path: Path, task: Task) -> Self:
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read()
        if not content.startswith(_BEGINNING[: len(content)]):
            raise Unusable(f"{path} is no state of stillwatch submit; name another with --state")
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(descriptor, len(whole))
        os.lseek(descriptor, 0, os.SEEK_END)
        if not whole:
            journal = cls(secrets.token_hex(8), {}, descriptor, path)
            journal._write({"stillwatch_submit": _FORM, "run": journal.run, **asdict(task)})
            return journal
        first, *rest = (_parsed(line, path) for line in whole.splitlines())
        for name, value in {"stillwatch_submit": _FORM, **asdict(task)}.items():
            # What was begun before there were signatures was not signed.
            before = first.get(name, "")
            if before != value:
                raise Unusable(_differs(path, name, before, value))
        try:
            known = [Acknowledged(**{**one, "runs": tuple(map(tuple, one["runs"]))}) for one in rest]
            return cls(str(first["run"]), {one.batch: one for one in known}, descriptor, path)
        except (KeyError, TypeError) as error:
            raise Unusable(f"the state {path} is damaged; remove it to begin anew") from error

    def acknowledge(self, one: Acknowledged) -> None:
        """Write it down, durably."""
        if self._descriptor is not None:
            self._write(asdict(one))

    def _write(self, value: dict[str, Any]) -> None:
        assert self._descriptor is not None
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise Unusable(
                f"cannot write the state {self._path}: {error.strerror}; the same command goes on from there"
            ) from None


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unusable(f"{path} is no state of stillwatch submit; name another with --state")
    return value


def _differs(path: Path, name: str, before: object, now: object) -> str:
    remove = f"remove {path} to submit it as new, or name another with --state"
    match name:
        case "stillwatch_submit":
            return f"{path} is no state of this stillwatch submit; name another with --state"
        case "input":
            return f"the state {path} belongs to another file, or the file has changed since; {remove}"
        case "batch_lines" | "batch_bytes":
            option = "--" + name.replace("_", "-")
            return f"the state {path} was begun with {option} {before}; go on with that, or {remove}"
        case "signed_by":
            how = f"signed by {before}" if before else "without --sign"
            return f"the state {path} was begun {how}; go on so, or {remove}"
    return f"the state {path} was begun with {name} {before!r}, not {now!r}; {remove}"
