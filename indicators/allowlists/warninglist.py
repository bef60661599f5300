"""The JSON format of the MISP warninglists: `name`, `type`, `version`, `description`, `list`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from indicators.allowlists.entries import Entry, entry, looks_like_network
from indicators.stix import json

MAX_BYTES = 200 * 1024 * 1024
MAX_NAME = 200


class InvalidList(ValueError):
    """A file that is no list that can be loaded; the sentence names the member and the reason."""


@dataclass(frozen=True, slots=True)
class Warninglist:
    """A list as read. `refused` has a sentence for each entry that could not be."""

    name: str
    description: str
    version: int
    entries: list[Entry]
    refused: list[str]


def read(raw: bytes) -> Warninglist:
    """The list in a file; raises `InvalidList` for one that cannot be loaded as a whole.

    Lists of the types `cidr`, `hostname` and `string` are taken. As in MISP a hostname covers what is below it, a
    string only itself; a string that is an address, a network or `AS64500` is one. `matching_attributes` plays no part.
    """
    try:
        found = json.parse(raw, max_bytes=MAX_BYTES)
    except json.Refused as refusal:
        raise InvalidList(refusal.sentence) from refusal
    if not isinstance(found, dict):
        raise InvalidList("a warninglist is a JSON object")
    kind = found.get("type")
    read_entry = _TYPES.get(kind) if isinstance(kind, str) else None
    if read_entry is None:
        raise InvalidList(
            f"type: {kind!r} cannot be applied; the types {', '.join(_TYPES)} can, a substring or regex list covers"
            " what nobody can foresee"
        )
    name = found.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_NAME or not name.isprintable():
        raise InvalidList(f"name: a text of 1 to {MAX_NAME} characters is needed")
    version = found.get("version")
    if type(version) is not int or version < 0:
        raise InvalidList("version: a whole number is needed")
    description = found.get("description", "")
    if not isinstance(description, str):
        raise InvalidList("description: a text is needed")
    listed = found.get("list")
    if not isinstance(listed, list):
        raise InvalidList("list: a list of texts is needed")
    entries, refused = _read_entries(listed, read_entry)
    return Warninglist(name.strip(), description, version, entries, refused)


def _read_entries(listed: list[Any], read_entry: Callable[[str], Entry]) -> tuple[list[Entry], list[str]]:
    entries: dict[Entry, None] = {}
    refused = []
    for number, text in enumerate(listed):
        try:
            if not isinstance(text, str):
                raise ValueError("an entry is a text")
            entries[read_entry(text)] = None
        except ValueError as error:
            refused.append(f"list/{number}: {_brief(text)}: {error}")
    return list(entries), refused


def _brief(text: object) -> str:
    written = repr(text)
    return written if len(written) <= 80 else f"{written[:77]}…"


def _network(text: str) -> Entry:
    if not looks_like_network(text.strip()):
        raise ValueError("a list of the type cidr holds addresses and networks")
    return entry(text)


def _string(text: str) -> Entry:
    found = entry(text, subdomains=False)
    if found.domain is not None and "." not in found.domain:
        # A hash, a UUID, a word: in a list of strings they are more likely than a name without a dot.
        raise ValueError("this is no address, network, domain name or AS number")
    return found


_TYPES: dict[str, Callable[[str], Entry]] = {"cidr": _network, "hostname": entry, "string": _string}
