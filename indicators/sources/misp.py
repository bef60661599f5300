"""MISP events: an item for each attribute, also of objects, made into an indicator or into observables.

Addresses, domain names, URLs and hashes have one plain form here, so that they are the same as those that came in
other clothes; all other types are mapped by misp-stix. The library is given one attribute at a time, with nothing in it
but type, category and value: no attachment, tag, galaxy or file name gets as far as its parsers. docs/files.md says
what becomes of what.
"""

import json as stdlib_json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from indicators.dedup import observables
from indicators.patterns import PatternError, canonical
from indicators.sources import single
from indicators.sources.items import Item, derived_id, not_understood
from indicators.sources.known import Draft, Known, ids, objects, withdrawn
from indicators.stix import json
from indicators.stix.canonical import canonical as canonical_json
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.timestamps import from_datetime_ms

#: The code of every refusal that this module makes.
CODES = (
    "misp-bad-attribute",
    "misp-bad-event",
    "misp-bad-value",
    "misp-no-event",
    "misp-tlp",
    "misp-too-long",
    "misp-unsupported-type",
)

#: In characters: beyond it, the library's validators take their time. Rules and single values are not given to them.
MAX_COMPOSITE = 2000
#: Attributes of a body. Each repeats what its event says of all, so that more would grow beyond measure.
MAX_ATTRIBUTES = 50_000
_MAX_TAGS = 100
_MAX_LABELS = 20
_MAX_LABEL = 100
_MAX_COMMENT = 4000
#: Attributes that are compared with what is held at a time.
_BATCH = 500

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ATLAS = re.compile(r"AML\.T[0-9]{4}(?:\.[0-9]{3})?")
_TLP_TAG = re.compile(r"\s*tlp\s*[:_-]\s*(.*)", re.IGNORECASE)
#: Tags that say how a sender works, or what other columns say better.
_LEFT_OUT_TAGS = ("misp:", "misp-galaxy:", "workflow:", "tlp")
_CONFIDENCE = {
    f'misp:confidence-level="{word}"': level
    for word, level in (
        ("completely-confident", 100),
        ("usually-confident", 75),
        ("fairly-confident", 50),
        ("rarely-confident", 25),
        ("unconfident", 0),
    )
}

#: MISP types of one plain value, and the kinds of `single`.
_PLAIN = {
    **dict.fromkeys(("ip-src", "ip-dst"), "ip"),
    **dict.fromkeys(("domain", "hostname"), "domain-name"),
    **dict.fromkeys(("url", "link"), "url"),
    "AS": "autonomous-system",
    "md5": "file-md5",
    "sha1": "file-sha1",
    "sha256": "file-sha256",
    "sha512": "file-sha512",
}
#: Types that are rules: the library writes them in brackets, as if they were STIX patterns.
_RULES = {"yara": "yara", "snort": "snort", "sigma": "sigma", "stix2-pattern": "stix"}


def split(body: bytes, *, max_bytes: int) -> list[bytes]:
    """The JSON text of each event: `{"Event": …}`, one bare as in feeds, a list of those, or `response` with it."""
    value = json.parse(body, max_bytes=max_bytes)
    if isinstance(value, dict) and "response" in value:
        value = value["response"]
    events = [_event_in(one) for one in (value if isinstance(value, list) else [value])]
    if not any(_looks_like_event(event) for event in events):
        reason = 'this is no MISP event: there is no "Event", and no "info", "Attribute" or "Object" as in a bare one'
        raise Refused("misp-no-event", "", reason)
    if sum(map(_attribute_count, events)) > MAX_ATTRIBUTES:
        reason = (
            f"there are more attributes than the {MAX_ATTRIBUTES:,} that are taken at once; send fewer events"
        )
        raise Refused("too-many-objects", "", reason)
    return [msgspec.json.encode(event) for event in events]


def _attribute_count(event: Any) -> int:
    if not isinstance(event, dict):
        return 1
    lists = [event.get("Attribute")]
    holders = event.get("Object")
    if isinstance(holders, list):
        lists += [holder.get("Attribute") for holder in holders if isinstance(holder, dict)]
    return sum(len(one) for one in lists if isinstance(one, list))


def _event_in(value: Any) -> Any:
    return value["Event"] if isinstance(value, dict) and "Event" in value else value


def _looks_like_event(value: Any) -> bool:
    return isinstance(value, dict) and any(name in value for name in ("info", "Attribute", "Object"))


def items(parts: Sequence[bytes], *, organization_id: str, now: datetime, known: Known) -> Iterator[Item]:
    """An item for each attribute of each event, and one for what an event holds besides, if anything.

    `now` is when the body came; it counts only where MISP gives no `timestamp`.
    """
    for number, part in enumerate(parts):
        event = msgspec.json.decode(part)
        at = f"events/{number}"
        try:
            context = _Context.of(event, at, now, known)
        except Refused as refusal:
            yield Item(refusal.place, refusal=refusal)
            continue
        except Exception as error:  # noqa: BLE001 - one event, not its neighbours
            yield Item(at, refusal=not_understood(error, at))
            continue
        readings: list[_Reading] = []
        for place, attribute, said in context.attributes():
            readings.append(_read(place, attribute, said, context, organization_id, known))
            if len(readings) == _BATCH:
                yield from _settled(readings, organization_id, known)
                readings = []
        yield from _settled(readings, organization_id, known)
        if context.notes:
            yield Item(context.place, notes=tuple(context.notes))


# ----------------------------------------------------------------------------------------------------
# What an event says of all its attributes


@dataclass(frozen=True, slots=True)
class _Said:
    """What tags and galaxies say: the most restrictive TLP, labels, the lowest confidence, ids of ATLAS techniques."""

    level: TLP | None = None
    labels: tuple[str, ...] = ()
    confidence: int | None = None
    techniques: tuple[str, ...] = ()

    @classmethod
    def by(cls, holder: Mapping[str, Any], place: str) -> "_Said":
        tags = _tags(holder)
        stated = [_CONFIDENCE[tag["name"]] for tag in tags if tag["name"] in _CONFIDENCE]
        return cls(
            _tlp(tags, place), _labels(tags), min(stated, default=None), tuple(_atlas_ids(holder, tags))
        )

    def and_by(self, holder: Mapping[str, Any], place: str) -> "_Said":
        """With what something inside says besides."""
        if not holder.get("Tag") and not holder.get("Galaxy"):
            return self
        inner = _Said.by(holder, place)
        levels = [level for level in (self.level, inner.level) if level is not None]
        stated = [one for one in (self.confidence, inner.confidence) if one is not None]
        return _Said(
            max(levels, default=None),
            tuple(dict.fromkeys((*inner.labels, *self.labels)))[:_MAX_LABELS],
            min(stated, default=None),
            tuple(dict.fromkeys((*self.techniques, *inner.techniques))),
        )


@dataclass(slots=True)
class _Context:
    event: Mapping[str, Any]
    at: str
    place: str
    uuid: str
    changed: str
    said: _Said
    notes: list[str]

    @classmethod
    def of(cls, event: Any, at: str, now: datetime, known: Known) -> "_Context":
        if not _looks_like_event(event):
            raise Refused("misp-bad-event", at, "this is no MISP event")
        uuid = _uuid(event) or ""
        place = f"event {uuid}" if uuid else at
        for name in ("Attribute", "Object", "Tag", "Galaxy"):
            if not isinstance(event.get(name) or [], list):
                raise Refused("misp-bad-event", place, f'"{name}" is not a list')
        said = _Said.by(event, place)
        changed = _timestamp(event.get("timestamp")) or from_datetime_ms(now)
        return cls(event, at, place, uuid, changed, said, [*_left_out(event, said, known)])

    def attributes(self) -> Iterator[tuple[str, Any, _Said | Refused]]:
        """Place, attribute, and what its event and its object say of it."""
        for number, attribute in enumerate(self.event.get("Attribute") or ()):
            yield self._place(f"attributes/{number}", attribute), attribute, self.said
        for index, holder in enumerate(self.event.get("Object") or ()):
            at = f"{self.at}/objects/{index}"
            held = (holder.get("Attribute") or []) if isinstance(holder, dict) else None
            if not isinstance(held, list):
                yield at, None, Refused("misp-bad-attribute", at, 'a MISP object has a list "Attribute"')
                continue
            said: _Said | Refused
            try:
                said = self.said.and_by(holder, at)
            except Refused as refusal:
                said = refusal
            for number, attribute in enumerate(held):
                if _is_set(holder.get("deleted")) and isinstance(attribute, dict):
                    attribute["deleted"] = True
                yield self._place(f"objects/{index}/attributes/{number}", attribute), attribute, said

    def _place(self, path: str, attribute: Any) -> str:
        # Whoever looks for it in MISP has the UUID.
        uuid = _uuid(attribute)
        return f"attribute {uuid}" if uuid else f"{self.at}/{path}"


def _left_out(event: Mapping[str, Any], said: _Said, known: Known) -> Iterator[str]:
    attributes = event.get("Attribute") or []
    holders = [one for one in event.get("Object") or [] if isinstance(one, dict)]
    if holders:
        yield f"{_number(len(holders), 'MISP object was', 'MISP objects were')} taken apart into attributes."
    if not attributes and not any(one.get("Attribute") for one in holders):
        yield "The event holds no attributes."
    for name, one, many in (
        ("EventReport", "event report", "event reports"),
        ("ShadowAttribute", "proposal", "proposals"),
        ("Galaxy", "galaxy", "galaxies"),
        ("Note", "analyst note", "analyst notes"),
        ("Opinion", "analyst opinion", "analyst opinions"),
    ):
        found = event.get(name)
        if isinstance(found, list) and found:
            but = " (but for techniques of MITRE ATLAS)" if name == "Galaxy" else ""
            yield f"{_number(len(found), one, many)} of the event left out{but}."
    if len(event.get("Tag") or ()) > _MAX_TAGS:
        yield f"Only the first {_MAX_TAGS} tags of the event were read."
    unknown = sorted(set(said.techniques) - known.techniques.keys())
    if unknown:
        yield f"Not in the catalogue of techniques, and left out: {', '.join(unknown[:20])}."


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _tags(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = holder.get("Tag")
    return [
        tag
        for tag in (found[:_MAX_TAGS] if isinstance(found, list) else ())
        if isinstance(tag, dict) and isinstance(tag.get("name"), str)
    ]


def _tlp(tags: Sequence[Mapping[str, Any]], place: str) -> TLP | None:
    """The most restrictive level among the tags; one that nobody knows is refused, not guessed at."""
    found: list[TLP] = []
    for tag in tags:
        match = _TLP_TAG.fullmatch(tag["name"])
        if match is not None:
            try:
                found.append(TLP.parse(match[1]))
            except ValueError:
                raise Refused(
                    "misp-tlp", place, "a tag of the taxonomy tlp names no level of TLP 2.0"
                ) from None
    return max(found, default=None)


def _atlas_ids(holder: Mapping[str, Any], tags: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of ATLAS techniques in tags and galaxy clusters."""
    texts = [tag["name"][:500] for tag in tags]
    galaxies = holder.get("Galaxy")
    for galaxy in galaxies[:_MAX_TAGS] if isinstance(galaxies, list) else ():
        clusters = galaxy.get("GalaxyCluster") if isinstance(galaxy, dict) else None
        for cluster in clusters[:_MAX_TAGS] if isinstance(clusters, list) else ():
            if isinstance(cluster, dict):
                texts += [str(cluster.get(name) or "")[:500] for name in ("tag_name", "value")]
                meta = cluster.get("meta")
                if isinstance(meta, dict):
                    texts.append(str(meta.get("external_id") or "")[:500])
    return list(dict.fromkeys(found for text in texts for found in _ATLAS.findall(text)))


# ----------------------------------------------------------------------------------------------------
# What becomes of an attribute


@dataclass(slots=True)
class _Reading:
    """An attribute as it was read: a draft of an indicator, observables, nothing but notes, or a refusal."""

    place: str
    indicator_id: str = ""
    draft: Draft | None = None
    observables: Sequence[dict[str, Any]] = ()
    refusal: Refused | None = None
    notes: tuple[str, ...] = ()
    modified: str = ""
    changed: str = ""


def _settled(readings: Sequence[_Reading], organization_id: str, known: Known) -> Iterator[Item]:
    wanted = {
        one.indicator_id: ids(one.indicator_id, organization_id=organization_id, known=known)
        for one in readings
        if one.refusal is None
    }
    held = known.held([one for many in wanted.values() for one in many]) if wanted else {}
    for one in readings:
        if one.refusal is not None:
            yield Item(one.place, refusal=one.refusal, notes=one.notes)
            continue
        try:
            if one.draft is not None:
                made = tuple(
                    objects(
                        one.draft,
                        organization_id=organization_id,
                        known=known,
                        held=held,
                        modified=one.modified,
                        changed=one.changed,
                    )
                )
            else:
                # What was an indicator before, and is none now.
                revoked = withdrawn(
                    wanted[one.indicator_id], held=held, modified=one.modified, changed=one.changed
                )
                made = (*revoked, *(canonical_json(observable) for observable in one.observables))
        except Refused as refusal:
            yield Item(one.place, refusal=Refused(refusal.code, one.place, refusal.reason), notes=one.notes)
            continue
        except Exception as error:  # noqa: BLE001 - one attribute, not its neighbours
            yield Item(one.place, refusal=not_understood(error, one.place))
            continue
        yield Item(one.place, objects=made, notes=one.notes)


def _read(
    place: str,
    attribute: Any,
    said: _Said | Refused,
    context: _Context,
    organization_id: str,
    known: Known,
) -> _Reading:
    try:
        if isinstance(said, Refused):
            raise said
        return _reading(place, attribute, said, context, organization_id, known)
    except Refused as refusal:
        return _Reading(place, refusal=refusal)
    except Exception as error:  # noqa: BLE001 - one attribute, not its neighbours
        return _Reading(place, refusal=not_understood(error, place))


def _reading(
    place: str,
    attribute: Any,
    said: _Said,
    context: _Context,
    organization_id: str,
    known: Known,
) -> _Reading:
    if not isinstance(attribute, dict):
        raise Refused("misp-bad-attribute", place, "this is no MISP attribute")
    kind, value = attribute.get("type"), attribute.get("value")
    if not isinstance(kind, str) or not isinstance(value, str | int) or isinstance(value, bool):
        raise Refused("misp-bad-attribute", place, 'an attribute has a "type" and a "value"')
    value = str(value).strip()
    said = said.and_by(attribute, place)
    uuid = _uuid(attribute)
    indicator_id = (
        f"indicator--{uuid}"
        if uuid
        else derived_id("indicator", organization_id, "misp", context.uuid, kind, value)
    )
    reading = _Reading(
        place,
        indicator_id,
        notes=tuple(_attribute_notes(attribute)),
        modified=_timestamp(attribute.get("timestamp")) or context.changed,
        changed=context.changed,
    )
    if _is_set(attribute.get("deleted")):
        reading.notes += ("Deleted in MISP; an indicator that was made of it is withdrawn.",)
        return reading
    marking = {} if said.level is None else {"object_marking_refs": [marking_id(said.level)]}
    made = _made_of(kind, value, _is_set(attribute.get("to_ids")), place)
    if made.pattern is None:
        if not made.observables:
            reading.notes += (f"An attribute of type {kind[:60]} is no indicator, and was left out.",)
        reading.observables = [{**observable, **marking} for observable in made.observables]
        return reading
    indicator: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": indicator_id,
        "pattern": made.pattern,
        "pattern_type": made.pattern_type,
        **marking,
    }
    if made.pattern_type == "stix":
        indicator["pattern_version"] = "2.1"
    comment = attribute.get("comment")
    if isinstance(comment, str) and comment.strip():
        indicator["description"] = comment.strip()[:_MAX_COMMENT]
    first_seen = _iso(attribute.get("first_seen"))
    if first_seen is not None:
        indicator["valid_from"] = first_seen
    if said.labels:
        indicator["labels"] = list(said.labels)
    if said.confidence is not None:
        indicator["confidence"] = said.confidence
    if context.uuid:
        indicator["external_references"] = [{"source_name": "misp-event", "external_id": context.uuid}]
    reading.draft = Draft(indicator, tuple(one for one in said.techniques if one in known.techniques))
    return reading


def _attribute_notes(attribute: Mapping[str, Any]) -> Iterator[str]:
    if attribute.get("data"):
        yield "The attached file was left out: attachments and samples are never taken."
    for name, one, many in (
        ("Sighting", "sighting", "sightings"),
        ("ShadowAttribute", "proposal", "proposals"),
        ("Note", "analyst note", "analyst notes"),
        ("Opinion", "analyst opinion", "analyst opinions"),
    ):
        found = attribute.get(name)
        if isinstance(found, list) and found:
            yield f"{_number(len(found), one, many)} left out."


def _labels(tags: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Tags that leave with what they say something of: none that MISP calls local, none of how somebody works."""
    names = [tag["name"].strip() for tag in tags if not _is_set(tag.get("local"))]
    return tuple(
        dict.fromkeys(
            name
            for name in names
            if 0 < len(name) <= _MAX_LABEL and not name.lower().startswith(_LEFT_OUT_TAGS)
        )
    )[:_MAX_LABELS]


def _uuid(holder: Any) -> str | None:
    """The UUID of something, if it is one that STIX takes (versions 1 to 5)."""
    text = holder.get("uuid") if isinstance(holder, dict) else None
    if not isinstance(text, str):
        return None
    text = text.strip().lower()
    return text if _UUID.fullmatch(text) else None


def _is_set(flag: Any) -> bool:
    return flag is True or flag == 1 or (isinstance(flag, str) and flag.strip().lower() in ("1", "true"))


def _timestamp(value: Any) -> str | None:
    """MISP writes seconds since 1970, as a string or a number."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 12):
        return None
    seconds = int(text)
    return from_datetime_ms(datetime.fromtimestamp(seconds, UTC)) if 0 < seconds < 253_402_300_800 else None


def _iso(value: Any) -> str | None:
    """`first_seen` is ISO 8601 with microseconds and an offset; older feeds have microseconds since 1970."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return from_datetime_ms(moment.replace(tzinfo=moment.tzinfo or UTC))
    except (ValueError, OverflowError):
        return None


# ----------------------------------------------------------------------------------------------------
# From type and value to STIX


@dataclass(frozen=True, slots=True)
class _Made:
    pattern: str | None = None
    pattern_type: str = "stix"
    observables: tuple[dict[str, Any], ...] = ()


def _made_of(kind: str, value: str, to_ids: bool, place: str) -> _Made:
    try:
        if kind in _PLAIN:
            name = _PLAIN[kind]
            if name == "ip":
                name = "ipv6-addr" if value.count(":") > 1 else "ipv4-addr"
            found, normal = single.normal(value, name)
            if to_ids:
                return _Made(single.pattern(found, normal))
            return _Made(observables=(single.observable(found, normal),))
        if kind in _RULES:
            if not to_ids:
                return _Made()
            return _Made(canonical(value) if kind == "stix2-pattern" else value, _RULES[kind])
    except PatternError as error:
        raise Refused("invalid-pattern", place, error.reason) from None
    except ValueError as error:
        raise Refused("misp-bad-value", place, f"{error} (an attribute of type {kind})") from None
    return _by_library(kind, value, to_ids, place)


def _by_library(kind: str, value: str, to_ids: bool, place: str) -> _Made:
    if not _library().maps(kind):
        if to_ids:
            reason = f"an attribute of type {kind[:60]} has no form in STIX that this service takes"
            raise Refused("misp-unsupported-type", place, reason)
        return _Made()
    if len(value) > MAX_COMPOSITE:
        reason = f"a value of type {kind} is at most {MAX_COMPOSITE:,} characters long, not {len(value):,}"
        raise Refused("misp-too-long", place, reason)
    # The library splits at underscores too.
    if "|" in kind and "|" not in value:
        raise Refused("misp-bad-value", place, f"a value of type {kind} has two parts, with | between them")
    if kind.startswith("regkey"):
        value = _HIVE.sub(lambda match: f"HKEY_{_HIVES[match[1].upper()]}\\", value)
    # The library is told an id that the value gives, so that the same value gives the same observable.
    uuid = derived_id("attribute", kind, value).removeprefix("attribute--")
    pattern, found = _library().convert({"uuid": uuid, "type": kind, "value": value, "to_ids": to_ids}, place)
    if not to_ids:
        return _Made(observables=_under_their_own_ids(found, place))
    if pattern is None:
        raise Refused("misp-bad-value", place, f"the value is not of the form of its type, {kind}")
    try:
        return _Made(canonical(_NUMBER.sub(r"\1 = \2", pattern)))
    except PatternError as error:
        raise Refused("invalid-pattern", place, error.reason) from None


_HIVE = re.compile(r"(HKLM|HKCU|HKCR|HKU|HKCC)\\", re.IGNORECASE)
_HIVES = {
    "HKLM": "LOCAL_MACHINE",
    "HKCU": "CURRENT_USER",
    "HKCR": "CLASSES_ROOT",
    "HKU": "USERS",
    "HKCC": "CURRENT_CONFIG",
}
#: The library compares numbers with strings.
_NUMBER = re.compile(r"(:(?:src_port|dst_port|size|number)) = '([0-9]{1,18})'")


def _under_their_own_ids(found: Sequence[dict[str, Any]], place: str) -> tuple[dict[str, Any], ...]:
    """Observables with their values in normal form and the ids that these give (the library gives MISP's)."""
    try:
        normal = [observables.normal(one) for one in found]
    except Refused as refusal:
        raise Refused("misp-bad-value", place, refusal.reason) from None
    own = {one["id"]: observables.deterministic_id(one) or one["id"] for one in normal}
    return tuple(
        {
            key: _renamed(value, own) if key == "id" or key.endswith(_REFERRING) else value
            for key, value in one.items()
            # What the library could not say in STIX.
            if not key.startswith("x_")
        }
        for one in normal
    )


_REFERRING = ("_ref", "_refs", "body_multipart")


def _renamed(value: Any, own: Mapping[str, str]) -> Any:
    """A value of an observable with other ids in it; not deep, because the library made it."""
    if isinstance(value, list):
        return [_renamed(each, own) for each in value]
    if isinstance(value, dict):
        return {key: _renamed(each, own) for key, each in value.items()}
    return own.get(value, value) if isinstance(value, str) else value


class _Library:
    """misp-stix, one attribute at a time, without what is slow in it and of no use here."""

    def __init__(self) -> None:
        # Imported here: it takes seconds, and only workers that meet a MISP event need it.
        from misp_stix_converter import MISPtoSTIX21Mapping, MISPtoSTIX21Parser

        # It writes values that it refuses into the log, and values are not for logs.
        logging.getLogger("pymisp").disabled = True
        self._mapping = MISPtoSTIX21Mapping

        class Parser(MISPtoSTIX21Parser):  # type: ignore[misc]
            """Keeps the pattern and the observables; builds no SDO, each of which costs a run of ANTLR."""

            pattern: str | None = None
            found: Sequence[Any] = ()

            def _handle_attribute_indicator(
                self, attribute: Any, pattern: str, standalone: bool = False, **kwargs: Any
            ) -> Any:
                self.pattern = pattern
                return _Stub({"id": "indicator", "modified": None})

            def _create_observed_data(self, args: dict[str, Any], observables: list[Any]) -> Any:
                self.found = observables
                return _Stub(args)

            def _parse_indicator_relationship(self, *args: Any) -> None:
                """There is nothing to relate."""

            def _parse_custom_attribute(self, attribute: Any) -> None:
                """What has no form in STIX stays out."""

        self._parser = Parser

    def maps(self, kind: str) -> bool:
        name = self._mapping.attribute_types_mapping(kind)
        return name is not None and kind not in ("campaign-name", "vulnerability")

    def convert(self, attribute: dict[str, Any], place: str) -> tuple[str | None, list[dict[str, Any]]]:
        """Pattern and observables; `Refused` with the library's reason."""
        parser = self._parser()
        try:
            parser.parse_misp_attribute(attribute)
            found = [stdlib_json.loads(one.serialize()) for one in parser.found]
        except Exception as error:  # noqa: BLE001
            # Whatever a library raises over a value that a client sent is that value's fault.
            name = type(error).__name__
            raise Refused(
                "misp-bad-value", place, f"misp-stix cannot read a {attribute['type']} of this form ({name})"
            ) from None
        if any(parser.errors.values()):
            raise Refused(
                "misp-bad-value", place, f"the value is not of the form of its type, {attribute['type']}"
            )
        return parser.pattern, found


class _Stub(dict[str, Any]):
    """Stands for an SDO that is not built."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


@cache
def _library() -> _Library:
    return _Library()


def load() -> None:
    """Load misp-stix, which takes seconds, if it is not loaded yet."""
    _library()
