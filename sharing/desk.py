"""What the desk shows beside a case, a subject and the merge journal."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import sql
from accounts.models import Tlp
from indicators.dedup.identity import indicator_key
from indicators.patterns import PatternError
from indicators.stix.objects import known_by


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """What one source says, for an analyst's eyes."""

    id: int
    organization: str
    tlp: str
    received_at: datetime
    object_id: str
    title: str
    state: str
    came_from: int | None
    text: str


#: A page shows no more claims than these.
MOST_SHOWN = 200


def claims_on(subject_id: int, *, ceiling: int = Tlp.RED) -> list[ShownClaim]:
    """The claims that count for a subject, up to a ceiling, oldest first; no more than `MOST_SHOWN`."""
    return [
        ShownClaim(
            claim_id,
            name,
            Tlp(tlp).label,
            received_at,
            object_id,
            title_of(body),
            "deleted by its source" if withdrawn else "revoked by its source" if revoked else "",
            home,
            json.dumps(json.loads(body), indent=2, ensure_ascii=False),
        )
        for claim_id, name, tlp, received_at, object_id, revoked, withdrawn, home, body in sql.rows(
            "SELECT c.id, o.name, c.tlp, c.received_at, c.object_id, c.revoked, c.withdrawn_at IS NOT NULL, c.home_id,"
            " c.body FROM indicators_claim c JOIN accounts_organization o ON o.id = c.organization_id"
            " WHERE c.subject_id = %s AND c.tlp <= %s ORDER BY c.first_received_at, c.id LIMIT %s",
            (subject_id, ceiling, MOST_SHOWN),
        )
    ]


def title_of(body: bytes | memoryview | None) -> str:
    """What an analyst knows an object by: its pattern, value or name."""
    return "" if body is None else known_by(json.loads(bytes(body)))


def titles(subject_ids: Iterable[int]) -> dict[int, str]:
    """What subjects are known by: the oldest claim that stands, of their identity if it counts for another now."""
    return {
        subject_id: title_of(body)
        for subject_id, body in sql.rows(
            "SELECT s, (SELECT body FROM indicators_claim WHERE subject_id = s OR home_id = s"
            " ORDER BY erased_at IS NOT NULL, subject_id = s DESC, withdrawn_at IS NOT NULL, first_received_at, id"
            " LIMIT 1)"
            " FROM unnest(%s::int8[]) AS wanted(s)",
            (list(subject_ids),),
        )
    }


@dataclass(frozen=True, slots=True)
class OwnWord:
    """An object in which an organisation speaks of a subject; it `stands` unless it was revoked or deleted."""

    object_id: str
    body: dict[str, Any]
    stands: bool


def own_object(subject_id: int, organization_id: UUID) -> OwnWord | None:
    """In what an organisation speaks of a subject: the latest that stands, else the latest; None if in nothing."""
    found = sql.row(
        "SELECT object_id, body, withdrawn_at IS NULL AND NOT revoked FROM indicators_claim"
        " WHERE subject_id = %s AND organization_id = %s ORDER BY 3 DESC, received_at DESC, id DESC LIMIT 1",
        (subject_id, organization_id),
    )
    return None if found is None else OwnWord(found[0], json.loads(bytes(found[1])), found[2])


def subjects_named(term: str) -> list[int]:
    """The subjects of a partner's id, a published id or a STIX pattern, and what was split off them."""
    try:
        key = indicator_key("stix", term)
    except PatternError:
        key = term.encode()
    return [
        subject_id
        for (subject_id,) in sql.rows(
            "WITH named AS (SELECT subject_id AS id FROM indicators_claim"
            " WHERE community_id IN (SELECT id FROM accounts_community) AND object_id = %(term)s"
            " UNION SELECT subject_id FROM sharing_release WHERE published_id = %(term)s"
            " UNION SELECT id FROM indicators_subject"
            " WHERE community_id IN (SELECT id FROM accounts_community) AND key = %(key)s)"
            " SELECT id FROM named UNION"
            " SELECT c.subject_id FROM named JOIN indicators_claim c ON c.home_id = named.id",
            {"term": term, "key": key},
        )
    ]


def link_to(subject_id: int) -> SafeString:
    """A link to the page of a subject, by what it is known by."""
    return links_to([subject_id])[subject_id]


def links_to(subject_ids: Iterable[int]) -> dict[int, SafeString]:
    """Links to the pages of subjects, in one query."""
    return {one: _link(one, title) for one, title in titles(subject_ids).items()}


def _link(subject_id: int, title: str) -> SafeString:
    title = title or "nothing is claimed any more"
    return format_html(
        '<a href="{}">{}</a>',
        reverse("admin:indicators_subject_change", args=[subject_id]),
        title if len(title) <= 80 else f"{title[:79]}…",
    )
