"""Which relationships STIX 2.1 lets stand between two types of objects (STIX 2.1 §3.5, §4, §6 and appendix B)."""

from __future__ import annotations

from collections.abc import Mapping

COMMON = "related-to"
"""Between any two objects."""
OF_ONE_TYPE = ("derived-from", "duplicate-of")
"""Between two objects of one type."""

_VICTIMS = ("identity", "location", "vulnerability")
_MEANS = ("attack-pattern", "infrastructure", "malware", "tool")
_ENDPOINTS = ("domain-name", "ipv4-addr", "ipv6-addr", "url")
_OBSERVABLES = (
    *("artifact", "autonomous-system", "blinded-identifier", "directory", "domain-name", "email-addr"),
    *("email-message", "file", "ipv4-addr", "ipv6-addr", "llm-api-activity", "mac-addr", "mutex"),
    *("network-traffic", "process", "prompt-template", "software", "url", "user-account"),
    *("windows-registry-key", "x509-certificate"),
)
_ACTORS = ("intrusion-set", "threat-actor")
_OF_ACTORS: dict[str, tuple[str, ...]] = {
    "compromises": ("infrastructure",),
    "hosts": ("infrastructure",),
    "owns": ("infrastructure",),
    "targets": _VICTIMS,
    "uses": _MEANS,
}

#: By source type: relationship type → target types.
ALLOWED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "attack-pattern": {
        "delivers": ("malware",),
        "targets": _VICTIMS,
        "uses": ("malware", "tool"),
    },
    "campaign": {
        "attributed-to": _ACTORS,
        "compromises": ("infrastructure",),
        "originates-from": ("location",),
        "targets": _VICTIMS,
        "uses": _MEANS,
    },
    "course-of-action": {
        "investigates": ("indicator",),
        "mitigates": ("attack-pattern", "indicator", "malware", "tool", "vulnerability"),
    },
    "domain-name": {"resolves-to": ("domain-name", "ipv4-addr", "ipv6-addr")},
    "identity": {"located-at": ("location",)},
    "indicator": {
        "based-on": ("observed-data",),
        "indicates": (
            *("attack-pattern", "campaign", "infrastructure", "intrusion-set", "malware", "threat-actor"),
            "tool",
        ),
    },
    "infrastructure": {
        "communicates-with": ("infrastructure", *_ENDPOINTS),
        "consists-of": ("infrastructure", "observed-data", *_OBSERVABLES),
        "controls": ("infrastructure", "malware"),
        "delivers": ("malware",),
        "has": ("vulnerability",),
        "hosts": ("malware", "tool"),
        "located-at": ("location",),
        "uses": ("infrastructure",),
    },
    "intrusion-set": {
        "attributed-to": ("threat-actor",),
        **_OF_ACTORS,
        "originates-from": ("location",),
    },
    "ipv4-addr": {"belongs-to": ("autonomous-system",), "resolves-to": ("mac-addr",)},
    "ipv6-addr": {"belongs-to": ("autonomous-system",), "resolves-to": ("mac-addr",)},
    "malware": {
        "authored-by": _ACTORS,
        "beacons-to": ("infrastructure",),
        "communicates-with": _ENDPOINTS,
        "controls": ("malware",),
        "downloads": ("file", "malware", "tool"),
        "drops": ("file", "malware", "tool"),
        "exfiltrates-to": ("infrastructure",),
        "exploits": ("vulnerability",),
        "originates-from": ("location",),
        "targets": (*_VICTIMS, "infrastructure"),
        "uses": ("attack-pattern", "infrastructure", "malware", "tool"),
        "variant-of": ("malware",),
    },
    "malware-analysis": {
        "analysis-of": ("malware",),
        "characterizes": ("malware",),
        "dynamic-analysis-of": ("malware",),
        "static-analysis-of": ("malware",),
    },
    "threat-actor": {
        "attributed-to": ("identity",),
        **_OF_ACTORS,
        "impersonates": ("identity",),
        "located-at": ("location",),
    },
    "tool": {
        "delivers": ("malware",),
        "drops": ("malware",),
        "has": ("vulnerability",),
        "targets": (*_VICTIMS, "infrastructure"),
        "uses": ("infrastructure",),
    },
}


def between(source: str, target: str) -> tuple[str, ...]:
    """The types of relationship from one type of object to another, what says most first."""
    found = [name for name, targets in ALLOWED.get(source, {}).items() if target in targets]
    return (*found, *(OF_ONE_TYPE if source == target else ()), COMMON)
