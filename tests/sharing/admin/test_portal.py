"""The portal: an organisation's own members see all that is theirs, and nothing that is another's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.actions.notices import tell, tell_with_operator
from accounts.admin.site import urls_of_pages
from accounts.models import AuditEvent, Member, Membership, Organization, Role, Scope, Token
from indicators.models import Detector, Source, Submission, Upload
from sharing import tasks
from sharing.actions import polls, webhooks
from sharing.models import Collection, Delivery, DeliveryKind, Kind, Silence, Webhook
from tests.conformance import stix
from tests.desk import sign_in
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox, send
from tests.sharing.admin.people import signed_in
from tests.sharing.views.test_polls import poll, token

BY = tasks._SERVICE


@dataclass(slots=True)
class House:
    """What one organisation has, each with its name in it."""

    organization: Organization
    submission: UUID
    upload: UUID
    webhook: UUID
    delivery: UUID

    @property
    def paths(self) -> list[str]:
        """Every page of the portal that shows something of its own."""
        return [
            f"submissions/{self.submission}/",
            f"submissions/{self.submission}/csv/",
            f"uploads/{self.upload}/",
            f"webhooks/{self.webhook}/",
        ]


LISTS = ["", "submissions/", "feeds/", "sources/", "webhooks/", "notices/"]
SENDING = ["send/", "paste/"]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What would be sent to the workers."""
    found: list[str] = []
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: found.append(task.name))
    polls._memory = polls.PollMemory()
    yield found
    polls._memory = polls.PollMemory()


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return shop.collection(Kind.FEED)


def furnish(shop: Shop, organization: Organization, feed: Collection, number: int) -> House:
    """One of everything."""
    name = organization.name
    one = stix.indicator(pattern=f"[ipv4-addr:value = '203.0.113.{number}']", name=f"said by {name}")
    sent = send(shop, [one, {"type": "indicator", "id": f"indicator--{number}"}], organization=organization)
    held = send(shop, [stix.campaign(name=f"secret of {name}")], organization=organization)
    Submission.objects.filter(id=held.id).update(state="quarantined", error=f"KeyError of {name}")
    upload = Upload.objects.create(
        community=shop.community, organization=organization, sent_by=f"member:{name}", channel="form",
        name=f"{name}.csv", collection_id=inbox(shop, organization).id, format="csv", size=1,
        sha256=uuid4().bytes * 2, part_count=0, object_count=0, received_at=NOW,
    )  # fmt: skip
    webhook = Webhook.objects.create(
        organization=organization, url=f"https://{organization.slug}.example/", what=["receipts"], next_at=NOW,
        created_at=NOW, created_by="x",
    )  # fmt: skip
    delivery = Delivery.objects.create(
        webhook=webhook, kind=DeliveryKind.TEST, state="failed", next_at=NOW, created_at=NOW,
        last_error=f"No answer from {name}.",
    )  # fmt: skip
    Source.objects.create(
        name=f"Source of {name}", kind="taxii", community=shop.community, organization=organization, collection="c",
        url=f"https://{organization.slug}.example/", next_at=NOW, created_at=NOW,
    )  # fmt: skip
    Detector.objects.create(
        organization=organization, analytic=f"detector of {name}", registered_at=NOW, registered_by="x",
        limited_at=NOW, limited_reason=f"{name} floods.",
    )  # fmt: skip
    Silence.objects.create(
        organization=organization, community=shop.community, channel="rest", last_received_at=NOW, noticed_at=NOW,
        token=token(organization, f"sender of {name}")[0],
    )  # fmt: skip
    tell_with_operator(
        organization_id=organization.id, kind="k", target="t", sentence=f"{name} fell silent.", now=NOW
    )
    _, client = token(organization, f"siem of {name}")
    poll(client, feed, "limit=1")
    return House(organization, sent.id, upload.id, webhook.id, delivery.id)


@pytest.fixture
def houses(shop: Shop, operator: Organization, feed: Collection) -> tuple[House, House]:
    return furnish(shop, shop.lab_a, feed, 1), furnish(shop, shop.lab_b, feed, 2)


def pages(client: Client, paths: list[str]) -> dict[str, tuple[int, str]]:
    found = {}
    for path in paths:
        answer = client.get(f"/admin/portal/{path}")
        found[path] = answer.status_code, answer.content.decode()
    return found


# ----------------------------------------------------------------------------------------------- who sees what


@pytest.mark.parametrize("role", Role.values)
def test_members_of_every_role_see_their_own_and_no_word_of_another(
    houses: tuple[House, House], role: str
) -> None:
    mine, other = houses
    client = signed_in(mine.organization, role)

    shown = pages(client, [*LISTS, *mine.paths])

    assert {status for status, _ in shown.values()} == {200}, {path: one[0] for path, one in shown.items()}
    told = "".join(text for _, text in shown.values())
    assert "Lab-B" not in told
    assert "lab-b" not in told
    for own in (
        "siem of Lab-A",
        "Source of Lab-A",
        "detector of Lab-A",
        "Lab-A fell silent.",
        "https://lab-a.example",
    ):
        assert own in told, own
    for theirs in (other.submission, other.webhook, other.upload, other.delivery):
        assert str(theirs) not in told


@pytest.mark.parametrize("role", Role.values)
def test_what_is_another_organisations_is_unknown(houses: tuple[House, House], role: str) -> None:
    mine, other = houses
    client = signed_in(mine.organization, role)
    unknown = House(mine.organization, uuid4(), uuid4(), uuid4(), uuid4())

    assert {status for status, _ in pages(client, other.paths).values()} == {404}
    assert {status for status, _ in pages(client, unknown.paths).values()} == {404}
    for path in (
        f"webhooks/{other.webhook}/pause/",
        f"webhooks/{other.webhook}/delete/",
        f"webhooks/{mine.webhook}/deliveries/{other.delivery}/again/",
        f"webhooks/{other.webhook}/deliveries/{other.delivery}/again/",
        f"uploads/{other.upload}/",
    ):
        assert client.post(f"/admin/portal/{path}", {"submit": "1"}).status_code == 404, path
    assert Webhook.objects.filter(state="active").count() == 2


@pytest.mark.parametrize("role", Role.values)
def test_the_operators_people_find_nothing_of_partners_in_their_own_portal(
    houses: tuple[House, House], operator: Organization, role: str
) -> None:
    client = signed_in(operator, role)
    lists = [path for path in LISTS if path != "notices/"]

    shown = pages(client, lists)

    assert {status for status, _ in shown.values()} == {200}
    assert {status for house in houses for status, _ in pages(client, house.paths).values()} == {404}
    analyses = role in {Role.ANALYST, Role.ADMIN}
    told = "".join(text for path, (_, text) in shown.items() if path or not analyses)
    assert "Lab-A" not in told
    assert client.get("/admin/portal/notices/").status_code == (200 if analyses else 404)


def test_the_signed_out_are_asked_to_sign_in_and_who_has_no_organisation_has_no_portal(
    houses: tuple[House, House],
) -> None:
    nobody = sign_in(Client(), Member.objects.create(username="root", is_superuser=True, is_staff=True))

    for path in [*LISTS, *SENDING, *houses[0].paths]:
        assert Client().get(f"/admin/portal/{path}").status_code == 302, path
        assert nobody.get(f"/admin/portal/{path}").status_code == 404, path


def test_every_page_of_the_portal_stands_in_these_stories(houses: tuple[House, House]) -> None:
    from django.contrib import admin

    routes = {str(one.pattern) for one in urls_of_pages(admin.site) if str(one.pattern).startswith("portal/")}
    known = {f"portal/{path}" for path in [*LISTS, *SENDING]}
    known |= {"portal/" + re.sub(r"[0-9a-f-]{36}", "<id>", path) for path in houses[0].paths}
    known |= {"portal/webhooks/<id>/<slug:doing>/", "portal/webhooks/<id>/deliveries/<id>/again/"}
    # tests/sharing/actions/test_withdrawals.py
    known |= {"portal/notices/<int:notice_id>/acknowledge/"}
    assert {re.sub(r"<uuid:\w+>", "<id>", route) for route in routes} == known


@pytest.mark.parametrize("role", Role.values)
def test_the_desks_own_pages_stay_closed_to_partners(houses: tuple[House, House], role: str) -> None:
    client = signed_in(houses[0].organization, role)

    for path in (
        "indicators/submission/", "indicators/upload/", "indicators/upload/add/", "indicators/upload/text/",
        f"indicators/upload/receipt/{houses[0].submission}/", f"indicators/submission/{houses[0].submission}/change/",
        "sharing/webhook/", "sharing/review/", "accounts/token/", "accounts/notice/", "indicators/subject/",
    ):  # fmt: skip
        assert client.get(f"/admin/{path}").status_code in {403, 404}, path


# ------------------------------------------------------------------------------------------------ submissions


def test_a_receipt_says_what_became_of_each_object_and_why_and_can_be_narrowed_and_saved(
    houses: tuple[House, House],
) -> None:
    mine, _ = houses
    client = signed_in(mine.organization, Role.READER)
    path = f"/admin/portal/submissions/{mine.submission}/"

    whole, rejected = client.get(path).text, client.get(f"{path}?outcome=rejected").text
    none = client.get(f"{path}?outcome=rejected&reason=nothing").text
    saved = client.get(f"{path}csv/")

    assert "said by Lab-A" not in rejected
    assert "indicator--1" in whole
    assert "indicator--1" in rejected
    assert whole.count("<tr>") == rejected.count("<tr>") + 1
    assert "None is like that." in none
    assert saved.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in saved.headers["Content-Disposition"]
    assert saved.text.count("\n") == 3


def test_submissions_are_filtered_by_how_they_stand_and_what_became_of_them(
    houses: tuple[House, House], shop: Shop
) -> None:
    client = signed_in(shop.lab_a, Role.READER)

    def listed(query: str) -> list[str]:
        text = client.get(f"/admin/portal/submissions/?{query}").text
        return list(dict.fromkeys(re.findall(r"portal/submissions/([0-9a-f-]{36})/", text)))

    all_of_them = listed("")
    quarantined, rejected = listed("state=quarantined"), listed("outcome=rejected")

    assert len(all_of_them) == 2
    assert quarantined == [one for one in all_of_them if one != str(houses[0].submission)]
    assert rejected == [str(houses[0].submission)]
    assert listed("state=draft&outcome=x&community=unknown&after=x") == all_of_them
    assert listed(f"after={houses[1].submission}") == []


def test_what_failed_is_told_without_what_failed(houses: tuple[House, House], shop: Shop) -> None:
    held = Submission.objects.get(organization=shop.lab_a, state="quarantined")

    text = signed_in(shop.lab_a, Role.ADMIN).get(f"/admin/portal/submissions/{held.id}/").text

    assert "in quarantine" in text
    assert "KeyError" not in text


def test_old_submissions_are_reached_page_by_page(shop: Shop, feed: Collection, monkeypatch: Any) -> None:
    monkeypatch.setattr("sharing.admin.portal.receipts.A_PAGE", 2)
    for minutes in range(5):
        send(shop, [stix.campaign()], now=NOW + timedelta(minutes=minutes))
    client, path = signed_in(shop.lab_a, Role.READER), "?"
    seen: list[str] = []
    while path:
        text = client.get(f"/admin/portal/submissions/{path}").text
        seen += dict.fromkeys(re.findall(r"portal/submissions/([0-9a-f-]{36})/", text))
        (path,) = re.findall(r'href="(\?after=[^"]+)">Older', text) or [""]

    assert seen == [str(one.id) for one in Submission.objects.order_by("-received_at")]


# ---------------------------------------------------------------------------------------------------- sending


@pytest.mark.parametrize("role", Role.values)
def test_readers_may_not_send_and_all_others_may(shop: Shop, feed: Collection, role: str) -> None:
    inbox(shop, shop.lab_a)
    client = signed_in(shop.lab_a, role)

    statuses = {client.get(f"/admin/portal/{path}").status_code for path in SENDING}

    assert statuses == ({404} if role == Role.READER else {200})
    assert ("Send a file" in client.get("/admin/").text) == (role != Role.READER)


def csv_file() -> SimpleUploadedFile:
    return SimpleUploadedFile("seen.csv", b"value,type\n203.0.113.77,ipv4-addr\n")


def test_a_submitter_sends_a_file_after_a_look_at_it(
    shop: Shop,
    feed: Collection,
    asked: list[str],
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = inbox(shop, shop.lab_a)
    client = signed_in(shop.lab_a, Role.SUBMITTER)

    drafted = client.post("/admin/portal/send/", {"file": csv_file(), "sender": mine.id, "preview": "on"})
    draft = Upload.objects.get()
    looked_at = client.get(drafted.headers["Location"])
    with django_capture_on_commit_callbacks(execute=True):
        submitted = client.post(drafted.headers["Location"], {"submit": "1"})
    again = client.post(drafted.headers["Location"], {"submit": "1"})

    assert (drafted.status_code, draft.is_draft, draft.organization_id) == (302, True, shop.lab_a.id)
    assert "203.0.113.77" in looked_at.text
    assert (submitted.status_code, again.status_code) == (302, 200)
    assert Submission.objects.get().state == "received"
    assert asked == ["sharing.tasks.ingest_submission"]
    assert "member:lab-a-submitter" in set(AuditEvent.objects.values_list("actor", flat=True))
    assert "parts are ingested" in client.get(drafted.headers["Location"]).text


def test_pasted_text_goes_out_in_the_organisations_own_name(shop: Shop, feed: Collection) -> None:
    mine = inbox(shop, shop.lab_a)
    client = signed_in(shop.lab_a, Role.ANALYST)

    found = client.post("/admin/portal/paste/", {"sender": mine.id, "text": "saw hxxp://bad[.]example.org/x"})
    values = re.findall(r'name="chosen" value="([^"]+)"', found.text)
    sent = client.post("/admin/portal/paste/", {"sender": mine.id, "submit": "1", "chosen": values})

    assert values == ["url http://bad.example.org/x"]
    submission = Submission.objects.get()
    assert sent.headers["Location"] == f"/admin/portal/submissions/{submission.id}/"
    assert (submission.organization_id, submission.collection_id) == (shop.lab_a.id, mine.id)


def test_nobody_sends_in_anothers_name_or_after_leaving_the_community(shop: Shop, feed: Collection) -> None:
    mine, theirs = inbox(shop, shop.lab_a), inbox(shop, shop.lab_b)
    client = signed_in(shop.lab_a, Role.ADMIN)

    def tried(sender: Collection) -> None:
        for path, form in (
            ("send/", {"file": csv_file(), "preview": "on"}),
            ("paste/", {"text": "203.0.113.9"}),
            ("paste/", {"submit": "1", "chosen": "ipv4-addr 203.0.113.9"}),
        ):
            answer = client.post(f"/admin/portal/{path}", {"sender": sender.id, **form})
            assert answer.status_code == 200
            assert "Select a valid choice" in answer.text
            assert "Lab-B" not in answer.text

    tried(theirs)
    Membership.objects.filter(organization=shop.lab_a).delete()
    tried(mine)

    assert not Submission.objects.exists()
    assert not Upload.objects.exists()


def test_a_reader_cannot_submit_the_draft_of_a_colleague(shop: Shop, feed: Collection) -> None:
    mine = inbox(shop, shop.lab_a)
    drafted = signed_in(shop.lab_a, Role.SUBMITTER).post(
        "/admin/portal/send/", {"file": csv_file(), "sender": mine.id, "preview": "on"}
    )

    answer = signed_in(shop.lab_a, Role.READER).post(drafted.headers["Location"], {"submit": "1"})

    assert answer.status_code == 404
    assert Upload.objects.get().is_draft


# --------------------------------------------------------------------------------------------------- webhooks


def test_an_admin_makes_pauses_tries_and_deletes_a_webhook(
    shop: Shop, asked: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(shop.lab_a, Role.ADMIN)

    refused = client.post("/admin/portal/webhooks/", {"url": "http://10.0.0.1/", "what": ["receipts"]})
    made = client.post("/admin/portal/webhooks/", {"url": "https://hooks.example/", "what": ["receipts"]})
    url = made.headers["Location"]
    paused = [client.post(f"{url}pause/").status_code, Webhook.objects.get().state]
    with django_capture_on_commit_callbacks(execute=True):
        resumed = [client.post(f"{url}resume/").status_code, Webhook.objects.get().state]
        client.post(f"{url}test/")
    unknown = client.post(f"{url}explode/")
    test = Delivery.objects.get()
    Delivery.objects.update(state="failed")
    again = client.post(f"{url}deliveries/{test.id}/again/")

    assert (refused.status_code, "errorlist" in refused.text) == (200, True)
    assert (paused, resumed) == ([302, "paused"], [302, "active"])
    assert (unknown.status_code, again.status_code) == (404, 302)
    assert Delivery.objects.get().state == "pending"
    assert set(asked) == {"sharing.tasks.write_deliveries"}
    assert client.post(f"{url}delete/").status_code == 302
    assert not Webhook.objects.exists()
    actors = AuditEvent.objects.filter(action__startswith="webhook.").values_list("actor", "organization_id")
    assert set(actors) == {("member:lab-a-admin", shop.lab_a.id)}


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_only_admins_change_webhooks(shop: Shop, role: str) -> None:
    made = webhooks.create(
        organization_id=shop.lab_a.id, url="https://hooks.example/", what=["receipts"], by=BY, now=NOW
    )
    client = signed_in(shop.lab_a, role)

    statuses = {
        client.post(f"/admin/portal/webhooks/{made.id}/{doing}/").status_code
        for doing in ("pause", "resume", "test", "delete")
    }
    statuses.add(
        client.post(
            "/admin/portal/webhooks/", {"url": "https://b.example/", "what": ["receipts"]}
        ).status_code
    )

    assert statuses == {404}
    assert Webhook.objects.get().state == "active"
    shown = client.get(f"/admin/portal/webhooks/{made.id}/").text + client.get("/admin/portal/webhooks/").text
    assert "Delete" not in shown
    assert "Another one" not in shown


# -------------------------------------------------------------------------------------------- feeds and notices


def test_feeds_tell_the_head_and_how_far_each_of_the_own_tokens_is(shop: Shop, feed: Collection) -> None:
    send(shop, [stix.campaign() for _ in range(3)])
    length = Collection.objects.get(id=feed.id).next_index
    first, second = token(shop.lab_a, "complete")[1], token(shop.lab_a, "partial")[1]
    token(shop.lab_a, "unused")
    poll(first, feed)
    poll(second, feed, "limit=1")
    poll(token(shop.lab_b, "theirs")[1], feed)

    page = signed_in(shop.lab_a, Role.READER).get("/admin/portal/feeds/")

    ((shown, readers),) = [one for one in page.context["feeds"] if one[0].id == feed.id]
    assert shown.length == length
    assert {reader.token: reader.behind for reader, _ in readers} == {
        "complete": 0,
        "partial": length - 1,
        "unused": length,
    }
    assert f"/taxii2/shop/collections/{feed.id}/objects/" in page.text
    assert "never read" in page.text


def test_notices_are_seen_by_each_member_for_themselves(shop: Shop) -> None:
    for number in range(3):
        told = tell(organization_id=shop.lab_a.id, kind="k", target="t", sentence=f"Told {number}.", now=NOW)
    one, other = signed_in(shop.lab_a, Role.READER), signed_in(shop.lab_a, Role.ADMIN)

    before = one.get("/admin/").text.count("Told ")
    one.post("/admin/notices/seen/", {"up_to": told.id})

    assert before == 3
    assert one.get("/admin/").text.count("Told ") == 0
    assert other.get("/admin/").text.count("Told ") == 3
    assert "Told 1." in one.get("/admin/portal/notices/").text
    assert one.get("/admin/portal/notices/?before=x").status_code == 404


# ------------------------------------------------------------------------------------------------------ the cost


def test_no_page_asks_more_for_much_than_for_little(
    shop: Shop, operator: Organization, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        executed.append(str(query))
        return execute(cursor, query, *given, **named)

    client = signed_in(shop.lab_a, Role.ADMIN)
    needed = []
    for size in (1, 8):
        for number in range(size):
            send(shop, [stix.campaign()], now=NOW + timedelta(minutes=number))
            reader, polled = token(shop.lab_a, f"t{size}-{number}")
            Token.objects.filter(id=reader.id).update(
                expires_at=datetime.now(UTC) + timedelta(days=3), scopes=[Scope.FEED_READ]
            )
            poll(polled, feed)
            known = {"organization": shop.lab_a, "registered_at": NOW, "registered_by": "x"}
            Detector.objects.create(analytic=f"d{size}-{number}", **known)
            tell(organization_id=shop.lab_a.id, kind="k", target="t", sentence="Told.", now=NOW)
            Webhook.objects.create(
                organization=shop.lab_a, url=f"https://h{size}-{number}.example/", what=["receipts"], next_at=NOW,
                created_at=NOW, created_by="x", state="failing",
            )  # fmt: skip
            shop.collection(Kind.FEED)
        found = {}
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counted)
            for path in LISTS:
                executed.clear()
                assert client.get(f"/admin/portal/{path}").status_code == 200
                found[path] = len(executed)
        needed.append(found)

    assert needed[0] == needed[1]
    assert max(needed[1].values()) <= 14
