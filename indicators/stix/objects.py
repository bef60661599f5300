"""A STIX object as the service holds it: read once, canonical from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indicators.stix.canonical import read_canonical
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, effective
from indicators.stix.references import references
from indicators.stix.timestamps import to_sortable
from indicators.stix.validation import is_sco, validate


@dataclass(frozen=True, slots=True)
class StixObject:
    """A valid STIX 2.1 object.

    `version` is the text of `modified`, or of `created` where there is no `modified`; `version_key` the same
    with nine decimals, so that it sorts. Both are None for cyber-observables, whose version is the date they
    were added. `value` is the parsed object, not to be changed; `body` its RFC 8785 bytes.
    """

    id: str
    type: str
    spec_version: str
    version: str | None
    version_key: str | None
    created: str | None
    revoked: bool
    tlp: TLP | None
    references: tuple[str, ...]
    value: dict[str, Any]
    body: bytes


def read(raw: bytes) -> StixObject:
    """The object in one JSON text; raises `Refused`, of which `Invalid` is a kind, and nothing else."""
    value, body = read_canonical(raw)
    if type(value) is not dict:
        raise Refused("not-an-object", "", "a STIX object is a JSON object")
    validate(value)
    version = created = None
    if not is_sco(value):
        created = value["created"]
        version = value.get("modified", created)
    return StixObject(
        id=value["id"],
        type=value["type"],
        spec_version=value.get("spec_version", "2.1"),
        version=version,
        version_key=None if version is None else to_sortable(version),
        created=created,
        revoked=value.get("revoked", False) is True,
        tlp=effective(value),
        references=references(value),
        value=value,
        body=body,
    )


_NAMES = (
    *(
        "pattern",
        "value",
        "name",
        "path",
        "key",
        "number",
        "cluster_id",
        "abstract",
        "explanation",
        "opinion",
    ),
    *("content", "account_login", "user_id"),
)


def known_by(value: Mapping[str, Any]) -> str:
    """What people know an object by: its pattern, value or name; what has none of them by what it says; else its id."""
    if value.keys() <= {"type", "id"}:
        # What is left of an erased one.
        return str(value.get("id", ""))
    if "relationship_type" in value:
        ends = (str(value.get(end, "")).partition("--")[0] for end in ("source_ref", "target_ref"))
        return f" {value['relationship_type']} ".join(ends)
    if value.get("type") == "observed-data":
        times = "time" if value["number_observed"] == 1 else "times"
        days = f"{value['first_observed'][:10]} to {value['last_observed'][:10]}"
        return f"observed {value['number_observed']:,} {times}, {days}"
    if value.get("type") == "sighting":
        last = value.get("last_seen") or value.get("first_seen") or value["created"]
        return f"sighted {value.get('count', 1):,} times, last on {last[:10]}"
    for name in _NAMES:
        if name in value:
            return str(value[name])
    for name, digest in value.get("hashes", {}).items():
        return f"{value['type']} {name} {digest}"
    return str(value.get("id", ""))
