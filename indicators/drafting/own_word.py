"""One's own word on what others say: what a draft of it begins with.

An indicator counts for its pattern, so one's own has an id of its own; a campaign, an actor, a relationship counts for
its STIX id (docs/model.md), so one's own bears that id. What somebody saw or thinks is theirs: of it only what it is
about is brought along.
"""

from collections.abc import Mapping
from typing import Any

from indicators.drafting import compose
from indicators.drafting.compose import Object
from indicators.drafting.forms import FORMS
from indicators.stix.markings import LEVELS, TLP

#: Types that say what their author saw or thinks.
REMARKS = frozenset(("note", "opinion", "sighting"))
_REFERENCES = frozenset(("reference", "references"))
# How sure one is; and of an indicator what the service makes of all that is said: a sentence, an expiry, all sources.
_NOT_BROUGHT = {"indicator": {"confidence", "description", "valid_until", "external_references"}}


def shares_id(object_type: str) -> bool:
    """Whether one's own word on an object of this type bears the same id."""
    return object_type != "indicator" and object_type not in REMARKS


def begun(seen: Mapping[str, Any], said: Mapping[str, Any], *, base: Mapping[str, Any]) -> Object:
    """What `base`, a blank object, becomes with what is `seen` of another of its type.

    References are those of `said`, a claim on it: published ids differ from one audience to the next. Its TLP is the
    more restrictive of what was seen and what a form begins with.
    """
    kind = str(base["type"])
    left_out = _NOT_BROUGHT.get(kind, {"confidence"})
    read: dict[str, Any] = {}
    for field in FORMS[kind].fields:
        is_reference = field.kind in _REFERENCES
        if field.kind == "tlp" or field.name in left_out or (kind in REMARKS and not is_reference):
            continue
        value = compose.value_of(said if is_reference else seen, field)
        if value not in (None, "", []):
            read[field.name] = value
    read["tlp"] = max(_level(seen), _level(base)).label
    return compose.compose(kind, read, base=base)


def _level(obj: Mapping[str, Any]) -> TLP:
    found = [LEVELS[mark] for mark in obj.get("object_marking_refs", ()) if mark in LEVELS]
    return max(found, default=TLP.CLEAR)
