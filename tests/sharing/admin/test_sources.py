"""The desk's page on sources: who may change them, what is said of each, and what the buttons ask for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Community, Member, Membership, Organization
from indicators.actions import pulls
from indicators.models import Source
from sharing import tasks
from sharing.admin import sources
from tests.desk import sign_in
from tests.indicators.actions.conftest import BY

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def hub(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)


@pytest.fixture
def community(hub: Organization) -> Community:
    made = Community.objects.create(slug="trust", title="Trust", created_at=NOW)
    Membership.objects.create(community=made, organization=hub, joined_at=NOW)
    return made


@pytest.fixture
def source(hub: Organization, community: Community) -> Source:
    made = Source(
        name="Upstream", kind="taxii", community=community, organization=hub,
        url="https://upstream.example/root/", collection="iocs",
    )  # fmt: skip
    pulls.save(source=made, by=BY, now=NOW)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be sent to the worker."""
    found: list[str] = []
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: found.append(task.name))
    return found


def signed_in(organization: Organization, role: str) -> Client:
    member = Member.objects.create(username=role, organization=organization, role=role, is_staff=True)
    client = Client()
    sign_in(client, member)
    return client


def form(hub: Organization, community: Community, **changes: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "name": "Upstream", "kind": "taxii", "community": str(community.id), "organization": str(hub.id),
        "url": "https://upstream.example/root/", "collection": "iocs", "auth": "bearer",
        "credential": "partner_x", "interval_minutes": "15", "enabled": "on",
    }  # fmt: skip
    return wanted | changes


LIST = "/admin/indicators/source/"


def test_an_admin_of_the_operator_adds_and_changes_a_source(
    hub: Organization, community: Community, asked: list[str]
) -> None:
    client = signed_in(hub, "admin")

    assert client.get(f"{LIST}add/").status_code == 200
    assert client.post(f"{LIST}add/", form(hub, community)).status_code == 302
    made = Source.objects.get()
    assert (made.name, made.credential, made.enabled) == ("Upstream", "PARTNER_X", True)

    page = reverse("admin:indicators_source_change", args=[made.id])
    assert client.post(page, form(hub, community, interval_minutes="60")).status_code == 302
    made.refresh_from_db()
    assert made.interval_minutes == 60
    assert [one.action for one in AuditEvent.objects.filter(actor="member:admin")] == [
        "source.add",
        "source.change",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": "http://upstream.example/"}, "only https is called"),
        ({"url": "https://127.1/"}, "no host name"),
        ({"collection": ""}, "Say which collection"),
        ({"credential": ""}, "Name the credential"),
        ({"interval_minutes": "0"}, "From 1 minute"),
        ({"interval_minutes": "many"}, "Enter a whole number"),
        ({"kind": "ftp"}, "Select a valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    hub: Organization, community: Community, changes: dict[str, str], sentence: str
) -> None:
    answer = signed_in(hub, "admin").post(f"{LIST}add/", form(hub, community, **changes))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Source.objects.exists()


def test_a_name_with_odd_characters_in_its_credential_is_told(
    hub: Organization, community: Community
) -> None:
    answer = signed_in(hub, "admin").post(f"{LIST}add/", form(hub, community, credential="a-b c"))
    assert answer.status_code == 200
    assert "capital letters" in answer.content.decode()


def test_an_analyst_sees_sources_and_changes_nothing(
    source: Source, hub: Organization, asked: list[str]
) -> None:
    client = signed_in(hub, "analyst")
    page = reverse("admin:indicators_source_change", args=[source.id])

    assert "Upstream" in client.get(LIST).content.decode()
    shown = client.get(page).content.decode()
    assert "Pull now" not in shown
    assert client.get(f"{LIST}add/").status_code == 403
    for button in ("pull", "check"):
        assert client.post(reverse(f"admin:indicators_source_{button}", args=[source.id])).status_code == 403
    assert asked == []


def test_a_member_of_a_partner_sees_nothing(source: Source) -> None:
    partner = Organization.objects.create(slug="lab", name="Lab", sector="ai-lab", created_at=NOW)
    assert signed_in(partner, "admin").get(LIST).status_code == 404


def test_the_buttons_ask_the_worker_and_call_nobody_themselves(
    source: Source, hub: Organization, asked: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(hub, "admin")
    Source.objects.update(next_at=NOW + timedelta(days=900), failures=3, last_error="It was away.")
    page = client.get(reverse("admin:indicators_source_change", args=[source.id])).content.decode()
    assert "Test connection" in page
    assert "Pull now" in page

    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("admin:indicators_source_pull", args=[source.id]))
        client.post(reverse("admin:indicators_source_check", args=[source.id]))
        client.post(LIST, {"action": "pull_now", "_selected_action": str(source.id)})

    assert asked == ["sharing.tasks.pull_due", "sharing.tasks.pull_check", "sharing.tasks.pull_due"]
    source.refresh_from_db()
    assert source.next_at < NOW + timedelta(days=800)
    assert client.get(reverse("admin:indicators_source_pull", args=[source.id])).status_code == 405


def test_sources_are_disabled_and_enabled_from_the_list(
    source: Source, hub: Organization, asked: list[str]
) -> None:
    client = signed_in(hub, "admin")
    for action, enabled in (("disable", False), ("enable", True)):
        client.post(LIST, {"action": action, "_selected_action": str(source.id)})
        source.refresh_from_db()
        assert source.enabled is enabled
    actions = AuditEvent.objects.filter(actor="member:admin").values_list("action", flat=True)
    assert list(actions) == ["source.disable", "source.enable"]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"enabled": False}, "Disabled"),
        ({}, "Not pulled yet"),
        ({"object_count": 3}, "Catching up"),
        ({"failures": 1}, "Failed once"),
        ({"failures": 4, "last_success_at": NOW}, "Failed 4 times in a row, last success 2026-03-02 12:00"),
        ({"leased_until": NOW + timedelta(minutes=1)}, "Being pulled"),
        ({"next_at": NOW - timedelta(hours=1)}, "Overdue: no worker pulls, or too many submissions wait"),
        ({"last_success_at": NOW, "tried_at": NOW}, "All that was there is here"),
        ({"last_success_at": NOW - timedelta(hours=1), "tried_at": NOW}, "Catching up"),
    ],
)
def test_the_state_of_a_source_is_said_in_words(source: Source, changes: dict[str, Any], state: str) -> None:
    for name, value in changes.items():
        setattr(source, name, value)
    assert sources.state_of(source, NOW) == state


@pytest.mark.parametrize(
    ("age", "lag"),
    [
        (None, "–"),
        (timedelta(seconds=-30), "0 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=5, minutes=3), "5 h 3 min"),
        (timedelta(days=3, hours=2), "3 d 2 h"),
    ],
)
def test_the_lag_is_the_age_of_the_latest_object(source: Source, age: timedelta | None, lag: str) -> None:
    source.latest_at = None if age is None else NOW - age
    assert sources.lag_of(source, NOW) == lag
