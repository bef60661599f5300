"""What an object can be found by: its values, its words, and what it refers to. No Django, no database."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from indicators import patterns

MOST_WORDS = 500
"""Of one claim; the first ones."""
LONGEST_WORD = 64

_WORD = re.compile(r"\w+")
# What allow-lists watch for is found by network and by domain (indicators.allowlists.watched).
_WATCHED = re.compile(r"(?:ipv[46]-addr|domain-name):value|autonomous-system:number")
_SHORTEST = 4
_WORTHLESS = frozenset(("true", "false", "ptn-1", "hmac-sha-256", "oprf-hmac-sha-256"))
# What names one thing, and not a kind of things (a provider, a model, a file's name).
_NAMES_ONE = re.compile(
    r"[^:]+:(?:.*\.)?(?:value|hashes\..+)|user-account:(?:user_id|account_login)|llm-api-activity:cluster_id"
    r"|mutex:name|windows-registry-key:key|x509-certificate:serial_number"
)
_SAYS_ITS_VALUE = ("value", "name", "path", "key", "user_id", "account_login", "cluster_id", "serial_number")
_TEXTS = ("name", "vendor", "abstract", "objective", "description", "content", "explanation", "opinion")
_LISTS = ("aliases", "labels", "goals", "authors")
# By the thousand, and nobody looks for what they are called.
_WORDLESS = frozenset(("relationship", "sighting", "observed-data", "marking-definition"))


def terms(obj: Mapping[str, Any]) -> frozenset[str]:
    """The values that a valid STIX object is or watches, but for addresses, domains and AS numbers.

    Of an indicator those of its STIX pattern in normal form; what is an observable says its own. Case is folded.
    """
    kind = obj["type"]
    if kind == "indicator":
        found = _watched_for(obj["pattern"]) if obj["pattern_type"] == "stix" else ()
    elif "created" in obj or _WATCHED.match(f"{kind}:value"):
        return frozenset()
    else:
        hashes = obj.get("hashes")
        found = (
            *(obj[name] for name in _SAYS_ITS_VALUE if isinstance(obj.get(name), str)),
            *(hashes.values() if isinstance(hashes, Mapping) else ()),
        )
    return frozenset(folded(text) for text in found) - _WORTHLESS


def exact(obj: Mapping[str, Any]) -> frozenset[str]:
    """Those of its `terms` that name one thing, such as a hash, URL, account or blinded value; not a kind of things."""
    kind = obj["type"]
    if kind == "indicator":
        if obj["pattern_type"] != "stix":
            return frozenset()
        said = patterns.observables(obj["pattern"])
    else:
        hashes = obj.get("hashes")
        named = hashes.items() if isinstance(hashes, Mapping) else ()
        said = (
            *((f"{kind}:{name}", obj[name]) for name in _SAYS_ITS_VALUE if isinstance(obj.get(name), str)),
            *((f"{kind}:hashes.{name}", one) for name, one in named),
        )
    return frozenset(folded(value) for path, value in said if _NAMES_ONE.fullmatch(path)) & terms(obj)


def folded(text: str) -> str:
    """A value as it is compared: without regard to case."""
    return text.casefold()


def digest(term: str) -> int:
    """What a folded value is stored by: BLAKE2b-64 of its UTF-8, as a signed 64-bit integer."""
    raw = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def words(obj: Mapping[str, Any]) -> list[str]:
    """The words of what people write about a thing, and `=` with its type; none of what has no words of its own."""
    kind = obj["type"]
    if kind in _WORDLESS or ("created" not in obj and kind != "software"):
        return []
    found = dict.fromkeys(islice((word for text in _said(obj) for word in split(text)), MOST_WORDS))
    return [f"={kind}", *found]


def split(text: str) -> list[str]:
    """The words of a text, compatibility forms and case folded, each cut to `LONGEST_WORD` characters."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain.casefold())]


def points_at(obj: Mapping[str, Any], references: tuple[str, ...]) -> list[str]:
    """Which of its references say something of what they point at: neither its author nor its markings."""
    author = obj.get("created_by_ref")
    return [
        target for target in references if target != author and not target.startswith("marking-definition--")
    ]


def _said(obj: Mapping[str, Any]) -> Iterator[str]:
    # Of an indicator, which comes by the hundred thousand, not what is told at length.
    for name in ("name",) if obj["type"] == "indicator" else _TEXTS:
        if isinstance(obj.get(name), str):
            yield obj[name]
    for name in _LISTS:
        yield from (text for text in _listed(obj, name) if isinstance(text, str))
    for reference in _listed(obj, "external_references"):
        told = reference.get("external_id") if isinstance(reference, Mapping) else None
        yield told if isinstance(told, str) else ""
    if obj["type"] == "indicator":
        for extension in obj.get("extensions", {}).values():
            # The uid of the finding that it was made of.
            uid = extension.get("finding_uid") if isinstance(extension, Mapping) else None
            yield uid if isinstance(uid, str) else ""
        if obj["pattern_type"] != "stix":
            yield obj["pattern"]


def _listed(obj: Mapping[str, Any], name: str) -> list[Any]:
    # Of a type of one's own, and on an observable, anything may stand under these names.
    value = obj.get(name)
    return value if isinstance(value, list) else []


def _watched_for(pattern: str) -> tuple[str, ...]:
    return tuple(
        value
        for path, value in patterns.observables(pattern)
        if len(value) >= _SHORTEST and not _WATCHED.fullmatch(path)
    )
