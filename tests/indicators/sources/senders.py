"""What adapters are told in tests, and a sender of which the service remembers what it said."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from indicators.sources.items import Item
from indicators.sources.known import Known, Technique
from indicators.stix.json import Refused
from indicators.stix.objects import read

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
TECHNIQUES = {
    "AML.T0021": Technique("attack-pattern--1509bb0a-9bf1-4331-8a11-8783593942a4", "resource-development"),
    "AML.T0024.002": Technique("attack-pattern--59ba1b0d-5c90-4158-a909-406c2e416788", "exfiltration"),
}
LIMIT = 10 * 1024 * 1024


@dataclass(slots=True)
class Sender:
    """An organisation; `held` is what stands of it, by id, as ingest would have it."""

    split: Callable[..., list[bytes]]
    items: Callable[..., Iterator[Item]]
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    lookups: int = 0

    def send(self, body: bytes, now: datetime = NOW, organization: str = "org-a") -> list[Item]:
        """What a body becomes; what comes out of it is held from then on, where it is newer."""
        parts = self.split(body, max_bytes=LIMIT)
        found = list(
            self.items(parts, organization_id=organization, now=now, known=Known(TECHNIQUES, self._held))
        )
        for item in found:
            for value in values(item, all_valid=False):
                before = self.held.get(value["id"])
                if before is None or before.get("modified", "") < value.get("modified", ""):
                    self.held[value["id"]] = value
        return found

    def _held(self, object_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        self.lookups += 1
        return {one: self.held[one] for one in object_ids if one in self.held}


def values(item: Item, *, all_valid: bool = True) -> list[dict[str, Any]]:
    """The objects of an item, read as ingest reads them; what ingest refuses is passed over unless all are valid."""
    found = []
    for body in item.objects:
        try:
            found.append(read(body).value)
        except Refused:
            if all_valid:
                raise
    return found


def patterns(items: Sequence[Item]) -> list[str]:
    return [value["pattern"] for item in items for value in values(item) if value["type"] == "indicator"]
