"""STIX objects to post: valid, harmless, and new in every run."""

import itertools
import json
from typing import Any
from uuid import UUID, uuid4, uuid5

Object = dict[str, Any]

_SCO_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
_RUN = uuid4().hex[:12]
_numbers = itertools.count(1)

CREATED = "2024-05-01T08:00:00.000Z"
VERSIONS = ("2024-05-01T08:00:00.000Z", "2024-05-02T08:00:00.000Z", "2024-05-03T08:00:00.123Z")


def domain() -> str:
    """A domain name that no other run or call has."""
    return f"host{next(_numbers)}.{_RUN}.example"


def _sdo(kind: str, **members: Any) -> Object:
    common = {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid4()}",
        "created": CREATED,
        "modified": CREATED,
    }
    return common | members


def indicator(**members: Any) -> Object:
    return _sdo(
        "indicator",
        **{
            "name": "A proxy of the cluster",
            "indicator_types": ["malicious-activity"],
            "pattern": f"[domain-name:value = '{domain()}']",
            "pattern_type": "stix",
            "valid_from": CREATED,
        }
        | members,
    )


def versions_of(one: Object) -> list[Object]:
    """Three versions of it, oldest first."""
    return [one | {"modified": when, "name": f"version {n}"} for n, when in enumerate(VERSIONS, 1)]


def malware(**members: Any) -> Object:
    return _sdo("malware", **{"name": "Harvester", "is_family": True} | members)


def sighting(**members: Any) -> Object:
    return _sdo("sighting", **members)


def opinion(**members: Any) -> Object:
    return _sdo("opinion", **members)


def campaign(**members: Any) -> Object:
    return _sdo("campaign", **{"name": "Copycat"} | members)


def identity(**members: Any) -> Object:
    return _sdo("identity", **{"name": "Example lab", "identity_class": "organization"} | members)


def attack_pattern(**members: Any) -> Object:
    return _sdo("attack-pattern", **{"name": "Model extraction"} | members)


def relationship(source: Object, target: Object, **members: Any) -> Object:
    return _sdo(
        "relationship",
        **{"relationship_type": "indicates", "source_ref": source["id"], "target_ref": target["id"]}
        | members,
    )


def statement(**members: Any) -> Object:
    """A marking definition: `created` and no `modified`."""
    one = _sdo(
        "marking-definition",
        **{"definition_type": "statement", "definition": {"statement": f"For {_RUN}."}} | members,
    )
    del one["modified"]
    return one


def sco(kind: str, contributing: Object, **members: Any) -> Object:
    """A cyber-observable object, with the id that its contributing properties give it (STIX 2.1 §2.9)."""
    name = json.dumps(contributing, sort_keys=True, separators=(",", ":"))
    return {"type": kind, "id": f"{kind}--{uuid5(_SCO_NAMESPACE, name)}", **contributing, **members}


def domain_name(**members: Any) -> Object:
    return sco("domain-name", {"value": domain()}, **members)


def url(**members: Any) -> Object:
    return sco("url", {"value": f"https://{domain()}/v1/completions"}, **members)


def file(**members: Any) -> Object:
    return sco("file", {"hashes": {"SHA-256": uuid4().hex + uuid4().hex}}, **members)


def version_of(one: Object) -> str | None:
    """What §5.3.1 says its version is; None where that is for the server to choose."""
    return one.get("modified") or one.get("created")
