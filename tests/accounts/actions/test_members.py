"""Members: invited without a password, changed, switched off; the operator is never left without an admin."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.actions import members
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import AuditEvent, Member, Organization, Role

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BY = Actor("member:ana")
pytestmark = pytest.mark.django_db


@pytest.fixture
def hub() -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)


@pytest.fixture
def lab() -> Organization:
    return Organization.objects.create(slug="lab-a", name="Lab A", sector="ai-lab", created_at=NOW)


def invite(organization: Organization, name: str, role: str = Role.ADMIN) -> Member:
    return members.invite(organization_id=organization.id, username=name, email="", role=role, by=BY, now=NOW)


def test_who_is_invited_cannot_sign_in_before_setting_a_password(lab: Organization) -> None:
    member = invite(lab, "bo", Role.SUBMITTER)
    assert not member.has_usable_password()
    members.set_password(member_id=member.id, password="correct horse battery staple", now=NOW)
    member.refresh_from_db()
    assert member.check_password("correct horse battery staple")
    assert list(AuditEvent.objects.order_by("id").values_list("actor", "action", "target")) == [
        ("member:ana", "member.create", "member:bo"),
        ("member:bo", "member.password", "member:bo"),
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"username": "BO"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"role": "king"}, "role"),
        ({"role": "analyst", "roles": ["reader"]}, "role"),
    ],
)
def test_what_is_wrong_with_an_invitation_is_told_by_its_field(
    lab: Organization, given: dict[str, object], field: str
) -> None:
    invite(lab, "bo")
    wanted = {
        "organization_id": lab.id, "username": "eve", "email": "", "role": "reader", "by": BY, "now": NOW,
    } | given  # fmt: skip
    with pytest.raises(Invalid) as refusal:
        members.invite(**wanted)  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert Member.objects.count() == 1


def test_the_operators_last_admin_keeps_role_and_access(hub: Organization) -> None:
    last = invite(hub, "last")
    idle = invite(hub, "idle")
    members.set_active(member_id=idle.id, active=False, by=BY, now=NOW)
    attempts: list[Callable[[], object]] = [
        lambda: members.set_active(member_id=last.id, active=False, by=BY, now=NOW),
        lambda: members.change(member_id=last.id, email="", role=Role.ANALYST, by=BY, now=NOW),
    ]
    for attempt in attempts:
        with pytest.raises(Invalid, match="last active admin"):
            attempt()

    members.set_active(member_id=idle.id, active=True, by=BY, now=NOW)
    assert members.change(member_id=last.id, email="", role=Role.ANALYST, by=BY, now=NOW)
    assert AuditEvent.objects.get(action="member.change").detail == {
        "before": {"role": "admin"},
        "after": {"role": "analyst"},
    }


def test_a_partner_may_be_without_an_admin(lab: Organization) -> None:
    assert members.set_active(member_id=invite(lab, "bo").id, active=False, by=BY, now=NOW)


def test_nobody_switches_themselves_off(hub: Organization) -> None:
    me = invite(hub, "ana")
    invite(hub, "other")
    with pytest.raises(Invalid, match="yourself"):
        members.set_active(member_id=me.id, active=False, by=BY, now=NOW)


def test_a_new_link_makes_the_old_password_void(lab: Organization) -> None:
    member = invite(lab, "bo")
    members.set_password(member_id=member.id, password="correct horse battery staple", now=NOW)
    members.take_password(member_id=member.id, by=BY, now=NOW)
    member.refresh_from_db()
    assert not member.has_usable_password()


def test_a_member_of_another_organisation_is_as_one_who_is_not_there(
    hub: Organization, lab: Organization
) -> None:
    member = invite(hub, "ana2", Role.READER)
    given: Any = {"member_id": member.id, "by": BY, "now": NOW, "within": lab.id}
    attempts: list[Callable[[], object]] = [
        lambda: members.change(email="", role=Role.ADMIN, **given),
        lambda: members.set_active(active=False, **given),
        lambda: members.take_password(**given),
        lambda: members.reset_second_factor(**given),
    ]
    for attempt in attempts:
        with pytest.raises(Unknown):
            attempt()
    member.refresh_from_db()
    assert (member.role, member.is_active) == (Role.READER, True)
