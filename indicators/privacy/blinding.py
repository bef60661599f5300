"""Blinded identifiers: a keyed one-way value that members of a group can match and nobody can read back.

HMAC-SHA-256(group key, "dix-blind-v1" 0x00 subject 0x00 normalised value). The members hold the key of each quarter;
the service never does. Only the standard library is used: this runs where the raw values are.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from typing import Any
from uuid import UUID, uuid5

SUBJECTS = (
    "account-id",
    "organization-id",
    "email-address",
    "payment-method",
    "phone-number",
    "device-id",
    "api-key",
)
KEY_BYTES = 32

_CONTEXT = b"dix-blind-v1"
_SCHEME = "hmac-sha-256"
_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
_EXTENSION = "extension-definition--8f1c4b37-6a2d-4e95-b0c8-3d4e5f6a7b03"
_AMBER_STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
_KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]*\.[0-9]{4}q[1-4]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_ADDRESS = re.compile(r"[\s\[\](){}<>,;:]")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class CannotBlind(ValueError):
    """A key, a key id or a value that cannot be used; the message says why and never quotes a key or a value."""


def key_from_hex(text: str) -> bytes:
    """The group key in 64 hexadecimal digits, with white space around it or not."""
    digits = text.strip()
    if len(digits) != 2 * KEY_BYTES or not re.fullmatch(r"[0-9a-fA-F]*", digits):
        raise CannotBlind(
            f"the key must be {KEY_BYTES} bytes in {2 * KEY_BYTES} hexadecimal digits, and nothing else"
        )
    return bytes.fromhex(digits)


def check_key_id(key_id: str) -> None:
    """Raises `CannotBlind` unless it is `group.YYYYqN`."""
    if _KEY_ID.fullmatch(key_id) is None:
        raise CannotBlind("a key id is the group and the quarter, as in grp1.2026q4")


def normalised(subject: str, value: str) -> str:
    """The one spelling of a value, so that every member blinds the same text; `CannotBlind` if it is no such value.

    Unicode NFKC, no white space around it, no control or format characters in it; then, by subject: e-mail addresses in
    lower case with their +tag, the domain as A-labels; payment methods in upper case without spaces and hyphens; phone
    numbers as + and digits. Anything else keeps its case and its characters.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if not text:
        raise CannotBlind("there is nothing to blind")
    if _CONTROL.search(text) is not None:
        raise CannotBlind("it holds a control character")
    if any(unicodedata.category(character) == "Cf" for character in text):
        # Nobody sees it, and with it the value matches nothing.
        raise CannotBlind(
            "it holds an invisible format character, such as a byte order mark or a zero-width space"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CannotBlind("it is not UTF-8 text") from None
    if subject == "email-address":
        return _email(text)
    if subject == "payment-method":
        # Again: what stood apart may combine, and capitals may be spelled otherwise.
        text = unicodedata.normalize("NFKC", re.sub(r"[ -]", "", text).upper())
        if not text:
            raise CannotBlind("there is nothing to blind")
        return text
    if subject == "phone-number":
        text = re.sub(r"[ ().\-/]", "", text)
        if _PHONE.fullmatch(text) is None:
            raise CannotBlind("a phone number begins with + and the country code, as in +1 202 555 0143")
        return text
    if subject not in SUBJECTS:
        raise CannotBlind(f"a subject is one of {', '.join(SUBJECTS)}")
    return text


def blind(key: bytes, subject: str, value: str) -> str:
    """The blinded value, 64 lower-case hexadecimal digits."""
    if len(key) != KEY_BYTES:
        raise CannotBlind(f"the key must be {KEY_BYTES} bytes long")
    message = b"\0".join((_CONTEXT, subject.encode(), normalised(subject, value).encode()))
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def blinded_identifier(key: bytes, key_id: str, subject: str, value: str) -> dict[str, Any]:
    """The STIX object that stands for the value, marked TLP:AMBER+STRICT; its id is made from what is blinded."""
    check_key_id(key_id)
    identity = {
        "subject": subject,
        "scheme": _SCHEME,
        "key_id": key_id,
        "value": blind(key, subject, value),
    }
    # RFC 8785: all of it is ASCII text.
    name = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return {
        "type": "blinded-identifier",
        "spec_version": "2.1",
        "id": f"blinded-identifier--{uuid5(_NAMESPACE, name)}",
        "object_marking_refs": [_AMBER_STRICT],
        **identity,
        "extensions": {_EXTENSION: {"extension_type": "new-sco"}},
    }


def _email(text: str) -> str:
    local, at, domain = unicodedata.normalize("NFKC", text.lower()).replace("\u3002", ".").rpartition("@")
    if not at or not local or not domain or _NO_ADDRESS.search(text) is not None:
        raise CannotBlind(
            "this is not an e-mail address, as in user@example.org without brackets around anything"
        )
    labels = domain.removesuffix(".").split(".")
    if not all(labels) or not all(len(label) <= 63 for label in labels):
        raise CannotBlind("this is not an e-mail address, its domain is none")
    domain = ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )
    return f"{local}@{domain}"
