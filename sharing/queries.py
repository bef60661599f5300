"""What a reader may see: communities, collections, and pages of stored bytes.

Access is a row of `sharing_collectiongrant` together with a membership; without both a collection is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from indicators.stix.json import MAX_OBJECT_BYTES
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
    last_added: int
    largest: int
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Stored bytes of a page, joined by commas; `first` and `last` are `added` in µs, None on an empty page."""

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
    "SELECT k.id, k.community_id, k.alias, k.title, k.description, k.kind, k.ceiling, k.last_added, k.largest,"
    " g.can_read, g.can_write"
    " FROM accounts_community c"
    " JOIN accounts_membership m ON m.community_id = c.id AND m.organization_id = %(organization)s"
    " JOIN sharing_collection k ON k.community_id = c.id"
    " JOIN sharing_collectiongrant g ON g.collection_id = k.id AND g.organization_id = m.organization_id"
    " WHERE c.slug = %(slug)s"
)


def collections(organization_id: UUID, slug: str) -> list[Readable]:
    """The collections of an API root that the organisation may see."""
    found = sql.rows(
        _READABLE + " ORDER BY k.kind, k.ceiling, k.alias", {"organization": organization_id, "slug": slug}
    )
    return [Readable(*row) for row in found]


def collection(organization_id: UUID, slug: str, reference: str) -> Readable | None:
    """A collection by UUID or alias, if the organisation may see it; else None, as for an unknown one."""
    parameters: dict[str, object] = {"organization": organization_id, "slug": slug}
    by_id = _uuid(reference)
    if by_id is not None:
        found = sql.row(_READABLE + " AND k.id = %(id)s", parameters | {"id": by_id})
    else:
        found = sql.row(_READABLE + " AND k.alias = %(alias)s", parameters | {"alias": reference})
    return None if found is None else Readable(*found)


def inbox(organization_id: UUID, community_id: UUID) -> UUID:
    """The collection that takes what an organisation sends in no other collection's name."""
    found = sql.row(
        "SELECT id FROM sharing_collection WHERE community_id = %s AND owner_id = %s AND kind = 'inbox'",
        (community_id, organization_id),
    )
    if found is None:
        raise LookupError(f"organization {organization_id} has no inbox in community {community_id}")
    inbox_id: UUID = found[0]
    return inbox_id


def objects_page(collection: Readable, filters: Filters, position: int | None) -> Page:
    """One page of objects: one range of one index, joined by the database."""
    where, parameters = _selection(collection, filters, position)
    found = sql.row(
        "SELECT count(*), min(added), max(added), string_agg(body, ','::bytea ORDER BY added) FROM"
        f" (SELECT added, body FROM sharing_entry WHERE {where} ORDER BY added LIMIT %(limit)s) AS page",
        parameters,
    )
    assert found is not None
    count, first, last, joined = found
    more = count == parameters["limit"] and _more(collection, filters, last)
    return Page(joined or b"", count, first, last, more)


def proof_page(collection: Readable, filters: Filters, position: int | None) -> ProofPage:
    """A page with what proves it. Unfiltered it is a page of the log and holds every version (docs/taxii.md)."""
    unfiltered = not (filters.ids or filters.types or filters.versions or filters.spec_versions)
    if not unfiltered:
        where, parameters = _selection(collection, filters, position)
        found = sql.row(
            "SELECT count(*), min(added), max(added), string_agg(body, ','::bytea ORDER BY added),"
            " string_agg(opening, ','::bytea ORDER BY added) FROM (SELECT added, body, opening FROM sharing_entry"
            f" WHERE {where} ORDER BY added LIMIT %(limit)s) AS page",
            parameters,
        )
        assert found is not None
        count, first, last, joined, openings = found
        more = count == parameters["limit"] and _more(collection, filters, last)
        return ProofPage(Page(joined or b"", count, first, last, more), openings or b"", None, None)
    everything = Filters(added_after=filters.added_after, limit=filters.limit, versions=("all",))
    where, parameters = _selection(collection, everything, position)
    # The openings reach to the page's last object, or, where objects end, to the end of the log: withdrawals that
    # come last are then told as well. One statement, so that both see the same moment.
    found = sql.row(
        "WITH page AS (SELECT count(*) AS count, min(added) AS first, max(added) AS last,"
        " string_agg(body, ','::bytea ORDER BY added) AS joined FROM (SELECT added, body FROM sharing_entry"
        f" WHERE {where} ORDER BY added LIMIT %(limit)s) AS objects),"
        " log AS (SELECT min(index) AS low, max(index) + 1 AS high, string_agg(opening, ','::bytea ORDER BY added)"
        " AS openings FROM sharing_entry WHERE collection_id = %(collection)s AND added > %(after)s AND added <="
        " (SELECT CASE WHEN count < %(limit)s THEN 9223372036854775807 ELSE last END FROM page))"
        " SELECT count, first, last, joined, low, high, openings,"
        " (SELECT coalesce(max(index) + 1, 0) FROM sharing_entry WHERE collection_id = %(collection)s"
        " AND added <= %(after)s) FROM page, log",
        parameters,
    )
    assert found is not None
    count, first, last, joined, low, high, openings, begin = found
    more = count == parameters["limit"] and _more(collection, everything, last)
    page = Page(joined or b"", count, first, last, more)
    if low is None:
        low = high = begin
    return ProofPage(page, openings or b"", low, high)


def manifest_page(collection: Readable, filters: Filters, position: int | None) -> tuple[list[Record], bool]:
    """The manifest of the page that `objects_page` gives for the same filters; and whether there is more."""
    where, parameters = _selection(collection, filters, position)
    found = sql.rows(
        f"SELECT object_id, added, version FROM sharing_entry WHERE {where} ORDER BY added LIMIT %(limit)s",
        parameters,
    )
    more = len(found) == parameters["limit"] and _more(collection, filters, found[-1][1])
    return [Record(*row) for row in found], more


def holds(collection: Readable, object_id: str) -> bool:
    """Whether any version of an object stands in a collection."""
    return (
        sql.row(
            "SELECT 1 FROM sharing_entry WHERE collection_id = %s AND object_id = %s AND body IS NOT NULL LIMIT 1",
            (collection.id, object_id),
        )
        is not None
    )


def _more(collection: Readable, filters: Filters, last: int) -> bool:
    """Whether anything selected stands after `last`."""
    if last >= collection.last_added:
        return False
    where, parameters = _selection(collection, filters, last)
    return sql.row(f"SELECT 1 FROM sharing_entry WHERE {where} LIMIT 1", parameters) is not None


def _page_size(collection: Readable, filters: Filters) -> int:
    """How many objects a page holds: what was asked for, but never more than 1,000 where they could be huge.

    A page of the largest objects that are accepted then has 256 MB, not five times that; the number depends on the
    collection only, so that no page is shorter than the one before (clients.md 5).
    """
    return min(filters.page_size, max(DEFAULT_LIMIT, PAGE_BYTES // max(1, collection.largest)))


def _selection(collection: Readable, filters: Filters, position: int | None) -> tuple[str, dict[str, object]]:
    """The condition of a page and its parameters; filters work before the limit, so that no page is short."""
    after = -1 if filters.added_after is None else filters.added_after
    if position is not None:
        after = max(after, position)
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
    lines: bool
    body: bytes


def submission(
    organization_id: UUID, submission_id: UUID, community_slug: str | None = None
) -> SubmissionStatus | None:
    """A submission of this organisation; its body only while it has not been ingested."""
    found = sql.row(
        "SELECT s.id, s.community_id, s.state, s.received_at, s.lines,"
        " CASE WHEN s.state = 'ingested' THEN ''::bytea ELSE s.body END FROM indicators_submission s"
        " JOIN accounts_community c ON c.id = s.community_id"
        " JOIN accounts_membership m ON m.community_id = c.id AND m.organization_id = s.organization_id"
        " WHERE s.id = %s AND s.organization_id = %s AND (%s::text IS NULL OR c.slug = %s)",
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


def _uuid(text: str) -> UUID | None:
    """A UUID in its usual form of 36 characters, in either case."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
