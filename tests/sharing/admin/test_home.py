"""The desk's home: its tiles say what the tables hold, each by itself, in as many queries for much as for little."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.test import Client

from accounts.actions.notices import tell
from accounts.models import AutoRelease, Community, Member, Organization, Scope, Token
from indicators.models import Detector, Source, Submission
from sharing import trends
from sharing.actions import tallies
from sharing.admin import tiles
from sharing.admin.tiles import Tile
from sharing.models import (
    Collection,
    Kind,
    NoticesSeen,
    Poll,
    Proposal,
    Release,
    Review,
    SigningKey,
    Silence,
    Webhook,
)
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import send
from tests.sharing.admin.people import signed_in

HOME = "/admin/"


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return shop.collection(Kind.FEED)


@pytest.fixture
def analyst(operator: Organization) -> Client:
    return signed_in(operator, "analyst")


def member(operator: Organization) -> Member:
    return Member.objects.get_or_create(username="m", organization=operator, role="analyst")[0]


def tile(operator: Organization, name: str, now: datetime = NOW) -> Tile:
    return tiles.TILES[name](member(operator), now)


def texts(shown: Tile) -> list[list[str]]:
    return [[cell.text for cell in row] for row in shown.rows]


def indicators(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        stix.indicator(pattern=f"[ipv4-addr:value = '198.51.{number // 250}.{number % 250 + 1}']")
        for number in range(start, start + count)
    ]


def cases(shop: Shop, *ages: timedelta, start: int = 0) -> None:
    """A pending case of each age."""
    Community.objects.filter(id=shop.community.id).update(auto_release=AutoRelease.NONE)
    for number, age in enumerate(ages):
        send(shop, indicators(1, start + number), now=NOW - age)


# ------------------------------------------------------------------------------------------------------ the page


def test_an_analyst_comes_home_to_a_place_for_every_tile(analyst: Client) -> None:
    page = analyst.get(HOME)

    assert page.status_code == 200
    for name in tiles.TILES:
        assert f'hx-get="/admin/home/tiles/{name}/"' in page.text
        assert analyst.get(f"/admin/home/tiles/{name}/").status_code == 200
    assert analyst.get("/admin/home/trends/").status_code == 200
    assert analyst.get("/admin/home/tiles/unknown/").status_code == 404


@pytest.mark.parametrize("role", ["reader", "submitter", "analyst", "admin"])
def test_the_home_of_all_others_is_their_portal(shop: Shop, operator: Organization, role: str) -> None:
    client = signed_in(shop.lab_a, role)

    assert "hx-get" not in client.get(HOME).text
    assert "What needs you" in client.get(HOME).text
    for path in ("home/tiles/reviews/", "home/trends/", "feeds/"):
        assert client.get(f"/admin/{path}").status_code == 404
        assert Client().get(f"/admin/{path}").status_code == 302


@pytest.mark.parametrize("role", ["reader", "submitter"])
def test_readers_and_submitters_of_the_operator_have_the_portal_too(
    operator: Organization, role: str
) -> None:
    client = signed_in(operator, role)

    assert "What needs you" in client.get(HOME).text
    assert client.get("/admin/home/tiles/reviews/").status_code == 404


def test_a_tile_that_fails_says_so_and_no_more(analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(member: Member, now: datetime) -> Tile:
        raise ValueError("198.51.100.1")

    monkeypatch.setitem(tiles.TILES, "reviews", broken)
    monkeypatch.setattr(trends, "charts", broken)

    shown, others = analyst.get("/admin/home/tiles/reviews/"), analyst.get("/admin/home/tiles/webhooks/")
    charts = analyst.get("/admin/home/trends/")

    assert (shown.status_code, charts.status_code, others.status_code) == (200, 200, 200)
    assert "could not be read" in shown.text
    assert "198.51" not in shown.text
    assert 'id="trends"' in charts.text
    assert "Every webhook answers." in others.text


def test_where_nothing_waits_every_tile_says_so(operator: Organization) -> None:
    for name in tiles.TILES:
        shown = tile(operator, name)
        assert (shown.count, shown.urgency, shown.rows) == (0, tiles.CALM, []), name
        assert shown.nothing


def test_what_partners_named_is_shown_and_never_run(
    shop: Shop, operator: Organization, analyst: Client
) -> None:
    hostile = "<script>alert(1)</script>"
    Organization.objects.filter(id=shop.lab_a.id).update(name=hostile)
    Community.objects.filter(id=shop.community.id).update(title=hostile)
    cases(shop, timedelta(hours=2))
    Token.objects.create(
        organization=shop.lab_a, name=hostile, digest=b"x" * 32, scopes=[Scope.FEED_READ], created_at=NOW,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )  # fmt: skip
    shop.collection(Kind.FEED)
    tallies.count(now=datetime.now(UTC))

    pages = [analyst.get(f"/admin/home/tiles/{name}/").text for name in tiles.TILES]
    pages += [analyst.get(path).text for path in ("/admin/home/trends/", "/admin/feeds/")]

    assert not [page for page in pages if hostile in page]
    assert any("&lt;script&gt;" in page for page in pages)


# ------------------------------------------------------------------------------------------------------ the tiles


def test_reviews_are_counted_by_age_and_community_and_lead_into_the_queue(
    shop: Shop, operator: Organization, feed: Collection, analyst: Client
) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    cases(shop, 10 * day, 8 * day, 3 * day, 5 * hour, 4 * hour, hour / 2)

    shown = tile(operator, "reviews")

    assert texts(shown) == [["Shop", "1", "2", "1", "2", "6"]]
    assert (shown.count, shown.urgency) == (6, tiles.NOW)
    for cell in shown.rows[0][1:]:
        assert analyst.get(cell.link).context["matching"] == int(cell.text)
    Review.objects.filter(opened_at__lt=NOW - 7 * day).update(state="closed")
    assert tile(operator, "reviews").urgency == tiles.SOON


def test_what_is_in_quarantine_is_counted_newest_first(shop: Shop, operator: Organization) -> None:
    for number in range(7):
        send(shop, indicators(1, number), now=NOW - timedelta(hours=number))
    held = Submission.objects.order_by("-received_at")[1:]
    Submission.objects.filter(id__in=[one.id for one in held]).update(state="quarantined")

    shown = tile(operator, "quarantine")

    assert (shown.count, shown.urgency, len(shown.rows)) == (6, tiles.NOW, tiles.SHOWN)
    assert shown.rows[0][0].link == f"/admin/indicators/submission/{held[0].id}/change/"
    assert texts(shown)[0][1:] == ["Lab-A", "1"]


def test_sources_that_fail_or_are_late_silent_senders_and_limited_detectors_are_in_trouble(
    shop: Shop, operator: Organization
) -> None:
    common = {"kind": "taxii", "community": shop.community, "organization": shop.lab_a, "collection": "c"}
    for name, failures, next_at, enabled in (
        ("fine", 0, NOW, True),
        ("fails", 3, NOW, True),
        ("late", 0, NOW - timedelta(hours=1), True),
        ("off", 9, NOW - timedelta(hours=1), False),
    ):
        Source.objects.create(
            name=name, url=f"https://{name}.example/", failures=failures, next_at=next_at, enabled=enabled,
            created_at=NOW, **common,
        )  # fmt: skip
    Silence.objects.create(
        organization=shop.lab_b,
        community=shop.community,
        channel="rest",
        last_received_at=NOW,
        noticed_at=NOW,
    )
    known = {"organization": shop.lab_a, "version": "1", "registered_at": NOW, "registered_by": "x"}
    Detector.objects.create(analytic="good", **known)
    Detector.objects.create(analytic="bad", limited_at=NOW, limited_reason="It floods.", **known)

    shown = tile(operator, "sources")

    assert [row[0] for row in texts(shown)] == ["fails", "late", "Lab-B, REST", "bad 1 of Lab-A"]
    assert (shown.count, shown.urgency) == (4, tiles.NOW)


def test_feeds_tell_their_head_and_who_is_furthest_behind(
    shop: Shop, operator: Organization, feed: Collection, analyst: Client
) -> None:
    send(shop, indicators(4))
    head = Collection.objects.get(id=feed.id)
    for organization, added in ((shop.lab_a, head.last_added), (shop.lab_b, 0)):
        token = Token.objects.create(
            organization=organization, name="siem", digest=organization.id.bytes * 2, scopes=[Scope.FEED_READ],
            created_at=NOW,
        )  # fmt: skip
        Poll.objects.create(token=token, collection=feed, added=added, at_head=True, polled_at=NOW)

    early, late = (
        tile(operator, "feeds", NOW + timedelta(hours=5)),
        tile(operator, "feeds", NOW + timedelta(days=3)),
    )

    length = head.next_index
    title = f"{feed.title} (Shop)"
    assert texts(early) == [[title, str(length), f"+{length}", "2", f"Lab-B, siem: {length} entries, 5 h"]]
    assert texts(late) == [[title, str(length), "+0", "2", f"Lab-B, siem: {length} entries, 3 days"]]
    assert ((early.count, early.urgency), (late.count, late.urgency)) == ((0, tiles.CALM), (1, tiles.SOON))
    page = analyst.get("/admin/feeds/").text
    assert "at the head" in page
    assert "late" in page


def test_indicators_about_to_expire_are_those_that_stand_and_whose_validity_ends_this_week(
    shop: Shop, operator: Organization, feed: Collection
) -> None:
    shop.collection(Kind.FEED, ceiling=3)
    soon, later, gone = indicators(3)
    until = (NOW + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    send(shop, [soon | {"valid_until": until}, later, gone | {"valid_until": until}])
    send(
        shop,
        [gone | {"valid_until": until, "revoked": True, "modified": "2026-03-01T12:00:00.000Z"}],
        now=NOW + timedelta(seconds=9),
    )

    shown = tile(operator, "expiring", NOW + timedelta(minutes=1))

    assert (shown.count, shown.urgency) == (1, tiles.CALM)
    assert texts(shown) == [[soon["pattern"], f"{NOW + timedelta(days=3):%Y-%m-%d %H:%M}"]]
    assert set(Release.objects.filter(revoked=True).values_list("expires_at", flat=True)) == {None}
    assert tile(operator, "expiring", NOW + timedelta(days=2, hours=12)).urgency == tiles.SOON
    assert tile(operator, "expiring", NOW + timedelta(days=4)).count == 0


def test_what_is_about_to_be_low_stands_at_thirty_and_falls_this_week(
    shop: Shop, operator: Organization, feed: Collection
) -> None:
    send(shop, indicators(3))
    first, second, third = Release.objects.order_by("id")
    for one, confidence, days in ((first, 30, 2), (second, 35, 2), (third, 30, 20)):
        Release.objects.filter(id=one.id).update(confidence=confidence, due_at=NOW + timedelta(days=days))

    shown = tile(operator, "soon-low")

    assert (shown.count, shown.rows[0][0].link) == (
        1,
        f"/admin/indicators/subject/{first.subject_id}/change/",
    )


def test_failing_webhooks_are_counted(shop: Shop, operator: Organization) -> None:
    for state, failures in (("active", 0), ("paused", 9), ("failing", 12)):
        Webhook.objects.create(
            organization=shop.lab_a, url=f"https://{state}.example/", what=["receipts"], state=state,
            failures=failures, next_at=NOW, created_at=NOW, created_by="x",
        )  # fmt: skip

    shown = tile(operator, "webhooks")

    assert (shown.count, texts(shown)) == (1, [["Lab-A", "12", f"{NOW:%Y-%m-%d %H:%M}"]])


def test_tokens_and_keys_that_end_within_two_weeks_are_told(shop: Shop, operator: Organization) -> None:
    for name, days, revoked in (
        ("soon", 3, None),
        ("later", 30, None),
        ("revoked", 3, NOW),
        ("over", -1, None),
    ):
        Token.objects.create(
            organization=shop.lab_a, name=name, digest=uuid4().bytes * 2, scopes=[Scope.SUBMIT],
            created_at=NOW - timedelta(days=9), expires_at=NOW + timedelta(days=days), revoked_at=revoked,
        )  # fmt: skip
    for kid, age, retired in (("old", 80, None), ("gone", 99, NOW)):
        SigningKey.objects.create(
            kid=kid, jwk={}, created_at=NOW, use_from=NOW - timedelta(days=age), retired_at=retired
        )

    shown = tile(operator, "credentials")

    assert [row[0] for row in texts(shown)] == [
        "The key for objects old… ends on 2026-03-11: run manage.py rotate_keys",
        "Token soon",
    ]
    assert (shown.count, shown.urgency) == (2, tiles.NOW)


def test_notices_are_new_until_they_are_marked_as_seen(
    shop: Shop, operator: Organization, analyst: Client
) -> None:
    for number in range(3):
        tell(organization_id=operator.id, kind="k", target="t", sentence=f"Told {number}.", now=NOW)
    tell(organization_id=shop.lab_a.id, kind="k", target="t", sentence="Told lab A.", now=NOW)
    page = analyst.get("/admin/home/tiles/notices/").text
    told = tile(operator, "notices")

    marked = analyst.post("/admin/notices/seen/", {"up_to": told.seen_up_to})
    bad = analyst.post("/admin/notices/seen/", {"up_to": "all"})

    assert "Told 2." in page
    assert (told.count, [row[1] for row in texts(told)]) == (3, ["Told 2.", "Told 1.", "Told 0."])
    assert (marked.status_code, bad.status_code) == (302, 404)
    assert "You have seen every notice." in analyst.get("/admin/home/tiles/notices/").text
    assert tile(operator, "notices").count == 3
    assert NoticesSeen.objects.count() == 1


# ------------------------------------------------------------------------------------------------------ the trends


def test_the_charts_say_what_was_counted_and_each_has_its_table(
    shop: Shop, operator: Organization, feed: Collection, analyst: Client
) -> None:
    send(shop, indicators(2), now=NOW - timedelta(days=2))
    send(shop, indicators(3, 2))
    send(shop, indicators(1), organization=shop.lab_b, now=NOW - timedelta(days=1))
    while tallies.count(now=NOW):
        pass

    days, sources, techniques, confidence = trends.charts(now=NOW)

    assert [numbers[-3:] for _, numbers in days.series] == [[1, 1, 1], [2, 0, 3]]
    assert (sources.labels, sources.series) == (["Lab-A", "Lab-B"], [("Objects", [5, 1])])
    assert techniques.is_empty
    ((_, standing),) = confidence.series
    assert sum(standing) == Release.objects.filter(digest__isnull=False).count() == 5
    assert days.rows[-1] == (NOW.date().isoformat(), [1, 3])
    assert trends.counted_at() == NOW
    page = analyst.get("/admin/home/trends/").text
    # Seen today, nothing happened in the last 30 days; what stands, stands.
    assert (page.count("<canvas"), page.count("Nothing yet.")) == (1, 3)
    assert '<th scope="row">60</th>' in page


# ------------------------------------------------------------------------------------------------------ the cost


def test_no_tile_asks_more_for_much_than_for_little(
    shop: Shop, operator: Organization, feed: Collection, monkeypatch: pytest.MonkeyPatch, analyst: Client
) -> None:
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        executed.append(str(query))
        return execute(cursor, query, *given, **named)

    def fill(start: int, count: int) -> None:
        until = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
        Community.objects.filter(id=shop.community.id).update(auto_release=AutoRelease.ALL)
        now = datetime.now(UTC)
        send(shop, [one | {"valid_until": until} for one in indicators(count, start)], now=now)
        Release.objects.filter(digest__isnull=False).update(confidence=30, due_at=now + timedelta(days=1))
        cases(shop, *([timedelta(0)] * count), start=start + 100)
        for number in range(start, start + count):
            tell(organization_id=operator.id, kind="k", target="t", sentence="Told.", now=NOW)
            Token.objects.create(
                organization=shop.lab_a, name=f"t{number}", digest=uuid4().bytes * 2, created_at=NOW,
                scopes=[Scope.FEED_READ], expires_at=now + timedelta(days=1),
            )  # fmt: skip
        waiting = send(shop, indicators(1, start + 200), now=now)
        Submission.objects.filter(id=waiting.id).update(state="quarantined")
        tallies.count(now=now + timedelta(hours=start))

    paths = [f"home/tiles/{name}/" for name in tiles.TILES] + ["home/trends/", "feeds/"]
    needed: list[dict[str, int]] = []
    for start, count in ((0, 1), (1, 12)):
        fill(start, count)
        found = {}
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counted)
            for path in paths:
                executed.clear()
                assert analyst.get(f"/admin/{path}").status_code == 200
                found[path] = len(executed)
        needed.append(found)

    assert needed[0] == needed[1]
    assert max(needed[1].values()) <= 12


def test_what_somebody_else_proposed_waits_for_me_and_what_i_proposed_for_somebody_else(
    shop: Shop, operator: Organization, feed: Collection
) -> None:
    cases(shop, timedelta(hours=1))
    other = Member.objects.create(username="other", organization=operator, role="analyst")
    Proposal.objects.create(
        kind="release", community=shop.community, review=Review.objects.get(), reason="So.", proposed_by=other,
        proposed_at=NOW,
    )  # fmt: skip

    theirs, mine = tile(operator, "proposals"), tiles.proposals(other, NOW)

    assert (theirs.count, theirs.urgency, texts(theirs)[0][1:3]) == (1, tiles.NOW, ["Shop", "other"])
    assert (mine.count, mine.urgency, mine.note) == (0, tiles.CALM, "1 of your own wait for somebody else.")
