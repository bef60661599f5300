"""The audit trail at the desk: filtered, paged by keyset, exported without formulas, each event with its place."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import sql, trail
from accounts.actions import chain
from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import AuditEvent
from sharing.admin import audit
from tests.who import NOW, People

LIST = reverse("admin:accounts_auditevent_changelist")
pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> People:
    return People.made()


@pytest.fixture
def analyst(people: People) -> Client:
    return people.client(people.hub, "analyst")


def write(
    actor: str, action: str, target: str, *, at: datetime = NOW, maker: Any = None, **detail: object
) -> None:
    record(by=Actor(actor, maker and maker.id), now=at, action=action, target=target, detail=detail)


def targets(answer: Any) -> list[str]:
    return [one.target for one in answer.context["events"]]


@pytest.fixture
def written(people: People) -> None:
    write("member:ana", "token.issue", "token:1", maker=people.hub)
    write("token:7", "submission.receive", "submission:1", maker=people.lab_a, at=NOW + timedelta(days=1))
    write("member:ana", "token.revoke", "token:1", maker=people.hub, at=NOW + timedelta(days=2))
    write("service:ingest", "submission.receive", "submission:2", at=NOW + timedelta(days=3))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["submission:2", "token:1", "submission:1", "token:1"]),
        ({"actor": "ana"}, ["token:1", "token:1"]),
        ({"actor": "token:7"}, ["submission:1"]),
        ({"action": "submission.receive"}, ["submission:2", "submission:1"]),
        ({"target": "token:1"}, ["token:1", "token:1"]),
        ({"since": "2026-03-03"}, ["submission:2", "token:1"]),
        ({"until": "2026-03-02"}, ["submission:1", "token:1"]),
        ({"since": "2026-03-02", "until": "2026-03-03"}, ["token:1", "submission:1"]),
        ({"actor": "ana", "action": "token.revoke"}, ["token:1"]),
        ({"actor": "nobody"}, []),
    ],
)
def test_the_trail_is_filtered(
    written: None, analyst: Client, asked: dict[str, str], found: list[str]
) -> None:
    assert targets(analyst.get(LIST, asked)) == found


def test_the_trail_is_filtered_by_the_actors_organisation(
    written: None, people: People, analyst: Client
) -> None:
    assert targets(analyst.get(LIST, {"organization": str(people.lab_a.id)})) == ["submission:1"]


def test_one_reads_page_by_page_and_misses_nothing(analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 3)
    for number in range(8):
        # Several at one moment, as a batch writes them.
        write("member:ana", "test.do", f"thing:{number}", at=NOW + timedelta(seconds=number // 4))
    seen: list[str] = []
    page = LIST + "?action=test.do"
    while page:
        answer = analyst.get(page)
        seen += targets(answer)
        page = f"{LIST}?{answer.context['following']}" if answer.context["following"] else ""
    assert seen == [f"thing:{number}" for number in reversed(range(8))]


@pytest.mark.parametrize("before", ["x", "2026-03-01_1", "2026-03-01T00:00:00+00:00_x", "_"])
def test_a_page_that_is_none_is_a_bad_request(analyst: Client, before: str) -> None:
    assert analyst.get(LIST, {"before": before}).status_code == 400


def test_a_filter_that_is_none_is_told(analyst: Client) -> None:
    shown = analyst.get(LIST, {"since": "yesterday"})
    assert shown.status_code == 200
    assert "Enter a valid date" in shown.content.decode()


def test_the_head_and_each_place_in_the_chain_are_shown(written: None, analyst: Client) -> None:
    assert [one.position for one in analyst.get(LIST).context["events"]] == [None] * 4
    chain.link()
    shown = analyst.get(LIST)
    assert [one.position for one in shown.context["events"]] == [4, 3, 2, 1]
    assert f"verify_audit --expect {trail.head()}" in shown.content.decode()


def test_an_event_is_readable_with_before_and_after(analyst: Client) -> None:
    write(
        "member:ana", "organization.change", "organization:x",
        before={"platforms": ["one"], "name": "<b>A</b>"}, after={"platforms": [], "name": "B"}, why="because",
    )  # fmt: skip
    chain.link()
    event = AuditEvent.objects.get()
    answer = analyst.get(reverse("admin:accounts_auditevent_change", args=[event.id]))
    assert answer.context["changes"] == [("name", "<b>A</b>", "B"), ("platforms", "one", "–")]
    assert answer.context["rest"] == [("why", "because")]
    shown = answer.content.decode()
    assert "<b>A</b>" not in shown
    assert str(trail.head()) in shown


def test_an_export_holds_what_was_filtered_without_formulas_and_is_recorded(
    written: None, analyst: Client
) -> None:
    write("member:=cmd", "token.issue", "=1+1")
    answer = analyst.post(reverse("admin:audit_csv"), {"action": "token.issue"})
    rows = list(csv.reader(StringIO(answer.content.decode())))
    assert rows[0] == ["position", "event", "at", "actor", "organization", "action", "target", "detail"]
    assert [row[6] for row in rows[1:]] == ["'=1+1", "token:1"]
    assert AuditEvent.objects.get(action="audit.export").detail == {
        "filters": {"action": "token.issue"},
        "events": 2,
    }
    assert analyst.get(reverse("admin:audit_csv")).status_code == 404


@pytest.mark.parametrize(
    ("organization", "role"), [("hub", "reader"), ("lab_a", "admin"), ("lab_a", "analyst")]
)
def test_others_do_not_see_the_trail(written: None, people: People, organization: str, role: str) -> None:
    client = people.client(getattr(people, organization), role)
    event = AuditEvent.objects.latest("id")
    assert client.get(LIST).status_code == 404
    assert client.get(reverse("admin:accounts_auditevent_change", args=[event.id])).status_code == 404
    assert client.post(reverse("admin:audit_csv"), {}).status_code == 404


def test_pages_of_a_long_trail_are_ranges_of_an_index(people: People, analyst: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_auditevent (at, actor, action, target, detail, organization_id)"
            " SELECT %s::timestamptz + n * interval '1 second', 'token:' || n %% 50, 'a.' || n %% 20,"
            " 'thing:' || n, '{}', %s FROM generate_series(1, 20000) n",
            (NOW, people.lab_a.id),
        )
        cursor.execute("ANALYZE accounts_auditevent")
    for asked in (
        {},
        {"actor": "token:3"},
        {"action": "a.3"},
        {"organization": str(people.lab_a.id)},
        {"target": "thing:77"},
        {"since": "2026-03-01", "until": "2026-03-01"},
    ):
        with CaptureQueriesContext(connection) as queries:
            assert analyst.get(LIST, asked).status_code == 200
        assert len(queries) <= 12
        form = audit.FilterForm(asked)
        assert form.is_valid()
        assert "Seq Scan on accounts_auditevent" not in _plan(form.filters)


def _plan(filters: trail.Filters) -> str:
    """How PostgreSQL finds a page."""
    explained: list[str] = []

    def explain(query: str, parameters: Any = ()) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query}", parameters)
            explained.extend(row[0] for row in cursor.fetchall())
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "rows", explain)
        trail.events(filters, limit=101, before=(datetime(2026, 3, 2, tzinfo=UTC), 10**9))
    return "\n".join(explained)
