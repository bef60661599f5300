"""Who may do what in which collection: the one rule, for the protocol, for a case's readers and for the desk's pages.

An organisation has access where it is a member of the community and has a grant in the collection. A program needs,
besides, a token of it with the scope `feed:read` or `submit`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from accounts.models import Scope, Tlp
from indicators.stix.timestamps import moment_of
from sharing.models import Kind

MAY = (
    "accounts_community c"
    " JOIN accounts_membership m ON m.community_id = c.id"
    " JOIN sharing_collection k ON k.community_id = c.id"
    " JOIN sharing_collectiongrant g ON g.collection_id = k.id AND g.organization_id = m.organization_id"
)
"""SQL for the FROM of every question about access: a row of it is what one organisation may do in one collection."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one organisation may do in one collection; `entries` is the length of its log, withdrawals among them."""

    organization_id: UUID
    organization_slug: str
    organization: str
    community_id: UUID
    community_slug: str
    community: str
    collection_id: UUID
    alias: str
    collection: str
    kind: str
    ceiling: int
    profile: str
    entries: int
    last_added: int
    can_read: bool
    can_write: bool

    @property
    def tlp(self) -> str:
        """The ceiling as the protocol writes it."""
        return str(Tlp(self.ceiling).label)

    @property
    def kind_label(self) -> str:
        """Who publishes there."""
        return str(Kind(self.kind).label)

    @property
    def head_at(self) -> datetime | None:
        """When the last entry was added."""
        return moment_of(self.last_added) if self.entries else None

    @property
    def rights(self) -> str:
        """In words."""
        return rights(self.can_read, self.can_write)


def rights(can_read: bool, can_write: bool) -> str:
    """What may be done, in words."""
    return (
        " and ".join(word for word, given in (("read", can_read), ("write", can_write)) if given) or "nothing"
    )


_ACCESS = (
    "SELECT o.id, o.slug, o.name, c.id, c.slug, c.title, k.id, k.alias, k.title, k.kind, k.ceiling, k.profile,"
    f" k.next_index, k.last_added, g.can_read, g.can_write FROM {MAY}"
    " JOIN accounts_organization o ON o.id = m.organization_id WHERE {} = %s"
    " ORDER BY c.title, c.id, k.kind, k.ceiling, k.alias, o.name, o.id"
)


def of_organization(organization_id: UUID) -> list[Access]:
    """All that an organisation may do, by community and collection."""
    return [Access(*found) for found in sql.rows(_ACCESS.format("m.organization_id"), (organization_id,))]


def of_community(community_id: UUID) -> list[Access]:
    """All that is granted in a community."""
    return [Access(*found) for found in sql.rows(_ACCESS.format("c.id"), (community_id,))]


def of_collection(collection_id: UUID) -> list[Access]:
    """Who may do what in a collection."""
    return [Access(*found) for found in sql.rows(_ACCESS.format("k.id"), (collection_id,))]


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that works, by what its scopes let it use of its organisation's access."""

    token_id: UUID
    organization_id: UUID
    name: str
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    is_replaced: bool

    @property
    def can_read(self) -> bool:
        """Whether it reads feeds."""
        return Scope.FEED_READ in self.scopes

    @property
    def can_write(self) -> bool:
        """Whether it submits."""
        return Scope.SUBMIT in self.scopes


def credentials(organization_ids: Iterable[UUID], *, now: datetime) -> list[Credential]:
    """The tokens of these organisations that work now."""
    return [
        Credential(*found)
        for found in sql.rows(
            "SELECT id, organization_id, name, scopes, expires_at, last_used_at, replaced_by_id IS NOT NULL"
            " FROM accounts_token WHERE organization_id = ANY(%s) AND revoked_at IS NULL"
            " AND (expires_at IS NULL OR expires_at > %s) ORDER BY name, created_at",
            (list(organization_ids), now),
        )
    ]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change gives to one organisation in one collection, or takes; `access` is what it has with it, or had."""

    access: Access
    had: tuple[bool, bool]
    has: tuple[bool, bool]
    is_new: bool

    @property
    def before(self) -> str:
        """What it may do now, in words."""
        return rights(*self.had)

    @property
    def after(self) -> str:
        """What it could do then, in words."""
        return rights(*self.has)

    @property
    def gains_reading(self) -> bool:
        """Whether it would read what it does not read now, from the first entry on."""
        return self.has[0] and not self.had[0]

    @property
    def loses_reading(self) -> bool:
        """Whether it would read no longer what it reads now."""
        return self.had[0] and not self.has[0]


def differences(before: Sequence[Access], after: Sequence[Access]) -> list[Difference]:
    """What differs between two answers of `of_community`, by organisation."""
    # By alias: a collection that a rehearsal made has another id when it is made.
    old = {(one.organization_id, one.alias): one for one in before}
    new = {(one.organization_id, one.alias): one for one in after}
    stood = {one.alias for one in before if one.kind != Kind.INBOX}
    found = []
    for key in old.keys() | new.keys():
        was, will = old.get(key), new.get(key)
        had = (was.can_read, was.can_write) if was else (False, False)
        has = (will.can_read, will.can_write) if will else (False, False)
        one = will or was
        if had != has and one is not None:
            found.append(Difference(one, had, has, is_new=one.alias not in stood and not one.entries))
    return sorted(
        found,
        key=lambda one: (
            one.access.organization,
            one.access.kind,
            one.access.ceiling,
            one.access.alias,
            str(one.access.organization_id),
        ),
    )
