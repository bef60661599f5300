"""Which objects say who did it."""

ACTOR_TYPES = frozenset({"threat-actor", "intrusion-set"})
ATTRIBUTED_TO = "attributed-to"


def attributes(object_type: str, relationship_type: str) -> bool:
    """Whether an object names an actor, or ties something to one."""
    return object_type in ACTOR_TYPES or relationship_type == ATTRIBUTED_TO
