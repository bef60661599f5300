"""The `core` projection of a feed: what SIEMs take (clients.md 19)."""

from indicators.patterns import core_observable

STANDARD_TYPES = frozenset(
    {
        *("attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator"),
        *(
            "infrastructure",
            "intrusion-set",
            "location",
            "malware",
            "malware-analysis",
            "note",
            "observed-data",
        ),
        *("opinion", "report", "threat-actor", "tool", "vulnerability", "relationship", "sighting"),
        *("marking-definition", "language-content", "extension-definition"),
        *("artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file"),
        *("ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url"),
        *("user-account", "windows-registry-key", "x509-certificate"),
    }
)


def admits(object_type: str, *, pattern_type: str = "", pattern: str = "") -> bool:
    """Whether the core feed holds an object: a standard type, and of indicators those of one plain observable."""
    if object_type != "indicator":
        return object_type in STANDARD_TYPES
    return pattern_type == "stix" and core_observable(pattern) is not None
