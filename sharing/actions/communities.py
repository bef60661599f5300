"""Make organisations, members, tokens, communities and collections match a community file (interface.md)."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import yaml
from django.db import transaction

from accounts.actions import tokens
from accounts.actions.audit import record
from accounts.actions.refusal import Invalid
from accounts.actor import Actor
from accounts.models import AutoRelease, Community, Member, Membership, Organization, Role, Tlp, Token
from indicators.actions import pulls
from indicators.actions.observations import queue_all_folds
from indicators.models import Source
from indicators.stix.markings import TLP
from sharing.actions import organizations
from sharing.actions.ageing import regrade
from sharing.models import Collection, CollectionGrant, Kind, Profile

_Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
# clients.md 10: some clients build names from titles and choke on these.
_Title = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^.,]*$")]
_Tlp = Literal["clear", "green", "amber", "amber+strict", "red"]


class InvalidFile(ValueError):
    """The file does not say a community; the message names the place and the reason."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class MemberSpec(_Strict, kw_only=True):
    """A person of an organisation."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=150)]
    email: str = ""
    role: Literal["reader", "submitter", "analyst", "admin"] = "reader"
    password_env: str | None = None


class TokenSpec(_Strict, kw_only=True):
    """A credential of a program."""

    name: _Slug
    scopes: Annotated[list[Literal["feed:read", "submit", "lookup", "admin"]], msgspec.Meta(min_length=1)]
    expires_at: datetime | None = None
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    objects_per_hour: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    bytes_per_hour: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None


class OrganizationSpec(_Strict, kw_only=True):
    """An organisation with its members and tokens."""

    slug: _Slug
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sector: Literal["operator", "ai-lab", "cloud-provider", "authority", "researcher"]
    reliability: Literal["A", "B", "C", "D", "E", "F"] = "F"
    platforms: list[_Slug] = []
    prompt_text: Literal["refuse", "allow"] = "refuse"
    members: list[MemberSpec] = []
    tokens: list[TokenSpec] = []


class RuleSpec(_Strict, kw_only=True):
    """What leaves without an analyst."""

    min_confidence: Annotated[int, msgspec.Meta(ge=0, le=100)] = 80
    min_sources: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2


class ReviewSpec(_Strict, kw_only=True):
    """What leaves without an analyst, if anything."""

    auto_release: RuleSpec | Literal["all", "none"] = "none"


class CollectionSpec(_Strict, kw_only=True):
    """A collection; who reads and writes there, None for every member."""

    alias: _Slug
    title: _Title
    kind: Literal["feed", "open"]
    ceiling: _Tlp
    description: str = ""
    profile: Literal["full", "core"] = "full"
    read: list[_Slug] | None = None
    write: list[_Slug] | None = None


class SourceSpec(_Strict, kw_only=True):
    """Another server that is pulled."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    kind: Literal["taxii", "misp-feed"]
    organization: _Slug
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    collection: Annotated[str, msgspec.Meta(max_length=250)] = ""
    auth: Literal["none", "basic", "bearer", "mtls"] = "none"
    username: Annotated[str, msgspec.Meta(max_length=250)] = ""
    credential: Annotated[str, msgspec.Meta(max_length=50, pattern="^([A-Z][A-Z0-9_]*)?$")] = ""
    internal: bool = False
    interval_minutes: Annotated[int, msgspec.Meta(ge=1, le=10080)] = 15
    enabled: bool = True


class CommunitySpec(_Strict, kw_only=True):
    """A community with its members and collections."""

    slug: _Slug
    title: _Title
    description: str = ""
    members: list[_Slug]
    default_tlp: _Tlp = "amber"
    personal_data: Literal["refuse", "allow"] = "refuse"
    review: ReviewSpec = msgspec.field(default_factory=ReviewSpec)
    collections: list[CollectionSpec] = []
    sources: list[SourceSpec] = []


class CommunityFile(_Strict):
    """The whole file."""

    organizations: list[OrganizationSpec] = []
    communities: list[CommunitySpec] = []


@dataclass(slots=True)
class Applied:
    """What changed, a line each, and the secrets of new tokens: `organisation/name` → id and secret."""

    changes: list[str] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)


def parse(text: str) -> CommunityFile:
    """Read a community file; `InvalidFile` names the place."""
    try:
        loaded = yaml.safe_load(text)
        parsed = msgspec.convert(loaded, CommunityFile)
    except yaml.YAMLError as error:
        raise InvalidFile(f"not YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise InvalidFile(str(error)) from error
    _check(parsed)
    return parsed


def _quotas(spec: TokenSpec) -> dict[str, int | None]:
    """A token's own quotas; None is the service's default."""
    return {
        "requests_per_minute": spec.requests_per_minute,
        "objects_per_hour": spec.objects_per_hour,
        "bytes_per_hour": spec.bytes_per_hour,
    }


def checked(spec: CommunitySpec) -> CommunityFile:
    """A file of one community, made elsewhere, looked at as one that was read; `InvalidFile` names the place."""
    try:
        parsed = msgspec.convert(msgspec.to_builtins(CommunityFile(communities=[spec])), CommunityFile)
    except msgspec.ValidationError as error:
        raise InvalidFile(str(error)) from error
    _check(parsed)
    return parsed


def _check(parsed: CommunityFile) -> None:
    _unique("organizations", [one.slug for one in parsed.organizations])
    _unique("communities", [one.slug for one in parsed.communities])
    _unique("sources", [one.name for community in parsed.communities for one in community.sources])
    for organization in parsed.organizations:
        _unique(f"organizations[{organization.slug}].tokens", [one.name for one in organization.tokens])
    for community in parsed.communities:
        place = f"communities[{community.slug}]"
        _unique(f"{place}.members", community.members)
        _unique(f"{place}.collections alias", [one.alias for one in community.collections])
        _unique(f"{place}.collections title", [one.title for one in community.collections])
        strangers = sorted({one.organization for one in community.sources} - set(community.members))
        if strangers:
            raise InvalidFile(f"{place}.sources: {', '.join(strangers)} are no members of the community")
        for one in community.collections:
            where = f"{place}.collections[{one.alias}]"
            if one.alias == "inbox":
                raise InvalidFile(f"{where}.alias: `inbox` is every member's own collection")
            if one.kind == "feed" and (one.write is not None or one.ceiling == "red"):
                reason = (
                    "only the service writes to a feed" if one.write is not None else "TLP:RED is in no feed"
                )
                raise InvalidFile(f"{where}: {reason}")
            if one.kind == "open" and one.profile != "full":
                raise InvalidFile(f"{where}.profile: an open collection holds what is posted there")
            strangers = sorted({*(one.read or ()), *(one.write or ())} - set(community.members))
            if strangers:
                raise InvalidFile(f"{where}: {', '.join(strangers)} are no members of the community")


def _unique(place: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidFile(f"{place}: {', '.join(twice)} given twice")


def _written(value: object) -> object:
    """A value as the audit trail has it."""
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


@transaction.atomic
def apply(parsed: CommunityFile, *, by: Actor, now: datetime, is_rehearsal: bool = False) -> Applied:
    """Make the database match; nothing is changed where it already does, and an error changes nothing at all.

    A rehearsal, which its caller rolls back, does not queue what would have to be folded anew: that may be everything.
    """
    return _Apply(by, now, is_rehearsal).all(parsed)


class _Apply:
    def __init__(self, by: Actor, now: datetime, is_rehearsal: bool) -> None:
        self.by, self.now, self.is_rehearsal = by, now, is_rehearsal
        self.result = Applied()

    def _fold_all(self, community: Community) -> None:
        if not self.is_rehearsal:
            queue_all_folds(community_id=community.id)

    def all(self, parsed: CommunityFile) -> Applied:
        for spec in parsed.organizations:
            try:
                self._organization(spec)
            except Invalid as error:
                raise InvalidFile(f"organizations[{spec.slug}].{error}") from error
        for community in parsed.communities:
            self._community(community)
        return self.result

    def _changed(self, action: str, target: str, sentence: str, **detail: object) -> None:
        record(by=self.by, now=self.now, action=action, target=target, detail=detail)
        self.result.changes.append(sentence)

    def _set(self, kind: str, label: str, found: Community | Collection | Member, **wanted: object) -> None:
        """Bring attributes to what is wanted, and say which changed."""
        differing = {name: value for name, value in wanted.items() if getattr(found, name) != value}
        if differing:
            before = {name: _written(getattr(found, name)) for name in differing}
            for name, value in differing.items():
                setattr(found, name, value)
            found.save(update_fields=list(differing))
            self._changed(
                f"{kind}.change",
                f"{kind}:{found.pk}",
                f"changed {kind} {label}: {', '.join(differing)}",
                before=before,
                after={name: _written(value) for name, value in differing.items()},
            )

    def _organization(self, spec: OrganizationSpec) -> None:
        organization = Organization.objects.filter(slug=spec.slug).first()
        if organization is None:
            organization = organizations.create(
                slug=spec.slug,
                name=spec.name,
                sector=spec.sector,
                reliability=spec.reliability,
                platforms=spec.platforms,
                prompt_text=spec.prompt_text,
                by=self.by,
                now=self.now,
            )
            self.result.changes.append(f"made organization {spec.slug}")
        else:
            changed = self._change_organization(organization, spec)
            if changed:
                self.result.changes.append(f"changed organization {spec.slug}: {', '.join(changed)}")
        for member in spec.members:
            self._member(organization, member)
        self._tokens(organization, spec.tokens)

    def _change_organization(self, organization: Organization, spec: OrganizationSpec) -> list[str]:
        """What it is, and its grade; the names of what changed."""
        changed = organizations.change(
            organization_id=organization.id,
            name=spec.name,
            sector=spec.sector,
            platforms=spec.platforms,
            prompt_text=spec.prompt_text,
            by=self.by,
            now=self.now,
        )
        if regrade(
            organization_id=organization.id,
            reliability=spec.reliability,
            reason="community file",
            by=self.by,
            now=self.now,
        ):
            changed.append("reliability")
        return changed

    def _member(self, organization: Organization, spec: MemberSpec) -> None:
        wanted: dict[str, object] = {
            "email": spec.email,
            "role": spec.role,
            "organization": organization,
            "is_staff": spec.role in {Role.ANALYST, Role.ADMIN},
            "is_active": True,
        }
        member = Member.objects.filter(username=spec.username).first()
        if member is None:
            member = Member(username=spec.username, date_joined=self.now, **wanted)
            member.set_unusable_password()
            member.save()
            self._changed("member.create", f"member:{member.username}", f"made member {spec.username}")
        else:
            self._set("member", spec.username, member, **wanted)
        password = os.environ.get(spec.password_env or "")
        if password and not member.check_password(password):
            member.set_password(password)
            member.save(update_fields=["password"])
            self._changed(
                "member.password", f"member:{member.username}", f"set the password of {spec.username}"
            )
        elif not password and not member.has_usable_password():
            self.result.changes.append(
                f"member {spec.username} cannot sign in yet: no password in ${spec.password_env or 'password_env'}"
            )

    def _tokens(self, organization: Organization, specs: list[TokenSpec]) -> None:
        working = Token.objects.filter(organization=organization, revoked_at__isnull=True)
        standing = {token.name: token for token in working.filter(replaced_by__isnull=True)}
        for spec in specs:
            quotas = _quotas(spec)
            label = f"{organization.slug}/{spec.name}"
            token = standing.pop(spec.name, None)
            if token is None:
                token, secret = tokens.issue(
                    organization_id=organization.id,
                    name=spec.name,
                    scopes=spec.scopes,
                    expires_at=spec.expires_at,
                    quotas=quotas,
                    by=self.by,
                    now=self.now,
                )
                self.result.secrets[label] = {"id": str(token.id), "secret": secret}
                self.result.changes.append(f"made token {label}")
            elif self._change_token(token, spec):
                self.result.changes.append(f"changed token {label}")
        # What was rotated ends by itself, unless its name is gone.
        named = {spec.name for spec in specs}
        for token in working:
            if token.name not in named and tokens.revoke(token_id=token.id, by=self.by, now=self.now):
                self.result.changes.append(f"revoked token {organization.slug}/{token.name}")

    def _change_token(self, token: Token, spec: TokenSpec) -> bool:
        return tokens.change(
            token_id=token.id,
            scopes=spec.scopes,
            expires_at=spec.expires_at,
            quotas=_quotas(spec),
            by=self.by,
            now=self.now,
        )

    def _community(self, spec: CommunitySpec) -> None:
        rule = spec.review.auto_release
        wanted: dict[str, object] = {
            "title": spec.title,
            "description": spec.description,
            "default_tlp": int(TLP.parse(spec.default_tlp)),
            "personal_data": spec.personal_data,
            "auto_release": rule if isinstance(rule, str) else AutoRelease.RULE.value,
        }
        if not isinstance(rule, str):
            wanted |= {"min_confidence": rule.min_confidence, "min_sources": rule.min_sources}
        # One at a time: what is previewed at the desk must still be so when it is carried out.
        community = Community.objects.select_for_update(no_key=True).filter(slug=spec.slug).first()
        if community is None:
            community = Community.objects.create(slug=spec.slug, created_at=self.now, **wanted)
            self._changed("community.create", f"community:{community.id}", f"made community {spec.slug}")
        else:
            rules = (community.auto_release, community.min_confidence, community.min_sources)
            self._set("community", spec.slug, community, **wanted)
            if rules != (community.auto_release, community.min_confidence, community.min_sources):
                self._fold_all(community)
        members = self._memberships(community, spec.members)
        kept = [self._collection(community, one, members) for one in spec.collections]
        kept += [self._inbox(community, organization) for organization in members.values()]
        closed = CollectionGrant.objects.filter(collection__community=community).exclude(collection__in=kept)
        for alias in sorted(set(closed.values_list("collection__alias", flat=True))):
            self._changed(
                "collection.close", f"community:{community.id}", f"closed collection {spec.slug}/{alias}"
            )
        closed.delete()
        for source in spec.sources:
            self._source(community, source, members)

    def _memberships(self, community: Community, slugs: list[str]) -> dict[str, Organization]:
        members = {one.slug: one for one in Organization.objects.filter(slug__in=slugs)}
        unknown = sorted(set(slugs) - set(members))
        if unknown:
            raise InvalidFile(
                f"communities[{community.slug}].members: there is no organization {', '.join(unknown)}"
            )
        for organization in members.values():
            _, made = Membership.objects.get_or_create(
                community=community, organization=organization, defaults={"joined_at": self.now}
            )
            if made:
                self._changed(
                    "community.join",
                    f"community:{community.id}",
                    f"{organization.slug} joined {community.slug}",
                    organization=organization.slug,
                )
        left = Membership.objects.filter(community=community).exclude(organization__in=members.values())
        for membership in left.select_related("organization"):
            self._changed(
                "community.leave",
                f"community:{community.id}",
                f"{membership.organization.slug} left {community.slug}",
                organization=membership.organization.slug,
            )
        left.delete()
        return members

    def _source(self, community: Community, spec: SourceSpec, members: dict[str, Organization]) -> None:
        """What the file does not name was made at the desk, and stays."""
        source = Source.objects.filter(name=spec.name).first() or Source(name=spec.name)
        made = source.created_at is None
        source.community, source.organization = community, members[spec.organization]
        for name in msgspec.structs.asdict(spec).keys() - {"organization", "name"}:
            setattr(source, name, getattr(spec, name))
        try:
            changed = pulls.save(source=source, by=self.by, now=self.now)
        except pulls.SourceInvalid as error:
            raise InvalidFile(f"communities[{community.slug}].sources[{spec.name}]: {error}") from error
        if changed:
            self.result.changes.append(
                f"made source {spec.name}" if made else f"changed source {spec.name}: {', '.join(changed)}"
            )

    def _collection(
        self, community: Community, spec: CollectionSpec, members: dict[str, Organization]
    ) -> Collection:
        wanted = {"title": spec.title, "description": spec.description}
        fixed = {"kind": spec.kind, "ceiling": int(TLP.parse(spec.ceiling)), "profile": spec.profile}
        label = f"{community.slug}/{spec.alias}"
        collection = (
            Collection.objects.filter(community=community, alias=spec.alias).exclude(kind=Kind.INBOX).first()
        )
        if collection is None:
            collection = Collection.objects.create(community=community, alias=spec.alias, **wanted, **fixed)
            self._changed("collection.create", f"collection:{collection.id}", f"made collection {label}")
            if spec.kind == "feed":
                # It holds what was released before it was made.
                self._fold_all(community)
        else:
            for name, value in fixed.items():
                if getattr(collection, name) != value:
                    raise InvalidFile(
                        f"communities[{community.slug}].collections[{spec.alias}].{name}: a collection is one"
                        f" audience for good; it has {getattr(collection, name)!r}. Make another collection"
                    )
            self._set("collection", label, collection, **wanted)
        readers = set(members) if spec.read is None else set(spec.read)
        writers: set[str] = set()
        if spec.kind == "open":
            writers = set(members) if spec.write is None else set(spec.write)
        # Whoever posts to an open collection reads it too: "write: [lab-a], read: [lab-a, lab-b]".
        self._grant(
            collection,
            label,
            {slug: (slug in readers, slug in writers) for slug in readers | writers},
            members,
        )
        return collection

    def _inbox(self, community: Community, organization: Organization) -> Collection:
        title = "".join(character for character in f"Inbox of {organization.name}" if character not in ".,")
        collection, made = Collection.objects.get_or_create(
            community=community,
            owner=organization,
            kind=Kind.INBOX,
            defaults={"alias": "inbox", "title": title, "ceiling": Tlp.RED, "profile": Profile.FULL},
        )
        label = f"{community.slug}/inbox of {organization.slug}"
        if made:
            self._changed("collection.create", f"collection:{collection.id}", f"made collection {label}")
        self._grant(collection, label, {organization.slug: (True, True)}, {organization.slug: organization})
        return collection

    def _grant(
        self,
        collection: Collection,
        label: str,
        wanted: dict[str, tuple[bool, bool]],
        members: dict[str, Organization],
    ) -> None:
        standing = {
            grant.organization.slug: grant
            for grant in CollectionGrant.objects.filter(collection=collection).select_related("organization")
        }
        for slug, (can_read, can_write) in sorted(wanted.items()):
            grant = standing.pop(slug, None)
            if grant is not None and (grant.can_read, grant.can_write) == (can_read, can_write):
                continue
            CollectionGrant.objects.update_or_create(
                collection=collection,
                organization=members[slug],
                defaults={"can_read": can_read, "can_write": can_write},
            )
            rights = " and ".join(name for name, given in (("read", can_read), ("write", can_write)) if given)
            self._changed(
                "collection.grant",
                f"collection:{collection.id}",
                f"{slug} may {rights} {label}",
                organization=slug,
                rights=rights,
            )
        for slug, grant in standing.items():
            grant.delete()
            self._changed(
                "collection.revoke",
                f"collection:{collection.id}",
                f"{slug} may do nothing in {label} any more",
                organization=slug,
            )
