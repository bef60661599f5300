"""Whose rows a member sees in the portal: those of their own organisation, whoever they are."""

from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.actor import Actor
from accounts.admin.base import member_of
from accounts.models import Member, Organization, Role, Sector


@dataclass(frozen=True, slots=True)
class Own:
    """A member and the one organisation whose rows are theirs to see, with what their role lets them do there."""

    member: Member
    organization: Organization

    @property
    def id(self) -> UUID:
        """The organisation's id: what every query of the portal asks for."""
        return self.organization.id

    @property
    def actor(self) -> Actor:
        """How the audit trail names what they do."""
        return Actor(f"member:{self.member.username}", self.organization.id)

    @property
    def may_send(self) -> bool:
        """Whether they may submit on behalf of their organisation."""
        return self.member.role in {Role.SUBMITTER, Role.ANALYST, Role.ADMIN}

    @property
    def may_administer(self) -> bool:
        """Whether they may change what their organisation has set up: webhooks, tokens, members."""
        return self.member.role == Role.ADMIN

    @property
    def is_told(self) -> bool:
        """Whether notices are theirs to read: what the operator is told is about others too, and for its analysts."""
        return self.organization.sector != Sector.OPERATOR or self.member.role in {Role.ANALYST, Role.ADMIN}


def own(request: HttpRequest) -> Own:
    """Whose rows the signed-in member sees; raises PermissionDenied where there is none."""
    member = member_of(request)
    if member.organization is None:
        raise PermissionDenied
    return Own(member, member.organization)


def may_own(request: HttpRequest) -> bool:
    """Whether the signed-in member has an organisation, and so a portal."""
    try:
        return bool(own(request))
    except PermissionDenied:
        return False


def may_send(request: HttpRequest) -> bool:
    """Whether the signed-in member may submit on behalf of their organisation."""
    return may_own(request) and own(request).may_send


def may_administer_own(request: HttpRequest) -> bool:
    """Whether the signed-in member is an admin of their organisation."""
    return may_own(request) and own(request).may_administer
