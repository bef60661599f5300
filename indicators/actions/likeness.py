"""Likeness: prompt templates that resemble those known before, by their sketches; merged, or proposed to an analyst.

arrivals (before absorb) → absorb → compare: keep the sketches → take back merges that lost their ground → candidates by
bands → estimate → J ≥ 0.9: merge, J ≥ 0.6: propose

Nothing above a ceiling may change a view at it. So of two templates the one that is known further down survives, then
the one whose sketch is known longer; the other follows only if the survivor stands and both sketches are known at the
lowest level at which the other is claimed. Only roots are compared, each with each: nothing follows by way of a third.

All of it happens under the journal's lock (journal.py), which `arrivals` takes before claims are placed: whoever shares
it and then asks for it alone could meet another who does the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.refusal import stated
from accounts.actor import Actor
from accounts.models import Member, Role, Tlp
from indicators.actions import journal
from indicators.actions.observations import Observed, journal_lock
from indicators.dedup import sketches
from indicators.models import Likeness, LikenessState, MergeKind

TYPE = "prompt-template"
BY = Actor("service:ingest")
NEIGHBOURS = 32
"""How many sketches a band is searched for, those known furthest down and then longest first: what one submission can
cost is bounded, and nobody crowds out what is known below."""
PROPOSALS = 32
"""How many likenesses of one new template are proposed, the closest first."""


class NotPending(ValueError):
    """The likeness was decided before."""


class NotAllowed(PermissionError):
    """The member may not decide likenesses."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A claim on a prompt template that may change what resembles what: its key, level, and sketch if it has one."""

    key: bytes
    tlp: int
    sketch: bytes | None


def sketch_of(value: Mapping[str, Any]) -> bytes | None:
    """The sketch in a prompt template, if it has one; raises `sketches.Unreadable`."""
    text = value.get("sketches", {}).get(sketches.NAME)
    return None if text is None else sketches.decode(text)


def arrivals(*, community_id: UUID, observed: Iterable[Observed]) -> list[Arrived]:
    """Those of a submission's claims that `compare` has to look at; if there are any, the journal's lock is taken.

    Call it before absorb. A submission without prompt templates costs nothing, one whose templates are known one query.
    """
    lowest: dict[bytes, Arrived] = {}
    for item in observed:
        if item.object.type != TYPE or item.tlp >= Tlp.RED:
            continue
        arrived = Arrived(item.key, item.tlp, sketch_of(item.object.value))
        rival = lowest.get(item.key)
        # With a sketch before without one; of several the lowest, then the first.
        if rival is None or (arrived.sketch is None, arrived.tlp) < (rival.sketch is None, rival.tlp):
            lowest[item.key] = arrived
    if not lowest:
        return []
    known = {
        bytes(key): (tlp, ground)
        for key, tlp, ground in sql.rows(
            "SELECT s.key, own.tlp, greatest(own.tlp, parent.tlp) FROM indicators_subject s"
            " LEFT JOIN indicators_sketch own ON own.subject_id = s.id"
            " LEFT JOIN indicators_merge j ON j.other_id = s.id AND j.kind = 'near' AND j.undone_at IS NULL"
            " LEFT JOIN indicators_sketch parent ON parent.subject_id = j.survivor_id"
            " WHERE s.community_id = %s AND s.key = ANY(%s)",
            (community_id, list(lowest)),
        )
    }
    telling = []
    for arrived in lowest.values():
        tlp, ground = known.get(arrived.key, (None, None))
        is_news = arrived.sketch is not None and (tlp is None or arrived.tlp < tlp)
        if is_news or (ground is not None and arrived.tlp < ground):
            telling.append(arrived)
    if telling:
        sql.lock(journal_lock(community_id))
    return telling


def compare(
    *, community_id: UUID, arrived: Sequence[Arrived], subjects: Mapping[bytes, int], now: datetime
) -> None:
    """Keep new sketches, and merge or propose what they resemble; the claims are absorbed, and `arrivals` has the lock.

    `subjects` are the subjects of identity, by key. The number of queries does not grow with that of the claims, but
    with that of the merges.
    """
    if not arrived:
        return
    offered = {subjects[one.key]: one for one in arrived}
    fresh, replaced = _keep(community_id, offered, now)
    parted = _part(list(offered), replaced, now)
    _relate(community_id, sorted({*fresh, *parted}), now)


@transaction.atomic
def decide(*, likeness_id: int, verdict: LikenessState, member: Member, reason: str, now: datetime) -> None:
    """An analyst's word on a likeness: `related`, `dismissed` or `merged`.

    `related` is recorded; nothing is published of it. `NotAllowed`, `ReasonMissing`, `NotPending`, and of a merge
    `journal.NotMergeable`.
    """
    if not (member.is_superuser or member.role in {Role.ANALYST, Role.ADMIN}):
        raise NotAllowed(f"{member.username} is no analyst")
    if verdict is LikenessState.PENDING:
        raise ValueError("a decision is related, dismissed or merged")
    reason = stated(reason)
    by = Actor(f"member:{member.username}", member.organization_id)
    found = Likeness.objects.only("community_id").get(id=likeness_id)
    sql.lock(journal_lock(found.community_id))
    likeness = Likeness.objects.select_for_update().get(id=likeness_id)
    if likeness.state != LikenessState.PENDING:
        raise NotPending(f"this likeness is {likeness.get_state_display().lower()}")
    if verdict is LikenessState.MERGED:
        journal.merge(
            community_id=likeness.community_id,
            survivor_id=likeness.first_id,
            other_id=likeness.second_id,
            kind=MergeKind.ANALYST,
            similarity=None,
            by=by,
            now=now,
            reason=reason,
        )
    likeness.state, likeness.decided_at, likeness.decided_by, likeness.reason = (
        verdict,
        now,
        member,
        reason,
    )
    likeness.save(update_fields=["state", "decided_at", "decided_by", "reason"])
    record(
        by=by,
        now=now,
        action=f"likeness.{verdict}",
        target=f"likeness:{likeness_id}",
        detail={
            "reason": reason,
            "subjects": [likeness.first_id, likeness.second_id],
            "similarity": likeness.similarity,
        },
    )


# --- Sketches


def _keep(community_id: UUID, offered: Mapping[int, Arrived], now: datetime) -> tuple[list[int], list[int]]:
    """Store sketches that are new or now known further down; those subjects, and those whose sketch is another now."""
    held = {
        subject_id: (tlp, bytes(minima))
        for subject_id, tlp, minima in sql.rows(
            "SELECT subject_id, tlp, minima FROM indicators_sketch WHERE subject_id = ANY(%s)",
            (list(offered),),
        )
    }
    fresh = {
        subject_id: (one.sketch, one.tlp)
        for subject_id, one in sorted(offered.items())
        if one.sketch is not None and (subject_id not in held or one.tlp < held[subject_id][0])
    }
    sql.execute(
        "INSERT INTO indicators_sketch (subject_id, community_id, minima, tlp, claimed_at)"
        " SELECT s, %s, m, t, %s FROM unnest(%s::int8[], %s::bytea[], %s::int2[]) AS fresh(s, m, t)"
        " ON CONFLICT (subject_id) DO UPDATE"
        " SET minima = excluded.minima, tlp = excluded.tlp, claimed_at = excluded.claimed_at",
        (
            community_id,
            now,
            list(fresh),
            [minima for minima, _ in fresh.values()],
            [tlp for _, tlp in fresh.values()],
        ),
    )
    sql.execute("DELETE FROM indicators_sketchband WHERE subject_id = ANY(%s)", (list(fresh),))
    sql.copy(
        "indicators_sketchband",
        ("subject_id", "band", "community_id", "digest", "tlp"),
        ("int8", "int2", "uuid", "int8", "int2"),
        (
            (subject_id, band, community_id, digest, tlp)
            for subject_id, (minima, tlp) in fresh.items()
            for band, digest in enumerate(sketches.band_digests(minima))
        ),
    )
    replaced = [
        subject_id
        for subject_id in fresh
        if subject_id in held and held[subject_id][1] != fresh[subject_id][0]
    ]
    return list(fresh), replaced


def _part(subject_ids: Sequence[int], replaced: Sequence[int], now: datetime) -> list[int]:
    """Take back merges that rest on a sketch that was replaced, or that is not known where the merged one is claimed.

    What was merged and stands alone again.
    """
    unfounded = sql.rows(
        "SELECT j.id, j.survivor_id, j.other_id FROM indicators_merge j"
        " JOIN indicators_sketch a ON a.subject_id = j.survivor_id"
        " JOIN indicators_sketch b ON b.subject_id = j.other_id"
        " WHERE j.kind = 'near' AND j.undone_at IS NULL AND (j.other_id = ANY(%s) OR j.survivor_id = ANY(%s)"
        " OR j.other_id = ANY(%s) AND greatest(a.tlp, b.tlp) >"
        "    (SELECT min(c.tlp) FROM indicators_claim c WHERE c.home_id = j.other_id)) ORDER BY j.id",
        (list(replaced), list(replaced), list(subject_ids)),
    )
    for journal_id, _, _ in unfounded:
        journal.undo(
            journal_id=journal_id, by=BY, now=now, reason="It is claimed where the likeness is not known."
        )
    sql.execute(
        "DELETE FROM indicators_likeness USING unnest(%s::int8[], %s::int8[]) AS parted(one, other)"
        " WHERE first_id = least(one, other) AND second_id = greatest(one, other) AND decided_by_id IS NULL",
        ([survivor for _, survivor, _ in unfounded], [other for _, _, other in unfounded]),
    )
    return [other for _, _, other in unfounded]


# --- Likenesses


@dataclass(slots=True)
class _Root:
    """A template that is merged into no other, with its sketch.

    `level` is the lowest TLP of its own claims, `live` that of those in force (None: there are none).
    """

    id: int
    minima: bytes
    tlp: int
    claimed_at: datetime
    level: int | None
    live: int | None

    @property
    def stands(self) -> tuple[int, datetime, bytes, int]:
        """What survives sorts first; of two that came together by what they are, not by who knew one before."""
        return (Tlp.RED if self.level is None else self.level), self.claimed_at, self.minima, self.id

    def may_follow(self, survivor: "_Root") -> bool:
        """Whether it may count for `survivor` at every ceiling that sees it, by what is known there alone."""
        return (
            self.level is not None
            and self.live == self.level < Tlp.RED
            and survivor.live is not None
            and survivor.live <= self.level
            and max(self.tlp, survivor.tlp) <= self.level
        )


def _relate(community_id: UUID, subject_ids: Sequence[int], now: datetime) -> None:
    """Merge or propose what resembles these subjects; what survives comes first."""
    candidates = _candidates(community_id, subject_ids)
    roots = _roots({*subject_ids, *(other for found in candidates.values() for other in found)})
    decided = _decided(list(roots))
    merged: dict[tuple[int, int], float] = {}
    proposed: dict[tuple[int, int], float] = {}

    def link(survivor: _Root, other: _Root, j: float) -> bool:
        made = _merge(community_id, survivor, other, j, now)
        if made:
            merged[_pair(survivor, other)] = j
            del roots[other.id]
        return made

    for root in sorted((roots[one] for one in subject_ids if one in roots), key=lambda one: one.stands):
        if root.id not in roots:
            continue
        near = [roots[other] for other in candidates.get(root.id, ()) if other in roots]
        estimates = {other.id: sketches.similarity(root.minima, other.minima) for other in near}
        alike = sorted(
            (other for other in near if estimates[other.id] >= sketches.RELATED),
            key=lambda other: (-estimates[other.id], other.stands),
        )
        same = [
            other
            for other in alike
            if estimates[other.id] >= sketches.SAME and _pair(root, other) not in decided
        ]
        # Into the one that it resembles most; if there is none, what stands behind it follows it.
        if any(
            link(other, root, estimates[other.id])
            for other in same
            if other.stands < root.stands and root.may_follow(other)
        ):
            continue
        for other in same:
            if root.stands < other.stands and other.may_follow(root):
                link(root, other, estimates[other.id])
        for other in [other for other in alike if other.id in roots][:PROPOSALS]:
            proposed[_pair(root, other)] = estimates[other.id]
    _record(community_id, LikenessState.MERGED, merged, now)
    _record(
        community_id,
        LikenessState.PENDING,
        {pair: j for pair, j in proposed.items() if pair[0] in roots and pair[1] in roots},
        now,
    )


def _pair(one: _Root, other: _Root) -> tuple[int, int]:
    return min(one.id, other.id), max(one.id, other.id)


def _candidates(community_id: UUID, subject_ids: Sequence[int]) -> dict[int, list[int]]:
    """For each subject those that share a band with it: those at the lowest TLP and with the most bands first."""
    found: dict[int, list[int]] = {}
    for subject_id, other_id in sql.rows(
        "SELECT subject_id, other_id FROM (SELECT own.subject_id, other.subject_id AS other_id,"
        "  row_number() OVER (PARTITION BY own.subject_id ORDER BY min(other.tlp), count(*) DESC, other.subject_id)"
        "  AS place FROM indicators_sketchband own CROSS JOIN LATERAL"
        "  (SELECT b.subject_id, b.tlp FROM indicators_sketchband b"
        "   WHERE b.community_id = %s AND b.band = own.band AND b.digest = own.digest"
        "   ORDER BY b.tlp, b.subject_id LIMIT %s) other"
        "  WHERE own.subject_id = ANY(%s) AND other.subject_id <> own.subject_id"
        "  GROUP BY own.subject_id, other.subject_id) ranked WHERE place <= %s ORDER BY subject_id, place",
        (community_id, NEIGHBOURS, list(subject_ids), NEIGHBOURS),
    ):
        found.setdefault(subject_id, []).append(other_id)
    return found


def _roots(subject_ids: Iterable[int]) -> dict[int, _Root]:
    """Those of the subjects that are merged into no other."""
    return {
        row[0]: _Root(*row)
        for row in sql.rows(
            "SELECT k.subject_id, k.minima, k.tlp, k.claimed_at, own.level, own.live FROM indicators_sketch k"
            " JOIN indicators_subject s ON s.id = k.subject_id AND s.merged_into_id IS NULL"
            " CROSS JOIN LATERAL (SELECT min(c.tlp) AS level,"
            "  min(c.tlp) FILTER (WHERE NOT c.revoked AND c.withdrawn_at IS NULL) AS live"
            "  FROM indicators_claim c WHERE c.subject_id = s.id AND c.home_id IS NULL) own"
            " WHERE k.subject_id = ANY(%s)",
            (list(subject_ids),),
        )
    }


def _decided(subject_ids: list[int]) -> set[tuple[int, int]]:
    """The pairs that an analyst said are two."""
    return {
        (first, second)
        for first, second in sql.rows(
            "SELECT first_id, second_id FROM indicators_likeness WHERE first_id = ANY(%s) AND second_id = ANY(%s)"
            " AND state IN ('related', 'dismissed')",
            (subject_ids, subject_ids),
        )
    }


def _merge(community_id: UUID, survivor: _Root, other: _Root, j: float, now: datetime) -> bool:
    """Whether it was merged: what an analyst undid or split stays apart."""
    made = journal.merge(
        community_id=community_id,
        survivor_id=survivor.id,
        other_id=other.id,
        kind=MergeKind.NEAR,
        similarity=j,
        by=BY,
        now=now,
    )
    return made is not None


def _record(
    community_id: UUID, state: LikenessState, found: Mapping[tuple[int, int], float], now: datetime
) -> None:
    """Keep what was found. What an analyst decided stays as it is, and what an analyst undid is not proposed again."""
    pairs = sorted(found)
    sql.execute(
        "INSERT INTO indicators_likeness (community_id, first_id, second_id, similarity, state, found_at, decided_at,"
        " reason) SELECT %s, f, s, j, %s, %s, %s, ''"
        " FROM unnest(%s::int8[], %s::int8[], %s::float8[]) AS found(f, s, j)"
        " ON CONFLICT (first_id, second_id) DO UPDATE SET similarity = excluded.similarity,"
        " state = excluded.state, decided_at = excluded.decided_at"
        " WHERE indicators_likeness.decided_by_id IS NULL"
        " AND (indicators_likeness.state = 'pending' OR excluded.state = 'merged')",
        (
            community_id,
            str(state),
            now,
            now if state is LikenessState.MERGED else None,
            [first for first, _ in pairs],
            [second for _, second in pairs],
            [found[pair] for pair in pairs],
        ),
    )
