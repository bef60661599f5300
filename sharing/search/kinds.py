"""The groups in which people think of object types."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A group of object types as people think of them; `letter` and `shape` stand for it in a graph."""

    slug: str
    title: str
    letter: str
    shape: str
    types: tuple[str, ...]


KINDS = (
    Kind("indicators", "Indicators", "I", "diamond", ("indicator",)),
    Kind("campaigns", "Campaigns", "C", "star", ("campaign",)),
    Kind("actors", "Actors and identities", "A", "pentagon", ("threat-actor", "intrusion-set", "identity")),
    Kind(
        "infrastructure",
        "Infrastructure and addresses",
        "N",
        "rectangle",
        (
            *("infrastructure", "ipv4-addr", "ipv6-addr", "domain-name", "url", "autonomous-system"),
            *("email-addr", "mac-addr", "network-traffic", "x509-certificate"),
        ),
    ),
    Kind(
        "activity",
        "Accounts and use of models",
        "U",
        "ellipse",
        ("llm-api-activity", "blinded-identifier", "user-account", "prompt-template", "software"),
    ),
    Kind(
        "tools",
        "Techniques and tools",
        "T",
        "hexagon",
        ("attack-pattern", "tool", "malware", "malware-analysis", "vulnerability", "course-of-action"),
    ),
    Kind("reports", "Notes and reports", "R", "tag", ("note", "report", "opinion", "grouping", "incident")),
    Kind(
        "evidence",
        "Sightings, observations and relationships",
        "E",
        "triangle",
        ("sighting", "observed-data", "relationship"),
    ),
)
OTHER = Kind("other", "Anything else", "O", "octagon", ())
BY_TYPE = {one: kind for kind in KINDS for one in kind.types}
"""The group of each known object type, in the order of the groups."""


def kind_of(object_type: str) -> Kind:
    """The group of an object type."""
    return BY_TYPE.get(object_type, OTHER)
