"""What a reader may see: communities, collections, and pages of stored bytes.

Without access (sharing/access.py) a collection is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import msgspec

from accounts import secrets, sql
from accounts.models import Scope
from accounts.queries import CALLER, Caller, caller_of
from indicators.stix.json import MAX_OBJECT_BYTES
from sharing.access import MAY
from sharing.page_memory import PageMemory
from sharing.taxii.filters import DEFAULT_LIMIT, Filters

PAGE_BYTES = DEFAULT_LIMIT * MAX_OBJECT_BYTES


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """A community as its member sees it."""

    id: UUID
    slug: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Readable:
    """A collection with what one organisation may do in it."""

    id: UUID
    community_id: UUID
    alias: str
    title: str
    description: str
    kind: str
    ceiling: int
    next_index: int
    last_added: int
    largest: int
    epoch: int
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Stored bytes of a page, joined by commas; `first` and `last` are `added` in µs, None on an empty page.

    Where `more` follows, `last` is what it comes after, on a page without objects, too.
    """

    joined: bytes
    count: int
    first: int | None
    last: int | None
    more: bool


@dataclass(frozen=True, slots=True)
class ProofPage:
    """A page with its openings; [start, end) are the log indexes that they cover, None where it was filtered."""

    page: Page
    openings: bytes
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """A line of a manifest."""

    object_id: str
    added: int
    version: str


def api_roots(organization_id: UUID) -> list[ApiRoot]:
    """The communities of an organisation."""
    return [
        ApiRoot(*found)
        for found in sql.rows(
            "SELECT c.id, c.slug, c.title, c.description FROM accounts_community c"
            " JOIN accounts_membership m ON m.community_id = c.id WHERE m.organization_id = %s ORDER BY c.slug",
            (organization_id,),
        )
    ]


def api_root(organization_id: UUID, slug: str) -> ApiRoot | None:
    """One community, if the organisation is in it."""
    found = sql.row(
        "SELECT c.id, c.slug, c.title, c.description FROM accounts_community c"
        " JOIN accounts_membership m ON m.community_id = c.id WHERE m.organization_id = %s AND c.slug = %s",
        (organization_id, slug),
    )
    return None if found is None else ApiRoot(*found)


_READABLE = (
    "SELECT k.id, k.community_id, k.alias, k.title, k.description, k.kind, k.ceiling, k.next_index, k.last_added,"
    " k.largest, k.epoch, g.can_read, g.can_write"
    f" FROM {MAY} WHERE m.organization_id = %(organization)s AND {{}}"
)
_READABLE_THERE = _READABLE.format("c.slug = %(slug)s")


def collections(organization_id: UUID, slug: str) -> list[Readable]:
    """The collections of an API root that the organisation may see."""
    found = sql.rows(
        _READABLE_THERE + " ORDER BY k.kind, k.ceiling, k.alias",
        {"organization": organization_id, "slug": slug},
    )
    return [Readable(*row) for row in found]


def seat(
    *, secret: str, token_id: str | None, now: datetime, slug: str, reference: str
) -> tuple[Caller | None, Readable | None]:
    """Who calls, and the collection (by UUID or alias) if that organisation may see it; one round trip for both.

    A collection that may not be seen is None, as an unknown one.
    """
    if not secrets.looks_like_secret(secret):
        return None, None
    by_id = _uuid(reference)
    found = sql.row(
        _SEAT_BY_ALIAS if by_id is None else _SEAT_BY_ID,
        {
            "digest": secrets.digest(secret),
            "now": now,
            "slug": slug,
            "reference": reference if by_id is None else by_id,
        },
    )
    known = caller_of(found, token_id=token_id, now=now)
    if known is None or found is None or found[5] is None:
        return known, None
    return known, Readable(*found[5:])


class Ambiguous(LookupError):
    """Several collections that an organisation may read have this alias."""


def log_seat(
    *, secret: str, token_id: str | None, now: datetime, reference: str
) -> tuple[Caller | None, Readable | None]:
    """As `seat`, but in whatever community, and only if the organisation may read it.

    Raises Ambiguous if an alias names one in several communities.
    """
    if not secrets.looks_like_secret(secret):
        return None, None
    by_id = _uuid(reference)
    found = sql.rows(
        _LOG_SEAT_BY_ALIAS if by_id is None else _LOG_SEAT_BY_ID,
        {
            "digest": secrets.digest(secret),
            "now": now,
            "reference": reference if by_id is None else by_id,
        },
    )
    known = caller_of(found[0] if found else None, token_id=token_id, now=now)
    if known is None or found[0][5] is None or Scope.FEED_READ not in known.scopes:
        return known, None
    if len(found) > 1:
        raise Ambiguous(f"Several collections that you may read are called {reference}; name one by its id.")
    return known, Readable(*found[0][5:])


_SEAT = (
    f"WITH token AS ({CALLER}) SELECT token.*, seen.* FROM token LEFT JOIN LATERAL ("
    + _READABLE.replace("%(organization)s", "token.token_organization_id")
    + ") AS seen ON TRUE"
)
_SEAT_BY_ID = _SEAT.format("c.slug = %(slug)s AND k.id = %(reference)s")
_SEAT_BY_ALIAS = _SEAT.format("c.slug = %(slug)s AND k.alias = %(reference)s")
_LOG_SEAT_BY_ID = _SEAT.format("g.can_read AND k.id = %(reference)s")
_LOG_SEAT_BY_ALIAS = _SEAT.format("g.can_read AND k.alias = %(reference)s LIMIT 2")


def inbox(organization_id: UUID, community_id: UUID) -> UUID:
    """The collection that takes what a member sends in no other collection's name; LookupError if it is none."""
    found = sql.row(
        "SELECT k.id FROM sharing_collection k JOIN accounts_membership m"
        " ON m.community_id = k.community_id AND m.organization_id = k.owner_id"
        " WHERE k.community_id = %s AND k.owner_id = %s AND k.kind = 'inbox'",
        (community_id, organization_id),
    )
    if found is None:
        raise LookupError(f"organization {organization_id} has no inbox in community {community_id}")
    inbox_id: UUID = found[0]
    return inbox_id


def objects_page(collection: Readable, filters: Filters, position: int | None) -> Page:
    """One page of objects, remembered while nothing is added to the collection or taken from it."""
    if _at_head(collection, filters, position):
        return _EMPTY
    return _pages.recall(
        collection.id,
        (collection.next_index, collection.epoch),
        (filters, position),
        lambda: _objects_page(collection, filters, position),
        lambda page: len(page.joined),
    )


def proof_page(collection: Readable, filters: Filters, position: int | None) -> ProofPage:
    """A page with what proves it. Unfiltered it is a page of the log and holds every version (docs/taxii.md)."""
    return _proofs.recall(
        collection.id,
        (collection.next_index, collection.epoch),
        (filters, position),
        lambda: _proof_page(collection, filters, position),
        lambda proof: len(proof.page.joined) + len(proof.openings),
    )


_pages: PageMemory[Page] = PageMemory(16 * 1024 * 1024)
_proofs: PageMemory[ProofPage] = PageMemory(8 * 1024 * 1024)


def _objects_page(collection: Readable, filters: Filters, position: int | None) -> Page:
    """One range of one index. Joined here: the database's `string_agg` takes twice as long as sending the rows."""
    where, parameters = _selection(collection, filters, position)
    found = sql.rows(
        f"SELECT added, body FROM sharing_entry WHERE {where} ORDER BY added LIMIT %(limit)s + 1", parameters
    )
    return _page([(added, body) for added, body in found], _page_size(collection, filters))


def _page(found: Sequence[tuple[int, bytes]], size: int) -> Page:
    """A page of at most `size` objects; one more in `found` tells that there is more."""
    shown = found[:size]
    if not shown:
        return _EMPTY
    joined = b",".join([body for _, body in shown])
    return Page(joined, len(shown), shown[0][0], shown[-1][0], more=len(found) > size)


_EMPTY = Page(b"", 0, None, None, more=False)


def _proof_page(collection: Readable, filters: Filters, position: int | None) -> ProofPage:
    size = _page_size(collection, filters)
    if filters.ids or filters.types or filters.versions or filters.spec_versions:
        where, parameters = _selection(collection, filters, position)
        found = sql.rows(
            f"SELECT added, body, opening FROM sharing_entry WHERE {where} ORDER BY added LIMIT %(limit)s + 1",
            parameters,
        )
        page = _page([(added, body) for added, body, _ in found], size)
        return ProofPage(page, b",".join([opening for _, _, opening in found[:size]]), None, None)
    after = read_after(filters, position)
    entries, is_whole = _log_entries(collection, after, size)
    page = _page([(added, body) for _, added, body, _ in entries if body is not None], size)
    if not is_whole:
        # What ends without an object ends where it was read up to.
        page = replace(page, last=page.last or entries[-1][1], more=True)
    if page.more:
        # Up to the page's last object: what was withdrawn behind it is told on the next page, once.
        entries = [entry for entry in entries if page.last is not None and entry[1] <= page.last]
    start = entries[0][0] if entries else _index_after(collection, after)
    openings = b",".join([opening for _, _, _, opening in entries])
    return ProofPage(page, openings, start, start + len(entries))


MOST_ENTRIES = 50_000
"""Of the log, with the entries that were erased between a page's objects. A verifier reads five times as many."""


def _log_entries(collection: Readable, after: int, size: int) -> tuple[list[sql.Row], bool]:
    """(index, added, body or None, opening) of the log after `after`, with `size` objects and one more if there is.

    And whether they are as many: not where too many were erased between them.
    """
    entries: list[sql.Row] = []
    missing = size + 1
    while missing:
        if len(entries) >= MOST_ENTRIES:
            return entries, False
        found = sql.rows(
            "SELECT index, added, body, opening FROM sharing_entry WHERE collection_id = %s AND added > %s"
            " ORDER BY added LIMIT %s",
            (collection.id, entries[-1][1] if entries else after, missing),
        )
        entries += found
        if len(found) < missing:
            break
        missing -= sum(1 for _, _, body, _ in found if body is not None)
    return entries, True


def _index_after(collection: Readable, after: int) -> int:
    """The index of the first entry that is added after `after`, also if there is none yet."""
    found = sql.row(
        "SELECT index + 1 FROM sharing_entry WHERE collection_id = %s AND added <= %s ORDER BY added DESC LIMIT 1",
        (collection.id, after),
    )
    return 0 if found is None else int(found[0])


def manifest_page(collection: Readable, filters: Filters, position: int | None) -> tuple[list[Record], bool]:
    """The manifest of the page that `objects_page` gives for the same filters; and whether there is more."""
    if _at_head(collection, filters, position):
        return [], False
    where, parameters = _selection(collection, filters, position)
    found = sql.rows(
        f"SELECT object_id, added, version FROM sharing_entry WHERE {where} ORDER BY added LIMIT %(limit)s + 1",
        parameters,
    )
    size = _page_size(collection, filters)
    return [Record(*row) for row in found[:size]], len(found) > size


def holds(collection: Readable, object_id: str) -> bool:
    """Whether any version of an object stands in a collection."""
    return (
        sql.row(
            "SELECT 1 FROM sharing_entry WHERE collection_id = %s AND object_id = %s AND body IS NOT NULL LIMIT 1",
            (collection.id, object_id),
        )
        is not None
    )


def read_after(filters: Filters, position: int | None) -> int:
    """What a page comes after, exclusively, in µs."""
    after = -1 if filters.added_after is None else filters.added_after
    return after if position is None else max(after, position)


def given_up_to(collection: Readable, page: Page) -> int:
    """Up to where in the log, in µs, a reader was given what it asked for, once it has this page of it."""
    if page.more and page.last is not None:
        return page.last
    # What came after the collection was looked up may be on the page already.
    return max(collection.last_added, page.last or 0)


def _at_head(collection: Readable, filters: Filters, position: int | None) -> bool:
    """Whether nothing can be new: most polls end here, without asking for a page."""
    return read_after(filters, position) >= collection.last_added


def _page_size(collection: Readable, filters: Filters) -> int:
    """How many objects a page holds: what was asked for, but never more than 1,000 where they could be huge.

    A page of the largest objects that are accepted then has 256 MB, not five times that; the number depends on the
    collection only, so that no page is shorter than the one before (clients.md 5).
    """
    return min(filters.page_size, max(DEFAULT_LIMIT, PAGE_BYTES // max(1, collection.largest)))


def _selection(collection: Readable, filters: Filters, position: int | None) -> tuple[str, dict[str, object]]:
    """The condition of a page and its parameters; filters work before the limit, so that no page is short."""
    after = read_after(filters, position)
    conditions = ["collection_id = %(collection)s", "added > %(after)s"]
    parameters: dict[str, object] = {
        "collection": collection.id,
        "after": after,
        "limit": _page_size(collection, filters),
    }
    for column, values in (
        ("object_id", filters.ids),
        ("object_type", filters.types),
        ("spec_version", filters.spec_versions),
    ):
        if values:
            conditions.append(f"{column} = ANY(%({column})s)")
            parameters[column] = list(values)
    conditions.append(_versions(filters.versions, parameters))
    return " AND ".join(conditions), parameters


def _versions(versions: Sequence[str], parameters: dict[str, object]) -> str:
    """The condition that match[version] sets; silence means the latest (TAXII 2.1 §3.4.1)."""
    if versions in ((), ("last",)):
        return "is_last"
    if "all" in versions:
        return "body IS NOT NULL"
    wanted = []
    if "first" in versions:
        wanted.append("is_first")
    if "last" in versions:
        wanted.append("is_last")
    exact = [version for version in versions if version not in {"first", "last"}]
    if exact:
        wanted.append("version_key = ANY(%(versions)s)")
        parameters["versions"] = exact
    return f"body IS NOT NULL AND ({' OR '.join(wanted)})"


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """A submission as its sender's status resource needs it."""

    id: UUID
    community_id: UUID
    state: str
    received_at: datetime
    format: str
    body: bytes


def submission(
    organization_id: UUID, submission_id: UUID, community_slug: str | None = None
) -> SubmissionStatus | None:
    """A submission of this organisation; its body only while it has not been ingested."""
    found = sql.row(
        "SELECT s.id, s.community_id, s.state, s.received_at, s.format,"
        " CASE WHEN s.state = 'ingested' THEN ''::bytea ELSE s.body END FROM indicators_submission s"
        " JOIN accounts_community c ON c.id = s.community_id"
        " JOIN accounts_membership m ON m.community_id = c.id AND m.organization_id = s.organization_id"
        " WHERE s.id = %s AND s.organization_id = %s AND s.state <> 'draft'"
        " AND (%s::text IS NULL OR c.slug = %s)",
        (submission_id, organization_id, community_slug, community_slug),
    )
    return None if found is None else SubmissionStatus(*found)


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """What became of one submitted object at ingest."""

    object_id: str
    version: str
    outcome: str
    reason: str
    sentence: str
    subject_id: int | None


def receipt_lines(submission_id: UUID) -> list[ReceiptLine]:
    """The lines of a submission in the order in which its objects stood."""
    return [
        ReceiptLine(*found)
        for found in sql.rows(
            "SELECT object_id, version, outcome, reason, sentence, subject_id FROM indicators_submittedobject"
            " WHERE submission_id = %s ORDER BY ordinal",
            (submission_id,),
        )
    ]


def standing(subject_ids: Sequence[int]) -> list[tuple[str, str]]:
    """What of these subjects stands in feeds and is not revoked: (community, published id), once each."""
    return [
        (found[0], found[1])
        for found in sql.rows(
            "SELECT DISTINCT c.slug, r.published_id FROM sharing_release r"
            " JOIN indicators_subject s ON s.id = r.subject_id JOIN accounts_community c ON c.id = s.community_id"
            " WHERE r.subject_id = ANY(%s) AND r.digest IS NOT NULL AND NOT r.revoked ORDER BY 1, 2",
            (list(subject_ids),),
        )
    ]


def withheld_by_list(subject_ids: Sequence[int]) -> int:
    """How many of these subjects are withheld from some audience by an allow-list."""
    found = sql.row(
        "SELECT count(DISTINCT subject_id) FROM sharing_release"
        " WHERE subject_id = ANY(%s) AND decision = 'withhold' AND reason = 'allow-listed'",
        (list(subject_ids),),
    )
    return found[0] if found else 0


def communities_of(subject_ids: Sequence[int]) -> list[UUID]:
    """The communities that these subjects are in."""
    return [
        found[0]
        for found in sql.rows(
            "SELECT DISTINCT community_id FROM indicators_subject WHERE id = ANY(%s)", (list(subject_ids),)
        )
    ]


def _uuid(text: str) -> UUID | None:
    """A UUID in its usual form of 36 characters, in either case."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def known_campaigns(community_id: UUID, organization_id: UUID) -> dict[str, str]:
    """The campaigns that an organisation may know of: its own, and those that stand in a feed that it reads.

    Ids by id and by case-folded name or alias; of several of one name its own goes first, then the oldest.
    """
    known: dict[str, str] = {}
    for object_id, body in sql.rows(
        # Subjects of campaigns are found by their key, the STIX id.
        f"WITH feeds AS MATERIALIZED (SELECT k.id, k.ceiling FROM {MAY} WHERE c.id = %(community)s"
        " AND m.organization_id = %(organization)s AND k.kind = 'feed' AND g.can_read),"
        " campaigns AS MATERIALIZED (SELECT id FROM indicators_subject WHERE community_id = %(community)s"
        " AND key >= 'campaign--'::bytea AND key < 'campaign-.'::bytea),"
        " own AS (SELECT c.object_id, c.body FROM campaigns s JOIN indicators_claim c ON c.subject_id = s.id"
        " WHERE c.organization_id = %(organization)s AND NOT c.revoked AND c.withdrawn_at IS NULL ORDER BY c.id),"
        " read AS (SELECT e.object_id, e.body FROM campaigns s"
        " JOIN sharing_release r ON r.subject_id = s.id AND r.digest IS NOT NULL AND NOT r.revoked"
        " JOIN feeds k ON k.ceiling = r.ceiling"
        " JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = r.published_id AND e.is_last ORDER BY r.id)"
        " SELECT object_id, body FROM own UNION ALL SELECT object_id, body FROM read",
        {"community": community_id, "organization": organization_id},
    ):
        value = msgspec.json.decode(body)
        for name in (object_id, *(one.casefold() for one in (value["name"], *value.get("aliases", ())))):
            known.setdefault(name, object_id)
    return known


def queue_pending_cases() -> int:
    """Have the subjects of all pending cases looked at again; how many."""
    return sql.execute(
        "INSERT INTO indicators_pendingfold (community_id, subject_id)"
        " SELECT DISTINCT v.community_id, r.subject_id FROM sharing_review v"
        " JOIN sharing_release r ON r.id = v.release_id WHERE v.state = 'pending' ORDER BY r.subject_id"
    )
