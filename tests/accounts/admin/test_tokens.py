"""Tokens at the desk and in the portal: a secret is shown once, and nobody touches another organisation's."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.actions import tokens
from accounts.actor import Actor
from accounts.models import AuditEvent, Organization, Token
from accounts.queries import caller
from tests.who import People

SECRET = re.compile(r"stw_[A-Za-z0-9_-]{43}_[0-9a-f]{8}")
TAXII = "application/taxii+json;version=2.1"
pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> People:
    return People.made()


def issued(organization: Organization, name: str = "siem") -> tuple[Token, str]:
    return tokens.issue(
        organization_id=organization.id,
        name=name,
        scopes=["feed:read"],
        by=Actor("service:test"),
        now=datetime.now(UTC) - timedelta(days=1),
    )


def form(maker: Organization, **changes: object) -> dict[str, object]:
    return {
        "organization": str(maker.id),
        "name": "detector",
        "scopes": ["submit"],
        "expires": (datetime.now(UTC) + timedelta(days=30)).date().isoformat(),
    } | changes


def secret_on(content: bytes) -> str:
    (found,) = set(SECRET.findall(content.decode()))
    return str(found)


def pages_of(client: Client, token: Token) -> str:
    """All that the desk says of a token afterwards."""
    pages = [
        reverse("admin:token", args=[token.id]),
        reverse("admin:own_tokens"),
        reverse("admin:accounts_token_changelist"),
        reverse("admin:accounts_auditevent_changelist"),
        reverse("admin:accounts_auditevent_change", args=[AuditEvent.objects.latest("id").id]),
    ]
    return "".join(client.get(page).content.decode() for page in pages)


def test_a_secret_is_shown_once_and_stands_nowhere_else(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    client = people.client(people.hub, "admin")
    answer = client.post(reverse("admin:token_issue"), form(people.lab_a))

    assert answer.status_code == 200
    secret = secret_on(answer.content)
    assert "no-store" in answer.headers["Cache-Control"]
    token = Token.objects.get()
    assert (token.organization, token.name, token.scopes) == (people.lab_a, "detector", ["submit"])
    known = caller(secret=secret, now=datetime.now(UTC))
    assert known is not None
    assert known.token_id == token.id
    hidden = secret[4:30]
    assert hidden not in pages_of(client, token)
    assert hidden not in caplog.text
    assert hidden not in str([one.get_decoded() for one in Session.objects.all()])
    assert hidden not in str([list(AuditEvent.objects.values()), list(Token.objects.values())])
    # Sent again by a reload, it makes nothing new and shows nothing.
    again = client.post(reverse("admin:token_issue"), form(people.lab_a))
    assert not SECRET.search(again.content.decode())
    assert "already" in again.content.decode()
    assert Token.objects.count() == 1


def test_a_rotation_shows_the_new_secret_once_and_says_which_is_which(people: People) -> None:
    old, old_secret = issued(people.lab_a)
    client = people.client(people.lab_a, "admin")
    assert 'value="24" selected' in client.get(reverse("admin:token_rotate", args=[old.id])).content.decode()

    answer = client.post(reverse("admin:token_rotate", args=[old.id]), {"overlap": "24", "expires": ""})

    secret = secret_on(answer.content)
    new = Token.objects.get(replaces=old)

    def ask(secret: str) -> int:
        return (
            Client()
            .get("/taxii2/", headers={"Authorization": f"Bearer {secret}", "Accept": TAXII})
            .status_code
        )

    assert (ask(old_secret), ask(secret)) == (200, 200)
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - datetime.now(UTC) < timedelta(hours=25)
    shown = client.get(reverse("admin:token", args=[old.id])).content.decode()
    assert "Old secret, works until" in shown
    assert str(new.id) in shown
    assert "Rotate</a>" not in shown
    Token.objects.filter(id=old.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert (ask(old_secret), ask(secret)) == (401, 200)


def test_a_rotation_that_is_sent_twice_makes_one_token(people: People) -> None:
    old, _ = issued(people.lab_a)
    client = people.client(people.hub, "admin")
    for _ in range(2):
        answer = client.post(reverse("admin:token_rotate", args=[old.id]), {"overlap": "0"})
    assert "revoked" in answer.content.decode()
    assert Token.objects.count() == 2


def test_a_revoked_token_is_refused_at_once(people: People) -> None:
    token, secret = issued(people.lab_a)
    client = people.client(people.lab_a, "admin")
    page = reverse("admin:token_revoke", args=[token.id])
    assert "cannot be undone" in client.get(page).content.decode()
    assert caller(secret=secret, now=datetime.now(UTC)) is not None
    assert client.post(page).status_code == 302
    assert caller(secret=secret, now=datetime.now(UTC)) is None


def test_a_token_is_changed_and_its_last_day_stays_whole(people: People) -> None:
    token, _ = issued(people.lab_a)
    page = reverse("admin:token_change", args=[token.id])
    client = people.client(people.hub, "admin")
    wanted = {"scopes": ["submit"], "expires": "2031-05-06", "objects_per_hour": "9"}
    assert client.post(page, wanted).status_code == 302
    token.refresh_from_db()
    assert (token.scopes, token.objects_per_hour) == (["submit"], 9)
    assert token.expires_at == datetime(2031, 5, 7, tzinfo=UTC)
    assert 'value="2031-05-06"' in client.get(page).content.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "required"),
        ({"scopes": []}, "required"),
        ({"scopes": ["everything"]}, "not one of the available choices"),
        ({"expires": "2020-01-01"}, "past already"),
        ({"organization": "x"}, "not one of the available choices"),
        ({"objects_per_hour": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    people: People, changes: dict[str, object], sentence: str
) -> None:
    answer = people.client(people.hub, "admin").post(
        reverse("admin:token_issue"), form(people.lab_a, **changes)
    )
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Token.objects.exists()


@pytest.mark.parametrize("role", ["reader", "submitter", "analyst", "admin"])
def test_nobody_of_a_partner_sees_or_touches_another_ones_tokens(people: People, role: str) -> None:
    token, secret = issued(people.lab_b)
    client = people.client(people.lab_a, role)
    for name in ("token", "token_rotate", "token_change", "token_revoke"):
        page = reverse(f"admin:{name}", args=[token.id])
        assert client.get(page).status_code == 404
        assert client.post(page, {"overlap": "0", "scopes": ["submit"]}).status_code == 404
    assert token.name not in client.get(reverse("admin:own_tokens")).content.decode()
    assert caller(secret=secret, now=datetime.now(UTC)) is not None
    assert Token.objects.count() == 1


def test_a_partners_admin_issues_for_no_other_organisation(people: People) -> None:
    client = people.client(people.lab_a, "admin")
    answer = client.post(reverse("admin:token_issue"), form(people.lab_b))
    assert not SECRET.search(answer.content.decode())
    assert "Lab B" not in answer.content.decode()
    assert not Token.objects.exists()


def test_a_partners_admin_gives_neither_quotas_nor_the_scope_admin(people: People) -> None:
    client = people.client(people.lab_a, "admin")
    refused = client.post(reverse("admin:token_issue"), form(people.lab_a, scopes=["admin"]))
    assert "not one of the available choices" in refused.content.decode()
    assert (
        client.post(reverse("admin:token_issue"), form(people.lab_a, objects_per_hour="99")).status_code
        == 200
    )
    assert Token.objects.get().objects_per_hour is None


def test_the_operators_quotas_outlast_a_partners_change(people: People) -> None:
    token, _ = issued(people.lab_a)
    Token.objects.update(objects_per_hour=5)
    client = people.client(people.lab_a, "admin")
    client.post(reverse("admin:token_change", args=[token.id]), {"scopes": ["submit"], "expires": ""})
    token.refresh_from_db()
    assert (token.scopes, token.objects_per_hour) == (["submit"], 5)


@pytest.mark.parametrize(
    ("organization", "role"), [("hub", "analyst"), ("lab_a", "reader"), ("lab_a", "submitter")]
)
def test_who_is_no_admin_looks_and_changes_nothing(people: People, organization: str, role: str) -> None:
    token, secret = issued(people.lab_a)
    client = people.client(getattr(people, organization), role)
    shown = client.get(reverse("admin:token", args=[token.id]))
    assert shown.status_code == 200
    assert "Revoke" not in shown.content.decode()
    assert client.post(reverse("admin:token_issue"), form(people.lab_a)).status_code == 404
    for name in ("token_rotate", "token_change", "token_revoke"):
        assert client.post(reverse(f"admin:{name}", args=[token.id]), {"overlap": "0"}).status_code == 404
    assert caller(secret=secret, now=datetime.now(UTC)) is not None


def test_what_ends_soon_is_pointed_out(people: People) -> None:
    token, _ = issued(people.lab_a)
    Token.objects.filter(id=token.id).update(expires_at=datetime.now(UTC) + timedelta(days=5, hours=1))
    for organization, page in (
        (people.hub, reverse("admin:accounts_token_changelist") + "?state=soon"),
        (people.lab_a, reverse("admin:own_tokens")),
    ):
        assert "Expires in 5 days" in people.client(organization, "admin").get(page).content.decode()


@pytest.mark.parametrize("state", ["works", "soon", "unused", "over"])
def test_the_list_is_filtered_by_state(people: People, state: str) -> None:
    issued(people.lab_a)
    revoked, _ = issued(people.lab_a, "gone")
    tokens.revoke(token_id=revoked.id, by=Actor("service:test"), now=datetime.now(UTC))
    shown = people.client(people.hub, "analyst").get(
        reverse("admin:accounts_token_changelist"), {"state": state}
    )
    names = {one.name for one in shown.context["cl"].result_list}
    assert names == {"works": {"siem"}, "soon": set(), "unused": {"siem"}, "over": {"gone"}}[state]


def test_before_a_token_is_touched_the_proof_of_identity_must_be_fresh(people: People) -> None:
    token, secret = issued(people.lab_a)
    client = people.client(people.hub, "admin", fresh=False)
    for page in (
        reverse("admin:token_issue"),
        *(reverse(f"admin:token_{name}", args=[token.id]) for name in ("rotate", "change", "revoke")),
    ):
        for answer in (client.get(page), client.post(page, form(people.lab_a, overlap="0"))):
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/admin/account/")
    assert caller(secret=secret, now=datetime.now(UTC)) is not None
    assert Token.objects.count() == 1
