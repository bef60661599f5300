"""The chain of the audit trail: what is written is linked, and whatever is done to it afterwards is found."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO

import pytest
import rfc8785
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from accounts import sql, trail
from accounts.actions import chain
from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.chain import START, Event, Head, digest_after
from accounts.models import AuditEvent, AuditLink, AuditPending, Organization

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def write(count: int) -> list[int]:
    """Events, linked; their ids."""
    for number in range(count):
        record(
            by=Actor("service:test"),
            now=NOW,
            action="test.do",
            target=f"thing:{number}",
            detail={"n": number},
        )
    while chain.link(most=3):
        pass
    return list(AuditLink.objects.order_by("position").values_list("event_id", flat=True))


def tamper(*statements: str) -> None:
    """As an administrator of the database may: with the triggers and foreign keys switched off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


def broken(expected: Head | None = None) -> str:
    with pytest.raises(trail.Broken) as found:
        trail.verify(expected=expected)
    return str(found.value)


def event(event_id: int) -> Event:
    from accounts.chain import EVENT

    found = sql.row(f"SELECT {EVENT} FROM accounts_auditevent e WHERE id = %s", (event_id,))
    assert found is not None
    return Event(*found)


def rewrite(ids: Sequence[int], *, start: int, previous: bytes) -> None:
    """Write the links of these events anew, so that each follows the one before."""
    for position, event_id in enumerate(ids, start=start):
        previous = digest_after(previous, event(event_id))
        tamper(
            f"DELETE FROM accounts_auditlink WHERE position = {position}",
            "INSERT INTO accounts_auditlink (position, digest, event_id)"
            f" VALUES ({position}, '\\x{previous.hex()}', {event_id})",
        )


def test_every_event_gets_a_place_without_gaps_in_batches() -> None:
    ids = write(7)

    assert list(AuditLink.objects.order_by("position").values_list("position", flat=True)) == [*range(1, 8)]
    assert ids == sorted(AuditEvent.objects.values_list("id", flat=True))
    assert not AuditPending.objects.exists()
    assert chain.link() == 0
    assert trail.verify() == trail.head() == Head(7, bytes(AuditLink.objects.get(position=7).digest))


def test_a_digest_is_over_the_one_before_and_the_canonical_bytes() -> None:
    import hashlib

    maker = Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)
    record(
        by=Actor("member:ana", maker.id), now=NOW, action="token.issue", target="token:1",
        detail={"zeta": 1.50, "alpha": [True, None, "é"], "bytes": 2**62},
    )  # fmt: skip
    chain.link()

    one = AuditEvent.objects.get()
    expected = (
        '{"action":"token.issue","actor":"member:ana","at":"2026-03-01T12:00:00.123456Z","detail":{"alpha":[true,null,'
        f'"é"],"bytes":"{2**62}","zeta":1.5}},"id":{one.id},"organization":"{maker.id}","target":"token:1"}}'
    ).encode()
    assert event(one.id).canonical() == expected
    assert rfc8785.dumps(json.loads(expected)) == expected
    assert bytes(AuditLink.objects.get().digest) == hashlib.sha256(START + expected).digest()


@pytest.mark.parametrize(
    "detail",
    [
        {"b": 1, "a": {"d": [], "c": {}}, "": None, "B": True},
        {"text": "".join(map(chr, range(1, 128))), "slash": "/</script>"},
        {"é": 1, "z": "\U0001f512", "\uff5e": 2, "\U0001f512": 3},
        {"n": [0, -1, 2**53 - 1, -(2**53) + 1]},
        {"f": [1.5, 0.1, 1234567.25], "i": 7},
        {"dotted": "1.5"},
    ],
)
def test_the_bytes_are_those_of_rfc_8785_whatever_they_are_made_by(detail: dict[str, object]) -> None:
    record(by=Actor("member:\u00e9va"), now=NOW, action="test.do", target='a\\b"c', detail=detail)
    body = event(AuditEvent.objects.get().id).canonical()
    assert body == rfc8785.dumps(json.loads(body))
    assert json.loads(body)["detail"] == detail


def test_an_empty_chain_holds() -> None:
    assert trail.verify() == Head(0, START)


def test_what_waits_for_its_place_is_no_fault() -> None:
    write(2)
    record(by=Actor("service:test"), now=NOW, action="test.do", target="thing:late")
    assert trail.verify().position == 2


@pytest.mark.parametrize("table", ["accounts_auditevent", "accounts_auditlink"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = {}"], ids=["delete", "update"])
def test_the_database_refuses_to_change_or_delete(table: str, statement: str) -> None:
    write(2)
    column = "actor" if table == "accounts_auditevent" else "digest"
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table, column, column))
    assert trail.verify().position == 2


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'member:nobody'",
        "action = 'test.undo'",
        "target = 'thing:other'",
        "at = at + interval '1 microsecond'",
        "detail = detail || '{\"n\": 99}'",
    ],
)
def test_a_changed_event_is_named(change: str) -> None:
    ids = write(6)
    tamper(f"UPDATE accounts_auditevent SET {change} WHERE id = {ids[3]}")
    assert broken().startswith(f"Position 4, event {ids[3]}: changed")


def test_a_changed_organisation_is_named() -> None:
    ids = write(3)
    other = Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)
    tamper(f"UPDATE accounts_auditevent SET organization_id = '{other.id}' WHERE id = {ids[0]}")
    assert broken().startswith(f"Position 1, event {ids[0]}: changed")


def test_a_changed_digest_is_named() -> None:
    ids = write(4)
    tamper("UPDATE accounts_auditlink SET digest = decode(repeat('ab', 32), 'hex') WHERE position = 2")
    assert (
        broken()
        == f"Position 2, event {ids[1]}: changed: the event is as it was, but the digest of its link was changed."
    )


def test_a_deleted_event_is_missing() -> None:
    ids = write(4)
    tamper(f"DELETE FROM accounts_auditevent WHERE id = {ids[1]}")
    assert broken() == f"Position 2, event {ids[1]}: missing: the event was deleted from the audit trail."


def test_a_deleted_link_is_missing() -> None:
    ids = write(4)
    tamper("DELETE FROM accounts_auditlink WHERE position = 2")
    assert broken() == f"Position 2: missing: its link was deleted; the next one is 3, event {ids[2]}."


def test_a_link_that_was_taken_out_with_the_rest_moved_up_is_missing() -> None:
    ids = write(5)
    tamper(
        "DELETE FROM accounts_auditlink WHERE position = 2",
        "UPDATE accounts_auditlink SET position = 2 WHERE position = 3",
        "UPDATE accounts_auditlink SET position = 3 WHERE position = 4",
        "UPDATE accounts_auditlink SET position = 4 WHERE position = 5",
    )
    assert broken() == (
        f"Position 2, event {ids[2]}: missing: event {ids[1]} stood before it, and its link was taken out."
    )


def test_an_event_that_was_taken_out_with_its_link_is_found() -> None:
    ids = write(5)
    tamper(
        "DELETE FROM accounts_auditlink WHERE position = 4",
        "UPDATE accounts_auditlink SET position = 4 WHERE position = 5",
        f"DELETE FROM accounts_auditevent WHERE id = {ids[3]}",
    )
    assert "one before it is missing, taken out together with its link" in broken()
    assert broken().startswith(f"Position 4, event {ids[4]}")


def insert_event() -> int:
    tamper(
        "INSERT INTO accounts_auditevent (at, actor, action, target, detail)"
        " VALUES (now(), 'member:eve', 'test.forge', 'thing:x', '{}')"
    )
    return AuditEvent.objects.get(action="test.forge").id


def test_an_event_that_was_put_in_without_a_link_is_told() -> None:
    write(3)
    forged = insert_event()
    assert f"event {forged} was inserted without the service" in broken()


@pytest.mark.parametrize("digest", ["fitting", "of the one that stood there", "any"])
def test_an_event_that_was_put_in_between_is_named(digest: str) -> None:
    ids = write(5)
    forged = insert_event()
    links = {one.position: bytes(one.digest) for one in AuditLink.objects.all()}
    value = {
        "fitting": digest_after(links[2], event(forged)),
        "of the one that stood there": links[3],
        "any": b"\xab" * 32,
    }[digest]
    tamper(
        "UPDATE accounts_auditlink SET position = 6 WHERE position = 5",
        "UPDATE accounts_auditlink SET position = 5 WHERE position = 4",
        "UPDATE accounts_auditlink SET position = 4 WHERE position = 3",
        f"INSERT INTO accounts_auditlink (position, digest, event_id) VALUES (3, '\\x{value.hex()}', {forged})",
    )
    sentence = broken()
    assert sentence.startswith("Position 3")
    assert "inserted" in sentence
    assert f"event {forged}" in sentence or f"event {ids[2]} followed" in sentence


def test_events_that_changed_places_are_reordered() -> None:
    ids = write(6)
    tamper(
        "UPDATE accounts_auditlink SET event_id = -1 WHERE position = 2",
        f"UPDATE accounts_auditlink SET event_id = {ids[1]} WHERE position = 5",
        f"UPDATE accounts_auditlink SET event_id = {ids[4]} WHERE position = 2",
    )
    assert broken() == (
        f"Position 2, event {ids[4]}: reordered: event {ids[1]} stood here, and stands at position 5 now."
    )


def test_neighbours_that_changed_places_are_found() -> None:
    ids = write(4)
    tamper(
        "UPDATE accounts_auditlink SET position = 9 WHERE position = 2",
        "UPDATE accounts_auditlink SET position = 2 WHERE position = 3",
        "UPDATE accounts_auditlink SET position = 3 WHERE position = 9",
    )
    assert broken().startswith(f"Position 2, event {ids[2]}")


def test_an_end_that_was_cut_off_shows_against_a_head_that_was_kept() -> None:
    ids = write(5)
    kept = trail.head()
    tamper(
        "DELETE FROM accounts_auditlink WHERE position > 3",
        f"DELETE FROM accounts_auditevent WHERE id >= {ids[3]}",
    )
    assert trail.verify().position == 3
    assert broken(kept).startswith("Position 4: missing: the chain ends at 3")


def test_links_alone_that_were_cut_off_show_without_one() -> None:
    ids = write(5)
    tamper("DELETE FROM accounts_auditlink WHERE position > 3")
    assert broken().startswith(
        f"Position 4: event {ids[3]} was inserted without the service, or its link is missing"
    )


def test_a_chain_that_was_written_anew_shows_against_a_head_that_was_kept() -> None:
    ids = write(5)
    kept = trail.head()
    tamper(f"UPDATE accounts_auditevent SET actor = 'member:nobody' WHERE id = {ids[1]}")
    rewrite(ids[1:], start=2, previous=bytes(AuditLink.objects.get(position=1).digest))

    assert trail.verify().position == 5
    assert broken(kept).startswith(f"Position 5, event {ids[4]}: the chain up to here was written anew")
    # A head from before it happened still holds.
    first = AuditLink.objects.get(position=1)
    trail.verify(expected=Head(1, bytes(first.digest)))


def test_the_command_prints_the_head_and_takes_it_back() -> None:
    write(3)
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert out.getvalue() == f"{trail.head()}\n"
    call_command("verify_audit", "--expect", out.getvalue().strip(), stdout=StringIO())


def test_the_command_fails_with_one_where_the_chain_is_broken() -> None:
    ids = write(3)
    tamper(f"UPDATE accounts_auditevent SET actor = 'x' WHERE id = {ids[0]}")
    with pytest.raises(CommandError, match=f"Position 1, event {ids[0]}: changed") as refusal:
        call_command("verify_audit", stdout=StringIO())
    assert refusal.value.returncode == 1


@pytest.mark.parametrize(
    "text", ["", "7", ":ab", "x:" + "ab" * 32, "0:" + "ab" * 32, "7:" + "ab" * 31, "7:" + "zz" * 32]
)
def test_what_is_no_head_is_told_as_wrong_usage(text: str) -> None:
    with pytest.raises(ValueError, match="colon"):
        Head.parse(text)
    with pytest.raises(CommandError, match="--expect"):
        call_command("verify_audit", "--expect", text)


def test_progress_is_told_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "_ROWS_AT_ONCE", 2)
    write(5)
    told: list[tuple[int, int]] = []
    trail.verify(progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5)]


def test_the_head_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    write(2)
    with structlog.testing.capture_logs() as logs:
        found = chain.tell_head()
    assert logs == [{"event": "audit_head", "log_level": "info", "position": 2, "digest": found.digest.hex()}]
