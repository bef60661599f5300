"""How what an analyst typed can be read: as ids, patterns, values, keys and words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from indicators import terms
from indicators.allowlists import watched
from indicators.dedup.identity import indicator_key
from indicators.patterns import PatternError, values
from indicators.patterns import canonical as canonical_pattern
from sharing.search.kinds import BY_TYPE

LONGEST = 10_000
"""Characters of what may be typed."""
MOST = 10_000
"""A reading by value looks at so many subjects, an export holds so many."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read what was typed, in words, and SQL for the ids of the subjects that it finds."""

    kind: str
    said: str
    query: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """What was typed, all the ways to read it, and what is wrong with it as what it looks like."""

    text: str
    readings: tuple[Reading, ...] = ()
    words: str = ""
    problem: str = ""

    @property
    def kinds(self) -> list[str]:
        """What it was read as, in a word each: this, and not what was typed, is what an audit event tells."""
        return [*(reading.kind for reading in self.readings), *(["words"] if self.words else [])]

    @property
    def is_empty(self) -> bool:
        """Whether it asks for everything."""
        return not self.readings and not self.words and not self.text


_ID = re.compile(r"[a-z][a-z0-9-]{1,248}--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"(?:ck1:)?([0-9a-f]{64})")
_ASN = re.compile(r"(?:asn?\s*)?(\d{1,10})", re.IGNORECASE | re.ASCII)
_HEXADECIMAL = re.compile(r"(?:[a-z0-9-]{2,12}[:=]\s*)?(?:t1)?([0-9a-f]{32,128})")
_PORT = re.compile(r"([^:/\s]+):\d{1,5}", re.ASCII)
_OTHER_PATTERN = re.compile(r"\n|^\s*(?:alert|rule|title:|detection:|logsource:)")
_PATTERN_TYPES = ("sigma", "snort", "suricata", "yara", "pcre")
_MOST_TYPED_WORDS = 16
_PREFIX = 3
"""A word of so many letters also finds those that begin with it."""

_COMMUNITIES = "community_id IN (SELECT id FROM accounts_community)"
_BY_ID = (
    f"SELECT subject_id AS id FROM indicators_claim WHERE {_COMMUNITIES} AND object_id = ANY(%(ids)s)"
    " UNION SELECT subject_id FROM sharing_release WHERE published_id = ANY(%(ids)s)"
    f" UNION SELECT id FROM indicators_subject WHERE {_COMMUNITIES} AND key = ANY(%(id_keys)s)"
)
_BY_KEY = f"SELECT id FROM indicators_subject WHERE {_COMMUNITIES} AND key = ANY(%(keys)s)"
_BY_TARGET = "SELECT subject_id FROM indicators_reference WHERE target = ANY(%(ids)s) LIMIT 1000"
_BY_TERM = f"SELECT subject_id FROM indicators_term WHERE digest = ANY(%(terms)s) LIMIT {MOST}"
_BY_NETWORK = (
    "SELECT subject_id FROM indicators_observable WHERE network IS NOT NULL"
    f" AND network && %(network)s::inet LIMIT {MOST}"
)
_BY_ASN = f"SELECT subject_id FROM indicators_observable WHERE asn = %(asn)s LIMIT {MOST}"
_BY_DOMAIN = (
    "SELECT subject_id FROM indicators_observable WHERE domain IS NOT NULL"
    " AND (reverse('.' || domain) COLLATE \"C\") >= %(domain)s"
    f" AND (reverse('.' || domain) COLLATE \"C\") < %(domain_end)s LIMIT {MOST}"
)


def read(typed: str) -> Query:
    """Every way to read what was typed; never an error, whatever it is."""
    text = typed.replace("\0", " ").encode("utf-8", "replace").decode().strip()
    if len(text) > LONGEST:
        return Query(
            text[:200], problem=f"It is longer than {LONGEST:,} characters: search for a part of it."
        )
    if not text:
        return Query("")
    lower = text.lower()
    if _ID.fullmatch(lower):
        return Query(
            text, (_ids([text, lower], "the id"), Reading("references", "what refers to it", _BY_TARGET))
        )
    if _UUID.fullmatch(lower):
        return Query(text, (_ids([f"{one}--{lower}" for one in BY_TYPE], "the end of an id"),))
    readings, problem = _as_pattern(text)
    if readings:
        return Query(text, readings)
    readings = (*_as_values(text), *_as_keys(lower))
    found = terms.split(text)[:_MOST_TYPED_WORDS]
    words = " & ".join(
        f"'{word}':*" if len(word) >= _PREFIX else f"'{word}'" for word in dict.fromkeys(found)
    )
    if not readings and not words and not problem:
        problem = "There is no word, value or id in it."
    return Query(text, readings, words, problem)


def _ids(ids: Sequence[str], said: str) -> Reading:
    return Reading("id", said, _BY_ID, {"ids": list(ids), "id_keys": [one.encode() for one in ids]})


def _as_pattern(text: str) -> tuple[tuple[Reading, ...], str]:
    """As a pattern, in any spelling; or what is wrong with what looks like one."""
    if text[0] in "[(" and "]" in text and re.search(r"[\w'-]:[\w'\"]", text):
        try:
            said = canonical_pattern(text)
            key = indicator_key("stix", text)
        except PatternError as error:
            return (), f"This looks like a STIX pattern, but it is none: {error}."
        return (Reading("pattern", f"the pattern {said}", _BY_KEY, {"keys": [key]}),), ""
    if _OTHER_PATTERN.search(text):
        keys = [indicator_key(one, text) for one in _PATTERN_TYPES]
        return (Reading("pattern", "the text of a rule", _BY_KEY, {"keys": keys}),), ""
    return (), ""


def _as_values(text: str) -> Iterator[Reading]:
    """As everything that an indicator can watch."""
    exact = {terms.folded(text)}
    if "//" in text:
        url = _normal(values.url, text)
        if url is not None:
            exact.add(terms.folded(url))
            host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
            yield from _as_host(host)
    elif "@" in text or "[at]" in text:
        email = _normal(values.email, text)
        if email is not None:
            exact.add(email)
    elif not re.search(r"\s", text):
        yield from _as_host(text)
    mac = _normal(values.mac, text)
    if mac is not None:
        exact.add(mac)
    number = _ASN.fullmatch(text)
    if number and int(number[1]) < 2**32:
        yield Reading("asn", f"AS{int(number[1])}", _BY_ASN, {"asn": int(number[1])})
    hexadecimal = _HEXADECIMAL.fullmatch(text.lower())
    if hexadecimal:
        exact |= {hexadecimal[1], text.lower()}
    yield Reading(
        "value", "an exact value", _BY_TERM, {"terms": sorted({terms.digest(one) for one in exact})}
    )


def _as_host(text: str) -> Iterator[Reading]:
    """As an address, a network or a domain, with what is inside and around it."""
    port = _PORT.fullmatch(text)
    host = port[1] if port else text
    try:
        network = watched.network(host.strip("[]") if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        pass
    else:
        one = watched.shown(network)
        around = "what is inside it and what covers it" if "/" in one else "networks that cover it"
        yield Reading("network", f"{one}, {around}", _BY_NETWORK, {"network": str(network)})
        return
    domain = _normal(values.domain, host) if "." in host or "。" in host else None
    if domain is not None and "." in domain:
        start = f"{domain[::-1]}."
        yield Reading(
            "domain",
            f"the domain {domain} and what is below it",
            _BY_DOMAIN,
            # `/` follows `.`.
            {"domain": start, "domain_end": f"{domain[::-1]}/"},
        )


def _as_keys(lower: str) -> Iterator[Reading]:
    key = _KEY.fullmatch(lower)
    if key:
        yield Reading("key", "a canonical key", _BY_KEY, {"keys": [bytes.fromhex(key[1])]})


def _normal(normaliser: Any, text: str) -> str | None:
    try:
        found: str = normaliser(text)
    except ValueError:
        return None
    return found
