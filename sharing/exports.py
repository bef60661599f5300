"""What an export holds: of the subjects that were listed, what stands in a feed, byte for byte; or the desk's list."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from accounts import sql
from accounts.models import Tlp
from indicators.sources import csv
from indicators.stix.markings import TLP, marking_id
from indicators.stix.references import references
from sharing import search

BATCH = 500


@dataclass(frozen=True, slots=True)
class Audience:
    """A feed, and who reads it: what an export for it may hold is what stands there."""

    id: UUID
    community_id: UUID
    community: str
    title: str
    alias: str
    ceiling: int

    @property
    def tlp(self) -> str:
        """The most restrictive marking in it, `TLP:GREEN`."""
        return str(Tlp(self.ceiling).label)

    @property
    def file_name(self) -> str:
        """The beginning of a file's name; it tells the marking."""
        return f"stillwatch-{self.community}-{self.alias}-{self.tlp.replace(':', '-').replace('+', '-')}"


def audiences() -> list[Audience]:
    """All feeds, by community, the widest audience first."""
    return [
        Audience(*row)
        for row in sql.rows(
            "SELECT k.id, k.community_id, c.slug, k.title, k.alias, k.ceiling FROM sharing_collection k"
            " JOIN accounts_community c ON c.id = k.community_id WHERE k.kind = 'feed'"
            " ORDER BY c.slug, k.ceiling, k.profile DESC, k.alias"
        )
    ]


_STANDING = (
    " FROM unnest(%s::int8[]) WITH ORDINALITY AS wanted(s, place)"
    " JOIN indicators_subject s ON s.id = wanted.s AND s.community_id = %s"
    " JOIN sharing_release r ON r.subject_id = s.id AND r.ceiling = %s AND r.digest IS NOT NULL"
    " JOIN sharing_entry e ON e.collection_id = %s AND e.object_id = r.published_id"
    " AND e.is_last AND e.body IS NOT NULL"
)


def count(audience: Audience, subject_ids: Sequence[int]) -> int:
    """How many of these subjects stand in a feed."""
    found = sql.row(
        "SELECT count(*)" + _STANDING,
        (list(subject_ids), audience.community_id, audience.ceiling, audience.id),
    )
    return found[0] if found else 0


def bodies(audience: Audience, subject_ids: Sequence[int]) -> Iterator[bytes]:
    """The latest version of each as it stands in a feed, in the order given: the bytes that its readers get."""
    for start in range(0, len(subject_ids), BATCH):
        for (body,) in sql.rows(
            f"SELECT e.body{_STANDING} ORDER BY wanted.place",
            (list(subject_ids[start : start + BATCH]), audience.community_id, audience.ceiling, audience.id),
        ):
            yield bytes(body)


def bundle(audience: Audience, subject_ids: Sequence[int]) -> Iterator[bytes]:
    """A STIX 2.1 bundle of them, with the authors, markings and extension definitions that they name."""
    yield f'{{"type":"bundle","id":"bundle--{uuid4()}","objects":['.encode()
    listed: set[str] = set()
    named: dict[str, None] = {}
    joint = b""
    for body in bodies(audience, subject_ids):
        value = json.loads(body)
        listed.add(value["id"])
        named.update(dict.fromkeys(_named(value)))
        yield joint + body
        joint = b","
    # What names others itself: a marking has an author.
    while wanted := [one for one in named if one not in listed]:
        listed.update(wanted)
        for (body,) in sql.rows(
            "SELECT body FROM sharing_entry WHERE collection_id = %s"
            f" AND object_id = {sql.ONE_OF} AND is_last AND body IS NOT NULL ORDER BY index",
            (audience.id, sql.joined(wanted)),
        ):
            named.update(dict.fromkeys(_named(json.loads(bytes(body)))))
            yield joint + bytes(body)
            joint = b","
    yield b"]}"


def _named(value: dict[str, Any]) -> Iterator[str]:
    for one in references(value):
        if one.startswith(("identity--", "marking-definition--")):
            yield one
    yield from (one for one in value.get("extensions", ()) if one.startswith("extension-definition--"))


COLUMNS = (
    *("id", "type", "name", "pattern", "pattern_type", "value", "description", "confidence", "labels", "tlp"),
    *("valid_from", "valid_until", "created", "modified", "revoked"),
)


def table(audience: Audience, subject_ids: Sequence[int]) -> Iterator[bytes]:
    """The same as CSV without formulas: the columns of `COLUMNS`, read from the same bytes."""
    yield csv.table([COLUMNS]).encode()
    markings = _markings()
    for body in bodies(audience, subject_ids):
        value = json.loads(body)
        value["tlp"] = " ".join(
            markings[one] for one in value.get("object_marking_refs", ()) if one in markings
        )
        yield csv.table([[_cell(value.get(name)) for name in COLUMNS]]).encode()


def _markings() -> dict[str, str]:
    return {marking_id(one): str(Tlp(one.value).label) for one in TLP}


def _cell(value: object) -> object:
    if isinstance(value, list | dict):
        return " ".join(map(str, value))
    return value


DESK_COLUMNS = (
    *("subject", "type", "title", "community", "tlp", "sources", "claims", "first_seen", "last_seen"),
    *("confidence", "feeds"),
)
DESK_TLP = "TLP:RED"
DESK_FILE_NAME = "stillwatch-desk-list-TLP-RED"


def desk_table(subject_ids: Sequence[int]) -> Iterator[bytes]:
    """The desk's own list as CSV, with sources: for the operator's eyes, whatever its rows are marked."""
    yield csv.table([DESK_COLUMNS]).encode()
    for start in range(0, len(subject_ids), BATCH):
        yield csv.table(
            [
                *(one.id, one.object_type, one.title, one.community, one.tlp, "; ".join(one.sources)),
                f"{one.claims}{'+' if one.more_claims else ''}",
                None if one.first_seen is None else one.first_seen.isoformat(),
                None if one.last_seen is None else one.last_seen.isoformat(),
                one.confidence,
                "; ".join(f"{feed.audience}: {feed.said} as {feed.published_id}" for feed in one.feeds),
            ]
            for one in search.shown(subject_ids[start : start + BATCH])
        ).encode()
