"""Legal orders: everything of some subjects is erased everywhere, by two people's word, and does not come again.

`order` bars what comes in, in the transaction of the confirmation. `run` does the rest in steps of a transaction
each, which may be interrupted anywhere and run again: first what collections hold and claims say (`_silence`); then
what was sent, receipts' lines, deliveries and drafts; and last what the rest was found by (`_forget_names`).
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.db import connection, transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.actions import observations, raw
from indicators.actions.observations import journal_lock, queue_folds, queue_referring, subject_key
from indicators.patterns import PatternError
from indicators.stix import json
from indicators.stix.objects import read
from sharing.actions import barring, deliveries, publication
from sharing.models import Erasure, ErasureState
from sharing.tlog.statements import Reason

log = structlog.get_logger(__name__)

BATCH = 500
"""So many claims are silenced in one transaction."""
_BY = Actor("service:erasure")
TABLES = (
    *("sharing_entry", "sharing_release", "sharing_review", "sharing_delivery"),
    *("indicators_claim", "indicators_submission", "indicators_submittedobject", "indicators_draft"),
    *("indicators_subject", "indicators_observable", "indicators_term", "indicators_wording"),
    *("indicators_reference", "indicators_sketch", "indicators_sketchband", "indicators_remark"),
)
"""What an erasure leaves dead rows in."""


@dataclass(frozen=True, slots=True)
class SaidBy:
    """A claim that is erased: whose, where, and the object that says it."""

    id: int
    community_id: UUID
    organization_id: UUID
    object_id: str
    subject_id: int
    is_erased: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry that is erased; `added` in µs."""

    collection_id: UUID
    index: int
    added: int
    object_id: str


@dataclass(slots=True)
class Scope:
    """What an order reaches: subjects, their claims, the ids of objects, what stands in collections.

    `affected` are subjects that some of the claims count for and that others speak of too: those are said again.
    """

    subjects: list[int]
    affected: list[int]
    keys: list[bytes]
    claims: list[SaidBy]
    object_ids: set[str]
    entries: list[Standing] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """By kind."""
        return {
            "subjects": len(self.subjects),
            "claims": sum(not one.is_erased for one in self.claims),
            "entries": len(self.entries),
        }


def scope(subject_ids: Sequence[int]) -> Scope:
    """What an order on these subjects reaches now: the same in all communities, and what was merged into them."""
    subjects = {
        one: (bytes(key), merged)
        for one, key, merged in sql.rows(
            "WITH RECURSIVE chosen AS (SELECT id, key FROM indicators_subject WHERE id = ANY(%s)),"
            " twins AS (SELECT s.id FROM accounts_community c JOIN indicators_subject s ON s.community_id = c.id"
            " AND s.key IN (SELECT key FROM chosen))"
            " SELECT s.id, s.key, s.merged_into_id FROM indicators_subject s WHERE s.id IN (SELECT id FROM twins)"
            " OR s.merged_into_id IN (SELECT id FROM twins)",
            (list(subject_ids),),
        )
    }
    ids = sorted(subjects)
    claims = [
        SaidBy(*found)
        for found in sql.rows(
            "SELECT id, community_id, organization_id, object_id, subject_id, erased_at IS NOT NULL"
            " FROM indicators_claim WHERE subject_id = ANY(%s) UNION"
            " SELECT id, community_id, organization_id, object_id, subject_id, erased_at IS NOT NULL"
            " FROM indicators_claim WHERE home_id = ANY(%s) ORDER BY 1",
            (ids, ids),
        )
    ]
    affected = sorted({claim.subject_id for claim in claims} - set(ids))
    # What an observable or an object of context is about is its id.
    named = {key.decode() for key, _ in subjects.values() if len(key) != 32 and b"--" in key}
    named |= {claim.object_id for claim in claims}
    published = sql.rows(
        "SELECT unnest(array_append(former_ids, published_id)) FROM sharing_release WHERE subject_id = ANY(%s)",
        ([*ids, *affected],),
    )
    standing = {one for (one,) in published} | named
    own = {
        one
        for (one,) in sql.rows(
            "SELECT unnest(array_append(former_ids, published_id)) FROM sharing_release WHERE subject_id = ANY(%s)",
            (ids,),
        )
    }
    found = Scope(ids, affected, [key for key, _ in subjects.values()], claims, named | own)
    found.entries = [
        Standing(*row)
        for row in sql.rows(
            "SELECT e.collection_id, e.index, e.added, e.object_id FROM sharing_collection k"
            f" JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = {sql.ONE_OF} AND e.body IS NOT NULL"
            " UNION SELECT e.collection_id, e.index, e.added, e.object_id FROM ("
            "  SELECT DISTINCT s.collection_id, o.object_id, o.version FROM indicators_submittedobject o"
            "  JOIN indicators_submission s ON s.id = o.submission_id WHERE o.subject_id = ANY(%s)) sent"
            " JOIN sharing_entry e ON e.collection_id = sent.collection_id AND e.object_id = sent.object_id"
            " AND e.version = sent.version AND e.body IS NOT NULL ORDER BY 1, 2",
            (sql.joined(standing), ids),
        )
    ]
    return found


# ------------------------------------------------------------------------------------------------- two people


def propose(*, subject_ids: Sequence[int], reference: str, now: datetime) -> Erasure:
    """Write down what an order is about; the caller makes the proposal of it (`proposals`)."""
    return Erasure.objects.create(subjects=sorted(set(subject_ids)), reference=reference, ordered_at=now)


def order(*, erasure_id: int, by: Actor, now: datetime) -> None:
    """Two people said so: from now on nothing of it comes in; `run` erases. In the confirmation's transaction."""
    erasure = Erasure.objects.select_for_update().get(id=erasure_id)
    erasure.state, erasure.confirmed_at = ErasureState.CONFIRMED, now
    erasure.save(update_fields=["state", "confirmed_at"])
    # Who ingests now is waited for; whoever comes later finds it barred.
    barring.hold()
    reached = scope(erasure.subjects)
    barring.bar(
        erasure_id=erasure_id,
        wanted=barring.digests(object_ids=reached.object_ids, keys=reached.keys),
    )
    record(
        by=by,
        now=now,
        action="erasure.order",
        target=f"erasure:{erasure_id}",
        detail={"reference": erasure.reference, "subjects": erasure.subjects, "reaches": reached.counts},
    )


def drop(*, erasure_id: int) -> None:
    """It was not confirmed."""
    Erasure.objects.filter(id=erasure_id, state=ErasureState.PROPOSED).update(state=ErasureState.DROPPED)


def lift(*, erasure_id: int, by: Actor, now: datetime) -> None:
    """Two people let in again what an order erased; what is gone stays gone."""
    erasure = Erasure.objects.select_for_update().get(id=erasure_id)
    erasure.state, erasure.lifted_at = ErasureState.LIFTED, now
    erasure.save(update_fields=["state", "lifted_at"])
    barring.hold()
    record(
        by=by,
        now=now,
        action="erasure.lift",
        target=f"erasure:{erasure_id}",
        detail={"reference": erasure.reference, "digests": barring.lift(erasure_id=erasure_id)},
    )


# ------------------------------------------------------------------------------------------------- erasing


def waiting() -> list[int]:
    """Orders that are confirmed and not done."""
    return [
        one for (one,) in sql.rows("SELECT id FROM sharing_erasure WHERE state = 'confirmed' ORDER BY id")
    ]


def run(*, erasure_id: int, now: datetime) -> bool:
    """Erase what an order reaches, or go on where it was left; False if it is done, or none."""
    found = sql.row(
        "SELECT subjects FROM sharing_erasure WHERE id = %s AND state = 'confirmed'", (erasure_id,)
    )
    if found is None:
        return False
    began = monotonic()
    for subject_id in found[0]:
        erase(subject_id=subject_id, erasure_id=erasure_id, now=now, began=began)
    _count(erasure_id, {"set_aside_unread": _cut_what_waits(now=now)})
    vacuum()
    with transaction.atomic():
        erasure = Erasure.objects.select_for_update().get(id=erasure_id)
        if erasure.state == ErasureState.CONFIRMED:
            erasure.state, erasure.done_at = ErasureState.DONE, now
            erasure.save(update_fields=["state", "done_at"])
            record(
                by=_BY,
                now=now,
                action="erasure.done",
                target=f"erasure:{erasure_id}",
                detail={"reference": erasure.reference, "erased": erasure.counts},
            )
    return True


def erase(*, subject_id: int, erasure_id: int, now: datetime, began: float) -> None:
    """Everything of one subject, everywhere; it was `now` at `began`, a time of `monotonic`."""
    # Each step at its own time: what stands until then is pulled until then, and who pulls it must be told.
    while _silence(subject_id, erasure_id, now + timedelta(seconds=monotonic() - began)):
        pass
    reached = scope([subject_id])
    counts: Counter[str] = Counter()
    for submission_id, lines in raw.lines_of(reached.subjects, reached.object_ids).items():
        with transaction.atomic():
            raw.erase_lines(submission_id=submission_id, lines=lines, now=now)
            deliveries.forget_submission(submission_id=submission_id, now=now)
        counts["submissions"] += 1
    with transaction.atomic():
        counts["drafts"] = raw.erase_drafts(sorted(reached.object_ids))
        _forget_names(reached)
        _count(erasure_id, counts)


def _silence(subject_id: int, erasure_id: int, now: datetime) -> bool:
    """Erase entries and claims, at most `BATCH` of these; False if there was nothing left."""
    with transaction.atomic():
        before = scope([subject_id])
        # In the order in which ingest and triage take them.
        sql.lock(*{f"claims:{one.community_id}:{one.organization_id}" for one in before.claims})
        logs = {one.id: one for one in publication.lock({entry.collection_id for entry in before.entries})}
        communities = {one.community_id for one in before.claims}
        sql.lock(*(journal_lock(one) for one in communities))
        reached = scope([subject_id])
        claims = [one for one in reached.claims if not one.is_erased][:BATCH]
        if not claims and not reached.entries:
            return False
        withdrawn = 0
        for log in logs.values():
            entries = [entry for entry in reached.entries if entry.collection_id == log.id]
            withdrawn += publication.withdraw(
                log=log,
                reasons=dict.fromkeys((entry.object_id for entry in entries), Reason.LEGAL),
                now=now,
                indexes=[entry.index for entry in entries],
                erasure_id=erasure_id,
            ).total()
        for community_id in communities:
            queue_referring(community_id=community_id, object_ids=sorted(reached.object_ids), but=())
        observations.erase(claim_ids=[one.id for one in claims], now=now)
        observations.unremark_all(object_ids=[one.object_id for one in claims])
        _unpublish(reached)
        for community_id in communities:
            queue_folds(community_id=community_id, subject_ids=_in(community_id, reached.affected))
        _count(erasure_id, {"claims": len(claims), "entries": withdrawn})
    return True


def _in(community_id: UUID, subject_ids: Sequence[int]) -> list[int]:
    return [
        one
        for (one,) in sql.rows(
            "SELECT id FROM indicators_subject WHERE community_id = %s AND id = ANY(%s) ORDER BY id",
            (community_id, list(subject_ids)),
        )
    ]


def _unpublish(reached: Scope) -> None:
    """Releases of what stands no more; what others say too is published again, as a later version."""
    sql.execute(
        "UPDATE sharing_release SET digest = NULL, due_at = NULL, expires_at = NULL WHERE subject_id = ANY(%s)",
        ([*reached.subjects, *reached.affected],),
    )
    sql.execute(
        "WITH closed AS (UPDATE sharing_review v SET title = '',"
        " state = CASE WHEN v.state = 'pending' THEN 'closed' ELSE v.state END FROM sharing_release r"
        " WHERE r.id = v.release_id AND r.subject_id = ANY(%s) RETURNING v.id)"
        " UPDATE sharing_proposal p SET state = 'over' FROM closed"
        " WHERE p.review_id = closed.id AND p.state = 'open'",
        (reached.subjects,),
    )


def _forget_names(reached: Scope) -> None:
    """Last: what the rest was found by. The rows stay, as others point at them; they name nothing."""
    observations.strip(reached.subjects)
    ids = sql.joined(sorted(reached.object_ids))
    sql.execute(
        "UPDATE sharing_release SET published_id = 'erased--' || id, former_ids = '{}', sentence = '', missing = '{}',"
        " created = '', modified = '', revoked = false WHERE subject_id = ANY(%s)",
        (reached.subjects,),
    )
    claims = [one.id for one in reached.claims]
    sql.execute(
        "UPDATE indicators_claim SET object_id = 'erased--' || id,"
        " body = convert_to(json_build_object('type', split_part(object_id, '--', 1), 'id', 'erased--' || id)::text,"
        " 'UTF8') WHERE id = ANY(%s)",
        (claims,),
    )
    sql.execute(f"DELETE FROM indicators_remark WHERE object_id = {sql.ONE_OF}", (ids,))
    sql.execute(
        "UPDATE indicators_finding SET uid = 'erased-' || id, object_id = 'erased--' || id"
        f" WHERE object_id = {sql.ONE_OF}",
        (ids,),
    )
    # What opened a submitter's commitment may hold their signature.
    told = (
        "SELECT id FROM accounts_notice WHERE kind = 'submitter.disclosed'"
        f" AND target IN (SELECT 'object:' || one FROM unnest({sql.LIST}) AS one)"
    )
    sql.execute(
        f"UPDATE sharing_delivery SET signature = '', body = CASE WHEN state = 'pending' THEN NULL ELSE ''::bytea END"
        f" WHERE notice_id IN ({told})",
        (ids,),
    )
    sql.execute(f"UPDATE accounts_notice SET detail = detail - 'openings' WHERE id IN ({told})", (ids,))
    for table, column in (
        ("sharing_waiting", "subject_id"),
        ("indicators_likeness", "first_id"),
        ("indicators_likeness", "second_id"),
        ("indicators_pendingfold", "subject_id"),
        ("indicators_raisedtlp", "subject_id"),
    ):
        sql.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", (reached.subjects,))
    for one in reached.subjects:
        # No identity leads there: what is said again, if that is ever let in, is about another subject.
        sql.execute("UPDATE indicators_subject SET key = %s WHERE id = %s", (secrets.token_bytes(32), one))


def _cut_what_waits(*, now: datetime) -> int:
    """Cut what is barred out of what is not ingested yet; how many submissions in quarantine cannot be looked into."""
    unread = 0
    for submission_id in raw.not_ingested():
        objects = raw.heads(submission_id)
        if not objects:
            # Of other formats ingest decides; what is set aside stays so.
            unread += raw.is_set_aside(submission_id)
            continue
        offered = {place: digests_of(object_id, text) for place, (object_id, text) in objects.items()}
        found = barring.barred({one for digests in offered.values() for one in digests})
        places = [place for place, digests in offered.items() if digests & found]
        if places:
            with transaction.atomic():
                raw.cut_out(submission_id=submission_id, places=places, now=now)
    return unread


def digests_of(object_id: str, text: bytes) -> set[bytes]:
    """What an object would be barred by, as far as it can be read."""
    keys: Iterable[bytes] = ()
    try:
        keys = [subject_key(read(text))]
    except (json.Refused, PatternError):
        pass  # its id is known nevertheless
    except Exception as error:  # noqa: BLE001 - a fault of ours must not stop an erasure
        log.warning("object_not_read", error=type(error).__name__)
    return barring.digests(object_ids=[object_id], keys=keys)


def _count(erasure_id: int, more: dict[str, int]) -> None:
    with transaction.atomic():
        erasure = Erasure.objects.select_for_update().get(id=erasure_id)
        erasure.counts = dict(Counter(erasure.counts) + Counter(more))
        erasure.save(update_fields=["counts"])


def cut_deleted(*, now: datetime) -> int:
    """Cut out of what was sent what its senders deleted, and out of what they were told; how many objects."""
    count, submission_ids = raw.cut_deleted(now=now)
    for submission_id in submission_ids:
        with transaction.atomic():
            deliveries.forget_submission(submission_id=submission_id, now=now)
    return count


def vacuum() -> bool:
    """Free the dead rows of what was erased; False inside a transaction, where that cannot be."""
    if connection.in_atomic_block:
        return False
    for table in TABLES:
        sql.execute(f"VACUUM (SKIP_LOCKED, TRUNCATE FALSE) {table}")
    return True
