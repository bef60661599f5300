"""TAXII 2.1: every endpoint, each one call into queries or actions."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Scope
from accounts.queries import Caller
from indicators.actions import submissions
from indicators.models import BodyFormat, Channel, SubmissionState
from indicators.sources import formats
from indicators.stix import json, timestamps
from sharing import queries
from sharing.actions import deletion, giving, polls, publication
from sharing.models import Kind, Way
from sharing.queries import Page, Readable
from sharing.tasks import nudge_ingest, nudge_publish
from sharing.taxii import cursor, errors, filters, media_types, resources
from sharing.taxii.filters import Filters
from sharing.taxii.headers import date_added_headers
from sharing.tlog import page as log_page
from sharing.views.protocol import (
    Answer,
    demand,
    quota_headers,
    receiving,
    resource,
    submitted,
    unknown,
)


def _discovery(request: HttpRequest, known: Caller) -> Answer:
    roots = [_url(request, f"/taxii2/{root.slug}/") for root in queries.api_roots(known.organization_id)]
    return Answer(
        resources.discovery(
            title=settings.SERVICE_NAME,
            description="Indicators of AI-model distillation campaigns, merged, reviewed and signed.",
            api_roots=roots,
            default=roots[0] if roots else None,
        )
    )


def _api_root(request: HttpRequest, known: Caller, community: str) -> Answer:
    root = queries.api_root(known.organization_id, community)
    if root is None:
        raise unknown()
    return Answer(
        resources.api_root(
            title=root.title,
            description=root.description or None,
            max_content_length=settings.MAX_CONTENT_LENGTH,
        )
    )


def _collections(request: HttpRequest, known: Caller, community: str) -> Answer:
    if queries.api_root(known.organization_id, community) is None:
        raise unknown()
    found = queries.collections(known.organization_id, community)
    return Answer(resources.collections([_resource_of(one, known) for one in found]))


def _collection(request: HttpRequest, known: Caller, seen: Readable | None, community: str) -> Answer:
    return Answer(resources.collection(_resource_of(_find(seen), known)))


def _objects(request: HttpRequest, known: Caller, seen: Readable | None, community: str) -> Answer:
    found = _readable(known, seen)
    pairs = filters.split_query(request.META.get("QUERY_STRING", ""))
    asked = filters.parse(pairs, allowed=filters.OBJECTS)
    if ("proof", "1") in pairs or (asked.next and cursor.decode(asked.next, _key()).kind == "proof"):
        return _proof(request, known, found, asked)
    wanted, position = cursor.resume(asked, _key(), kind="objects", collection=found.id)
    page = queries.objects_page(found, wanted, position)
    _note_given(request, known, found, Way.PAGE, wanted, position, page)
    _note_poll(request, known, found, wanted, page)
    return _envelope(found, "objects", wanted, page)


def _note_given(
    request: HttpRequest,
    known: Caller,
    found: Readable,
    way: Way,
    wanted: Filters,
    position: int | None,
    page: Page,
) -> None:
    """Write down, before it goes out, what the caller is given; of single objects just those."""
    if request.method != "GET" or page.first is None or page.last is None:
        return
    now = timezone.now()
    if wanted.ids:
        giving.note_objects(
            collection_id=found.id,
            organization_id=known.organization_id,
            token_id=known.token_id,
            way=Way.OBJECT if way is Way.PAGE else way,
            first=page.first,
            last=page.last,
            now=now,
        )
    else:
        giving.note_range(
            collection_id=found.id,
            organization_id=known.organization_id,
            token_id=known.token_id,
            way=way,
            after=queries.read_after(wanted, position),
            up_to=queries.given_up_to(found, page),
            now=now,
        )


def _note_poll(request: HttpRequest, known: Caller, found: Readable, wanted: Filters, page: Page) -> None:
    """How far the caller has come; who asks for single objects or versions reads no feed, who asks by HEAD nothing."""
    if request.method != "GET" or wanted.ids or wanted.versions not in ((), ("last",), ("all",)):
        return
    polls.note(
        token_id=known.token_id,
        collection_id=found.id,
        added=queries.given_up_to(found, page),
        at_head=not page.more,
        objects=page.count,
        now=timezone.now(),
    )


def _note_named(
    request: HttpRequest,
    known: Caller,
    found: Readable,
    wanted: Filters,
    position: int | None,
    records: list[queries.Record],
) -> None:
    """The same of ids and versions: who has them knows that there is such an object."""
    first, last = (records[0].added, records[-1].added) if records else (None, None)
    page = Page(b"", len(records), first, last, more=False)
    _note_given(request, known, found, Way.MANIFEST, wanted, position, page)


def _proof(request: HttpRequest, known: Caller, found: Readable, asked: Filters) -> Answer:
    wanted, position = cursor.resume(asked, _key(), kind="proof", collection=found.id)
    proof = queries.proof_page(found, wanted, position)
    _note_given(request, known, found, Way.PROOF, wanted, position, proof.page)
    _note_poll(request, known, found, wanted, proof.page)
    origin = publication.origin(found.id)
    if proof.start is None or proof.end is None:
        extra = log_page.filtered_log_property(origin, proof.openings)
    else:
        extra = log_page.log_property(origin, proof.start, proof.end, proof.openings)
    return _envelope(found, "proof", wanted, proof.page, extra)


def _post_objects(request: HttpRequest, known: Caller, seen: Readable | None, community: str) -> Answer:
    found = _find(seen)
    demand(known, Scope.SUBMIT)
    if not found.can_write:
        raise errors.Forbidden("You may not write to this collection.")
    media_types.check_content_type(request.headers.get("Content-Type"))
    body = submitted(request, known, is_closed=True)
    now = timezone.now()
    with receiving():
        received = submissions.receive(
            community_id=found.community_id,
            organization_id=known.organization_id,
            token_id=known.token_id,
            channel=Channel.TAXII,
            collection_id=found.id,
            body=body,
            by=known.actor,
            now=now,
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
    if received.repeated:
        return replace(_status(request, known, community, str(received.id)), status=202)
    nudge_ingest(received.id)
    return Answer(
        _pending(received.id, body, BodyFormat.STIX, received_at=now),
        status=202,
        headers=quota_headers(received.levels),
    )


def _status(request: HttpRequest, known: Caller, community: str, status: str) -> Answer:
    submission_id = _as_uuid(status)
    found = (
        None if submission_id is None else queries.submission(known.organization_id, submission_id, community)
    )
    if found is None:
        raise unknown()
    if found.state == SubmissionState.QUARANTINED:
        failed = _pending_details(
            found.body, found.format, received_at=found.received_at, message=_QUARANTINED
        )
        return Answer(
            resources.status(
                id=found.id, requested_at=timestamps.micros_of(found.received_at), failures=failed
            )
        )
    if found.state != SubmissionState.INGESTED:
        return Answer(_pending(found.id, found.body, found.format, received_at=found.received_at))
    successes, failures = [], []
    received_at = timestamps.from_datetime(found.received_at)
    for line in queries.receipt_lines(found.id):
        version = line.version or received_at
        if line.outcome == "rejected":
            failures.append(
                resources.StatusDetail(line.object_id, version, f"{line.reason}: {line.sentence}")
            )
        else:
            successes.append(resources.StatusDetail(line.object_id, version, line.sentence))
    return Answer(
        resources.status(
            id=found.id,
            requested_at=timestamps.micros_of(found.received_at),
            successes=successes,
            failures=failures,
        )
    )


_QUARANTINED = "quarantined: It could not be ingested; the operator looks into it, and nothing is lost."


def _pending(submission_id: UUID, body: bytes, body_format: str, *, received_at: datetime) -> bytes:
    """The status of what was not looked into yet: every object is pending, under the id that it says it has."""
    pendings = _pending_details(body, body_format, received_at=received_at)
    return resources.status(
        id=submission_id, requested_at=timestamps.micros_of(received_at), pendings=pendings
    )


def _pending_details(
    body: bytes, body_format: str, *, received_at: datetime, message: str | None = None
) -> list[resources.StatusDetail]:
    details = []
    noun = formats.FORMATS[body_format].noun
    for ordinal, raw in enumerate(formats.split(body, body_format, max_bytes=len(body))):
        object_id, modified, created = json.head(raw)
        version = modified or created or timestamps.from_datetime(received_at)
        details.append(resources.StatusDetail(object_id or f"{noun}/{ordinal}", version, message))
    return details


def _manifest(request: HttpRequest, known: Caller, seen: Readable | None, community: str) -> Answer:
    found = _readable(known, seen)
    pairs = filters.split_query(request.META.get("QUERY_STRING", ""))
    asked = filters.parse(pairs, allowed=filters.MANIFEST)
    wanted, position = cursor.resume(asked, _key(), kind="manifest", collection=found.id)
    records, more = queries.manifest_page(found, wanted, position)
    _note_named(request, known, found, wanted, position, records)
    return Answer(
        resources.manifest(
            [resources.ManifestRecord(record.object_id, record.added, record.version) for record in records],
            more=more,
            next=cursor.encode("manifest", found.id, records[-1].added, wanted, _key()) if more else None,
        ),
        headers=_dates(wanted, records),
    )


def _object(
    request: HttpRequest, known: Caller, seen: Readable | None, community: str, object_id: str
) -> Answer:
    found = _readable(known, seen)
    wanted, position = _of_one(request, found, object_id, "object", filters.OBJECT)
    page = queries.objects_page(found, wanted, position)
    named = any(version[:1].isdigit() for version in wanted.versions)
    if not page.count and (named or not queries.holds(found, object_id)):
        # §5.7: a version that was deleted is not found; so is one that never was.
        raise unknown()
    _note_given(request, known, found, Way.OBJECT, wanted, position, page)
    return _envelope(found, "object", wanted, page)


def _versions(
    request: HttpRequest, known: Caller, seen: Readable | None, community: str, object_id: str
) -> Answer:
    found = _readable(known, seen)
    wanted, position = _of_one(request, found, object_id, "versions", filters.VERSIONS)
    records, more = queries.manifest_page(found, replace(wanted, versions=("all",)), position)
    if not records and not queries.holds(found, object_id):
        raise unknown()
    _note_named(request, known, found, wanted, position, records)
    return Answer(
        resources.versions(
            [record.version for record in records],
            more=more,
            next=cursor.encode("versions", found.id, records[-1].added, wanted, _key()) if more else None,
        ),
        headers=_dates(wanted, records),
    )


def _delete(
    request: HttpRequest, known: Caller, seen: Readable | None, community: str, object_id: str
) -> Answer:
    found = _find(seen)
    demand(known, Scope.SUBMIT)
    if found.kind == Kind.FEED or not found.can_write or not found.can_read:
        raise errors.Forbidden("You may not delete from this collection.")
    chosen = filters.parse_delete(filters.split_query(request.META.get("QUERY_STRING", "")))
    try:
        deleted = deletion.delete(
            collection_id=found.id,
            object_id=object_id,
            versions=chosen.versions,
            spec_versions=chosen.spec_versions,
            organization_id=known.organization_id,
            by=known.actor,
            now=timezone.now(),
        )
    except deletion.NotOwner as refusal:
        raise errors.Forbidden(str(refusal)) from refusal
    if not deleted:
        raise unknown()
    nudge_publish(found.community_id)
    return Answer(b"")


discovery = resource(get=_discovery)
api_root = resource(get=_api_root)
collections = resource(get=_collections)
collection = resource(get=_collection)
objects = resource(get=_objects, post=_post_objects)
manifest = resource(get=_manifest)
object_by_id = resource(get=_object, delete=_delete)
versions = resource(get=_versions)
status = resource(get=_status)


def _nothing(request: HttpRequest, known: Caller, **path: str) -> Answer:
    raise unknown()


nothing = resource(
    get=_nothing, post=_nothing, delete=_nothing, put=_nothing, patch=_nothing, options=_nothing
)


def _find(seen: Readable | None) -> Readable:
    if seen is None:
        raise unknown()
    return seen


def _readable(known: Caller, seen: Readable | None) -> Readable:
    found = _find(seen)
    demand(known, Scope.FEED_READ)
    if not found.can_read:
        raise errors.Forbidden("You may not read this collection.")
    return found


def _of_one(
    request: HttpRequest, found: Readable, object_id: str, kind: str, allowed: frozenset[str]
) -> tuple[Filters, int | None]:
    pairs = filters.split_query(request.META.get("QUERY_STRING", ""))
    asked = replace(filters.parse(pairs, allowed=allowed), ids=(object_id,))
    return cursor.resume(asked, _key(), kind=kind, collection=found.id)


def _envelope(found: Readable, kind: str, wanted: Filters, page: Page, extra: bytes = b"") -> Answer:
    following = None
    if page.more and page.last is not None:
        following = cursor.encode(kind, found.id, page.last, wanted, _key())
    return Answer(
        resources.envelope(page.joined, more=page.more, next=following, extra=extra),
        headers=date_added_headers(page.first, page.last, echo=wanted.added_after),
    )


def _dates(wanted: Filters, records: list[queries.Record]) -> dict[str, str]:
    first, last = (records[0].added, records[-1].added) if records else (None, None)
    return date_added_headers(first, last, echo=wanted.added_after)


def _resource_of(found: Readable, known: Caller) -> resources.Collection:
    return resources.Collection(
        id=found.id,
        title=found.title,
        description=found.description or None,
        alias=found.alias,
        can_read=found.can_read and Scope.FEED_READ in known.scopes,
        can_write=found.can_write and Scope.SUBMIT in known.scopes,
    )


def _url(request: HttpRequest, path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


def _key() -> bytes:
    return settings.SECRET_KEY.encode()


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
