"""What a mirror or proxy does to what passes through it. It has everything but the publisher's keys.

Each attack is a `Tamper`; pages are found by what they are, so that it does the same to files and to answers.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from sharing.signing import base64url
from sharing.tlog import notes
from sharing.tlog.notes import Note
from sharing.tlog.page import PROPERTY
from sharing.tlog.statements import entry as entry_of
from tests.attacks.proxy import Tamper
from tests.sharing.verifier.log_simulator import LogSimulator, restate

Envelope = dict[str, Any]
Entries = list[Any]

_PAGE = re.compile(r"collections/[^/]+/objects/\?|pages/[0-9]+\.json$")


def pages(change: Callable[[Envelope, Entries], object]) -> Tamper:
    """`change(envelope, entries)`, in place, on every page."""

    def tamper(path: str, raw: bytes) -> bytes:
        if not _PAGE.search(path):
            return raw
        envelope = json.loads(raw)
        change(envelope, envelope[PROPERTY]["entries"])
        return json.dumps(envelope).encode()

    return tamper


def page_from(start: int, change: Callable[[Envelope, Entries], object]) -> Tamper:
    """The same on the page that begins with the entry `start`."""

    def only(envelope: Envelope, entries: Entries) -> None:
        if envelope[PROPERTY]["start"] == start:
            change(envelope, entries)

    return pages(only)


def checkpoint(change: Callable[[Note], bytes]) -> Tamper:
    """The log's checkpoint as `change` makes it."""

    def tamper(path: str, raw: bytes) -> bytes:
        return change(notes.read(raw)) if path.endswith("/checkpoint") else raw

    return tamper


def another_checkpoint(raw: bytes) -> Tamper:
    return checkpoint(lambda note: raw)


def lines(keep: Callable[[str, int], bool]) -> Tamper:
    """Of the checkpoint's lines, those whose name and length of signature `keep` says."""
    return checkpoint(
        lambda note: bytes(
            Note(note.text, tuple(one for one in note.signatures if keep(one.name, len(one.raw))))
        )
    )


# --- Objects and entries


def alter_a_field(envelope: Envelope, entries: Entries) -> None:
    envelope["objects"][1]["confidence"] = 1


def alter_the_tlp(envelope: Envelope, entries: Entries) -> None:
    """Of the object and, so that the page agrees with itself, of its statement."""
    envelope["objects"][1]["object_marking_refs"] = [
        "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
    ]
    restate(entries[1], tlp="clear")


def alter_the_tlp_of_the_statement(envelope: Envelope, entries: Entries) -> None:
    """The object stays as it was signed; the page agrees with itself."""
    restate(entries[1], tlp="amber")


def swap_submitters(envelope: Envelope, entries: Entries) -> None:
    """Who submitted one is said of another, under the same commitments otherwise."""
    one, two = (json.loads(entries[place]["stmt"])["sub"] for place in (1, 2))
    restate(entries[1], sub=two)
    restate(entries[2], sub=one)


def drop_an_object(envelope: Envelope, entries: Entries) -> None:
    del envelope["objects"][1]


def drop_object_and_entry(envelope: Envelope, entries: Entries) -> None:
    """The log's second; what follows counts anew, so that each page agrees with itself and its neighbours."""
    log = envelope[PROPERTY]
    if log["start"] == 0:
        del entries[1], envelope["objects"][1]
        log["end"] -= 1
        return
    log["start"] -= 1
    log["end"] -= 1
    for entry in entries:
        if "withdrawn_by" in entry:
            entry["withdrawn_by"] -= 1
        elif '"op":"withdraw"' in entry["stmt"]:
            restate(entry, target=json.loads(entry["stmt"])["target"] - 1)


def drop_object_and_entry_bluntly(envelope: Envelope, entries: Entries) -> None:
    del entries[1], envelope["objects"][1]


def swap_entries(envelope: Envelope, entries: Entries) -> None:
    entries[1], entries[2] = entries[2], entries[1]
    objects = envelope["objects"]
    objects[1], objects[2] = objects[2], objects[1]


def inject(envelope: Envelope, entries: Entries, *, other: LogSimulator) -> None:
    """An object of another log of this publisher, so that its signature is right, after the first one here; what
    follows counts anew."""
    log = envelope[PROPERTY]
    if log["start"] == 0:
        opening = json.loads(other.entries[-1].opening)
        restate(opening, added=json.loads(entries[0]["stmt"])["added"] + 1)
        entries.insert(1, opening)
        envelope["objects"].insert(1, json.loads(other.entries[-1].body or b""))
    else:
        log["start"] += 1
    log["end"] += 1
    for entry in entries:
        if "withdrawn_by" in entry:
            entry["withdrawn_by"] += 1
        elif '"op":"withdraw"' in entry["stmt"]:
            restate(entry, target=json.loads(entry["stmt"])["target"] + 1)


def put_in_place(envelope: Envelope, entries: Entries, *, other: LogSimulator) -> None:
    """The same in the place of the second one."""
    opening = json.loads(other.entries[-1].opening)
    restate(opening, added=json.loads(entries[1]["stmt"])["added"])
    entries[1], envelope["objects"][1] = opening, json.loads(other.entries[-1].body or b"")


def withdraw_by_no_withdrawal(envelope: Envelope, entries: Entries) -> None:
    """A tombstone whose `withdrawn_by` names an entry that withdraws nothing, or another one."""
    one = entries[1]
    commit = entry_of(base64url.decode(one["salt"]), one["stmt"].encode())
    entries[1] = {"commit": base64url.encode(commit), "withdrawn_by": 10}
    del envelope["objects"][1]


def strip_a_signature(envelope: Envelope, entries: Entries) -> None:
    del entries[1]["jws"]


def swap_signatures(envelope: Envelope, entries: Entries) -> None:
    entries[1]["jws"], entries[2]["jws"] = entries[2]["jws"], entries[1]["jws"]


# --- Pages


def swap_pages(first: bytes, second: bytes, starts: tuple[int, int]) -> Tamper:
    """Each of the two where the other belongs."""

    def tamper(path: str, raw: bytes) -> bytes:
        if not _PAGE.search(path):
            return raw
        envelope = json.loads(raw)
        log, start = envelope[PROPERTY], envelope[PROPERTY]["start"]
        if start not in starts:
            return raw
        other = json.loads(second if start == starts[0] else first)
        envelope["objects"], envelope[PROPERTY] = other["objects"], other[PROPERTY]
        assert log is not other[PROPERTY]
        return json.dumps(envelope).encode()

    return tamper


def hide_the_tail(after: int) -> Tamper:
    """No page that begins with the entry `after`, or later."""

    def tamper(path: str, raw: bytes) -> bytes | None:
        if path.endswith("pages/index.json"):
            index = json.loads(raw)
            index["pages"] = [page for page in index["pages"] if page[0] < after]
            return json.dumps(index).encode()
        if not _PAGE.search(path):
            return raw
        envelope = json.loads(raw)
        log = envelope[PROPERTY]
        if log["start"] >= after:
            envelope["objects"], log["entries"], log["end"] = [], [], log["start"]
        if log["end"] >= after:
            envelope["more"] = False
            envelope.pop("next", None)
        return json.dumps(envelope).encode()

    return tamper


def duplicate_a_key(path: str, raw: bytes) -> bytes:
    """A member of an object twice, which one reader takes for this value and another for that."""
    return raw.replace(b'"confidence":80', b'"confidence":10,"confidence":80') if _PAGE.search(path) else raw


# --- Checkpoints


def forge_the_size(note: Note) -> bytes:
    origin, size, root, end = note.text.split("\n")
    return bytes(Note(f"{origin}\n{int(size) - 1}\n{root}\n{end}", note.signatures))
