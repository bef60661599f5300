"""STIX objects whose every text would run as a script, if a page let it."""

from collections.abc import Iterator
from itertools import cycle

from tests.conformance import stix
from tests.conformance.stix import Object

PAYLOADS = (
    '"><img src=x onerror=alert(1)>',
    "<script>alert(1)</script>",
    "'--></style></script><svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "' autofocus onfocus=alert(1) x='",
    "</textarea><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "javascript:alert(1)//",
    '" x-init="alert(1)" hx-on:load="alert(1)" y="',
    "<a href='javascript:alert(1)' data-copy=x>click</a>",
)

_TEXTS: dict[str, tuple[str, ...]] = {
    "attack-pattern": ("name", "description"),
    "campaign": ("name", "description", "objective"),
    "course-of-action": ("name", "description"),
    "identity": ("name", "description", "contact_information"),
    "infrastructure": ("name", "description"),
    "intrusion-set": ("name", "description"),
    "malware": ("name", "description"),
    "threat-actor": ("name", "description", "sophistication"),
    "tool": ("name", "description", "tool_version"),
    "vulnerability": ("name", "description"),
    "location": ("name", "description", "city", "street_address"),
}
_LISTS: dict[str, tuple[str, ...]] = {
    "campaign": ("aliases",),
    "identity": ("roles", "sectors"),
    "infrastructure": ("aliases", "infrastructure_types"),
    "intrusion-set": ("aliases", "goals"),
    "malware": ("aliases", "malware_types"),
    "threat-actor": ("aliases", "goals", "roles", "threat_actor_types"),
    "tool": ("aliases", "tool_types"),
}
_NEEDED: dict[str, Object] = {
    "malware": {"is_family": True},
    "identity": {"identity_class": "organization"},
    "location": {"country": "gb"},
}
_OBSERVABLES: dict[str, str] = {
    "directory": "path",
    "mutex": "name",
    "software": "name",
    "windows-registry-key": "key",
}


def objects() -> list[Object]:
    """One of each kind of object, all of its texts hostile, joined so that pages show them beside each other."""
    payload = cycle(PAYLOADS)
    found = [_sdo(kind, payload) for kind in _TEXTS]
    by_kind = {one["type"]: one for one in found}
    campaign = by_kind["campaign"]
    indicators = [_indicator(text, payload) for text in PAYLOADS]
    found += indicators
    found += [stix.sco(kind, {name: text}) for kind, name in _OBSERVABLES.items() for text in PAYLOADS[:3]]
    found += [
        _joined("uses", campaign, by_kind[kind], payload) for kind in ("attack-pattern", "malware", "tool")
    ]
    found += [
        _joined("attributed-to", campaign, by_kind["intrusion-set"], payload),
        _joined("uses", campaign, by_kind["infrastructure"], payload),
        *(_joined("indicates", one, campaign, payload) for one in indicators),
    ]
    first = indicators[0]
    found += [
        stix._sdo(
            "note",
            content=next(payload),
            abstract=next(payload),
            authors=[next(payload)],
            object_refs=[first["id"]],
        ),
        stix._sdo(
            "report",
            name=next(payload),
            description=next(payload),
            published=stix.CREATED,
            object_refs=[campaign["id"]],
        ),
        stix._sdo("grouping", name=next(payload), context=next(payload), object_refs=[campaign["id"]]),
        stix.opinion(
            opinion="agree", explanation=next(payload), authors=[next(payload)], object_refs=[first["id"]]
        ),
        stix.sighting(sighting_of_ref=first["id"], description=next(payload), count=3),
    ]
    return found


def _sdo(kind: str, payload: Iterator[str]) -> Object:
    texts = {name: next(payload) for name in _TEXTS[kind]}
    lists = {name: [next(payload), next(payload)] for name in _LISTS.get(kind, ())}
    return stix._sdo(kind, **texts, **lists, **_common(payload), **_NEEDED.get(kind, {}))


def _indicator(text: str, payload: Iterator[str]) -> Object:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return stix.indicator(
        name=text,
        description=next(payload),
        indicator_types=[next(payload)],
        pattern=f"[software:name = '{quoted}' OR mutex:name = '{quoted}']",
        kill_chain_phases=[{"kill_chain_name": next(payload), "phase_name": next(payload)}],
        **_common(payload),
    )


def _joined(kind: str, source: Object, target: Object, payload: Iterator[str]) -> Object:
    return stix.relationship(source, target, relationship_type=kind, description=next(payload))


def _common(payload: Iterator[str]) -> Object:
    return {
        "labels": [next(payload), next(payload)],
        "external_references": [
            {
                "source_name": next(payload),
                "description": next(payload),
                "external_id": next(payload),
                "url": next(payload),
            }
        ],
    }
