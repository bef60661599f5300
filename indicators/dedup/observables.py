"""Sameness of observables: two are one when their deterministic ids are equal (STIX 2.1 §2.9; model.md).

The id is a UUIDv5 over the contributing properties, after their values are brought to the normal form that patterns
use (indicators.patterns.values).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from indicators.patterns import values
from indicators.stix.canonical import canonical
from indicators.stix.json import Refused, pointer_token
from indicators.stix.references import references

#: The code of every refusal that this module makes.
CODES = ("impossible-value",)

_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7").bytes  # STIX 2.1 §2.9

_VALUES: Mapping[str, Callable[[str], str]] = {
    "domain-name": values.domain,
    "email-addr": values.email,
    "ipv4-addr": values.ipv4,
    "ipv6-addr": values.ipv6,
    "mac-addr": values.mac,
    "url": values.url,
}
# Those of prompt templates have one spelling by their schema.
_HASHED = frozenset(("artifact", "file", "x509-certificate"))
_CONTRIBUTING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_VALUES, ("value",)),
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "blinded-identifier": ("subject", "scheme", "key_id", "value"),
    "directory": ("path",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "parent_directory_ref", "extensions"),
    "llm-api-activity": ("provider", "cluster_id", "start", "end"),
    "mutex": ("name",),
    "network-traffic": (
        *("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    ),
    "prompt-template": ("hashes", "normalization"),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
_MAY_REFER = frozenset(("email-message", "file", "network-traffic"))
_FIRST_HASHES = ("MD5", "SHA-1", "SHA-256", "SHA-512")


def normal(value: dict[str, Any]) -> dict[str, Any]:
    """An observable with its values in normal form; the same object if they are.

    Takes a valid STIX object. `Refused` (`CODES`) names the property whose value cannot be what its type says.
    """
    changes: dict[str, Any] = {}
    kind = value["type"]
    normaliser = _VALUES.get(kind)
    if normaliser is not None:
        found = _normal(normaliser, value["value"], "/value")
        if found != value["value"]:
            changes["value"] = found
    elif kind in _HASHED:
        if "hashes" in value:
            hashes = _hashes(value["hashes"])
            if hashes != value["hashes"]:
                changes["hashes"] = hashes
    elif kind == "autonomous-system" and not 0 <= value["number"] <= 0xFFFFFFFF:
        raise Refused(CODES[0], "/number", "the number of an autonomous system is below 2^32")
    if changes or value.get("defanged") is True:
        # What is in normal form is not defanged.
        return {key: item for key, item in value.items() if key != "defanged"} | changes
    return value


def deterministic_id(value: Mapping[str, Any]) -> str | None:
    """The id that a normal observable's contributing properties give it.

    None where there is none to agree on: an unknown type, no such property, or one that refers to other objects, whose
    ids differ between those who send them.
    """
    kind = value["type"]
    if kind in _VALUES:
        contributing = {"value": value["value"]}
    else:
        contributing = {name: value[name] for name in _CONTRIBUTING.get(kind, ()) if name in value}
        if contributing.get("hashes"):
            contributing["hashes"] = _one_hash(contributing["hashes"])
        if not contributing or (kind in _MAY_REFER and references(contributing)):
            return None
    return f"{kind}--{_uuid5(canonical(contributing))}"


def _uuid5(name: bytes) -> str:
    """The UUIDv5 of a name in STIX's namespace (RFC 9562 §5.5); `uuid.uuid5` takes four times as long."""
    found = hashlib.sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


def _normal(normaliser: Callable[[str], str], text: str, place: str) -> str:
    try:
        return normaliser(text)
    except ValueError as error:
        raise Refused(CODES[0], place, str(error)) from None


def _hashes(hashes: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in hashes.items():
        known, place = values.hash_name(name), f"/hashes/{pointer_token(name)}"
        normaliser = values.hash_value(known)
        digest = text if normaliser is None else _normal(normaliser, text, place)
        if found.setdefault(known, digest) != digest:
            raise Refused(CODES[0], place, f"there is another {known} hash beside it")
    return found


def _one_hash(hashes: Mapping[str, str]) -> dict[str, str]:
    """The hash that contributes: the first of four that is there, else the first by name."""
    name = next((name for name in _FIRST_HASHES if name in hashes), None) or min(hashes)
    return {name: hashes[name]}
