"""The merge journal: which subjects are made one and which are made two, who did it and why, and how it is undone.

A claim counts for its `subject`; where that is another than the subject of its identity, `home` keeps that one. Merges
that hold make trees: each subject is merged into one other at most, its parent, and `merged_into` names the root.

No merge may let a claim show below its own level. So a parent is visible at every ceiling at which its child is: then
the published ids of the root stay what they were at every ceiling that sees only one of the two. `merge` chooses the
parent by that; `uphold` mends what later claims broke, before anything of it is published.

Locks: whoever changes the journal holds `journal:<community>` alone, whoever places claims by it (absorb, withdraw,
fall_back) shares it. It is taken last: ingest has its organisation's claims and its collection before it, triage its
feeds; and who holds it waits for nothing that those hold.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.refusal import stated
from accounts.actor import Actor
from indicators.actions.observations import journal_lock, queue_folds, queue_referring
from indicators.models import MergeKind

_NOWHERE = 9


class NotMergeable(ValueError):
    """These two subjects cannot be made one; the message says why."""


class NotSplittable(ValueError):
    """These claims cannot be split off; the message says why."""


class AlreadyUndone(ValueError):
    """The journal's entry does not hold any more."""


class NotInJournal(LookupError):
    """The journal has no such entry."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A row of `indicators_subject`, and the lowest TLP of its own claims (`_NOWHERE` if it has none)."""

    id: int
    object_type: str
    root: int
    level: int
    split_off: bool

    @property
    def may_be_child(self) -> bool:
        """Whether it can be merged into another: it is a root, and an identity leads there."""
        return self.root == self.id and not self.split_off


@transaction.atomic
def merge(
    *,
    community_id: UUID,
    survivor_id: int,
    other_id: int,
    kind: str,
    similarity: float | None,
    by: Actor,
    now: datetime,
    reason: str = "",
) -> int | None:
    """Let the claims of one subject count for another; the id of the journal's entry, None if nothing is to do.

    The two change places where `other_id` has claims below the level of all of `survivor_id`. A near duplicate is left
    alone (None) where somebody undid or split just that, or where it has a parent already; an analyst merges what the
    two subjects are part of. `NotMergeable` if they are of two types, or nobody claims anything about one of them.
    """
    if kind not in {MergeKind.NEAR, MergeKind.ANALYST}:
        raise ValueError(f"{kind} is no kind of merge")
    if kind == MergeKind.ANALYST:
        reason = stated(reason)
    sql.lock(journal_lock(community_id))
    survivor, other = _pair(community_id, survivor_id, other_id)
    if survivor.root == other.root:
        return None
    apart = _kept_apart(community_id, survivor.root, other.root)
    if kind == MergeKind.ANALYST:
        if MergeKind.SPLIT in apart:
            raise NotMergeable("one was split off from the other; undo that instead")
        survivor, other = _pair(community_id, survivor.root, other.root)
    elif apart:
        return None
    if survivor.object_type != other.object_type:
        raise NotMergeable(f"one is about {survivor.object_type}, the other about {other.object_type}")
    if _NOWHERE in {survivor.level, other.level}:
        raise NotMergeable("nobody claims anything about one of them")
    if other.level < survivor.level or (
        other.level == survivor.level and not other.may_be_child and survivor.may_be_child
    ):
        survivor, other = other, survivor
    if not other.may_be_child:
        if kind == MergeKind.NEAR:
            return None
        raise NotMergeable("what was split off counts for nothing else; undo that instead")
    return _link(community_id, survivor, other, kind, similarity, by, now, reason)


@transaction.atomic
def split(
    *,
    community_id: UUID,
    subject_id: int,
    claim_ids: Collection[int],
    by: Actor,
    now: datetime,
    reason: str,
) -> int:
    """Make two subjects of one: these claims, and the others that count for it; the id of the journal's entry.

    One of the two halves moves to a new subject: these claims, unless they reach further down than those that remain.
    What is said of the same identity later counts for the half that stays.
    """
    reason = stated(reason)
    sql.lock(journal_lock(community_id))
    claims: dict[int, int] = dict(
        sql.rows(
            "SELECT id, tlp FROM indicators_claim WHERE community_id = %s AND subject_id = %s",
            (community_id, subject_id),
        )
    )
    taken, left = set(claim_ids), set(claims) - set(claim_ids)
    if not taken:
        raise NotSplittable("choose at least one claim")
    if not taken <= set(claims):
        raise NotSplittable("not all of these claims are about it any more; look again")
    if not left:
        raise NotSplittable("at least one claim must remain")
    if min(claims[one] for one in taken) < min(claims[one] for one in left):
        # Whoever sees only these claims would see their object revoked and come back under another id.
        taken, left = left, taken
    (made,) = sql.rows(
        "INSERT INTO indicators_subject (community_id, key, object_type)"
        " SELECT community_id, %s, object_type FROM indicators_subject WHERE id = %s RETURNING id",
        (secrets.token_bytes(32), subject_id),
    )
    _watch_too(made[0], of=subject_id)
    moved = _move("id = ANY(%s)", [sorted(taken)], to=made[0])
    journal_id = _write(
        community_id, MergeKind.SPLIT, subject_id, made[0], None, by, now, reason, "subject.split"
    )
    _follow(community_id, [subject_id, made[0]], moved)
    return journal_id


@transaction.atomic
def undo(*, journal_id: int, by: Actor, now: datetime, reason: str) -> None:
    """Take an entry of the journal back: the claims return, also those that came after it.

    `NotInJournal`, `AlreadyUndone`.
    """
    reason = stated(reason)
    found = sql.row("SELECT community_id FROM indicators_merge WHERE id = %s", (journal_id,))
    if found is None:
        raise NotInJournal(f"the journal has no entry {journal_id}")
    sql.lock(journal_lock(found[0]))
    _take_back(journal_id, by, now, reason)


def uphold(*, community_id: UUID, subject_ids: Iterable[int], now: datetime) -> set[int]:
    """Mend the merges into these subjects whose parent is not visible everywhere where its child is.

    Such a merge is taken back, and made again the other way round where the two stood alone. The subjects whose claims
    changed; the caller's transaction publishes nothing of the old state.
    """
    wanted = list(subject_ids)
    if not _broken(wanted):
        return set()
    sql.lock(journal_lock(community_id))
    by = Actor("service:publish")
    touched: set[int] = set()
    for journal_id, kind, similarity, parent_id, child_id, reason in _broken(wanted):
        touched |= _take_back(journal_id, by, now, "It can be seen where what it was merged into cannot.")
        parent, child = _pair(community_id, parent_id, child_id)
        if parent.may_be_child and parent.level != _NOWHERE:
            _link(community_id, child, parent, kind, similarity, by, now, reason)
    return touched


# --- What holds

# A claim's node in the trees: the subject of its identity, or what it was split off to.
_NODE = "CASE WHEN h.merged_into_id = c.subject_id THEN h.id ELSE c.subject_id END"


def _pair(community_id: UUID, first: int, second: int) -> tuple[_Subject, _Subject]:
    found = {
        row[0]: _Subject(*row)
        for row in sql.rows(
            "SELECT s.id, s.object_type, coalesce(s.merged_into_id, s.id), coalesce((SELECT min(c.tlp)"
            f" FROM indicators_claim c LEFT JOIN indicators_subject h ON h.id = c.home_id"
            f" WHERE c.subject_id = coalesce(s.merged_into_id, s.id) AND {_NODE} = s.id), %s),"
            " EXISTS (SELECT 1 FROM indicators_merge j"
            " WHERE j.other_id = s.id AND j.kind = 'split' AND j.undone_at IS NULL)"
            " FROM indicators_subject s WHERE s.community_id = %s AND s.id = ANY(%s)",
            (_NOWHERE, community_id, [first, second]),
        )
    }
    if first not in found or second not in found:
        raise NotMergeable("one of them is not in this community")
    return found[first], found[second]


def _kept_apart(community_id: UUID, first: int, second: int) -> set[str]:
    """The kinds of entries by which somebody keeps these roots apart: a split in force, a merge undone."""
    return {
        kind
        for (kind,) in sql.rows(
            "SELECT j.kind FROM indicators_merge j JOIN indicators_subject a ON a.id = j.survivor_id"
            " JOIN indicators_subject b ON b.id = j.other_id WHERE j.community_id = %s"
            # What the service undid to uphold the levels is nobody's opinion.
            " AND CASE j.kind WHEN 'split' THEN j.undone_at IS NULL"
            "     ELSE j.undone_at IS NOT NULL AND j.undone_by NOT LIKE 'service:%%' END"
            " AND ARRAY[coalesce(a.merged_into_id, a.id), coalesce(b.merged_into_id, b.id)]"
            "     IN (ARRAY[%s, %s]::int8[], ARRAY[%s, %s]::int8[])",
            (community_id, first, second, second, first),
        )
    }


def _broken(subject_ids: list[int]) -> list[sql.Row]:
    """Merges into these roots, in force, whose child has claims below the level of its parent."""
    return sql.rows(
        f"WITH level AS (SELECT {_NODE} AS node, min(c.tlp) AS tlp FROM indicators_claim c"
        "   LEFT JOIN indicators_subject h ON h.id = c.home_id WHERE c.subject_id = ANY(%s) GROUP BY 1)"
        " SELECT j.id, j.kind, j.similarity, j.survivor_id, j.other_id, j.reason FROM level child"
        " JOIN indicators_merge j ON j.other_id = child.node AND j.kind <> 'split' AND j.undone_at IS NULL"
        " LEFT JOIN level parent ON parent.node = j.survivor_id"
        " WHERE child.tlp < coalesce(parent.tlp, %s) ORDER BY j.id",
        (subject_ids, _NOWHERE),
    )


# --- What changes it


def _link(
    community_id: UUID,
    survivor: _Subject,
    other: _Subject,
    kind: str,
    similarity: float | None,
    by: Actor,
    now: datetime,
    reason: str,
) -> int:
    """Make `other`, a root, a child of `survivor`: all that counted for it counts for the survivor's root."""
    root = survivor.root
    journal_id = _write(
        community_id, kind, survivor.id, other.id, similarity, by, now, reason, "subject.merge"
    )
    sql.execute(
        "UPDATE indicators_subject SET merged_into_id = %s WHERE id = %s OR merged_into_id = %s",
        (root, other.id, other.id),
    )
    _watch_too(root, of=other.id)
    moved = _move("subject_id = %s", [other.id], to=root)
    _follow(community_id, [other.id, root], moved)
    return journal_id


def _watch_too(subject_id: int, *, of: int) -> None:
    """What the one watches counts for the other too, so that an allow-list finds it where its claims went."""
    sql.execute(
        "INSERT INTO indicators_observable (subject_id, network, domain, asn)"
        " SELECT %s, network, domain, asn FROM indicators_observable WHERE subject_id = %s ON CONFLICT DO NOTHING",
        (subject_id, of),
    )


def _take_back(journal_id: int, by: Actor, now: datetime, reason: str) -> set[int]:
    """Undo an entry under the journal's lock; the subjects whose claims changed."""
    found = sql.row(
        "UPDATE indicators_merge SET undone_at = %s, undone_by = %s, undo_reason = %s"
        " WHERE id = %s AND undone_at IS NULL RETURNING community_id, kind, survivor_id, other_id",
        (now, by.name, reason, journal_id),
    )
    if found is None:
        raise AlreadyUndone("this was undone before")
    community_id, kind, survivor_id, other_id = found
    if kind == MergeKind.SPLIT:
        # Home, wherever that is now; what was merged into the split-off subject stays there.
        back = sql.rows(
            "UPDATE indicators_claim c SET subject_id = coalesce(h.merged_into_id, h.id),"
            " home_id = CASE WHEN h.merged_into_id IS NULL THEN NULL ELSE h.id END"
            " FROM indicators_subject h WHERE h.id = c.home_id AND c.subject_id = %s"
            " AND h.merged_into_id IS DISTINCT FROM %s RETURNING c.object_id, c.subject_id",
            (other_id, other_id),
        )
        touched = [other_id, *dict.fromkeys(subject_id for _, subject_id in back)]
        moved = [object_id for object_id, _ in back]
    else:
        (root,) = sql.rows("SELECT merged_into_id FROM indicators_subject WHERE id = %s", (other_id,))
        tree = [
            node
            for (node,) in sql.rows(
                "WITH RECURSIVE tree AS (SELECT %s::int8 AS id UNION SELECT j.other_id FROM tree"
                " JOIN indicators_merge j ON j.survivor_id = tree.id AND j.kind <> 'split' AND j.undone_at IS NULL)"
                " SELECT id FROM tree",
                (other_id,),
            )
        ]
        sql.execute(
            "UPDATE indicators_subject SET merged_into_id = nullif(%s, id) WHERE id = ANY(%s)",
            (other_id, tree),
        )
        moved = _move("subject_id = %s AND home_id = ANY(%s)", [root[0], tree], to=other_id)
        touched = [root[0], other_id]
    record(
        by=by,
        now=now,
        action="subject.undo",
        target=f"subject:{survivor_id}",
        detail={"journal": journal_id, "other": other_id, "reason": reason},
    )
    _follow(community_id, touched, moved)
    return set(touched)


def _move(which: str, parameters: list[object], *, to: int) -> list[str]:
    """Let claims count for a subject; their object ids. At home they have no home to remember."""
    return [
        object_id
        for (object_id,) in sql.rows(
            "UPDATE indicators_claim SET home_id = nullif(coalesce(home_id, subject_id), %s), subject_id = %s"
            f" WHERE {which} RETURNING object_id",
            [to, to, *parameters],
        )
    ]


def _write(
    community_id: UUID,
    kind: str,
    survivor_id: int,
    other_id: int,
    similarity: float | None,
    by: Actor,
    now: datetime,
    reason: str,
    action: str,
) -> int:
    found = sql.row(
        "INSERT INTO indicators_merge (community_id, kind, survivor_id, other_id, similarity, reason, made_at, made_by,"
        " undone_by, undo_reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', '') RETURNING id",
        (community_id, kind, survivor_id, other_id, similarity, reason, now, by.name),
    )
    assert found is not None
    journal_id: int = found[0]
    record(
        by=by,
        now=now,
        action=action,
        target=f"subject:{survivor_id}",
        detail={"journal": journal_id, "other": other_id, "kind": kind, "reason": reason},
    )
    return journal_id


def _follow(community_id: UUID, subject_ids: list[int], moved: Iterable[str] = ()) -> None:
    """Have the feeds follow: who loses claims first, so that an id that both bore is taken back before it is said."""
    queue_folds(community_id=community_id, subject_ids=subject_ids)
    queue_referring(community_id=community_id, object_ids=list(moved), but=subject_ids)
