"""What one audience sees: the claims at or below a ceiling, folded into one view a subject.

Nothing above the ceiling is looked at here, so nothing above it can show (model.md, "Merging").
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from accounts import sql
from accounts.models import Tlp
from indicators.dedup import merge, observables
from indicators.stix import timestamps
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from indicators.stix.references import references
from sharing.actions.claims import Claim, Remark, may_be_more
from sharing.actions.folds import Folds
from sharing.actions.publication import NO_VERSION, Item
from sharing.actions.standings import Standing, first_seen, new_id, rename, renew
from sharing.release import closure, core, reissue
from sharing.release.attribution import attributes
from sharing.release.policy import Unaided
from sharing.tlog import submitters
from sharing.tlog.statements import Reason


@dataclass(frozen=True, slots=True)
class View:
    """What an audience would see of a subject now.

    `aliases` are the partners' ids for it. `item` is None when nothing may be seen any more, `why` tells the reason:
    then what stands is erased or, if it is the service's `own` object, revoked. `erases` is the partner's own id
    where an earlier version passed unchanged and this one is reissued. `unaided` is set where a detector that is
    limited to review speaks. `merged` is an indicator as its claims make it, with what its confidence is made of.
    """

    standing: Standing
    object_type: str
    item: Item | None
    references: list[str]
    digest: bytes
    modified: str
    revoked: bool
    sources: int
    confidence: int | None
    core: bool
    attribution: bool
    aliases: list[str]
    own: bool
    why: Reason = Reason.MOVED
    erases: str | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    unaided: Unaided | None = None
    merged: merge.View | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether there may be more claims than weigh, and more ids than the aliases."""
        return may_be_more(len(self.aliases))


def views_at(
    *,
    ceiling: int,
    community_id: UUID,
    claims: Mapping[int, Sequence[Claim]],
    standings: dict[int, Standing],
    publisher_id: str,
    heard: Mapping[int, Sequence[Remark]],
    folds: Folds,
) -> list[View]:
    """The views of subjects at a ceiling, with what was `heard` there of each.

    Makes a `Standing` (with id 0) for each subject first seen there.

    Indicators come first, then the rest in order of reference, so that each can be told the published ids of those
    that it refers to.
    """
    visible = {
        subject_id: [
            claim for claim in said if claim.tlp <= ceiling and claim.tlp < Tlp.RED and not claim.erased
        ]
        for subject_id, said in claims.items()
    }
    aliases = _Aliases(community_id, ceiling, visible)
    views: list[View] = []
    context: dict[str, Claim] = {}
    for subject_id, seen in visible.items():
        if not seen:
            standing = standings.get(subject_id)
            if standing is not None:
                said = claims[subject_id]
                deleted = any(claim.erased and claim.tlp <= ceiling for claim in said)
                views.append(_gone(standing, said, Reason.ERROR if deleted else Reason.TLP_CHANGE))
        elif seen[0].object_type == "indicator":
            views.append(_merged(subject_id, ceiling, seen, heard.get(subject_id, ()), standings, folds))
            aliases.learn(subject_id, views[-1].standing.published_id)
        else:
            context[str(subject_id)] = _speaker(seen)
    for name in _by_reference(context, visible):
        subject_id, speaker = int(name), context[name]
        view = _unchanged_or_reissued(
            subject_id, ceiling, visible[subject_id], speaker, standings, aliases, publisher_id
        )
        if any(claim.limited for claim in visible[subject_id]):
            said = [claim for claim in visible[subject_id] if not claim.limited]
            view = replace(view, unaided=Unaided(0, _sources(said)))
        aliases.learn(subject_id, view.standing.published_id)
        views.append(view)
    return views


def _by_reference(context: Mapping[str, Claim], visible: Mapping[int, Sequence[Claim]]) -> list[str]:
    """Subjects, by what their speakers refer to; one can have several ids, and one id mean several subjects."""
    meant: dict[str, list[str]] = {}
    for name in context:
        for claim in visible[int(name)]:
            meant.setdefault(claim.object_id, []).append(name)
    return closure.close(
        {
            name: [other for target in speaker.references for other in meant.get(target, ())]
            for name, speaker in context.items()
        },
        set,
    ).ordered


class _Aliases:
    """From the partners' ids to the published ones, at one ceiling."""

    def __init__(self, community_id: UUID, ceiling: int, visible: Mapping[int, Sequence[Claim]]) -> None:
        self._by_id: dict[str, dict[UUID, str]] = {}
        self._named: dict[int, list[tuple[str, UUID]]] = {}
        referred = {
            target
            for seen in visible.values()
            for claim in seen
            for target in claim.references
            # Markings are nobody's alias, and everything refers to them.
            if not target.startswith("marking-definition--")
        }
        if not referred:
            return
        for object_id, organization_id, subject_id, published_id, differs in sql.rows(
            "WITH named AS MATERIALIZED (SELECT id, object_id, organization_id, subject_id, home_id, first_received_at"
            f" FROM indicators_claim WHERE community_id = %s AND object_id = {sql.ONE_OF} AND tlp <= %s)"
            " SELECT n.object_id, n.organization_id, n.subject_id, r.published_id,"
            # Where the journal parted claims on one id, it may be the published one of some.
            " r.published_id <> n.object_id OR n.object_id IN (SELECT object_id FROM named WHERE home_id IS NOT NULL)"
            " FROM named n LEFT JOIN sharing_release r ON r.subject_id = n.subject_id AND r.ceiling = %s"
            " ORDER BY n.first_received_at, n.id",
            (community_id, sql.joined(referred), ceiling, ceiling),
        ):
            if subject_id in visible:
                self._named.setdefault(subject_id, []).append((object_id, organization_id))
            if differs:
                self._by_id.setdefault(object_id, {})[organization_id] = published_id

    def learn(self, subject_id: int, published_id: str) -> None:
        """Take in what this triage itself decided: for all claims on the subject that others refer to."""
        for object_id, organization_id in self._named.get(subject_id, ()):
            self._by_id.setdefault(object_id, {})[organization_id] = published_id

    def mapping(self, claim: Claim) -> dict[str, str]:
        """The references of a claim that stand under another id; its own organisation's meaning goes first."""
        found = {}
        for target in claim.references:
            known = self._by_id.get(target)
            if not known:
                continue
            meant = known.get(claim.organization_id)
            if meant is None:
                meant = target if target in known.values() else next(iter(known.values()))
            if meant != target:
                found[target] = meant
        return found


_TLP_OF_MARKING = {marking_id(level): int(level) for level in TLP}


_DETECTION_CONTEXT = reissue.DETECTION_CONTEXT.encode()


def _merged(
    subject_id: int,
    ceiling: int,
    seen: Sequence[Claim],
    heard: Sequence[Remark],
    standings: dict[int, Standing],
    folds: Folds,
) -> View:
    standing = standings.get(subject_id) or first_seen(subject_id, ceiling, new_id("indicator"), standings)
    unaided = None
    if any(claim.limited for claim in seen) or any(remark.limited for remark in heard):
        unaided = _unaided(seen, heard, standing.ticked_at, folds)
        heard = _latest(heard)
    fold = folds.of(seen, heard, standing.ticked_at)
    view = fold.view
    if standing.revoked and not view.revoked:
        # STIX 2.1 §3.6: a revoked object never gets another version; what is reported again gets a new id.
        renew(standing, "indicator")
    standing.created = standing.created or view.value["created"]
    if standing.stands and view.digest == standing.digest:
        modified = standing.modified
    else:
        modified = reissue.no_earlier(view.value["modified"], after=standing.modified)
    return _own_view(
        standing,
        view.value,
        fold.body_as(standing.published_id, standing.created, modified),
        seen,
        modified=modified,
        digest=view.digest,
        sources=view.sources,
        confidence=view.confidence,
        core_takes_it=fold.core,
        references=[],
        tlp=_TLP_OF_MARKING[view.value["object_marking_refs"][0]],
        due_at=view.due_at,
        expires_at=timestamps.to_datetime(view.value["valid_until"]),
        unaided=unaided,
        merged=view,
    )


def _unaided(
    seen: Sequence[Claim], heard: Sequence[Remark], ticked_at: datetime | None, folds: Folds
) -> Unaided:
    """What would be seen of an indicator if no detector that is limited to review had spoken."""
    said = [claim for claim in seen if not claim.limited]
    if not any(claim.is_live for claim in said):
        return Unaided(0, 0)
    view = folds.of(
        said, _latest([remark for remark in heard if not remark.limited]), ticked_at, unaided=True
    ).view
    return Unaided(view.confidence, view.sources)


def _latest(heard: Iterable[Remark]) -> list[Remark]:
    """Of each organisation, TLP and kind the latest of these remarks, which are on one indicator."""
    latest: dict[tuple[str, UUID, int, bool], Remark] = {}
    for remark in sorted(heard, key=lambda remark: remark.seen_at):
        latest[remark.target, remark.organization_id, remark.tlp, remark.stance is None] = remark
    return list(latest.values())


def _speaker(seen: Sequence[Claim]) -> Claim:
    """Whose version stands of what is not folded: the first that still says so, before those merged into it."""
    return min(seen, key=lambda claim: (claim.withdrawn_at is not None, claim.home_id is not None))


def _unchanged_or_reissued(
    subject_id: int,
    ceiling: int,
    seen: Sequence[Claim],
    speaker: Claim,
    standings: dict[int, Standing],
    aliases: _Aliases,
    publisher_id: str,
) -> View:
    standing = standings.get(subject_id) or first_seen(subject_id, ceiling, speaker.object_id, standings)
    mapping = aliases.mapping(speaker)
    if speaker.withdrawn_at is not None and not standing.own:
        return _gone(standing, seen, Reason.ERROR)
    if not speaker.version:
        return _observable(standing, seen, speaker, mapping)
    erases = None
    if not standing.own:
        # Of two subjects that were split, one bears the id that the partners gave it.
        passes = not (mapping or speaker.split_off or speaker.is_overridden or _tells_its_source(speaker))
        erases = rename(standing, speaker.object_id if passes else new_id(speaker.object_type))
    if standing.published_id == speaker.object_id:
        return _unchanged(standing, speaker, seen, erases)
    return _reissued(standing, speaker, seen, mapping, publisher_id, erases)


def _observable(
    standing: Standing, seen: Sequence[Claim], speaker: Claim, mapping: Mapping[str, str]
) -> View:
    """What has no versions stands under the id of what it says, said again where the partner spelt it otherwise."""
    sent = msgspec.json.decode(speaker.body)
    value = observables.normal(sent)
    fixed = observables.deterministic_id(value)
    if not speaker.split_off and (fixed or not mapping):
        erases = rename(standing, fixed or speaker.object_id)
    elif standing.published_id in {fixed, *(claim.object_id for claim in seen)}:
        erases = rename(standing, new_id(speaker.object_type))
    else:
        erases = None
    passes = value is sent and not (mapping or speaker.is_overridden or _tells_its_source(speaker))
    if passes and standing.published_id == speaker.object_id:
        return _unchanged(standing, speaker, seen, erases)
    again = reissue.restate(value, published_id=standing.published_id, tlp=speaker.tlp, mapping=mapping)
    body = canonical(again)
    item = Item(standing.published_id, speaker.object_type, "2.1", NO_VERSION, body, speaker.tlp, None)
    return _partners_view(standing, item, seen, list(references(again)), revoked=False, erases=erases)


def _tells_its_source(speaker: Claim) -> bool:
    """Whether an object must not pass unchanged: it holds a detection context, or names its sender's identity here.

    Those stay with the source (model.md, "What stays with the source"). Looked for in the bytes: a false alarm costs
    the partner's id of the object, nothing else.
    """
    # An identity is named by its id alone.
    house = f'"identity--{speaker.organization_id}"'.encode() if speaker.object_type != "identity" else None
    return _DETECTION_CONTEXT in speaker.body or (house is not None and house in speaker.body)


def _unchanged(standing: Standing, speaker: Claim, seen: Sequence[Claim], erases: str | None) -> View:
    head = msgspec.json.decode(speaker.body, type=_Head)
    item = Item(
        speaker.object_id,
        speaker.object_type,
        head.spec_version,
        head.modified or head.created or NO_VERSION,
        speaker.body,
        speaker.tlp,
        speaker.version or None,
        signature=speaker.signature,
        record=submitters.record(
            organization=str(speaker.organization_id),
            submission=str(speaker.submission_id),
            jws=speaker.sender_signature or None,
        ),
    )
    return _partners_view(
        standing,
        item,
        seen,
        speaker.references,
        # The partner's own revocation is published as it is; policy lets it follow what stands.
        revoked=speaker.revoked,
        relationship_type=head.relationship_type,
        erases=erases,
    )


def _partners_view(
    standing: Standing,
    item: Item,
    seen: Sequence[Claim],
    refers_to: list[str],
    *,
    revoked: bool,
    relationship_type: str = "",
    erases: str | None,
) -> View:
    """A view whose object is a partner's, or an observable, which is nobody's."""
    return View(
        standing=standing,
        object_type=item.object_type,
        item=item,
        references=refers_to,
        digest=hashlib.sha256(item.body).digest(),
        modified=item.version,
        revoked=revoked,
        sources=_sources(seen),
        confidence=None,
        core=core.admits(item.object_type),
        attribution=attributes(item.object_type, relationship_type),
        aliases=_aliases_of(seen),
        own=False,
        erases=erases,
    )


def _reissued(
    standing: Standing,
    speaker: Claim,
    seen: Sequence[Claim],
    mapping: Mapping[str, str],
    publisher_id: str,
    erases: str | None,
) -> View:
    gone = speaker.revoked or speaker.withdrawn_at is not None
    if standing.revoked and not gone:
        renew(standing, speaker.object_type)
    standing.created = standing.created or timestamps.from_datetime_ms(
        min(claim.first_received_at for claim in seen)
    )
    modified = reissue.no_earlier(
        max(timestamps.from_datetime_ms(max(claim.received_at for claim in seen)), standing.created),
        after=standing.modified,
    )
    value = reissue.reissue(
        msgspec.json.decode(speaker.body),
        published_id=standing.published_id,
        created_by_ref=publisher_id,
        created=standing.created,
        modified=modified,
        tlp=speaker.tlp,
        mapping=mapping,
    )
    if gone:
        value = reissue.revocation(value, modified=modified)
    digest = hashlib.sha256(canonical({**value, "modified": ""})).digest()
    if standing.stands and digest == standing.digest:
        modified = value["modified"] = standing.modified
    return _own_view(
        standing,
        value,
        canonical(value),
        seen,
        modified=modified,
        digest=digest,
        sources=_sources(seen),
        confidence=None,
        core_takes_it=core.admits(speaker.object_type),
        references=list(references(value)),
        erases=erases,
    )


def _own_view(
    standing: Standing,
    value: Mapping[str, Any],
    body: bytes,
    seen: Sequence[Claim],
    *,
    modified: str,
    digest: bytes,
    sources: int,
    confidence: int | None,
    core_takes_it: bool,
    references: list[str],
    tlp: int | None = None,
    erases: str | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    unaided: Unaided | None = None,
    merged: merge.View | None = None,
) -> View:
    """A view whose object is the service's own; `tlp` is that of its claims unless it says so."""
    object_type = value["type"]
    tlp = max(claim.tlp for claim in seen) if tlp is None else tlp
    return View(
        standing=standing,
        object_type=object_type,
        item=Item(
            standing.published_id, object_type, "2.1", modified, body, tlp, timestamps.to_sortable(modified)
        ),
        references=references,
        digest=digest,
        modified=modified,
        revoked=value.get("revoked", False),
        sources=sources,
        confidence=confidence,
        core=core_takes_it,
        attribution=attributes(object_type, value.get("relationship_type", "")),
        aliases=_aliases_of(seen),
        own=True,
        erases=erases,
        due_at=due_at,
        expires_at=expires_at,
        unaided=unaided,
        merged=merged,
    )


def _gone(standing: Standing, said: Iterable[Claim], why: Reason) -> View:
    """Nothing may be seen any more; a partner's object is erased, an own one revoked."""
    return View(
        standing=standing,
        object_type=standing.published_id.partition("--")[0],
        item=None,
        references=[],
        digest=b"",
        modified="",
        revoked=True,
        sources=0,
        confidence=None,
        core=True,
        attribution=False,
        aliases=_aliases_of(said),
        own=standing.own,
        why=why,
    )


def _aliases_of(said: Iterable[Claim]) -> list[str]:
    return list(dict.fromkeys(claim.object_id for claim in said))


class _Head(msgspec.Struct):
    """What is needed of a partner's object beside its bytes."""

    spec_version: str = "2.1"
    modified: str = ""
    created: str = ""
    relationship_type: str = ""


def _sources(seen: Sequence[Claim]) -> int:
    return len({claim.organization_id for claim in seen if claim.is_live})
