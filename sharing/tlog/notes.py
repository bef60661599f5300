"""Signed notes (C2SP signed-note): a text, and the lines of those who signed it.

    text, ends in a newline
                                                     an empty line
    — <name> <base64 of key id (4) ‖ signature>      one line a signature, each ends in a newline

What a signature covers, and by which key, is not known here (`sharing.signing.note_keys`).
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass

MAX_SIZE = 256 * 1024
"""Bytes. A checkpoint with sixty ML-DSA-44 lines still fits."""
MAX_SIGNATURES = 64

_KEY_ID_SIZE = 4
_DASH = "— "


class MalformedNote(ValueError):
    """Not a signed note, or a part of one that no note can hold; the sentence says which."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. `raw` is what follows the key id of 4 bytes: a signature, or a timestamp and one."""

    name: str
    key_id: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its final newline, and its signatures in the order of their lines. `bytes()` writes it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(map(line, self.signatures))}".encode()


def read(raw: bytes) -> Note:
    """Raises MalformedNote. Whatever is read is written again to the same bytes."""
    if len(raw) > MAX_SIZE:
        raise MalformedNote(f"a note is at most {MAX_SIZE // 1024} KiB")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedNote("a note is UTF-8 text") from error
    if any(character < " " and character != "\n" for character in whole):
        raise MalformedNote("a note holds no control characters but newlines")
    # The last empty line: the text may hold empty lines itself.
    end = whole.rfind("\n\n")
    if end < 0:
        raise MalformedNote("a note is a text, an empty line and signatures")
    text, rest = whole[: end + 1], whole[end + 2 :]
    if not rest.endswith("\n"):
        raise MalformedNote("a note ends in signature lines, the last one with a newline")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNote(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text, tuple(_signature(one, place) for place, one in enumerate(lines, start=1)))


def line(signature: NoteSignature) -> str:
    """The signature's line, with its newline."""
    encoded = b2a_base64(signature.key_id + signature.raw, newline=False).decode()
    return f"{_DASH}{signature.name} {encoded}\n"


def read_lines(text: str) -> tuple[NoteSignature, ...]:
    """The signatures of lines that stand alone, as a witness answers; each ends in a newline. Raises MalformedNote."""
    return read(b"-\n\n" + text.encode()).signatures


def with_signatures(note: Note, more: Iterable[NoteSignature]) -> Note:
    """The note with more signatures; one by the same name and key id takes the place of the older one."""
    signatures = {(one.name, one.key_id): one for one in note.signatures}
    signatures.update({(one.name, one.key_id): one for one in more})
    return Note(note.text, tuple(signatures.values()))


def is_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and "+" not in name and all(one > " " and not one.isspace() for one in name)


def from_base64(text: str) -> bytes:
    """Standard base64 with padding, of its one canonical spelling; else ValueError."""
    raw = a2b_base64(text.encode("ascii"), strict_mode=True)
    # Spare bits in the last character would let a line change unnoticed.
    if b2a_base64(raw, newline=False) != text.encode("ascii"):
        raise ValueError("not the canonical base64 spelling")
    return raw


def to_base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


def _signature(one: str, place: int) -> NoteSignature:
    name, separator, encoded = one.removeprefix(_DASH).partition(" ")
    if not one.startswith(_DASH) or not separator:
        raise MalformedNote(f"signature line {place} is not '— <name> <base64>'")
    if not is_name(name):
        raise MalformedNote(f"signature line {place}: no key can have that name")
    try:
        raw = from_base64(encoded)
    except ValueError as error:  # UnicodeEncodeError and binascii.Error are both ValueErrors.
        raise MalformedNote(f"signature line {place} is not base64") from error
    if len(raw) <= _KEY_ID_SIZE:
        raise MalformedNote(f"signature line {place} holds no signature after its key id")
    return NoteSignature(name, raw[:_KEY_ID_SIZE], raw[_KEY_ID_SIZE:])
