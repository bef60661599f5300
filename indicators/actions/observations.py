"""Absorb: what a partner's objects claim, stored by subject, and the subjects queued for folding."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts import sql
from indicators import terms
from indicators.allowlists.watched import watched
from indicators.dedup import observables
from indicators.dedup.identity import indicator_key
from indicators.dedup.remarks import REMARKS, remarks_of
from indicators.stix.objects import StixObject, read

IS_LIMITED = "coalesce(d.tier = 'review' OR d.limited_at IS NOT NULL, false)"
"""SQL for "is limited to review" of the detector `d`, which may be none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """An accepted object, the TLP that it counts as, the key of what it is about, and the service's JWS over its body.

    `detector_id` where a detector's finding says it; `stated_tlp` is what its source marked it, where an analyst said
    otherwise (`overridden`). `sender_signature` is the sender's own JWS, verified; empty where it did not sign.
    """

    object: StixObject
    tlp: int
    key: bytes
    signature: str
    detector_id: int | None = None
    stated_tlp: int | None = None
    sender_signature: str = ""

    def signed(self, signature: str) -> "Observed":
        """The same with the service's JWS; `dataclasses.replace` takes four times as long."""
        return Observed(
            *(self.object, self.tlp, self.key, signature, self.detector_id, self.stated_tlp),
            sender_signature=self.sender_signature,
        )

    @property
    def marked(self) -> int:
        """The TLP that its source marked it."""
        return self.tlp if self.stated_tlp is None else self.stated_tlp


def subject_key(stix: StixObject) -> bytes:
    """The canonical key of an indicator, the deterministic id of an observable, the id of anything else.

    Raises `PatternError`, and `Refused` for an observable that cannot be (`observables.CODES`).
    """
    if stix.type == "indicator":
        return indicator_key(stix.value["pattern_type"], stix.value["pattern"])
    if stix.version is None:
        return (observables.deterministic_id(observables.normal(stix.value)) or stix.id).encode()
    return stix.id.encode()


def journal_lock(community_id: UUID) -> str:
    """The lock that claims are placed under; the merge journal changes under it alone (journal.py)."""
    return f"journal:{community_id}"


def absorb(
    *,
    community_id: UUID,
    organization_id: UUID,
    submission_id: UUID,
    observed: Sequence[Observed],
    now: datetime,
) -> dict[bytes, int]:
    """Make or update the organisation's claims; by key the ids of the subjects of their identity.

    The caller holds the organisation's lock, so that its claims change one submission at a time. A version not newer
    than the claim's changes nothing; of several versions in one submission the newest counts. A claim counts for what
    the subject of its identity was merged into; one that was split off stays so while its identity does.
    """
    sql.share(journal_lock(community_id))
    newest: dict[str, Observed] = {}
    for item in observed:
        rival = newest.get(item.object.id)
        if rival is not None and rival.sender_signature and rival.object.body == item.object.body:
            continue
        if rival is None or (item.object.version_key or "") >= (rival.object.version_key or ""):
            newest[item.object.id] = item
    places = _places(community_id, observed)
    held = {
        object_id: (claim_id, version, digest, _Place(*place), withdrawn, detector_id, tlp, is_signed)
        for object_id, claim_id, version, digest, withdrawn, detector_id, tlp, is_signed, *place in sql.rows(
            "SELECT object_id, id, version, sha256(body), withdrawn_at IS NOT NULL, detector_id, tlp,"
            " sender_signature <> '',"
            " coalesce(home_id, subject_id), subject_id FROM indicators_claim"
            f" WHERE community_id = %s AND organization_id = %s AND object_id = {sql.ONE_OF}",
            (community_id, organization_id, sql.joined(newest)),
        )
    }
    fresh: list[Observed] = []
    changed: list[tuple[int, Observed, _Place]] = []
    stale: dict[int, None] = {}
    moved: list[str] = []
    raised: list[tuple[int, int, int]] = []
    echoed: dict[int, int | None] = {}
    signed_since: dict[int, str] = {}
    for object_id, item in newest.items():
        before = held.get(object_id)
        place = places[item.key]
        if before is None:
            fresh.append(item)
        else:
            claim_id, version, digest, stood, withdrawn, detector_id, tlp, is_signed = before
            if not _supersedes(item.object, version, digest, withdrawn):
                if detector_id not in {None, item.detector_id} and not version:
                    echoed[claim_id] = item.detector_id
                if item.sender_signature and not is_signed and _has_digest(item.object, digest):
                    signed_since[claim_id] = item.sender_signature
                continue
            place = _next_place(stood, place)
            changed.append((claim_id, item, place))
            stale[stood.subject] = None
            if item.tlp > tlp:
                raised.append((stood.subject, tlp, item.tlp))
            if stood.subject != place.subject:
                moved.append(object_id)
        stale[place.subject] = None
    _insert(community_id, organization_id, submission_id, fresh, places, now)
    _update(submission_id, changed, now)
    note_raised(raised)
    _keep_signatures(signed_since)
    stale |= dict.fromkeys(_vouch(echoed))
    said = [*fresh, *(item for _, item, _ in changed)]
    _remark(community_id, organization_id, said, now)
    make_findable([(places[item.key].identity, item.object) for item in said])
    queue_folds(community_id=community_id, subject_ids=stale)
    # What refers to a claim that speaks of something else now has to point there.
    queue_referring(community_id=community_id, object_ids=moved, but=stale)
    return {key: place.identity for key, place in places.items()}


def _vouch(echoed: Mapping[int, int | None]) -> list[int]:
    """Let an observable count as said by whoever is limited least; the subjects of which that changes something.

    `echoed` has claims of detectors, by id, and the detector that says the same now; None if it came otherwise.
    """
    if not echoed:
        return []
    return [
        subject_id
        for (subject_id,) in sql.rows(
            "UPDATE indicators_claim c SET detector_id = e.detector_id"
            " FROM unnest(%s::int8[], %s::int8[]) AS e(claim_id, detector_id), indicators_detector d"
            f" WHERE c.id = e.claim_id AND d.id = c.detector_id AND {IS_LIMITED}"
            " AND NOT EXISTS (SELECT 1 FROM indicators_detector d"
            f" WHERE d.id = e.detector_id AND {IS_LIMITED}) RETURNING c.subject_id",
            (list(echoed), list(echoed.values())),
        )
    ]


def overridden(*, community_id: UUID, organization_id: UUID, observed: Sequence[Observed]) -> list[Observed]:
    """What came in, with the TLP that analysts gave the organisation's claims in place of what it marked.

    That holds for later versions which are marked as the claim was; one that is marked otherwise voids it.
    """
    found = {
        object_id: (tlp, stated)
        for object_id, tlp, stated in sql.rows(
            "SELECT object_id, tlp, stated_tlp FROM indicators_claim"
            f" WHERE community_id = %s AND organization_id = %s AND object_id = {sql.ONE_OF} AND tlp <> stated_tlp",
            (community_id, organization_id, sql.joined({item.object.id for item in observed})),
        )
    }
    if not found:
        return list(observed)
    return [
        replace(item, tlp=found[item.object.id][0], stated_tlp=item.tlp)
        if item.object.id in found and found[item.object.id][1] == item.tlp
        else item
        for item in observed
    ]


def withdraw(*, community_id: UUID, organization_id: UUID, object_id: str, now: datetime) -> bool:
    """The organisation deletes what it claimed in one object: the claim says nothing any more; False if there is none.

    What its subject watches and is found by goes with the last claim that says it.
    """
    sql.share(journal_lock(community_id))
    found = sql.row(
        "SELECT id, subject_id, coalesce(home_id, subject_id) FROM indicators_claim"
        " WHERE community_id = %s AND organization_id = %s AND object_id = %s AND erased_at IS NULL",
        (community_id, organization_id, object_id),
    )
    if found is None:
        return False
    claim_id, subject_id, identity = found
    erase(claim_ids=[claim_id], now=now)
    _unremark(community_id, organization_id, [object_id])
    strip([identity])
    find_by_what_stands([identity])
    queue_folds(community_id=community_id, subject_ids=[subject_id])
    return True


def erase(*, claim_ids: Sequence[int], now: datetime) -> None:
    """Destroy what claims say: body, signature and references. Each stays as a row of type and id that says nothing."""
    sql.execute(
        "UPDATE indicators_claim SET withdrawn_at = %(now)s, erased_at = %(now)s,"
        " received_at = greatest(received_at, %(now)s), signature = '', sender_signature = '',"
        " \"references\" = '{}', body = convert_to("
        " json_build_object('type', split_part(object_id, '--', 1), 'id', object_id)::text, 'UTF8')"
        " WHERE id = ANY(%(claims)s) AND erased_at IS NULL",
        {"claims": list(claim_ids), "now": now},
    )


def unremark_all(*, object_ids: Sequence[str]) -> None:
    """Take back what these sightings and opinions said, whoever's they are."""
    sql.execute(
        f"UPDATE indicators_remark SET is_live = false WHERE object_id = {sql.ONE_OF}",
        (sql.joined(object_ids),),
    )


def strip(subject_ids: Sequence[int]) -> list[int]:
    """Destroy what those of these subjects watch and are found by that nobody speaks of any more; which."""
    bare = [
        one
        for (one,) in sql.rows(
            "UPDATE indicators_subject s SET is_bare = true WHERE id = ANY(%s) AND NOT EXISTS (SELECT 1"
            " FROM indicators_claim c WHERE c.subject_id = s.id AND c.home_id IS NULL AND c.erased_at IS NULL)"
            " AND NOT EXISTS (SELECT 1 FROM indicators_claim c WHERE c.home_id = s.id AND c.erased_at IS NULL)"
            " RETURNING id",
            (list(subject_ids),),
        )
    ]
    _watch_no_more(bare)
    for table in ("observable", "term", "wording", "reference", "sketchband", "sketch"):
        sql.execute(f"DELETE FROM indicators_{table} WHERE subject_id = ANY(%s)", (bare,))
    return bare


def withdraw_found(*, detector_id: int, now: datetime) -> dict[str, int]:
    """Take back all that a detector's findings say, and have it folded; how many claims, by type.

    Observables stay: they say nothing of anybody, and others may have seen the same. The caller holds the
    organisation's locks.
    """
    _share_journals(detector_id)
    sql.execute(
        "UPDATE indicators_remark SET is_live = false WHERE detector_id = %s AND is_live", (detector_id,)
    )
    spoken_of = [
        one
        for (one,) in sql.rows(
            f"SELECT DISTINCT coalesce(home_id, subject_id) FROM indicators_claim WHERE {_FOUND} ORDER BY 1",
            (detector_id,),
        )
    ]
    withdrawn: dict[str, int] = dict(
        sql.rows(
            "WITH withdrawn AS (UPDATE indicators_claim SET withdrawn_at = %s, received_at = greatest(received_at, %s)"
            f" WHERE {_FOUND} RETURNING community_id, subject_id, object_id),"
            " queued AS (INSERT INTO indicators_pendingfold (community_id, subject_id)"
            " SELECT DISTINCT community_id, subject_id FROM withdrawn ORDER BY subject_id)"
            " SELECT split_part(object_id, '--', 1) AS object_type, count(*) FROM withdrawn GROUP BY 1 ORDER BY 1",
            (now, now, detector_id),
        )
    )
    find_by_what_stands(spoken_of)
    return withdrawn


def count_found(*, detector_id: int) -> dict[str, int]:
    """How many claims `withdraw_found` would take back, by type."""
    return dict(
        sql.rows(
            "SELECT split_part(object_id, '--', 1) AS object_type, count(*) FROM indicators_claim"
            f" WHERE {_FOUND} GROUP BY 1 ORDER BY 1",
            (detector_id,),
        )
    )


_FOUND = "detector_id = %s AND version <> '' AND withdrawn_at IS NULL AND NOT revoked"


def restore_found(*, detector_id: int, withdrawn_at: datetime, now: datetime) -> dict[str, int]:
    """Let a detector's findings say again what `withdraw_found` took back then; how many claims, by type."""
    _share_journals(detector_id)
    counts: dict[str, int] = {}
    speaking: dict[tuple[UUID, UUID], list[Observed]] = {}
    for community_id, organization_id, object_type, number in sql.rows(
        "WITH restored AS (UPDATE indicators_claim SET withdrawn_at = NULL, received_at = greatest(received_at, %s)"
        " WHERE detector_id = %s AND withdrawn_at = %s RETURNING community_id, organization_id, subject_id, object_id),"
        " queued AS (INSERT INTO indicators_pendingfold (community_id, subject_id)"
        " SELECT DISTINCT community_id, subject_id FROM restored ORDER BY subject_id)"
        " SELECT community_id, organization_id, split_part(object_id, '--', 1), count(*) FROM restored"
        " GROUP BY 1, 2, 3 ORDER BY 3",
        (now, detector_id, withdrawn_at),
    ):
        counts[object_type] = counts.get(object_type, 0) + number
        if object_type in REMARKS:
            speaking.setdefault((community_id, organization_id), [])
    find_by_what_stands(
        [
            one
            for (one,) in sql.rows(
                "SELECT DISTINCT coalesce(home_id, subject_id) FROM indicators_claim WHERE detector_id = %s"
                " AND withdrawn_at IS NULL ORDER BY 1",
                (detector_id,),
            )
        ]
    )
    for community_id, organization_id in speaking:
        # Those that were not deleted as their targets were folded are doubled by none: they are no more live.
        said = [
            Observed(read(bytes(body)), tlp, b"", "", detector_id)
            for body, tlp in sql.rows(
                "SELECT body, tlp FROM indicators_claim WHERE community_id = %s AND organization_id = %s"
                " AND detector_id = %s AND withdrawn_at IS NULL AND NOT revoked"
                " AND (object_id LIKE 'sighting--%%' OR object_id LIKE 'opinion--%%')",
                (community_id, organization_id, detector_id),
            )
        ]
        _remark(community_id, organization_id, said, now)
    return counts


def _share_journals(detector_id: int) -> None:
    for (community_id,) in sql.rows(
        "SELECT DISTINCT community_id FROM indicators_claim WHERE detector_id = %s ORDER BY 1", (detector_id,)
    ):
        sql.share(journal_lock(community_id))


def fall_back(*, community_id: UUID, organization_id: UUID, observed: Observed, now: datetime) -> None:
    """Let the organisation's claim say again what an older version says, after the newer one was deleted."""
    sql.share(journal_lock(community_id))
    found = sql.row(
        "SELECT id, submission_id, version, detector_id, coalesce(home_id, subject_id), subject_id"
        " FROM indicators_claim"
        " WHERE community_id = %s AND organization_id = %s AND object_id = %s",
        (community_id, organization_id, observed.object.id),
    )
    if found is None or found[2] == (observed.object.version_key or ""):
        return
    claim_id, submission_id, _, detector_id, *place = found
    (observed,) = overridden(
        community_id=community_id,
        organization_id=organization_id,
        observed=[replace(observed, detector_id=detector_id)],
    )
    stood = _Place(*place)
    (there,) = _places(community_id, [observed]).values()
    there = _next_place(stood, there)
    _update(submission_id, [(claim_id, observed, there)], now)
    _remark(community_id, organization_id, [observed], now)
    find_by_what_stands(sorted({stood.identity, there.identity}))
    queue_folds(community_id=community_id, subject_ids=dict.fromkeys((stood.subject, there.subject)))


@dataclass(frozen=True, slots=True)
class Marked:
    """A claim whose TLP an analyst changes: whose it is, what it is about, what it counts as and was marked."""

    id: int
    community_id: UUID
    organization_id: UUID
    subject_id: int
    object_id: str
    tlp: int
    stated_tlp: int


def marked(claim_id: int) -> Marked | None:
    """A claim with its TLP, while no ingest of its organisation changes it; None if there is none."""
    found = sql.row("SELECT community_id, organization_id FROM indicators_claim WHERE id = %s", (claim_id,))
    if found is None:
        return None
    sql.lock(f"claims:{found[0]}:{found[1]}")
    (row,) = sql.rows(
        "SELECT id, community_id, organization_id, subject_id, object_id, tlp, stated_tlp FROM indicators_claim"
        " WHERE id = %s",
        (claim_id,),
    )
    return Marked(*row)


def mark(*, claim: Marked, tlp: int) -> None:
    """Let a claim, and what it says of indicators, count as another TLP, and have it folded anew.

    The database lets it fall only by a confirmed proposal (migration sharing 0005).
    """
    sql.share(journal_lock(claim.community_id))
    sql.execute("UPDATE indicators_claim SET tlp = %s WHERE id = %s", (tlp, claim.id))
    if tlp > claim.tlp:
        note_raised([(claim.subject_id, claim.tlp, tlp)])
    sql.execute(
        "UPDATE indicators_remark SET tlp = %s WHERE community_id = %s AND organization_id = %s AND object_id = %s",
        (tlp, claim.community_id, claim.organization_id, claim.object_id),
    )
    queue_folds(community_id=claim.community_id, subject_ids=[claim.subject_id])


def _watch_no_more(bare: Sequence[int]) -> None:
    """What these watch goes from what they were merged into, which goes on watching what is its own."""
    roots = [
        one
        for (one,) in sql.rows(
            "DELETE FROM indicators_observable o USING indicators_subject s, indicators_observable b"
            " WHERE s.id = ANY(%s) AND b.subject_id = s.id AND o.subject_id = s.merged_into_id"
            " AND (o.network, o.domain, o.asn) IS NOT DISTINCT FROM (b.network, b.domain, b.asn)"
            " RETURNING o.subject_id",
            (list(bare),),
        )
    ]
    _watch(
        (root, read(bytes(body)).value)
        for root, body in sql.rows(
            "SELECT DISTINCT ON (s.root, coalesce(c.home_id, c.subject_id)) s.root, c.body"
            " FROM unnest(%s::int8[]) AS s(root) JOIN indicators_claim c ON c.subject_id = s.root"
            " WHERE c.erased_at IS NULL",
            (sorted(set(roots)),),
        )
    )


def note_raised(raised: Iterable[tuple[int, int, int]]) -> None:
    """Have erased what feeds between two levels, from and to, say of these subjects in a claim's words."""
    sql.copy(
        "indicators_raisedtlp", ("subject_id", "from_tlp", "to_tlp"), ("int8", "int2", "int2"), sorted(raised)
    )


def take_raised(subject_ids: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """What is to be erased below for these subjects, from (inclusive) and to (exclusive); it is asked once."""
    found: dict[int, list[tuple[int, int]]] = {}
    for subject_id, low, high in sql.rows(
        "DELETE FROM indicators_raisedtlp WHERE subject_id = ANY(%s) RETURNING subject_id, from_tlp, to_tlp",
        (list(subject_ids),),
    ):
        found.setdefault(subject_id, []).append((low, high))
    return found


def queue_folds(*, community_id: UUID, subject_ids: Iterable[int]) -> None:
    """Have the publishing workers look at these subjects again, in this order."""
    sql.copy(
        "indicators_pendingfold",
        ("community_id", "subject_id"),
        ("uuid", "int8"),
        ((community_id, subject_id) for subject_id in subject_ids),
    )


def queue_referring(*, community_id: UUID, object_ids: Sequence[str], but: Container[int]) -> None:
    """Have what refers to any of these ids looked at again, but for subjects that are looked at anyway."""
    if not object_ids:
        return
    referring = sql.rows(
        "SELECT DISTINCT subject_id FROM indicators_claim"
        f' WHERE community_id = %s AND "references" && {sql.LIST} ORDER BY subject_id',
        (community_id, sql.joined(object_ids)),
    )
    queue_folds(
        community_id=community_id,
        subject_ids=[subject_id for (subject_id,) in referring if subject_id not in but],
    )


def queue_all_folds(*, community_id: UUID) -> None:
    """Have every subject of a community looked at again, after its feeds or rules changed."""
    sql.execute(
        "INSERT INTO indicators_pendingfold (community_id, subject_id)"
        " SELECT community_id, id FROM indicators_subject WHERE community_id = %s ORDER BY id",
        (community_id,),
    )


def _supersedes(stix: StixObject, version: str, digest: bytes, withdrawn: bool) -> bool:
    offered = stix.version_key or ""
    if offered == version:
        return withdrawn or (not version and not _has_digest(stix, digest))
    return offered > version


def _has_digest(stix: StixObject, digest: bytes) -> bool:
    return hashlib.sha256(stix.body).digest() == digest


def _keep_signatures(signed_since: Mapping[int, str]) -> None:
    """Keep with claims what their senders signed after they had sent it; by the claims' ids."""
    if signed_since:
        sql.execute(
            "UPDATE indicators_claim c SET sender_signature = s.jws"
            " FROM unnest(%s::int8[], %s::text[]) AS s(claim_id, jws) WHERE c.id = s.claim_id",
            (list(signed_since), list(signed_since.values())),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a claim counts: the subject of its identity, and the subject that the journal has it count for."""

    identity: int
    subject: int

    @property
    def home(self) -> int | None:
        return None if self.identity == self.subject else self.identity


def _next_place(stood: _Place, offered: _Place) -> _Place:
    """Where a new version of a claim counts: where it stood, unless it is about something else."""
    return stood if stood.identity == offered.identity else offered


def _places(community_id: UUID, observed: Sequence[Observed]) -> dict[bytes, _Place]:
    """Places by key, subjects made where new; in key order, so that two ingests never lock crosswise."""
    types = {item.key: item.object.type for item in observed}
    keys = sorted(types)
    made = {
        bytes(key)
        for (key,) in sql.rows(
            "INSERT INTO indicators_subject (community_id, key, object_type)"
            " SELECT %s, k, t FROM unnest(%s::bytea[], %s::text[]) AS offered(k, t) ON CONFLICT DO NOTHING"
            " RETURNING key",
            (community_id, keys, [types[key] for key in keys]),
        )
    }
    places, bare = {}, []
    for key, subject_id, root_id, is_bare in sql.rows(
        "SELECT key, id, coalesce(merged_into_id, id), is_bare FROM indicators_subject"
        " WHERE community_id = %s AND key = ANY(%s)",
        (community_id, keys),
    ):
        places[bytes(key)] = _Place(subject_id, root_id)
        if is_bare:
            # Erased with all that was said of it, and said again.
            made.add(bytes(key))
            bare.append(subject_id)
    if bare:
        sql.execute("UPDATE indicators_subject SET is_bare = false WHERE id = ANY(%s)", (bare,))
    # What a subject watches never changes: it is its identity.
    new = [(places[item.key].identity, item.object.value) for item in observed if item.key in made]
    _watch(new)
    keep_terms(new)
    return places


def keep_terms(said: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Store the values that subjects are found by (`indicators.terms`), by their id and an object about them."""
    found = sorted({(terms.digest(term), one) for one, obj in said for term in terms.terms(obj)})
    if found:
        sql.execute(
            "INSERT INTO indicators_term (digest, subject_id) SELECT * FROM unnest(%s::int8[], %s::int8[])"
            " ON CONFLICT DO NOTHING",
            ([digest for digest, _ in found], [one for _, one in found]),
        )


def make_findable(said: Iterable[tuple[int, StixObject]]) -> None:
    """Store the words said of subjects, and what they refer to; what older versions said stays."""
    worded: dict[int, dict[str, None]] = {}
    pointed: set[tuple[str, int]] = set()
    for one, stix in said:
        found = terms.words(stix.value)
        if found:
            worded.setdefault(one, {}).update(dict.fromkeys(found))
        pointed.update((target, one) for target in terms.points_at(stix.value, stix.references))
    if worded:
        # In one order, so that two ingests never lock crosswise; here and below.
        ordered = sorted(worded)
        sql.execute(
            "INSERT INTO indicators_wording AS w (subject_id, words)"
            " SELECT s, array_to_tsvector(string_to_array(t, ' ')) FROM unnest(%s::int8[], %s::text[]) AS said(s, t)"
            " ON CONFLICT (subject_id) DO UPDATE SET words = w.words || excluded.words"
            " WHERE length(w.words) < %s AND w.words || excluded.words <> w.words",
            (ordered, [" ".join(worded[one]) for one in ordered], _MOST_WORDS),
        )
    if pointed:
        rows = sorted(pointed)
        sql.execute(
            "INSERT INTO indicators_reference (target, subject_id)"
            " SELECT t, s FROM unnest(string_to_array(%s, E'\n'), %s::int8[]) AS pointed(t, s) ON CONFLICT DO NOTHING",
            (sql.joined(target for target, _ in rows), [one for _, one in rows]),
        )


def find_by_what_stands(subject_ids: Sequence[int]) -> None:
    """Have subjects found by no words of what was taken back; ids of identities, in order."""
    for start in range(0, len(subject_ids), _AT_ONCE):
        ids = list(subject_ids[start : start + _AT_ONCE])
        sql.execute("DELETE FROM indicators_wording WHERE subject_id = ANY(%s)", (ids,))
        make_findable(
            (one, read(bytes(body)))
            for one, body in sql.rows(
                "SELECT subject_id, body FROM indicators_claim"
                " WHERE subject_id = ANY(%(ids)s) AND home_id IS NULL AND withdrawn_at IS NULL"
                " UNION ALL SELECT home_id, body FROM indicators_claim WHERE home_id = ANY(%(ids)s)"
                " AND withdrawn_at IS NULL",
                {"ids": ids},
            )
        )


_AT_ONCE = 500
_MOST_WORDS = 4 * terms.MOST_WORDS
"""A subject that has so many takes no more."""


def _watch(said: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Store what subjects watch, by their id and an object about them; what is stored already stays."""
    # In one order, so that two ingests never lock crosswise.
    found = sorted(
        {(one, value) for one, obj in said for value in watched(obj)},
        key=lambda pair: (pair[0], str(pair[1])),
    )
    networks = [(one, str(value)) for one, value in found if not isinstance(value, str | int)]
    domains = [(one, value) for one, value in found if isinstance(value, str)]
    asns = [(one, value) for one, value in found if isinstance(value, int)]
    for column, type_name, rows in (
        ("network", "cidr", networks),
        ("domain", "text", domains),
        ("asn", "int8", asns),
    ):
        if rows:
            sql.execute(
                f"INSERT INTO indicators_observable (subject_id, {column})"
                f" SELECT s, v FROM unnest(%s::int8[], %s::{type_name}[]) AS watched(s, v) ON CONFLICT DO NOTHING",
                ([one for one, _ in rows], [value for _, value in rows]),
            )


def _insert(
    community_id: UUID,
    organization_id: UUID,
    submission_id: UUID,
    fresh: Sequence[Observed],
    places: dict[bytes, _Place],
    now: datetime,
) -> None:
    sql.copy(
        "indicators_claim",
        (
            "community_id",
            "organization_id",
            "subject_id",
            "home_id",
            "submission_id",
            "object_id",
            "version",
            "tlp",
            "stated_tlp",
            "references",
            "body",
            "signature",
            "sender_signature",
            "first_received_at",
            "received_at",
            "revoked",
            "detector_id",
        ),
        (
            "uuid",
            "uuid",
            "int8",
            "int8",
            "uuid",
            "text",
            "text",
            "int2",
            "int2",
            "text[]",
            "bytea",
            "text",
            "text",
            "timestamptz",
            "timestamptz",
            "bool",
            "int8",
        ),
        (
            (
                community_id,
                organization_id,
                places[item.key].subject,
                places[item.key].home,
                submission_id,
                item.object.id,
                item.object.version_key or "",
                item.tlp,
                item.marked,
                list(item.object.references),
                item.object.body,
                item.signature,
                item.sender_signature,
                now,
                now,
                item.object.revoked,
                item.detector_id,
            )
            for item in fresh
        ),
    )


def _update(submission_id: UUID, changed: Sequence[tuple[int, Observed, _Place]], now: datetime) -> None:
    with sql.cursor() as cursor:
        cursor.executemany(
            b"UPDATE indicators_claim SET subject_id = %s, home_id = %s, submission_id = %s, version = %s, tlp = %s,"
            b' stated_tlp = %s, "references" = %s, body = %s, signature = %s,'
            b" sender_signature = %s, received_at = greatest(received_at, %s), revoked = %s, withdrawn_at = NULL,"
            b" erased_at = NULL,"
            b" detector_id = %s WHERE id = %s",
            [
                (
                    place.subject,
                    place.home,
                    submission_id,
                    item.object.version_key or "",
                    item.tlp,
                    item.marked,
                    list(item.object.references),
                    item.object.body,
                    item.signature,
                    item.sender_signature,
                    now,
                    item.object.revoked,
                    item.detector_id,
                    claim_id,
                )
                for claim_id, item, place in changed
            ],
        )


def _remark(community_id: UUID, organization_id: UUID, observed: Iterable[Observed], now: datetime) -> None:
    """Note what the organisation's sightings and opinions say of indicators, in place of what they said before."""
    speaking = [item for item in observed if item.object.type in REMARKS]
    if not speaking:
        return
    _unremark(community_id, organization_id, [item.object.id for item in speaking])
    sql.copy(
        "indicators_remark",
        (
            *("community_id", "organization_id", "object_id", "target", "tlp", "stance"),
            *("seen_at", "received_at", "confidence", "fpr", "families", "is_live", "detector_id"),
        ),
        (
            *("uuid", "uuid", "text", "text", "int2", "text"),
            *("timestamptz", "timestamptz", "int2", "float8", "text[]", "bool", "int8"),
        ),
        (
            (
                *(community_id, organization_id, item.object.id, said.target, item.tlp, said.stance),
                *(said.seen_at, now, said.confidence, said.fpr, said.families, True, item.detector_id),
            )
            for item in speaking
            for said in remarks_of(item.object, now)
        ),
    )


def _unremark(community_id: UUID, organization_id: UUID, object_ids: Sequence[str]) -> None:
    """Take back what these said. The rows stay until triage has looked at what they were about."""
    sql.execute(
        "UPDATE indicators_remark SET is_live = false"
        f" WHERE community_id = %s AND organization_id = %s AND object_id = {sql.ONE_OF}",
        (community_id, organization_id, sql.joined(object_ids)),
    )
