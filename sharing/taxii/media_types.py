"""Content negotiation (TAXII 2.1 §1.6.8, RFC 9110 §12.5.1 and §8.3): one representation, two questions."""

import re
from dataclasses import dataclass

from sharing.taxii.errors import NotAcceptable, UnsupportedMediaType

MEDIA_TYPE = "application/taxii+json;version=2.1"
STIX_MEDIA_TYPE = "application/stix+json;version=2.1"

_TYPE = "application"
_SUBTYPE = "taxii+json"
_VERSION = "2.1"

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# A member of a list ends at a comma and a parameter at a semicolon, unless they stand inside quotes. A quote
# that never closes runs to the end, in one pass.
_OPEN = r'"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z)'
_MEMBER = re.compile(rf"(?:{_OPEN}|[^,\"])++", re.DOTALL)
_PIECE = re.compile(rf"(?:{_OPEN}|[^;\"])++", re.DOTALL)
_RANGE = re.compile(rf"({_WORD})/({_WORD})")
# White space round "=" is not in the grammar; clients send it all the same.
_PARAMETER = re.compile(rf"({_WORD})[ \t]*=[ \t]*({_WORD}|{_QUOTED})", re.DOTALL)
_WEIGHT = re.compile(r"0?\.[0-9]+|[01](?:\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class _Media:
    type: str
    subtype: str
    parameters: dict[str, str]


def check_accept(header: str | None) -> None:
    """Raises NotAcceptable unless `header` admits `application/taxii+json;version=2.1`.

    No header, an empty one and wildcards admit it; the most specific range decides, so `;q=0` excludes. A
    range that cannot be read counts as absent. A type that merely resembles TAXII (`application/json`, STIX,
    TAXII 2.0) does not admit it.
    """
    if header is None or header == MEDIA_TYPE or not header.strip(" \t,"):
        return
    best: tuple[int, float] | None = None
    for member in _MEMBER.findall(header):
        media = _read(member)
        if media is None:
            continue
        specificity = _specificity(media)
        weight = _weight(media)
        if specificity is None or weight is None:
            continue
        best = max(best or (-1, 0.0), (specificity, weight))
    if best is None or best[1] == 0.0:
        raise NotAcceptable(f"This server answers in {MEDIA_TYPE} only.")


def check_content_type(header: str | None) -> None:
    """Raises UnsupportedMediaType unless `header` is TAXII JSON, version 2.1 or no version.

    Exactly one media type; case, white space and quotes do not matter; UTF-8 is the only charset. Parameters
    without a meaning here are ignored.
    """
    media = None
    if header is not None and _MEMBER.fullmatch(header) is not None:
        media = _read(header)
    if media is None or (media.type, media.subtype) != (_TYPE, _SUBTYPE):
        raise UnsupportedMediaType(f"Send an envelope as {MEDIA_TYPE}.")
    version = media.parameters.get("version", _VERSION)
    if version != _VERSION:
        raise UnsupportedMediaType(f"TAXII version {version[:20]!r} is not supported; send {MEDIA_TYPE}.")
    if media.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("A body is UTF-8; no other charset can be read.")


def _read(text: str) -> _Media | None:
    pieces = [piece.strip(" \t") for piece in _PIECE.findall(text)]
    if not pieces:
        return None
    if pieces[0] == "*":  # What Java's HttpURLConnection sends for */*.
        pieces[0] = "*/*"
    name = _RANGE.fullmatch(pieces[0])
    if name is None:
        return None
    parameters: dict[str, str] = {}
    for piece in pieces[1:]:
        if not piece:
            continue
        parameter = _PARAMETER.fullmatch(piece)
        if parameter is None:
            return None
        key, value = parameter[1].lower(), parameter[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        if parameters.setdefault(key, value) != value:
            return None
    return _Media(name[1].lower(), name[2].lower(), parameters)


def _specificity(media: _Media) -> int | None:
    """How closely a range fits: 3 with the version, 2 the type, 1 and 0 wildcards, None not at all."""
    match media.type, media.subtype:
        case "*", "*":
            return 0
        case "application", "*":
            return 1
        case "application", "taxii+json":
            version = media.parameters.get("version")
            if version is None:
                return 2
            return 3 if version == _VERSION else None
    return None


def _weight(media: _Media) -> float | None:
    weight = media.parameters.get("q", "1")
    if _WEIGHT.fullmatch(weight) is None or float(weight) > 1.0:
        return None
    return float(weight)
