"""Policies (C2SP tlog-policy): which witnesses must have cosigned a checkpoint before it is believed.

    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>…         k of these witnesses or groups
    quorum <name>|none

Ours have no `log` lines: one key signs for every log here, and which logs there are is in collections.json.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Self

from sharing.signing.note_keys import WITNESS_TYPES, MalformedNoteKey, NoteKey

NONE = "none"
"""The quorum that nobody is needed for; no witness or group may be called so."""

_MAX_SIZE = 1024 * 1024
_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


class MalformedPolicy(ValueError):
    """Not a policy; the sentence begins with the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns. `name` is that of the policy, `key.name` that of its signature lines."""

    name: str
    key: NoteKey
    url: str | None

    @property
    def vkey(self) -> str:
        return self.key.vkey()


@dataclass(frozen=True, slots=True)
class Group:
    """`threshold` of the members, which are names of witnesses and groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quorum` is the name of a witness, of a group, or NONE. A group names only groups that stand before it."""

    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedPolicy. Names are octets: what is not UTF-8 is kept by surrogates."""
        if len(raw) > _MAX_SIZE:
            raise MalformedPolicy("a policy is at most 1 MiB")
        reading = _Reading()
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        if lines.pop():
            raise MalformedPolicy(f"line {len(lines) + 1}: does not end in a newline")
        for number, line in enumerate(lines, start=1):
            try:
                reading.take(line)
            except MalformedPolicy as error:
                raise MalformedPolicy(f"line {number}: {error}") from error
        if reading.quorum is None:
            raise MalformedPolicy(f"line {len(lines)}: the policy ends without a quorum line")
        return cls(reading.witnesses, reading.groups, reading.quorum)

    def met_by(self, cosigners: Set[str]) -> bool:
        """Whether these witnesses, by their names in the policy, are enough."""
        met = set(self.witnesses) & cosigners | {NONE}
        for name, group in self.groups.items():
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(name)
        return self.quorum in met

    def needed(self) -> str:
        """Who has to cosign, in words: "2 of one.example, two.example, three.example"."""
        return "no witness" if self.quorum == NONE else self._said(self.quorum)

    def note_keys(self) -> dict[str, NoteKey]:
        """The witnesses' keys by their names in the policy."""
        return {name: witness.key for name, witness in self.witnesses.items()}

    def _said(self, name: str) -> str:
        group = self.groups.get(name)
        if group is None:
            return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        members = (f"({self._said(one)})" if one in self.groups else self._said(one) for one in group.members)
        return f"{group.threshold} of {', '.join(members)}"


class _Reading:
    """What the lines so far have defined."""

    def __init__(self) -> None:
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._grouped: set[str] = set()

    def take(self, line: str) -> None:
        if any((character < " " and character != "\t") or character == "\x7f" for character in line):
            raise MalformedPolicy("control characters are not allowed")
        words = re.split("[ \t]+", line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            return
        match words:
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, url[0] if url else None)
            case ["group", name, threshold, _, *_]:
                self._group(name, threshold, tuple(words[3:]))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise MalformedPolicy("there is a quorum line already")
                if name != NONE:
                    self._defined(name)
                self.quorum = name
            case ["log", *_]:
                raise MalformedPolicy("a policy of this feed names no logs; collections.json does")
            case ["witness" | "group" | "quorum" as kind, *_]:
                raise MalformedPolicy(f"not as many words as a {kind} line has")
            case _:
                raise MalformedPolicy("a line begins with witness, group or quorum")

    def _witness(self, name: str, vkey: str, url: str | None) -> None:
        self._free(name)
        try:
            key = NoteKey.from_vkey(vkey)
        except MalformedNoteKey as error:
            raise MalformedPolicy(str(error)) from error
        if key.type not in WITNESS_TYPES:
            raise MalformedPolicy("the key of a witness is of type 0x04 or 0x06")
        if any(key.public == other.key.public for other in self.witnesses.values()):
            raise MalformedPolicy("another witness has the same public key")
        self.witnesses[name] = Witness(name, key, url)

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._free(name)
        for member in members:
            self._defined(member)
            if member in self._grouped:
                raise MalformedPolicy("a witness or group is a member once at most")
            self._grouped.add(member)
        if threshold not in ("all", "any") and not _NUMBER.fullmatch(threshold):
            raise MalformedPolicy("how many of a group is all, any or a number")
        count = len(members) if threshold == "all" else 1 if threshold == "any" else int(threshold)
        if count > len(members):
            raise MalformedPolicy(f"{count} of {len(members)} can never be met")
        self.groups[name] = Group(count, members)

    def _free(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise MalformedPolicy("the name is taken")

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise MalformedPolicy("names a witness or group that no line before it defines")
