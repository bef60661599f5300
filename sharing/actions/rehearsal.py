"""Change a community at the desk: first rehearsed, so that who would see what is shown, then carried out.

A change is a `CommunitySpec`, as a community file has it; the rehearsal does what the file would do, looks at who has
access then, and takes it back.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import transaction

from accounts.actions.refusal import Invalid
from accounts.actor import Actor
from accounts.models import AutoRelease, Community, Tlp
from sharing import access
from sharing.access import Difference
from sharing.actions import communities
from sharing.actions.communities import CollectionSpec, CommunitySpec, ReviewSpec, RuleSpec
from sharing.models import Collection, CollectionGrant, Kind


class Overtaken(RuntimeError):
    """Somebody changed the community after what was previewed."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a change would do: a sentence each, who gains or loses what, and the state that this was seen from."""

    changes: list[str]
    differences: list[Difference]
    seen: str
    is_rule_changed: bool


def as_stands(community: Community) -> CommunitySpec:
    """The file of a community that would change nothing; a closed collection is one that nobody reads."""
    shelves = list(
        Collection.objects.filter(community=community)
        .exclude(kind=Kind.INBOX)
        .order_by("kind", "ceiling", "alias")
    )
    grants = list(
        CollectionGrant.objects.filter(collection__in=shelves)
        .order_by("organization__slug")
        .values_list("collection_id", "organization__slug", "can_read", "can_write")
    )
    rule: RuleSpec | str = community.auto_release
    if community.auto_release == AutoRelease.RULE:
        rule = RuleSpec(min_confidence=community.min_confidence, min_sources=community.min_sources)
    return CommunitySpec(
        slug=community.slug,
        title=community.title,
        description=community.description,
        members=list(community.members.order_by("slug").values_list("slug", flat=True)),
        default_tlp=tlp_word(community.default_tlp),  # type: ignore[arg-type] # one of the five
        personal_data=community.personal_data,  # type: ignore[arg-type] # one of the two
        review=ReviewSpec(auto_release=rule),  # type: ignore[arg-type] # a rule, all or none
        collections=[
            CollectionSpec(
                alias=shelf.alias,
                title=shelf.title,
                description=shelf.description,
                kind=shelf.kind,  # type: ignore[arg-type] # no inbox
                ceiling=tlp_word(shelf.ceiling),  # type: ignore[arg-type] # one of the five
                profile=shelf.profile,  # type: ignore[arg-type] # one of the two
                read=[slug for held, slug, reads, _ in grants if held == shelf.id and reads],
                write=None
                if shelf.kind == Kind.FEED
                else [slug for held, slug, _, writes in grants if held == shelf.id and writes],
            )
            for shelf in shelves
        ],
    )


def tlp_word(level: int) -> str:
    """A TLP as a community file writes it."""
    return str(Tlp(level).label).removeprefix("TLP:").lower()


def with_members(spec: CommunitySpec, members: Sequence[str]) -> CommunitySpec:
    """The same with other members: who leaves is in no collection; who joins is where everybody is."""
    before, after = set(spec.members), set(members)

    def followed(slugs: list[str] | None) -> list[str] | None:
        if slugs is None:
            return None
        everybody = bool(before) and set(slugs) == before
        return sorted(after if everybody else after & set(slugs))

    return msgspec.structs.replace(
        spec,
        members=sorted(after),
        collections=[
            msgspec.structs.replace(one, read=followed(one.read), write=followed(one.write))
            for one in spec.collections
        ],
    )


def rehearse(spec: CommunitySpec, *, by: Actor, now: datetime) -> Rehearsal:
    """What a change would do; nothing of it is left. Or `Invalid`."""
    parsed = _checked(spec)
    with transaction.atomic():
        standing = Community.objects.filter(slug=spec.slug).first()
        seen = _seen(standing)
        before = [] if standing is None else access.of_community(standing.id)
        applied = _apply(parsed, by, now, is_rehearsal=True)
        changed = Community.objects.get(slug=spec.slug)
        after = access.of_community(changed.id)
        transaction.set_rollback(True)
    return Rehearsal(
        applied.changes,
        access.differences(before, after),
        seen,
        is_rule_changed=standing is not None and _rule(standing) != _rule(changed),
    )


@transaction.atomic
def carry_out(spec: CommunitySpec, *, seen: str, by: Actor, now: datetime) -> list[str]:
    """Do what was rehearsed, a sentence each; `Overtaken` if it was rehearsed on another state. Or `Invalid`."""
    parsed = _checked(spec)
    standing = Community.objects.select_for_update(no_key=True).filter(slug=spec.slug).first()
    if _seen(standing) != seen:
        raise Overtaken(spec.slug)
    return _apply(parsed, by, now, is_rehearsal=False).changes


def _rule(community: Community) -> tuple[str, int, int]:
    return (community.auto_release, community.min_confidence, community.min_sources)


def _seen(community: Community | None) -> str:
    """The state of a community in short."""
    stands = b"" if community is None else msgspec.json.encode((as_stands(community), _rule(community)))
    return hashlib.sha256(stands).hexdigest()


def _checked(spec: CommunitySpec) -> communities.CommunityFile:
    try:
        return communities.checked(spec)
    except communities.InvalidFile as error:
        raise Invalid("", str(error)) from error


def _apply(
    parsed: communities.CommunityFile, by: Actor, now: datetime, *, is_rehearsal: bool
) -> communities.Applied:
    try:
        return communities.apply(parsed, by=by, now=now, is_rehearsal=is_rehearsal)
    except communities.InvalidFile as error:
        raise Invalid("", str(error)) from error
