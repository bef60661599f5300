"""Made-up STIX objects of ordinary size: half indicators; malware, relationships between them, observables."""

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

from indicators.stix.markings import TLP, marking_id

_SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
_GREEN = [marking_id(TLP.GREEN)]
_TEXT = """
requests in bursts from one network with prompts that ask for reasoning steps and keep logits for training a smaller
model through resold accounts behind a gateway that rotates its addresses every few minutes
"""
_WORDS = _TEXT.split()


def objects(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` objects, all TLP:GREEN, each another than those of other seeds; in an order that refers backwards."""
    chance = random.Random(seed)
    indicators = [_indicator(chance) for _ in range(count // 2)]
    malware = [_malware(chance) for _ in range(count // 10)]
    related = [_indicates(chance, indicators[n], malware[n % len(malware)]) for n in range(count // 5)]
    rest = count - len(indicators) - len(malware) - len(related)
    return [*indicators, *malware, *related, *(_observable(chance) for _ in range(rest))]


def batches(count: int, size: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    """`count` objects in batches of at most `size`."""
    for start in range(0, count, size):
        yield objects(min(size, count - start), seed + start)


def _indicator(chance: random.Random) -> dict[str, Any]:
    return _sdo(chance, "indicator") | {
        "name": f"Collection network {_hex(chance, 6)}",
        "description": _sentence(chance),
        "indicator_types": ["malicious-activity"],
        "pattern": _pattern(chance),
        "pattern_type": "stix",
        "valid_from": "2026-03-01T00:00:00Z",
        "confidence": chance.randrange(50, 100),
        "labels": ["model-distillation"],
    }


def _pattern(chance: random.Random) -> str:
    match chance.randrange(4):
        case 0:
            return f"[ipv4-addr:value = '{_address(chance)}']"
        case 1:
            return f"[domain-name:value = 'h{_hex(chance, 16)}.example']"
        case 2:
            return f"[url:value = 'https://{_hex(chance, 12)}.example/v1/{_hex(chance, 12)}']"
    return f"[file:hashes.'SHA-256' = '{_hex(chance, 64)}']"


def _malware(chance: random.Random) -> dict[str, Any]:
    return _sdo(chance, "malware") | {
        "name": f"Harvester {_hex(chance, 6)}",
        "description": _sentence(chance),
        "malware_types": ["bot"],
        "is_family": False,
    }


def _indicates(chance: random.Random, source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    return _sdo(chance, "relationship") | {
        "relationship_type": "indicates",
        "source_ref": source["id"],
        "target_ref": target["id"],
        "description": _sentence(chance),
    }


def _observable(chance: random.Random) -> dict[str, Any]:
    kind, value = chance.choice(
        [("ipv4-addr", _address(chance)), ("domain-name", f"h{_hex(chance, 16)}.example")]
    )
    identity = json.dumps({"value": value}, separators=(",", ":"))
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid.uuid5(_SCO_NAMESPACE, identity)}",
        "value": value,
        "object_marking_refs": _GREEN,
    }


def _sdo(chance: random.Random, kind: str) -> dict[str, Any]:
    made = f"2026-03-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:{chance.randrange(60):02}:00.000Z"
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid.UUID(int=chance.getrandbits(128), version=4)}",
        "created": made,
        "modified": made,
        "object_marking_refs": _GREEN,
    }


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=16))


def _address(chance: random.Random) -> str:
    return (
        f"{chance.randrange(11, 100)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
    )


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def findings(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` OCSF Detection Findings, each of a cluster of its own; two detectors, one of prompts, one of gateways."""
    chance = random.Random(seed)
    return [_finding(chance, number) for number in range(count)]


def _finding(chance: random.Random, number: int) -> dict[str, Any]:
    cluster = f"c-{_hex(chance, 10)}"
    prompts = number % 2 == 0
    seen = 1_790_899_200_000 + chance.randrange(80_000_000)
    activity: dict[str, Any] = {
        "provider": "example-lab",
        "cluster_id": cluster,
        "start": "2026-10-02T00:00:00Z",
        "end": "2026-10-03T00:00:00Z",
        "account_count": chance.randrange(20, 3000),
        "exchange_count": chance.randrange(1000, 900_000),
        "access_pathways": ["direct-api"],
    }
    if prompts:
        digest = _hex(chance, 64)
        prompt = f"llm-api-activity:prompt_refs[*].hashes.'SHA-256' = '{digest}'"
        pattern = f"[{prompt} AND llm-api-activity:account_count >= 20]"
        activity |= {
            "models": [{"name": "example-model", "vendor": "Example Lab", "version": "5"}],
            "prompts": [{"hashes": {"SHA-256": digest}, "normalization": "ptn-1", "slot_count": 3}],
            "accounts": [_hex(chance, 64)],
            "key_id": "grp1.2026q4",
        }
    else:
        host = f"g{_hex(chance, 12)}.example"
        pattern = f"[domain-name:value = '{host}']"
        activity |= {"sources": [_address(chance), host], "asn": 64_500 + chance.randrange(10)}
    return {
        "activity_id": 1,
        "category_uid": 2,
        "class_uid": 2004,
        "type_uid": 200401,
        "severity_id": 4,
        "status_id": 1,
        "time": seen + 90_000_000,
        "confidence_id": 3,
        "confidence_score": chance.randrange(50, 100),
        "metadata": {
            "version": "1.8.0",
            "profiles": ["security_control", "osint"],
            "product": {"name": "Example Sentinel", "vendor_name": "Example Lab", "version": "3.2"},
        },
        "finding_info": {
            "uid": f"bench-{_hex(chance, 16)}",
            "title": f"Cluster {cluster}",
            "desc": _sentence(chance),
            "analytic": {
                "name": "prompt classifier" if prompts else "gateway density",
                "uid": "clf" if prompts else "gw",
                "version": "7",
                "type_id": 4 if prompts else 1,
            },
            "attacks": [{"technique": {"uid": "AML.T0024", "name": "Exfiltration via AI Inference API"}}],
            "first_seen_time": seen,
            "last_seen_time": seen + 86_400_000,
            "created_time": seen + 90_000_000,
        },
        "evidences": [
            {
                "data": {
                    "llm_api_activity": activity,
                    "detection_context": {
                        "evidence_families": ["content" if prompts else "network"],
                        "estimated_fpr": 0.001,
                        "score": 0.9,
                    },
                }
            }
        ],
        "osint": [
            {
                "type_id": 99,
                "value": cluster,
                "detection_pattern": pattern,
                "detection_pattern_type_id": 1,
                "tlp": "GREEN" if not prompts else "AMBER",
                "expiration_time": seen + 8_000_000_000,
            }
        ],
        "count": activity["exchange_count"],
    }
