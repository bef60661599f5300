"""URL query parameters (TAXII 2.1 §3.4): which objects, how many, and from where."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from indicators.stix.timestamps import to_micros, to_sortable
from sharing.taxii.errors import BadRequest

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 5_000

PAGING = frozenset({"added_after", "limit", "next"})
#: What each endpoint filters by, as its table in TAXII 2.1 §5 says.
OBJECTS = MANIFEST = PAGING | {"match[id]", "match[type]", "match[version]", "match[spec_version]"}
OBJECT = PAGING | {"match[version]", "match[spec_version]"}
VERSIONS = PAGING | {"match[spec_version]"}
DELETE = frozenset({"match[version]", "match[spec_version]"})

_KEYWORDS = frozenset({"first", "last", "all"})
_LARGEST_INTEGER = 2**53 - 1
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# Upper case and "_" are in no STIX type; they are well-formed here and match nothing.
_TYPE = re.compile(r"[A-Za-z0-9_-]{1,250}")
_ID = re.compile(rf"{_TYPE.pattern}--{_UUID}")
_SPEC_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_INTEGER = re.compile(r"[0-9]{1,16}")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Filters:
    """A request's filters in one canonical form: lists sorted, without repetition; absent ones empty or None.

    `added_after` is in µs, compared exclusively. `limit` is at most MAX_LIMIT. `versions` holds `first`,
    `last`, `all` or timestamps as `to_sortable` writes them.
    """

    added_after: int | None = None
    limit: int | None = None
    next: str | None = None
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    spec_versions: tuple[str, ...] = ()

    @property
    def page_size(self) -> int:
        """How many objects a page holds: the limit asked for, or DEFAULT_LIMIT."""
        return min(self.limit or DEFAULT_LIMIT, MAX_LIMIT)

    @property
    def version_default(self) -> bool:
        """True when only the latest version of each object is wanted, by `last` or by silence (§3.4.1)."""
        return self.versions in ((), ("last",))


def split_query(query_string: str) -> list[tuple[str, str]]:
    """The pairs of a raw query string, percent-decoded, `+` as a space, empty values kept.

    Raises BadRequest for a broken percent-escape, for bytes that are not UTF-8 and for control characters.
    """
    pairs = []
    for part in query_string.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def parse(pairs: Sequence[tuple[str, str]], *, allowed: frozenset[str]) -> Filters:
    """Reads the parameters in `allowed`, one of OBJECTS, MANIFEST, OBJECT and VERSIONS.

    Others are ignored, except that none of TAXII's own may be given twice. Raises BadRequest naming the
    parameter.
    """
    given = _once(pairs)
    return Filters(
        added_after=_read(given, allowed, "added_after", _timestamp),
        limit=_read(given, allowed, "limit", _limit),
        # Clients that have no cursor send an empty one (clients.md 4).
        next=(given.get("next") or None) if "next" in allowed else None,
        ids=_read(given, allowed, "match[id]", _ids) or (),
        types=_read(given, allowed, "match[type]", _types) or (),
        versions=_read(given, allowed, "match[version]", _versions) or (),
        spec_versions=_read(given, allowed, "match[spec_version]", _spec_versions) or (),
    )


def parse_delete(pairs: Sequence[tuple[str, str]]) -> Filters:
    """The filters of a DELETE (§5.7): versions and specification versions, nothing else.

    `versions` is never empty: silence is `all`, because the object must be gone afterwards. Whatever looks
    like a filter and is none raises BadRequest, since ignoring it would delete more than was meant
    (clients.md 14).
    """
    for name, _ in pairs:
        plain = name.strip().lower()
        # `?version=…` is what a hurried hand writes for `?match[version]=…`.
        meant = plain.startswith("match") or plain in PAGING or f"match[{plain}]" in OBJECTS
        if meant and name not in DELETE:
            raise _malformed(name[:100], "a DELETE filters by match[version] and match[spec_version] only")
    filters = parse(pairs, allowed=DELETE)
    return Filters(versions=filters.versions or ("all",), spec_versions=filters.spec_versions)


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises BadRequest when a parameter of TAXII's occurs more than once (§3.4, Interop §3.13.1.10)."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in OBJECTS:
            if name in given:
                raise _malformed(name, "may be given once only")
            given[name] = value
    return given


def _read(
    given: dict[str, str], allowed: frozenset[str], name: str, reader: Callable[[str, str], _Value]
) -> _Value | None:
    if name not in allowed or name not in given:
        return None
    return reader(name, given[name])


def _timestamp(name: str, text: str) -> int:
    try:
        return to_micros(text)
    except ValueError as error:
        raise _malformed(name, _sentence(error)) from error


def _limit(name: str, text: str) -> int:
    if _INTEGER.fullmatch(text) is None or not 0 < int(text) <= _LARGEST_INTEGER:
        raise _malformed(name, "must be a whole number greater than zero")
    return min(int(text), MAX_LIMIT)


def _list(name: str, text: str) -> list[str]:
    values = text.split(",")
    if not all(values):
        raise _malformed(name, "has an empty value; values are separated by single commas")
    return values


def _ids(name: str, text: str) -> tuple[str, ...]:
    return _matching(name, text, _ID, "is not a STIX identifier (type--UUID)")


def _types(name: str, text: str) -> tuple[str, ...]:
    return _matching(name, text, _TYPE, "is not an object type")


def _spec_versions(name: str, text: str) -> tuple[str, ...]:
    return _matching(name, text, _SPEC_VERSION, "is not a specification version such as 2.1")


def _matching(name: str, text: str, pattern: re.Pattern[str], reason: str) -> tuple[str, ...]:
    values = _list(name, text)
    for value in values:
        if pattern.fullmatch(value) is None:
            raise _malformed(name, f"{value[:100]!r} {reason}")
    return tuple(sorted(set(values)))


def _versions(name: str, text: str) -> tuple[str, ...]:
    versions = [value if value in _KEYWORDS else _version(name, value) for value in _list(name, text)]
    if len(set(versions)) < len(versions):
        raise _malformed(name, "names a version twice")
    if "all" in versions and len(versions) > 1:
        raise _malformed(name, "`all` stands alone")
    return tuple(sorted(versions))


def _version(name: str, text: str) -> str:
    try:
        return to_sortable(text)
    except ValueError as error:
        raise _malformed(name, f"{text[:100]!r} is neither first, last, all nor a timestamp") from error


def _decode(text: str) -> str:
    # WSGI hands the query over as Latin-1 text; whatever is not that was decoded before.
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    if _PERCENT.search(text) is not None:
        raise BadRequest("The query string has a broken percent-escape.", error_code="malformed-query")
    try:
        decoded = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The query string is not UTF-8.", error_code="malformed-query") from error
    if any(character < " " or character == "\x7f" for character in decoded):
        raise BadRequest("The query string has a control character.", error_code="malformed-query")
    return decoded


def _sentence(error: ValueError) -> str:
    sentence: object = getattr(error, "sentence", None)
    return sentence if isinstance(sentence, str) else str(error)


def _malformed(name: str, reason: str) -> BadRequest:
    return BadRequest(
        f"{name}: {reason.rstrip('.')}.",
        title="A query parameter is malformed",
        error_code="malformed-parameter",
        details={"parameter": name},
    )
