"""REST: files in a stream, and how far they have come."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.admission import AROUND_BYTES, Stored
from accounts.queries import Caller
from indicators.actions import uploads
from indicators.models import Channel
from indicators.sources.formats import BY_MEDIA_TYPE, FORMATS
from sharing import queries
from sharing.progress import PartProgress, Progress, progress
from sharing.tasks import nudge_ingest
from sharing.taxii import errors
from sharing.taxii.errors import TaxiiError
from sharing.views.protocol import let_in, quota_headers, receiving, stream_of
from sharing.views.rest import AlwaysJson, MaySubmit, Raw, TokenCredentials, _community, _failed


class PartSerializer(serializers.Serializer[PartProgress]):
    """A submission of an upload."""

    submission = serializers.UUIDField(source="id")
    part = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["received", "ingested", "quarantined"])
    object_count = serializers.IntegerField()
    receipt = serializers.SerializerMethodField()

    def get_receipt(self, part: PartProgress) -> str:
        """Where its receipt is."""
        return f"/api/v1/submissions/{part.id}/"


class UploadSerializer(serializers.Serializer[Progress]):
    """An upload and how far it has come."""

    id = serializers.UUIDField()
    community = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    format = serializers.CharField()
    size = serializers.IntegerField(help_text="In bytes.")
    sha256 = serializers.CharField()
    state = serializers.ChoiceField(choices=["received", "ingested", "quarantined"])
    received_at = serializers.DateTimeField()
    object_count = serializers.IntegerField()
    part_count = serializers.IntegerField()
    ingested = serializers.IntegerField(help_text="How many of the parts are ingested.")
    percent = serializers.IntegerField(help_text="0 to 100.")
    counts = serializers.DictField(child=serializers.IntegerField())
    reasons = serializers.DictField(child=serializers.IntegerField())
    submissions = PartSerializer(many=True, source="parts")


class UploadsView(APIView):
    """Send a file; the answer says where its progress is."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson
    parser_classes = [Raw]

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY, "multipart/form-data": OpenApiTypes.OBJECT},
        responses={202: UploadSerializer},
        parameters=[
            OpenApiParameter("community", description="Needed where the caller is in more than one."),
            OpenApiParameter(
                "format",
                enum=[*uploads.FORMATS],
                description="Instead of the Content-Type or the name's ending.",
            ),
            OpenApiParameter("name", description="What the sender calls the file."),
            OpenApiParameter("Idempotency-Key", location=OpenApiParameter.HEADER),
        ],
    )
    def post(self, request: Request) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        community = _community(known, request.query_params.get("community"))
        key = request.headers.get("Idempotency-Key")
        try:
            # Its bytes and objects are charged when they are counted.
            let_in(known, size=0)
            with receiving():
                name, chunks = _file(request)
                received = uploads.receive(
                    chunks=chunks,
                    community_id=community.id,
                    organization_id=known.organization_id,
                    token_id=known.token_id,
                    channel=Channel.REST,
                    collection_id=queries.inbox(known.organization_id, community.id),
                    body_format=_format(request, name),
                    by=known.actor,
                    now=timezone.now(),
                    name=name,
                    idempotency_key=key,
                )
        except TaxiiError as error:
            return _failed(error)
        except uploads.NoRoom as refusal:
            return _failed(errors.Unavailable(str(refusal), retry_after=300))
        for part in received.submissions[:1]:
            nudge_ingest(part.id)
        return Response(
            UploadSerializer(progress(known.organization_id, received.id)).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/uploads/{received.id}/", **quota_headers(received.levels)},
        )


class UploadView(APIView):
    """How far an upload has come."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson

    @extend_schema(responses={200: UploadSerializer})
    def get(self, request: Request, upload_id: UUID) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        found = progress(known.organization_id, upload_id)
        if found is None or found.is_draft:
            raise exceptions.NotFound
        return Response(UploadSerializer(found).data)


def _file(request: Request) -> tuple[str, Iterator[bytes]]:
    """The name and the bytes of what is sent: the body as it is, or the one file of a form."""
    name = request.query_params.get("name", "")
    if not request.headers.get("Content-Type", "").lower().startswith("multipart/"):
        is_closed = FORMATS[_format(request, name)].is_closed
        return name, stream_of(request._request, is_closed=is_closed, max_bytes=settings.MAX_UPLOAD_BYTES)
    form = request._request
    length = request.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise errors.BadRequest("A form needs a Content-Length; send the file itself as the body instead.")
    if int(length) > settings.MAX_UPLOAD_BYTES + AROUND_BYTES:
        raise errors.TooLarge(f"A file may have {settings.MAX_UPLOAD_BYTES} bytes at most.")
    handlers: list[Any] = [Stored(form)]
    form.upload_handlers = handlers
    try:
        files = [file for field in form.FILES for file in form.FILES.getlist(field)]
    except (MultiPartParserError, SuspiciousOperation, OSError) as error:
        raise errors.BadRequest("The form cannot be read.") from error
    if getattr(form, "no_room", False):
        raise uploads.NoRoom
    if len(files) != 1:
        raise errors.BadRequest(f"The form holds {len(files)} files; send one.")
    return name or files[0].name or "", iter(files[0].chunks())


def _format(request: Request, name: str) -> str:
    """By `?format=`, the Content-Type, or the ending of the name."""
    named = request.query_params.get("format")
    if named is not None:
        if named not in uploads.FORMATS:
            raise exceptions.ValidationError({"format": f"one of {', '.join(uploads.FORMATS)}"})
        return named
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    found = BY_MEDIA_TYPE.get(media_type)
    if found is not None and found.name in uploads.FORMATS:
        return found.name
    guess = uploads.format_of(name)
    if guess is None:
        raise exceptions.ValidationError(
            {"format": f"say what it is: ?format= is one of {', '.join(uploads.FORMATS)}"}
        )
    return guess
