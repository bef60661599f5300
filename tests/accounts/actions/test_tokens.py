"""Tokens: issued once, rotated with an overlap, changed and revoked; those of another organisation are unknown."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts import secrets
from accounts.actions import tokens
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import AuditEvent, Organization, Token
from accounts.queries import caller

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BY = Actor("member:ana")
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def lab() -> Organization:
    return Organization.objects.create(slug="lab-a", name="Lab A", sector="ai-lab", created_at=NOW)


def issue(lab: Organization, *, name: str = "siem", now: datetime = NOW, **more: object) -> tuple[Token, str]:
    return tokens.issue(
        organization_id=lab.id,
        name=name,
        scopes=["submit", "feed:read"],
        by=BY,
        now=now,
        **more,  # type: ignore[arg-type]
    )


def works(secret: str, at: datetime) -> bool:
    return caller(secret=secret, now=at) is not None


def test_what_is_stored_and_recorded_holds_no_secret(lab: Organization) -> None:
    token, secret = issue(lab, expires_at=NOW + 90 * DAY, quotas={"objects_per_hour": 5})

    assert bytes(Token.objects.get().digest) == secrets.digest(secret)
    stored = f"{list(Token.objects.values())} {list(AuditEvent.objects.values())}"
    assert secret not in stored
    assert secret[4:20] not in stored
    assert AuditEvent.objects.get().detail == {
        "organization": str(lab.id),
        "name": "siem",
        "scopes": ["feed:read", "submit"],
        "expires_at": (NOW + 90 * DAY).isoformat(),
        "requests_per_minute": None,
        "objects_per_hour": 5,
        "bytes_per_hour": None,
    }
    assert token.name == "siem"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "siem"}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "expires_at": NOW}, "expires_at"),
    ],
)
def test_what_cannot_be_issued_is_told_by_its_field(
    lab: Organization, given: dict[str, object], field: str
) -> None:
    issue(lab)
    wanted = {"organization_id": lab.id, "scopes": ["submit"], "by": BY, "now": NOW} | given
    with pytest.raises(Invalid) as refusal:
        tokens.issue(**wanted)  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert Token.objects.count() == AuditEvent.objects.count() == 1


def test_after_a_rotation_both_work_until_the_time_and_then_only_the_new_one(lab: Organization) -> None:
    old, old_secret = issue(lab, quotas={"bytes_per_hour": 2**40})
    later = NOW + timedelta(hours=1)

    new, secret = tokens.rotate(token_id=old.id, old_until=later + DAY, by=BY, now=later)

    old.refresh_from_db()
    assert (new.name, new.scopes, new.bytes_per_hour) == ("siem", ["feed:read", "submit"], 2**40)
    assert (old.replaced_by, old.expires_at) == (new, later + DAY)
    assert works(old_secret, later + DAY - timedelta(seconds=1))
    assert works(secret, later)
    assert not works(old_secret, later + DAY)
    assert works(secret, later + 900 * DAY)
    event = AuditEvent.objects.get(action="token.rotate")
    assert (event.target, event.detail["replaced_by"]) == (f"token:{old.id}", str(new.id))


def test_a_rotation_at_once_ends_the_old_one(lab: Organization) -> None:
    old, old_secret = issue(lab)
    _, secret = tokens.rotate(token_id=old.id, old_until=NOW, by=BY, now=NOW + DAY)
    assert not works(old_secret, NOW + DAY)
    assert works(secret, NOW + DAY)


def test_an_overlap_lets_no_token_live_longer_than_it_would_have(lab: Organization) -> None:
    old, old_secret = issue(lab, expires_at=NOW + timedelta(hours=2))
    tokens.rotate(token_id=old.id, old_until=NOW + 7 * DAY, by=BY, now=NOW + timedelta(hours=1))
    assert not works(old_secret, NOW + timedelta(hours=2))


def test_only_the_latest_of_a_name_is_rotated_and_each_can_be_again(lab: Organization) -> None:
    first, _ = issue(lab)
    second, _ = tokens.rotate(token_id=first.id, old_until=NOW + DAY, by=BY, now=NOW)
    with pytest.raises(Invalid, match="rotated before"):
        tokens.rotate(token_id=first.id, old_until=NOW + DAY, by=BY, now=NOW)
    third, _ = tokens.rotate(token_id=second.id, old_until=NOW + DAY, by=BY, now=NOW)
    assert [one.name for one in (first, second, third)] == ["siem"] * 3
    with pytest.raises(Invalid, match="already"):
        issue(lab)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_what_does_not_work_any_more_is_not_rotated(lab: Organization, end: str) -> None:
    token, _ = issue(lab, expires_at=NOW + DAY)
    if end == "revoked":
        tokens.revoke(token_id=token.id, by=BY, now=NOW)
    with pytest.raises(Invalid, match=end):
        tokens.rotate(token_id=token.id, old_until=NOW + 9 * DAY, by=BY, now=NOW + 2 * DAY)


def test_a_revoked_name_may_be_given_again(lab: Organization) -> None:
    token, secret = issue(lab)
    assert tokens.revoke(token_id=token.id, by=BY, now=NOW)
    assert not tokens.revoke(token_id=token.id, by=BY, now=NOW)
    assert not works(secret, NOW)
    issue(lab)


def test_a_change_is_recorded_before_and_after_and_only_once(lab: Organization) -> None:
    token, _ = issue(lab)
    for expected in (True, False):
        changed = tokens.change(
            token_id=token.id,
            scopes=["feed:read"],
            expires_at=NOW + DAY,
            quotas={"objects_per_hour": 7},
            by=BY,
            now=NOW,
        )
        assert changed is expected
    assert AuditEvent.objects.get(action="token.change").detail == {
        "name": "siem",
        "before": {"scopes": ["feed:read", "submit"], "expires_at": None, "objects_per_hour": None},
        "after": {"scopes": ["feed:read"], "expires_at": (NOW + DAY).isoformat(), "objects_per_hour": 7},
    }


def test_a_token_of_another_organisation_is_as_one_that_is_not_there(lab: Organization) -> None:
    other = Organization.objects.create(slug="lab-b", name="Lab B", sector="ai-lab", created_at=NOW)
    token, secret = issue(lab)
    for attempt in (
        lambda: tokens.revoke(token_id=token.id, by=BY, now=NOW, within=other.id),
        lambda: tokens.rotate(token_id=token.id, old_until=NOW + DAY, by=BY, now=NOW, within=other.id),
        lambda: tokens.change(
            token_id=token.id, scopes=["submit"], expires_at=None, quotas={}, by=BY, now=NOW, within=other.id
        ),
    ):
        with pytest.raises(Unknown):
            attempt()
    assert works(secret, NOW)
    assert AuditEvent.objects.count() == 1


def test_both_secrets_read_over_taxii_until_the_old_one_ends(lab: Organization) -> None:
    now = datetime.now(UTC)
    old, old_secret = issue(lab, now=now - DAY)
    new, secret = tokens.rotate(token_id=old.id, old_until=now + timedelta(hours=1), by=BY, now=now)

    def ask(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/taxii+json;version=2.1"}
        return Client().get("/taxii2/", headers=headers).status_code

    assert (ask(old_secret), ask(secret)) == (200, 200)
    Token.objects.filter(id=old.id).update(expires_at=now - timedelta(seconds=1))
    assert (ask(old_secret), ask(secret)) == (401, 200)
    assert new.id != old.id
