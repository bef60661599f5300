"""Merged indicators of one triage: where two audiences see the same, it is merged once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from indicators.dedup import merge
from indicators.dedup.belief import Opinion
from indicators.stix.canonical import canonical_parsed
from sharing.actions.claims import Claim, Remark
from sharing.release import core


class Folds:
    """Merged indicators of one triage. Where two audiences see the same, it is merged once."""

    def __init__(self, publisher_id: str) -> None:
        self._publisher_id = publisher_id
        self._made: dict[tuple[int, int, int, datetime | None, bool], Fold] = {}

    def of(
        self,
        seen: Sequence[Claim],
        heard: Sequence[Remark],
        ticked_at: datetime | None,
        *,
        unaided: bool = False,
    ) -> "Fold":
        """What these claims and remarks on one subject make together: all that are visible at some ceiling.

        `unaided`: all but those of limited detectors.
        """
        # What is visible on a subject grows with the ceiling: its number tells what it is.
        key = (seen[0].subject_id, len(seen), len(heard), ticked_at, unaided)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._fold(seen, heard, ticked_at)
        return made

    def _fold(self, seen: Sequence[Claim], heard: Sequence[Remark], ticked_at: datetime | None) -> "Fold":
        values = _with_one_pattern(seen)
        view = merge.fold(
            [
                merge.Claim(
                    organization=str(claim.organization_id),
                    reliability=claim.reliability,
                    object_id=claim.object_id,
                    value=value,
                    received_at=claim.received_at,
                    first_received_at=claim.first_received_at,
                    tlp=claim.tlp,
                    withdrawn=claim.revoked or claim.withdrawn_at is not None,
                    platforms=frozenset(claim.platforms),
                )
                for claim, value in zip(seen, values, strict=True)
            ],
            published_id=_SOME_ID,
            created_by_ref=self._publisher_id,
            sightings=[
                merge.Sighting(
                    organization=str(remark.organization_id),
                    reliability=remark.reliability,
                    seen_at=remark.seen_at,
                    received_at=remark.received_at,
                    tlp=remark.tlp,
                    confidence=remark.confidence,
                    fpr=remark.fpr,
                    families=frozenset(remark.families),
                    platforms=frozenset(remark.platforms),
                )
                for remark in heard
                if remark.stance is None
            ],
            opinions=[
                (
                    Opinion(
                        str(remark.organization_id), remark.reliability, remark.stance, remark.received_at
                    ),
                    remark.tlp,
                )
                for remark in heard
                if remark.stance is not None
            ],
            ticked_at=ticked_at,
        )
        # There are no floats in it, by its making.
        body = canonical_parsed(view.value, odd_floats=False)
        core_takes_it = core.admits(
            "indicator", pattern_type=view.value["pattern_type"], pattern=view.value["pattern"]
        )
        return Fold(view, body if body.count(_SOME_ID.encode()) == 1 else None, core_takes_it)


def _with_one_pattern(seen: Sequence[Claim]) -> list[dict[str, Any]]:
    """What the claims say; where the journal put several patterns together, all in the words of one of them."""
    values = [msgspec.json.decode(claim.body) for claim in seen]
    if all(claim.home_id is None for claim in seen):
        return values
    first, _ = min(
        zip(values, seen, strict=True),
        key=lambda pair: (
            pair[1].revoked or pair[1].withdrawn_at is not None,
            pair[1].home_id is not None,
        ),
    )
    said = {name: first[name] for name in ("pattern", "pattern_type", "pattern_version") if name in first}
    return [value | said for value in values]


@dataclass(frozen=True, slots=True)
class Fold:
    """A merged indicator under a placeholder id, and its bytes if the placeholder can be told in them."""

    view: merge.View
    body: bytes | None
    core: bool

    def body_as(self, published_id: str, created: str, modified: str) -> bytes:
        """Its canonical bytes under an id and with the times of an audience."""
        value = self.view.value
        if self.body is not None and (created, modified) == (value["created"], value["modified"]):
            return self.body.replace(_SOME_ID.encode(), published_id.encode())
        return canonical_parsed(
            {**value, "id": published_id, "created": created, "modified": modified}, odd_floats=False
        )


_SOME_ID = "indicator--00000000-0000-4000-8000-000000000000"
