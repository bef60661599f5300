"""Prompt templates: the normalisation `ptn-1`, what is common to a cluster of prompts, and the object that shares it.

Standard library only: partners run it on their side (`stillwatch template`). Formats are those of docs/model.md, "Near
duplicates of prompt templates"; comparing is `indicators.dedup.sketches`.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from indicators.dedup import sketches

NORMALIZATION = "ptn-1"
EXTENSION = "extension-definition--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02"
MIN_PROMPTS = 20
SHARE = 4
"""A shingle belongs to the skeleton if at least one prompt of so many holds it."""
MAX_TEXT = 65536
_SCO_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9

# What follows NFKC, which maps some of these to each other before.
_PUNCTUATION = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
# The look-behinds keep each of these linear: a long run is tried from its start only.
_SLOT = re.compile(r"(?<!\{)\{\{+[^{}]*\}\}+")
_URL = re.compile(
    r"(?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>\"'{}]*[^\s<>\"'{}.,;:!?()\[\]]", re.ASCII
)
_NUMBER = re.compile(r"(?<!\w)\d+(?:[.,]\d+)*(?!\w)")
_LONE_SLOT = re.compile(r"(?<!\{)\{\}(?!\})")
_WORD = re.compile(r"\{[nu]?\}|\w+")


class NotACluster(ValueError):
    """Prompts that have no skeleton; the sentence says why."""


class NotText(ValueError):
    """A text with half a surrogate pair, which has no UTF-8 form and so no hash."""


@dataclass(frozen=True, slots=True)
class Template:
    """What is shared of a template: its normalised text, and the shingles that its sketch is made of."""

    text: str
    shingles: frozenset[str]

    @property
    def slot_count(self) -> int:
        """How often `{}` stands in the normalised text."""
        return self.text.count("{}")


def normalise(text: str) -> str:
    """`ptn-1`; applied again it changes nothing. Raises `NotText`.

    NFKC → lower case → quotes and dashes to `'`, `"` and `-` → `{{slot}}` to `{}` → URLs to `{u}` → numbers to `{n}` →
    white space to single spaces, none at the ends. The order counts: slots go first, so that a number or URL in the
    name of a slot is none; URLs before the numbers in them. What a step leaves can be food for an earlier one (`{7}` is
    `{{n}}` after the numbers), so the steps are repeated until nothing changes.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotText("the text holds half a surrogate pair") from None
    before = None
    while text != before:
        before = text
        text = unicodedata.normalize("NFKC", text).lower().translate(_PUNCTUATION)
        text = _NUMBER.sub("{n}", _URL.sub("{u}", _SLOT.sub("{}", text)))
        text = " ".join(text.split())
    return text


def shingles(normalised: str) -> frozenset[str]:
    """Three words in a row, joined by single spaces. A word is a run of `\\w`, or one of `{}`, `{n}` and `{u}`."""
    words = _WORD.findall(normalised)
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def known(text: str) -> Template:
    """A template whose text is known, its slots written `{{name}}`; raises `NotText`, `NotACluster` if too short."""
    normalised = normalise(text)
    found = shingles(normalised)
    if not found:
        raise NotACluster("a template has three words at least")
    return Template(normalised, found)


def of_cluster(prompts: Iterable[str]) -> Template:
    """The skeleton of a cluster: the shingles that at least a quarter of its prompts hold, 20 prompts or more.

    Its text is read off the prompt that holds most of them: its words in skeleton shingles, and `{}` for each run of
    other words. So no word stands in it that less than a quarter of the prompts hold. Raises `NotText`, `NotACluster`.
    """
    normalised = [text for text in map(normalise, prompts) if text]
    if len(normalised) < MIN_PROMPTS:
        raise NotACluster(f"a cluster has {MIN_PROMPTS} prompts at least, not {len(normalised)}")
    held = [shingles(text) for text in normalised]
    counts = Counter(shingle for one in held for shingle in one)
    skeleton = frozenset(shingle for shingle, count in counts.items() if SHARE * count >= len(normalised))
    if not skeleton:
        raise NotACluster("no three words in a row stand in a quarter of these prompts")
    # The most typical prompt; of equals the one with the least of its own, then any fixed one.
    _, _, typical = min(
        (-len(own & skeleton), len(own), text) for own, text in zip(held, normalised, strict=True)
    )
    return Template(normalise(_with_slots(typical, skeleton)), skeleton)


def prompt_template(
    template: Template, *, text: str | None = None, marking: str | None = None
) -> dict[str, Any]:
    """The STIX object. `text` shares the template itself, 65,536 characters at most; `marking` is a definition's id."""
    if text is not None and len(text) > MAX_TEXT:
        raise NotACluster(f"the text has {len(text)} characters; a template has {MAX_TEXT} at most")
    hashes = {"SHA-256": hashlib.sha256(template.text.encode()).hexdigest()}
    identity = json.dumps(
        {"hashes": hashes, "normalization": NORMALIZATION}, sort_keys=True, separators=(",", ":")
    )
    value: dict[str, Any] = {
        "type": "prompt-template",
        "spec_version": "2.1",
        "id": f"prompt-template--{uuid5(_SCO_NAMESPACE, identity)}",
        "hashes": hashes,
        "normalization": NORMALIZATION,
        "sketches": {sketches.NAME: sketches.encode(sketches.compute(template.shingles))},
        "slot_count": template.slot_count,
        "extensions": {EXTENSION: {"extension_type": "new-sco"}},
    }
    if text is not None:
        value["template"] = text
    if marking is not None:
        value["object_marking_refs"] = [marking]
    return value


def shareable_text(template: Template) -> str:
    """The normalised text with its slots as `{{slot}}`, but for those beside a brace; its normal form is the text."""
    return _LONE_SLOT.sub("{{slot}}", template.text)


def _with_slots(text: str, skeleton: frozenset[str]) -> str:
    words = list(_WORD.finditer(text))
    common = [False] * len(words)
    for start in range(len(words) - 2):
        if " ".join(word[0] for word in words[start : start + 3]) in skeleton:
            common[start : start + 3] = [True] * 3
    parts: list[str] = []
    written = 0
    for first, last in _runs(common):
        parts += text[written : words[first].start()], "{}"
        written = words[last].end()
    return "".join((*parts, text[written:]))


def _runs(common: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last index of each run of False."""
    found: list[tuple[int, int]] = []
    for index, is_common in enumerate(common):
        if is_common:
            continue
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found
