"""Members at the desk and in the portal: invited by a link that works once, switched off, never deleted."""

import re
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Member, Organization, Role
from tests.who import People

PASSWORD = "correct horse battery staple"
pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> People:
    return People.made()


def invite(client: Client, organization: Organization, *, name: str = "bo", role: str = "submitter") -> str:
    """Invite somebody; the link that is shown."""
    answer = client.post(
        reverse("admin:member_invite"),
        {"organization": str(organization.id), "username": name, "email": "", "role": role},
    )
    assert answer.status_code == 200
    return link_on(answer.content)


def set_password(visitor: Client, link: str, password: str) -> HttpResponse:
    """As a browser sends the form."""
    form = urlencode({"new_password1": password, "new_password2": password})
    return visitor.post(link, form, content_type="application/x-www-form-urlencoded")  # type: ignore[return-value]


def link_on(content: bytes) -> str:
    (found,) = re.findall(r'value="http://testserver(/admin/invitation/[^"]+)"', content.decode())
    return str(found)


def test_who_is_invited_sets_a_password_once_and_signs_in(people: People) -> None:
    link = invite(people.client(people.lab_a, "admin"), people.lab_a)
    visitor = Client()
    assert "bo" in visitor.get(link).content.decode()

    refused = set_password(visitor, link, "short")
    assert "too short" in refused.content.decode()
    assert set_password(visitor, link, PASSWORD).status_code == 302

    member = Member.objects.get(username="bo")
    assert member.check_password(PASSWORD)
    assert (member.organization, member.role) == (people.lab_a, Role.SUBMITTER)
    again = visitor.get(link)
    assert again.status_code == 404
    assert "does not work" in again.content.decode()
    assert set_password(visitor, link, "another horse battery staple").status_code == 404
    member.refresh_from_db()
    assert member.check_password(PASSWORD)
    assert list(AuditEvent.objects.order_by("id").values_list("actor", "action")) == [
        ("member:lab-a-admin", "member.create"),
        ("member:bo", "member.password"),
    ]


@pytest.mark.parametrize(
    "link",
    [
        "/admin/invitation/x/y/",
        "/admin/invitation/MQ/abc-def/",
        "/admin/invitation/OTk5OTk5OTk5OTk5OTk5/a-b/",
    ],
)
def test_a_link_that_is_none_is_told_so(people: People, link: str) -> None:
    people.member(people.hub, "admin")
    assert Client().get(link).status_code == 404


def test_a_later_link_makes_the_earlier_one_and_the_password_void(people: People) -> None:
    admin = people.client(people.hub, "admin")
    member = people.member(people.lab_a, "reader")
    member.set_password(PASSWORD)
    member.save()
    page = reverse("admin:member_password_link", args=[member.id])
    signed_in = people.client(people.lab_a, "reader")
    first = link_on(admin.post(page).content)
    second = link_on(admin.post(page).content)
    member.refresh_from_db()
    assert not member.has_usable_password()
    assert signed_in.get(reverse("admin:own_tokens")).status_code == 302
    assert Client().get(first).status_code == 404
    assert Client().get(second).status_code == 200


def test_a_link_is_dead_once_its_member_is_switched_off(people: People) -> None:
    admin = people.client(people.hub, "admin")
    link = invite(admin, people.lab_a)
    member = Member.objects.get(username="bo")
    admin.post(reverse("admin:member_switch", args=[member.id]), {"active": "0"})
    assert Client().get(link).status_code == 404


def test_who_is_switched_off_is_out_with_the_next_click(people: People) -> None:
    signed_in = people.client(people.lab_a, "submitter")
    page = reverse("admin:own_tokens")
    assert signed_in.get(page).status_code == 200
    member = people.member(people.lab_a, "submitter")
    switch = reverse("admin:member_switch", args=[member.id])
    admin = people.client(people.lab_a, "admin")
    assert "their organisation" in admin.get(switch).content.decode()
    admin.post(switch, {"active": "0"})
    assert signed_in.get(page).status_code == 302
    assert Member.objects.filter(id=member.id).exists()
    admin.post(switch, {"active": "1"})
    assert [one.action for one in AuditEvent.objects.order_by("id")] == [
        "member.deactivate",
        "member.activate",
    ]


def test_the_last_admin_of_the_operator_is_told_to_stay(people: People) -> None:
    member = people.member(people.hub, "admin")
    client = people.client(people.hub, "admin")
    answer = client.post(reverse("admin:member_change", args=[member.id]), {"email": "", "role": "analyst"})
    assert "last active admin" in answer.content.decode()
    member.refresh_from_db()
    assert member.role == Role.ADMIN


def test_a_role_is_changed_and_its_place_at_the_desk_follows(people: People) -> None:
    member = people.member(people.lab_a, "reader")
    client = people.client(people.lab_a, "admin")
    client.post(
        reverse("admin:member_change", args=[member.id]), {"email": "bo@lab-a.example", "role": "admin"}
    )
    member.refresh_from_db()
    assert (member.role, member.email, member.is_staff) == (Role.ADMIN, "bo@lab-a.example", True)


def test_a_partners_admin_makes_no_analysts_and_none_elsewhere(people: People) -> None:
    client = people.client(people.lab_a, "admin")
    for organization, role in ((people.lab_a, "analyst"), (people.hub, "reader"), (people.lab_b, "reader")):
        answer = client.post(
            reverse("admin:member_invite"),
            {"organization": str(organization.id), "username": "eve", "email": "", "role": role},
        )
        assert "not one of the available choices" in answer.content.decode()
    assert not Member.objects.filter(username="eve").exists()


@pytest.mark.parametrize("role", ["reader", "submitter", "analyst", "admin"])
def test_nobody_of_a_partner_sees_or_touches_others_members(people: People, role: str) -> None:
    client = people.client(people.lab_a, role)
    for other in (people.member(people.lab_b, "reader"), people.member(people.hub, "admin")):
        for name in (
            "member",
            "member_change",
            "member_switch",
            "member_password_link",
            "member_second_factor",
        ):
            page = reverse(f"admin:{name}", args=[other.id])
            assert client.get(page).status_code == 404
            assert client.post(page, {"active": "0", "role": "admin", "email": ""}).status_code == 404
        before = (other.role, other.is_active, other.password)
        other.refresh_from_db()
        assert (other.role, other.is_active, other.password) == before
    own = client.get(reverse("admin:own_members"))
    assert own.status_code == (200 if role == "admin" else 404)
    assert "lab-b-reader" not in own.content.decode()


def test_an_analyst_looks_at_members_and_changes_none(people: People) -> None:
    member = people.member(people.lab_a, "reader")
    client = people.client(people.hub, "analyst")
    assert "lab-a-reader" in client.get(reverse("admin:accounts_member_changelist")).content.decode()
    shown = client.get(reverse("admin:member", args=[member.id])).content.decode()
    assert "Switch off" not in shown
    for name in ("member_change", "member_switch", "member_password_link", "member_second_factor"):
        assert client.post(reverse(f"admin:{name}", args=[member.id]), {"active": "0"}).status_code == 404
    assert client.get(reverse("admin:member_invite")).status_code == 404
    assert not AuditEvent.objects.exists()


def test_nobody_is_deleted(people: People) -> None:
    member = people.member(people.lab_a, "reader")
    client = people.client(people.hub, "admin")
    assert client.post(f"/admin/accounts/member/{member.id}/delete/", {"post": "yes"}).status_code == 403
    assert Member.objects.filter(id=member.id).exists()


def test_roles_are_explained_to_admins(people: People) -> None:
    shown = people.client(people.lab_a, "admin").get(reverse("admin:roles")).content.decode()
    assert "on behalf of their organisation" in shown
    assert "Active elsewhere" not in shown
    assert (
        "Active elsewhere"
        in people.client(people.hub, "analyst").get(reverse("admin:roles")).content.decode()
    )
    assert people.client(people.lab_a, "reader").get(reverse("admin:roles")).status_code == 404
