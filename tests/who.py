"""An operator, two partners and their people, for stories at the desk's pages on who."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.contrib.auth.hashers import make_password
from django.test import Client

from accounts.models import Member, Organization, Role
from tests.desk import sign_in

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass(slots=True)
class People:
    """Three organisations; who asks for a client is signed in."""

    hub: Organization
    lab_a: Organization
    lab_b: Organization
    _members: dict[str, Member] = field(default_factory=dict)

    @classmethod
    def made(cls) -> "People":
        """With their rows."""
        hub, lab_a, lab_b = (
            Organization.objects.create(slug=slug, name=name, sector=sector, created_at=NOW)
            for slug, name, sector in (
                ("hub", "Hub", "operator"),
                ("lab-a", "Lab A", "ai-lab"),
                ("lab-b", "Lab B", "ai-lab"),
            )
        )
        return cls(hub, lab_a, lab_b)

    def member(self, organization: Organization, role: str) -> Member:
        """The organisation's member of that role."""
        name = f"{organization.slug}-{role}"
        if name not in self._members:
            self._members[name] = Member.objects.create(
                username=name,
                password=make_password(None),
                organization=organization,
                role=role,
                is_staff=role in {Role.ANALYST, Role.ADMIN},
            )
        return self._members[name]

    def client(self, organization: Organization, role: str, *, fresh: bool = True) -> Client:
        """A browser in which that member is signed in; without `fresh` an hour ago."""
        return sign_in(Client(), self.member(organization, role), fresh=fresh)
