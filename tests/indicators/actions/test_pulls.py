"""Pulling sources: a delta and its checkpoint are one, one worker has a source, and failures wait longer each time."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent, Notice, Organization
from indicators.actions import pressure, pulls
from indicators.models import Source, SourceItem, Submission
from indicators.sources import formats, web
from indicators.sources.formats import Format
from indicators.sources.web import Client
from indicators.stix.json import Refused
from tests.indicators.actions.conftest import BY, Trust
from tests.indicators.sources.upstreams import (
    COLLECTION,
    MispFeed,
    TaxiiServer,
    Upstream,
    an_object,
    dated,
    serving,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONTEXT = web.tls()


class Desk:
    """A source, the clock, and who pulls."""

    def __init__(self, trust: Trust, upstream: Upstream, **settings: Any) -> None:
        self.trust, self.now = trust, NOW
        self.received: list[UUID] = []
        wanted: dict[str, Any] = {
            "name": "Upstream",
            "kind": "taxii",
            "community": trust.community,
            "organization": trust.lab_a,
            "url": f"{upstream.url}root/",
            "collection": COLLECTION,
            "internal": True,
        }
        self.source = Source(**wanted | settings)
        pulls.save(source=self.source, by=BY, now=NOW)

    def pull(self, turn: int = pulls.TURN, *, given: bool = True) -> bool:
        with Client(internal=True, context=CONTEXT) as client:
            more = pulls.pull(
                source_id=self.source.id,
                inbox=lambda organization, community: self.trust.inbox,
                received=self.received.append,
                clock=lambda: self.now,
                client=client if given else None,
                turn=turn,
                chance=lambda: 1.0,
            )
        self.source.refresh_from_db()
        return more

    def ids(self) -> list[str]:
        """The ids of all that was received, sorted, each as often as it came."""
        bodies = Submission.objects.values_list("body", flat=True)
        return sorted(one["id"] for body in bodies for one in json.loads(bytes(body)).get("objects", []))


@pytest.fixture
def server() -> Iterator[TaxiiServer]:
    with serving(TaxiiServer()) as upstream:
        assert isinstance(upstream, TaxiiServer)
        yield upstream


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[MispFeed]:
    def split(body: bytes, *, max_bytes: int) -> list[bytes]:
        found = json.loads(body) if body.startswith(b"{") else None
        if not isinstance(found, dict) or "Event" not in found:
            raise Refused("not-an-event", "", "there is no Event here")
        return [body]

    monkeypatch.setitem(formats.FORMATS, "misp", Format("misp", "MISP event", "attributes", (), split))
    with serving(MispFeed()) as upstream:
        assert isinstance(upstream, MispFeed)
        yield upstream


def test_what_is_there_becomes_submissions_on_behalf_of_the_organisation(
    trust: Trust, server: TaxiiServer
) -> None:
    server.stored = dated(25, start=NOW - timedelta(hours=1))
    desk = Desk(trust, server)

    assert desk.pull() is False

    assert desk.ids() == sorted(one["id"] for _, one in server.stored)
    made = Submission.objects.all()
    assert {(one.channel, one.organization, one.collection_id, one.format) for one in made} == {
        ("pull", trust.lab_a, trust.inbox, "stix")
    }
    assert {one.id for one in made} == set(desk.received)
    source = desk.source
    assert (source.object_count, source.failures, source.last_error) == (25, 0, "")
    assert (source.last_success_at, source.next_at) == (NOW, NOW + timedelta(minutes=15))
    assert source.latest_at == server.stored[-1][0]
    assert source.leased_until is None


def test_a_source_is_pulled_only_when_its_turn_has_come(trust: Trust, server: TaxiiServer) -> None:
    server.stored = dated(5, start=NOW)
    desk = Desk(trust, server)
    assert pulls.due(now=NOW) == [desk.source.id]
    desk.pull()
    asked = len(server.requests)

    assert pulls.due(now=NOW) == []
    desk.pull()

    assert len(server.requests) == asked
    assert pulls.due(now=NOW + timedelta(minutes=15)) == [desk.source.id]


def test_a_turn_ends_after_its_deltas_and_the_next_goes_on_there(trust: Trust, server: TaxiiServer) -> None:
    server.session_next = True
    server.stored = dated(45, start=NOW)
    desk = Desk(trust, server)

    turns = [desk.pull(turn=2) for _ in range(3)]

    assert turns == [True, True, False]
    assert desk.ids() == sorted(one["id"] for _, one in server.stored)


def test_while_a_worker_has_a_source_nobody_else_pulls_it_until_its_lease_ends(
    trust: Trust, server: TaxiiServer
) -> None:
    server.stored = dated(5, start=NOW)
    desk = Desk(trust, server)
    Source.objects.update(leased_until=NOW + pulls.LEASE)

    assert pulls.due(now=NOW) == []
    desk.pull()
    assert desk.ids() == []

    desk.now += pulls.LEASE + timedelta(seconds=1)
    desk.pull()
    assert len(desk.ids()) == 5


def test_a_delta_that_was_fetched_from_another_checkpoint_is_not_taken(
    trust: Trust, server: TaxiiServer
) -> None:
    """A worker that was thought dead comes back: what it still holds is somebody else's by now."""
    server.stored = dated(25, start=NOW)
    desk = Desk(trust, server)
    calls: list[UUID] = []

    def meanwhile(organization: UUID, community: UUID) -> UUID:
        if not calls:
            calls.append(desk.source.id)
            # The other worker, after this one's lease has ended.
            later = NOW + pulls.LEASE + timedelta(seconds=1)
            with Client(internal=True, context=CONTEXT) as client:
                pulls.pull(
                    source_id=desk.source.id,
                    inbox=meanwhile,
                    received=desk.received.append,
                    clock=lambda: later,
                    client=client,
                )
        return trust.inbox

    with Client(internal=True, context=CONTEXT) as client:
        pulls.pull(
            source_id=desk.source.id,
            inbox=meanwhile,
            received=desk.received.append,
            clock=lambda: NOW,
            client=client,
        )

    desk.source.refresh_from_db()
    assert desk.ids() == sorted(one["id"] for _, one in server.stored)
    assert (desk.source.object_count, desk.source.failures) == (25, 0)
    assert len(desk.received) == Submission.objects.count()


def test_what_fails_between_fetch_and_commit_leaves_checkpoint_and_submissions_as_they_were(
    trust: Trust, server: TaxiiServer
) -> None:
    server.stored = dated(25, start=NOW)
    desk = Desk(trust, server)
    seen: list[UUID] = []

    def dies(submission_id: UUID) -> None:
        seen.append(submission_id)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with Client(internal=True, context=CONTEXT) as client, pytest.raises(KeyboardInterrupt):
        pulls.pull(
            source_id=desk.source.id,
            inbox=lambda organization, community: trust.inbox,
            received=dies,
            clock=lambda: NOW,
            client=client,
        )
    assert len(desk.ids()) == 10

    desk.now += pulls.LEASE + timedelta(seconds=1)
    desk.pull()
    assert desk.ids() == sorted(one["id"] for _, one in server.stored)


def test_failures_wait_twice_as_long_each_time_up_to_six_hours_and_success_forgets_them(
    trust: Trust, server: TaxiiServer
) -> None:
    server.fails = [(500, {})] * 12
    desk = Desk(trust, server)
    pauses = []
    for _ in range(12):
        desk.pull()
        pauses.append((desk.source.next_at - desk.now) / timedelta(minutes=1))
        desk.now = desk.source.next_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]
    assert (desk.source.failures, desk.source.last_error) == (
        12,
        "Asked for the collection's objects, the server answered 500.",
    )

    desk.pull()
    assert (desk.source.failures, desk.source.last_error, desk.source.last_success_at) == (0, "", desk.now)


def test_the_operator_is_told_once_that_a_source_fails_and_once_that_it_works_again(
    trust: Trust, server: TaxiiServer
) -> None:
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)
    server.fails = [(500, {})] * 7
    desk = Desk(trust, server)
    told: list[list[str]] = []
    for _ in range(9):
        desk.pull()
        told.append(list(Notice.objects.order_by("id").values_list("kind", flat=True)))
        desk.now = desk.source.next_at

    assert told[3] == []
    assert told[4] == told[6] == ["source.failing"]
    assert told[7] == told[8] == ["source.failing", "source.works-again"]
    failing, again = Notice.objects.order_by("id")
    assert {failing.organization_id, again.organization_id} == {hub.id}
    assert "answered 500" in failing.sentence
    assert "after 7 attempts" in again.sentence


def test_a_server_that_says_when_to_come_back_is_not_asked_before(trust: Trust, server: TaxiiServer) -> None:
    server.fails = [(429, {"Retry-After": "28800"}), (503, {"Retry-After": "999999999"})]
    desk = Desk(trust, server)
    desk.pull()
    assert desk.source.next_at == NOW + timedelta(hours=8)
    desk.now = desk.source.next_at
    desk.pull()
    assert desk.source.next_at == desk.now + timedelta(days=1)


def test_pauses_are_spread(trust: Trust, server: TaxiiServer) -> None:
    server.fails = [(500, {})]
    desk = Desk(trust, server)
    with Client(internal=True, context=CONTEXT) as client:
        pulls.pull(
            source_id=desk.source.id,
            inbox=lambda organization, community: trust.inbox,
            received=desk.received.append,
            clock=lambda: NOW,
            client=client,
            chance=lambda: 0.0,
        )
    desk.source.refresh_from_db()
    assert desk.source.next_at == NOW + timedelta(seconds=30)


def test_pulling_gives_way_while_too_much_waits(
    trust: Trust, server: TaxiiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls, "MAX_WAITING", 2)
    server.stored = dated(45, start=NOW)
    desk = Desk(trust, server)

    desk.pull()
    assert len(desk.ids()) == 20
    assert pulls.due(now=NOW + timedelta(days=1)) == []

    Submission.objects.update(state="ingested", ingested_at=NOW)
    desk.now += timedelta(minutes=1)
    assert pulls.due(now=desk.now) == [desk.source.id]
    desk.pull()
    assert len(desk.ids()) == 40


@pytest.mark.parametrize(
    "mark", [{"HIGH_WATER_BYTES": 3000}, {"HIGH_WATER_OBJECTS": 30}], ids=lambda mark: next(iter(mark))
)
def test_pulling_gives_way_long_before_the_high_water_mark_and_goes_on_below_it(
    trust: Trust, server: TaxiiServer, settings: Any, mark: dict[str, int]
) -> None:
    """Few large submissions are as much as many small ones: partners who push are not to feel them."""
    for name, value in mark.items():
        setattr(settings, name, value)
    server.stored = dated(45, start=NOW)
    desk = Desk(trust, server)

    desk.pull()
    waits = pressure.waiting()
    assert 0 < len(desk.ids()) < 45
    assert waits.above < 1
    assert pulls.due(now=NOW + timedelta(days=1)) == []

    for _ in range(6):
        Submission.objects.update(state="ingested", ingested_at=NOW)
        desk.now += timedelta(minutes=1)
        desk.pull()
    assert desk.ids() == sorted(one["id"] for _, one in server.stored)


def test_a_disabled_source_is_left_alone_even_in_mid_pull(trust: Trust, server: TaxiiServer) -> None:
    server.stored = dated(45, start=NOW)
    desk = Desk(trust, server)
    desk.pull(turn=1)
    assert pulls.set_enabled(source_id=desk.source.id, enabled=False, by=BY, now=NOW)
    assert not pulls.set_enabled(source_id=desk.source.id, enabled=False, by=BY, now=NOW)

    assert pulls.due(now=NOW) == []
    desk.pull()
    assert not pulls.ask_now(source_id=desk.source.id, by=BY, now=NOW)
    assert len(desk.ids()) == 10

    pulls.set_enabled(source_id=desk.source.id, enabled=True, by=BY, now=NOW)
    desk.pull()
    assert len(desk.ids()) == 45
    assert [event.action for event in AuditEvent.objects.filter(target=f"source:{desk.source.id}")] == [
        "source.add",
        "source.disable",
        "source.enable",
    ]


def test_a_source_that_is_pointed_elsewhere_begins_at_the_beginning(
    trust: Trust, server: TaxiiServer
) -> None:
    server.stored = dated(5, start=NOW)
    desk = Desk(trust, server)
    desk.pull()

    desk.source.interval_minutes = 30
    assert pulls.save(source=desk.source, by=BY, now=NOW) == ("interval_minutes",)
    desk.source.refresh_from_db()
    assert desk.source.checkpoint != {}

    desk.source.collection = "iocs"
    pulls.save(source=desk.source, by=BY, now=NOW)
    desk.source.refresh_from_db()
    assert (desk.source.checkpoint, desk.source.next_at) == ({}, NOW)
    assert pulls.save(source=desk.source, by=BY, now=NOW) == ()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "http://example.org/", "internal": False}, "url"),
        ({"url": "https://user:secret@example.org/"}, "url"),
        ({"url": "https://example.org/?a=b"}, "url"),
        ({"collection": ""}, "collection"),
        ({"kind": "misp-feed"}, "collection"),
        ({"kind": "misp-feed", "collection": "", "url": "https://example.org/feed?a=b"}, "url"),
        ({"auth": "basic", "username": "lab"}, "credential"),
        ({"auth": "basic", "credential": "X"}, "username"),
        ({"auth": "bearer", "credential": "X", "username": "lab"}, "username"),
        ({"interval_minutes": 0}, "interval_minutes"),
    ],
)
def test_a_source_that_cannot_work_is_refused_at_its_field(
    trust: Trust, server: TaxiiServer, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(pulls.SourceInvalid) as refusal:
        Desk(trust, server, **settings)
    assert set(refusal.value.problems) == {field}
    assert not Source.objects.exists()


def test_a_stranger_to_the_community_gets_nothing_and_names_are_taken_once(
    trust: Trust, server: TaxiiServer
) -> None:
    with pytest.raises(pulls.SourceInvalid, match="not a member"):
        Desk(trust, server, organization=trust.outsider)
    Desk(trust, server)
    with pytest.raises(pulls.SourceInvalid, match="has this name"):
        Desk(trust, server)


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "ftp"},
        {"auth": "magic"},
        {"collection": ""},
        {"auth": "bearer", "credential": ""},
        {"auth": "bearer", "credential": "lower"},
        {"username": "x"},
        {"interval_minutes": 0},
    ],
)
def test_the_database_refuses_what_no_source_is(
    trust: Trust, server: TaxiiServer, broken: dict[str, Any]
) -> None:
    desk = Desk(trust, server)
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.filter(id=desk.source.id).update(**broken)


def test_a_secret_comes_from_the_environment_and_is_nowhere_else(
    trust: Trust, server: TaxiiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(trust, server, auth="bearer", credential="PARTNER_X")
    desk.pull(given=False)
    assert desk.source.last_error == "SOURCE_SECRET_PARTNER_X is not set where this worker runs."
    assert server.requests == []

    monkeypatch.setenv("SOURCE_SECRET_PARTNER_X", "geheim")
    desk.now = desk.source.next_at
    desk.pull(given=False)
    assert server.authorizations == ["Bearer geheim"]
    stored = str(list(Source.objects.values())) + str(list(AuditEvent.objects.values()))
    assert "geheim" not in stored


def test_a_key_or_secret_given_where_a_path_was_expected_is_repeated_nowhere(
    trust: Trust,
    server: TaxiiServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """docs/operations.md: "Each may be given as a file that holds the value": so people give the file of the key."""
    key = tmp_path / "key"
    key.write_text("-----BEGIN PRIVATE KEY-----\nZ2VoZWlt\n-----END PRIVATE KEY-----\n")
    monkeypatch.setenv("SOURCE_CERT_PARTNER_X", "/nowhere")
    monkeypatch.setenv("SOURCE_KEY_PARTNER_X_FILE", str(key))
    desk = Desk(trust, server, auth="mtls", credential="PARTNER_X")
    desk.pull(given=False)
    pulls.check(source_id=desk.source.id, clock=lambda: NOW)
    said = [desk.source.last_error]

    monkeypatch.setenv("SOURCE_SECRET_PARTNER_X_FILE", "Z2VoZWlt")
    desk.source.auth = "bearer"
    pulls.save(source=desk.source, by=BY, now=NOW)
    desk.pull(given=False)
    said.append(desk.source.last_error)

    assert "SOURCE_KEY_PARTNER_X" in said[0]
    assert "SOURCE_SECRET_PARTNER_X_FILE" in said[1]
    stored = str([*Source.objects.values(), *AuditEvent.objects.values()])
    assert "Z2VoZWlt" not in stored + "".join(capfd.readouterr())


def test_a_check_is_told_whatever_the_server_says(trust: Trust, server: TaxiiServer) -> None:
    desk = Desk(trust, server)
    kept = server.answer

    def answer(path: str, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = kept(path, query)
        body = body.replace(b"Root", b"Ro\\u0000ot")
        return status, headers | {"Content-Length": str(len(body))}, body

    server.answer = answer
    pulls.check(source_id=desk.source.id, clock=lambda: NOW)
    desk.source.refresh_from_db()
    assert desk.source.check_result.startswith("Root answers")


def test_an_internal_address_is_refused_unless_the_source_is_marked_internal(
    trust: Trust, server: TaxiiServer
) -> None:
    desk = Desk(trust, server, url=f"https://127.0.0.1:{server.port}/root/", internal=False)
    desk.pull(given=False)
    assert "loopback" in desk.source.last_error
    assert server.requests == []


def test_a_check_keeps_its_sentence_and_pulls_nothing(trust: Trust, server: TaxiiServer) -> None:
    server.stored = dated(5, start=NOW)
    desk = Desk(trust, server)
    pulls.check(source_id=desk.source.id, clock=lambda: NOW)
    desk.source.refresh_from_db()
    assert desk.source.check_result == "Root answers; the collection Indicators can be read."
    assert desk.ids() == []

    server.fails = [(401, {})]
    pulls.check(source_id=desk.source.id, clock=lambda: NOW)
    desk.source.refresh_from_db()
    assert desk.source.check_result.startswith("Failed. ")
    assert "refuses these credentials" in desk.source.check_result


def misp(trust: Trust, feed: MispFeed) -> Desk:
    return Desk(trust, feed, kind="misp-feed", url=f"{feed.url}feed/", collection="")


def test_events_of_a_misp_feed_are_taken_once_each_and_again_when_they_change(
    trust: Trust, feed: MispFeed
) -> None:
    first, second = feed.add(1_700_000_000), feed.add(1_700_000_100)
    desk = misp(trust, feed)
    desk.pull()
    assert [one.format for one in Submission.objects.all()] == ["misp", "misp"]

    # Listed late, under an old date.
    late = feed.add(1_600_000_000)
    feed.add(1_700_000_200, uuid=first)
    feed.requests.clear()
    desk.now = desk.source.next_at
    desk.pull()

    assert feed.requests == ["/feed/manifest.json", f"/feed/{late}.json", f"/feed/{first}.json"]
    assert dict(SourceItem.objects.values_list("key", "version")) == {
        first: 1_700_000_200,
        second: 1_700_000_100,
        late: 1_600_000_000,
    }
    assert (Submission.objects.count(), desk.source.object_count) == (4, 4)


def test_a_misp_event_that_is_missing_or_broken_is_noted_and_tried_again_later(
    trust: Trust, feed: MispFeed
) -> None:
    good, missing, broken = feed.add(1), feed.add(2), feed.add(3)
    feed.broken = {missing: (404, b""), broken: (200, b"<html>")}
    desk = misp(trust, feed)
    desk.pull()

    assert Submission.objects.count() == 1
    assert (desk.source.failures, desk.source.last_error) == (0, "")
    errors = dict(SourceItem.objects.values_list("key", "error"))
    assert errors[good] == ""
    assert "answers 404" in errors[missing]
    assert "no Event" in errors[broken]

    feed.broken = {}
    desk.now = desk.source.next_at
    desk.pull()
    assert Submission.objects.count() == 1
    desk.now = NOW + pulls.LONGEST_PAUSE + timedelta(hours=1)
    desk.pull()
    assert Submission.objects.count() == 3
    assert set(SourceItem.objects.values_list("error", flat=True)) == {""}


def test_a_misp_event_that_is_never_to_be_had_does_not_keep_the_others_back(
    trust: Trust, feed: MispFeed
) -> None:
    """Whether one file is broken or the whole server, nobody knows: it costs a pause, and the others follow."""
    failing, moved, good = feed.add(1), feed.add(2), feed.add(3)
    feed.broken = {failing: (500, b""), moved: (302, b"")}
    desk = misp(trust, feed)
    failures = []
    for _ in range(3):
        desk.pull()
        failures.append(desk.source.failures)
        desk.now = desk.source.next_at

    assert failures == [1, 2, 0]
    errors = dict(SourceItem.objects.values_list("key", "error"))
    assert (Submission.objects.count(), errors[good]) == (1, "")
    assert "answered 500" in errors[failing]
    assert "302" in errors[moved]

    feed.broken = {}
    desk.now += pulls.LONGEST_PAUSE + timedelta(hours=1)
    desk.pull()
    assert Submission.objects.count() == 3


def test_a_misp_event_goes_back_to_an_earlier_date_and_is_taken_again(trust: Trust, feed: MispFeed) -> None:
    """A date in the far future, by mistake, does not hide what follows."""
    event = feed.add(999_999_999_999)
    desk = misp(trust, feed)
    for timestamp in (1_700_000_000, 1_700_000_100, 1_700_000_000):
        desk.pull()
        desk.now = desk.source.next_at
        feed.add(timestamp, uuid=event)
    desk.pull()

    assert SourceItem.objects.get().version == 1_700_000_000
    # What came a second time within a day is answered by what came first.
    assert Submission.objects.count() == 3


def test_a_misp_feed_with_a_manifest_that_is_none_is_told(trust: Trust, feed: MispFeed) -> None:
    desk = misp(trust, feed)
    for manifest, sentence in {
        b"<html>": "not the manifest",
        b"[]": "not the manifest",
        b'{"../../etc/passwd": {"timestamp": "1"}}': "no event",
        b'{"7d3b6f0e-3a5e-4b8c-9d1f-2a6c4e8b0d12": {"timestamp": "-1"}}': "no event",
    }.items():
        feed.broken = {"manifest": (200, manifest)}
        feed.answer = lambda path, query, body=manifest: (200, {}, body)  # type: ignore[misc] # has a default
        desk.pull()
        assert sentence in desk.source.last_error
        desk.now = desk.source.next_at


def test_an_object_of_the_upstream_is_sent_on_as_it_came(trust: Trust, server: TaxiiServer) -> None:
    server.add(an_object() | {"x_number": 1.50, "x_text": "\u00e9"}, at=NOW)
    desk = Desk(trust, server)
    desk.pull()
    (made,) = Submission.objects.all()
    assert b'"x_number": 1.5, "x_text": "\\u00e9"' in bytes(made.body)
