"""People of an organisation, signed in at the desk."""

from django.test import Client

from accounts.models import Member, Organization
from tests.desk import sign_in


def signed_in(organization: Organization, role: str) -> Client:
    """The browser of a member with this role."""
    member, _ = Member.objects.get_or_create(
        username=f"{organization.slug}-{role}", organization=organization, role=role
    )
    return sign_in(Client(), member)
