"""A Detection Finding as the service reads it: checked against its schema, and what can be mapped made ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from indicators.sources.ocsf import schema
from indicators.sources.ocsf.evidence import Observables, address
from indicators.stix import json
from indicators.stix.canonical import read_canonical
from indicators.stix.json import Refused
from indicators.stix.markings import TLP

#: The code of every refusal that this package makes; strict JSON and schemas have their own.
CODES = (
    "invalid-finding",
    "not-a-detection-finding",
    "not-blinded",
    "not-findings",
    "too-many-observables",
    "unsupported-ocsf-version",
)

LIVE, WITHDRAWN, FALSE_POSITIVE = "live", "withdrawn", "false-positive"
#: `count` of sightings and `number_observed` go up to here (STIX 2.1 §4.14, §5.2).
MAX_COUNT = 999_999_999
MAX_NAME = 256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_TIME = 946_684_800_000  # 2000-01-01, in milliseconds; seconds since 1970 are below
_LAST_TIME = 253_402_300_799_999

_CLOSING = frozenset((2, 3))  # activity_id: Update, Close
_WITHDRAWING = frozenset((3, 5, 6))  # status_id: Suppressed, Archived, Deleted
_IS_FALSE_POSITIVE = 1  # verdict_id
_CONFIDENCE = {1: 15, 2: 50, 3: 85}
_TLP = {
    "AMBER": TLP.AMBER,
    "AMBER STRICT": TLP.AMBER_STRICT,
    "CLEAR": TLP.CLEAR,
    "GREEN": TLP.GREEN,
    "RED": TLP.RED,
    "WHITE": TLP.CLEAR,
}
_METHODS = {
    1: "rule",
    2: "behavioral",
    3: "statistical",
    4: "learning",
    5: "fingerprinting",
    6: "tagging",
    7: "keyword-match",
    8: "regular-expressions",
    9: "exact-data-match",
    10: "partial-data-match",
    11: "indexed-data-match",
}
_PATTERN_TYPES = {1: "stix", 2: "pcre", 3: "sigma", 4: "snort", 5: "suricata", 6: "yara"}
_TACTICS = {
    "AML.TA0000": "ai-model-access",
    "AML.TA0001": "ai-attack-staging",
    "AML.TA0002": "reconnaissance",
    "AML.TA0003": "resource-development",
    "AML.TA0004": "initial-access",
    "AML.TA0005": "execution",
    "AML.TA0006": "persistence",
    "AML.TA0007": "defense-evasion",
    "AML.TA0008": "discovery",
    "AML.TA0009": "collection",
    "AML.TA0010": "exfiltration",
    "AML.TA0011": "impact",
    "AML.TA0012": "privilege-escalation",
    "AML.TA0013": "credential-access",
    "AML.TA0014": "command-and-control",
    "AML.TA0015": "lateral-movement",
}
_IP, _HOST, _DOMAIN, _HASH, _URL = 1, 3, 2, 4, 5  # type_id of osint
_HASHES = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class Pattern(NamedTuple):
    """What an indicator finds things by. `valid_until` is None where the finding does not say it."""

    text: str
    type: str
    valid_until: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One Detection Finding, valid, in the words of STIX; `value` is its JSON, not to be changed.

    (organisation, `uid`) names it for ever. `state` is `live`, `withdrawn` (suppressed, archived or deleted) or
    `false-positive`; `is_withdrawn` says of a false positive too whether it is withdrawn as well. `created` and
    `version` are STIX timestamps: when it was made, and when it came to say what it says. `notes` are sentences on
    what was left out. `context` is the detection context without what is registered of the detector. The last four
    are what it links to: techniques as (most exact id, next id), and names as the source gives them.
    """

    uid: str
    analytic_uid: str | None
    analytic_name: str | None
    analytic_version: str | None
    state: str
    is_withdrawn: bool
    created: str
    version: str
    notes: tuple[str, ...]
    value: dict[str, Any]
    title: str | None
    description: str | None
    tlp: TLP
    confidence: int | None
    first_seen: str
    last_seen: str
    count: int
    pattern: Pattern | None
    context: dict[str, Any]
    observables: tuple[dict[str, Any], ...]
    verdict: int | None
    phases: tuple[tuple[str, str], ...]
    techniques: tuple[tuple[str, ...], ...]
    campaigns: tuple[tuple[str, str], ...]

    @property
    def detector(self) -> tuple[str, str]:
        """What its detector is known by: the analytic's uid, else its name, else `unnamed`; and the version, if any."""
        named = (self.analytic_uid or "").strip() or (self.analytic_name or "").strip()
        return named or "unnamed", (self.analytic_version or "").strip()


def split(body: bytes, *, max_bytes: int = json.MAX_BODY_BYTES) -> list[bytes]:
    """The raw findings of a body: one, a JSON array of them, or one a line.

    Only what belongs to no single finding refuses the whole body: the size, the encoding, and the grammar of what holds
    them. A finding whose grammar is broken breaks an array, but no neighbour on another line, whichever is its own.
    """
    start = body.lstrip(b" \t\r\n")[:1]
    if start == b"[" and not _is_line_among_findings(body):
        return json.split_array(body, max_bytes=max_bytes)
    lines = json.split_lines(body, max_bytes=max_bytes)
    if start != b"{":
        if any(line.startswith(b"{") and _is_json(line) for line in lines):
            return lines
        reason = "the body is neither a Detection Finding, nor a list of them, nor one of them a line"
        raise Refused("not-findings", "", reason)
    if _is_json(body):
        return [body]
    # Written over many lines, a finding has few that begin with a brace.
    if len(lines) > 1 and 2 * sum(line.startswith(b"{") for line in lines) > len(lines):
        return lines
    fault = json.find_grammar_fault(body)
    if fault is not None:
        raise fault
    return [body]


def _is_line_among_findings(body: bytes) -> bool:
    """Whether a body that begins as an array is one on its first line, and other lines follow."""
    first, _, rest = body.strip().partition(b"\n")
    return bool(rest) and _is_json(first)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
        return False
    return True


def read(raw: bytes) -> Finding:
    """The finding in one JSON text; raises `Refused` and nothing else."""
    value, _ = read_canonical(raw)
    if type(value) is not dict:
        raise Refused("not-an-object", "", "a finding is a JSON object")
    notes = list(_check_class(value))
    unknown = schema.check(value)
    if unknown:
        notes.append(_shown_unknown(unknown))
    said = value["finding_info"]
    analytic = said.get("analytic", {})
    _check_name("/finding_info/uid", said["uid"])
    for name in ("uid", "name", "version"):
        if name in analytic:
            _check_name(f"/finding_info/analytic/{name}", analytic[name])

    entries = value.get("osint", ())
    verdict = _verdict(value)
    is_withdrawn = value.get("status_id") in _WITHDRAWING
    is_false = verdict == _IS_FALSE_POSITIVE
    if value["type_uid"] != schema.CLASS_UID * 100 + value["activity_id"]:
        notes.append(f"/type_uid: it is not that of activity_id {value['activity_id']}, which counts")

    tlp = max((_TLP[entry["tlp"]] if "tlp" in entry else TLP.AMBER for entry in entries), default=TLP.AMBER)
    observed = Observables(tlp)
    observed.read(value)
    observables = observed.finished()
    notes += observed.notes

    created, version = _versions(value)
    first_seen, last_seen = _seen(value, observed, created)
    pattern, remarks = _pattern(entries, first_seen, observables)
    notes += remarks
    if pattern is not None and tlp < TLP.AMBER_STRICT and _names_blinded(pattern.text, observed.blinded):
        tlp = TLP.AMBER_STRICT
        notes.append("Its pattern names what is blinded: marked TLP:AMBER+STRICT.")
    if pattern is None and not is_false and not is_withdrawn:
        notes.append(_without_pattern(bool(observables)))

    count = value.get("count", 1)
    if count < 1:
        raise Refused("invalid-finding", "/count", "it must be 1 or more")
    if count > MAX_COUNT:
        notes.append(f"/count: STIX counts up to {MAX_COUNT:,}; so many are told")
    attacks = [*said.get("attacks", ()), *value.get("attacks", ())]
    campaigns = []
    for index, entry in enumerate(entries):
        if "campaign" in entry:
            campaigns.append((f"/osint/{index}/campaign", entry["campaign"]["name"]))
        for place, name in _actors(entry):
            shown = f"“{_cut(name)}”"
            notes.append(
                f"/osint/{index}/{place}: names {shown} as who did it; an analyst sees it, nothing is linked"
            )
    context, remark = _context(value, analytic, observed)
    if remark:
        notes.append(remark)
    return Finding(
        uid=said["uid"],
        analytic_uid=analytic.get("uid"),
        analytic_name=analytic.get("name"),
        analytic_version=analytic.get("version"),
        state=FALSE_POSITIVE if is_false else WITHDRAWN if is_withdrawn else LIVE,
        is_withdrawn=is_withdrawn,
        created=created,
        version=version,
        notes=tuple(note if note.endswith(".") else f"{note}." for note in notes),
        value=value,
        title=said.get("title") or value.get("message") or None,
        description=said.get("desc") or None,
        tlp=tlp,
        confidence=_confidence(value),
        first_seen=first_seen,
        last_seen=last_seen,
        count=min(int(count), MAX_COUNT),
        pattern=pattern,
        context=context,
        observables=observables,
        verdict=verdict if value["activity_id"] in _CLOSING else None,
        phases=tuple(dict.fromkeys(phase for attack in attacks for phase in _phases(attack))),
        techniques=tuple(dict.fromkeys(_technique(attack) for attack in attacks)),
        campaigns=tuple(campaigns),
    )


# ----------------------------------------------------------------------------------------------------


def _check_class(value: dict[str, Any]) -> Iterator[str]:
    uid = value.get("class_uid")
    if uid != schema.CLASS_UID or type(uid) is bool:
        reason = f"only findings of the class Detection Finding, {schema.CLASS_UID}, are taken"
        raise Refused("not-a-detection-finding", "/class_uid", reason)
    metadata = value.get("metadata")
    version = metadata.get("version") if type(metadata) is dict else None
    if type(version) is str and version != schema.VERSION:
        if not version.startswith("1."):
            reason = f"only findings of OCSF 1.x are taken; they are read as {schema.VERSION}"
            raise Refused("unsupported-ocsf-version", "/metadata/version", reason)
        yield f"/metadata/version: it was read as OCSF {schema.VERSION}"


def _check_name(place: str, text: str) -> None:
    if not 0 < len(text) <= MAX_NAME:
        raise Refused("invalid-finding", place, f"it must be 1 to {MAX_NAME} characters long")


def _shown_unknown(places: tuple[str, ...], shown: int = 10) -> str:
    more = f" and {len(places) - shown:,} more" if len(places) > shown else ""
    listed = ", ".join(_cut(place) for place in places[:shown])
    return (
        f"Not read, for OCSF {schema.VERSION} with the profiles osint and security_control: {listed}{more}."
    )


def _without_pattern(is_observed: bool) -> str:
    if is_observed:
        return "It has no pattern in osint: it is kept as observed data, without an indicator."
    return "There is neither a pattern or value in osint nor evidence that could be shared."


def _verdict(value: Mapping[str, Any]) -> int | None:
    """The analyst's verdict on the whole: of the finding, or where every piece of evidence with one says the same."""
    found = _said_verdict(value)
    if found is not None:
        return found
    each = {_said_verdict(evidence) for evidence in value.get("evidences", ())} - {None}
    return each.pop() if len(each) == 1 else None


def _said_verdict(value: Mapping[str, Any]) -> int | None:
    if "verdict_id" in value:
        found: int = value["verdict_id"]
        return found
    return _IS_FALSE_POSITIVE if value.get("verdict", "").casefold() == "false positive" else None


def _versions(value: Mapping[str, Any]) -> tuple[str, str]:
    said, at = value["finding_info"], value["time"]
    time = _time("/time", at)
    created = _time("/finding_info/created_time", said["created_time"]) if "created_time" in said else time
    version = _time("/finding_info/modified_time", said["modified_time"]) if "modified_time" in said else time
    return created, max(created, version)


def _seen(value: Mapping[str, Any], observed: Observables, created: str) -> tuple[str, str]:
    """First and last seen: as said, else by the windows of the evidence, else when the finding was made."""
    said = value["finding_info"]
    first = last = None
    if "first_seen_time" in said:
        first = _time("/finding_info/first_seen_time", said["first_seen_time"])
    if "last_seen_time" in said:
        last = _time("/finding_info/last_seen_time", said["last_seen_time"])
    if first is not None and last is not None:
        if last < first:
            reason = '"last_seen_time" is before "first_seen_time"'
            raise Refused("wrong-order-in-time", "/finding_info/last_seen_time", reason)
        return first, last
    start, end = (f"{each[:-1]}.000Z" for each in observed.span() or (created[:19] + "Z", created[:19] + "Z"))
    if first is None:
        first = start if last is None else min(start, last)
    return first, last or max(first, end)


def _time(place: str, milliseconds: int) -> str:
    if not _FIRST_TIME <= milliseconds <= _LAST_TIME:
        reason = "it is no time in milliseconds since 1970, from the year 2000 on"
        raise Refused("bad-timestamp", place, reason)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def _confidence(value: Mapping[str, Any]) -> int | None:
    score = value.get("confidence_score")
    if score is None:
        return _CONFIDENCE.get(value.get("confidence_id", 0))
    if not 0 <= score <= 100:
        raise Refused("invalid-finding", "/confidence_score", "it must be 0 to 100")
    return int(score)


def _pattern(
    entries: list[dict[str, Any]], valid_from: str, observables: tuple[dict[str, Any], ...]
) -> tuple[Pattern | None, list[str]]:
    """The pattern of a finding: the first one of STIX, else the first, else one of the values that stand alone."""
    notes: list[str] = []
    written = []
    for index, entry in enumerate(entries):
        if entry.get("detection_pattern"):
            kind = _pattern_type(entry)
            if kind is None:
                notes.append(
                    f"/osint/{index}/detection_pattern: it does not say what type of pattern it is; left out"
                )
            else:
                written.append((kind, index, entry))
    if written:
        chosen = next((each for each in written if each[0] == "stix"), written[0])
        notes += [
            f"/osint/{index}/detection_pattern: a finding makes one indicator; send this one in a finding of its own"
            for _, index, entry in written
            if index != chosen[1] and entry["detection_pattern"] != chosen[2]["detection_pattern"]
        ]
        kind, index, entry = chosen
        return Pattern(entry["detection_pattern"], kind, _expiry(index, entry, valid_from)), notes
    prompts = frozenset(
        each["hashes"]["SHA-256"] for each in observables if each["type"] == "prompt-template"
    )
    comparisons: dict[str, None] = {}
    expiries: list[str | None] = []
    for index, entry in enumerate(entries):
        comparison = _comparison(entry, prompts)
        if comparison is None:
            notes.append(f"/osint/{index}: it has no pattern, and its value makes none; left out")
            continue
        comparisons[comparison] = None
        expiries.append(_expiry(index, entry, valid_from))
    if not comparisons:
        return None, notes
    until = [expiry for expiry in expiries if expiry is not None]
    # What one value outlives, the others still say.
    valid_until = max(until) if len(until) == len(expiries) else None
    return Pattern(f"[{' OR '.join(comparisons)}]", "stix", valid_until), notes


def _pattern_type(entry: Mapping[str, Any]) -> str | None:
    found = _PATTERN_TYPES.get(entry.get("detection_pattern_type_id", 0))
    if found is None and "detection_pattern_type" in entry:
        name = entry["detection_pattern_type"].casefold()
        found = name if name in _PATTERN_TYPES.values() else None
    return found


def _expiry(index: int, entry: Mapping[str, Any], valid_from: str) -> str | None:
    if "expiration_time" not in entry:
        return None
    place = f"/osint/{index}/expiration_time"
    expiry = _time(place, entry["expiration_time"])
    if expiry <= valid_from:
        raise Refused("wrong-order-in-time", place, "it expires before it was first seen")
    return expiry


def _comparison(entry: Mapping[str, Any], prompts: frozenset[str]) -> str | None:
    """The comparison of a STIX pattern that says the one value of an entry; None where it says none."""
    kind, text = entry["type_id"], entry["value"].strip()
    if kind in (_IP, _DOMAIN, _HOST):
        found = address(text)
        if found is None or (kind == _IP) == (found[0] == "domain-name"):
            return None
        operator = "ISSUBSET" if "/" in found[1] else "="
        return f"{found[0]}:value {operator} {_quoted(found[1])}"
    if kind == _URL and "://" in text:
        return f"url:value = {_quoted(text)}"
    if kind == _HASH and text.lower() in prompts:
        return f"prompt-template:hashes.'SHA-256' = {_quoted(text.lower())}"
    name = _HASHES.get(len(text))
    if kind == _HASH and name is not None and _HEXADECIMAL.issuperset(text):
        return f"file:hashes.{_quoted(name)} = {_quoted(text.lower())}"
    return None


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _names_blinded(pattern: str, blinded: list[str]) -> bool:
    return "blinded-identifier" in pattern or any(value in pattern for value in blinded)


def _actors(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "threat_actor" in entry:
        yield "threat_actor", entry["threat_actor"]["name"]
    for index, name in enumerate(entry.get("intrusion_sets", ())):
        yield f"intrusion_sets/{index}", name


def _technique(attack: Mapping[str, Any]) -> tuple[str, ...]:
    each = (attack.get(name, {}).get("uid") for name in ("sub_technique", "technique"))
    return tuple(uid for uid in each if uid)


def _phases(attack: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for tactic in [attack[name] for name in ("tactic",) if name in attack] + attack.get("tactics", []):
        uid = tactic.get("uid", "")
        name = _TACTICS.get(uid) or "-".join(tactic.get("name", "").lower().split())
        if name:
            is_atlas = uid.startswith("AML.") or any(each.startswith("AML.") for each in _technique(attack))
            yield "mitre-atlas" if is_atlas else "mitre-attack", name


def _context(
    value: Mapping[str, Any], analytic: Mapping[str, Any], observed: Observables
) -> tuple[dict[str, Any], str | None]:
    """The detection context (docs/model.md, "The profile"), and what there is to remark on it."""
    families: dict[str, None] = {}
    scores, rates = [], []
    for evidence in value.get("evidences", ()):
        given = evidence.get("data")
        said = given.get("detection_context", {}) if type(given) is dict else {}
        families.update(dict.fromkeys(said.get("evidence_families", ())))
        scores += [said["score"]] if "score" in said else []
        rates += [said["estimated_fpr"]] if "estimated_fpr" in said else []
    method = _METHODS.get(analytic.get("type_id", 0), "other")
    if method == "other" and analytic.get("type", "").casefold() in ("manual", "manual analysis"):
        method = "manual-analysis"
    remark = None
    if not families:
        families = dict.fromkeys(observed.families() or ["metadata"])
        remark = f"It names no evidence families; taken from its evidence: {', '.join(families)}."
    context: dict[str, Any] = {
        "extension_type": "property-extension",
        "method": method,
        "evidence_families": list(families),
        "finding_uid": value["finding_info"]["uid"],
    }
    for name in ("name", "version", "uid"):
        if name in analytic:
            context[f"analytic_{name}"] = analytic[name]
    if scores:
        context["score"] = max(scores)
    if rates:
        context["estimated_fpr"] = max(rates)
    return context, remark


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
