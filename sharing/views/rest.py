"""REST: submissions and their receipts."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from accounts.queries import Caller
from indicators.actions import submissions
from indicators.models import Channel, SubmissionState
from indicators.sources.formats import BY_MEDIA_TYPE, FORMATS
from sharing import queries, receipts
from sharing.actions.keys import NoSigningKey, SignerRefused, current_signer
from sharing.tasks import nudge_ingest
from sharing.taxii.errors import TaxiiError, Unauthorized
from sharing.views import paging
from sharing.views.protocol import authenticate, quota_headers, receiving, submitted

log = structlog.get_logger(__name__)

SIGNATURE = "Stillwatch-Signature"
"""The header of a detached JWS over the body that it comes with."""


class TokenCredentials(BaseAuthentication):
    """The same tokens as TAXII: Bearer, Token or Basic."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        try:
            return authenticate(request._request), None
        except Unauthorized as error:
            raise exceptions.AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="stillwatch"'


class TokenCredentialsScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # registers itself
    """How OpenAPI shows it."""

    target_class = "sharing.views.rest.TokenCredentials"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class MaySubmit(BasePermission):
    """The scope `submit`."""

    message = "This token has no scope submit."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller) and Scope.SUBMIT in request.user.scopes


class Raw(BaseParser):
    """Leaves the body alone: it is stored as it came."""

    media_type = "*/*"


class AlwaysJson(BaseContentNegotiation):
    """Answers JSON whatever `Accept` says; `?format=` tells what is sent (interface.md), not how to answer."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class LineSerializer(serializers.Serializer[receipts.Line]):
    """A line of a receipt."""

    id = serializers.CharField()
    version = serializers.CharField()
    outcome = serializers.ChoiceField(
        choices=["new", "merged", "duplicate", "rejected", "pending-review", "released", "withheld"]
    )
    reason = serializers.CharField(help_text="A documented reason code.")
    sentence = serializers.CharField()
    place = serializers.CharField(help_text="Where in the body it stands, or what it was made of.")
    note = serializers.CharField(help_text="What was left out or is worth knowing; mostly empty.")
    published_id = serializers.CharField(allow_null=True)
    merged = serializers.BooleanField(help_text="Whether another organisation had said the same.")


class ReceiptSerializer(serializers.Serializer[receipts.Receipt]):
    """A submission and what became of each object, as of `at`; signed in the header Stillwatch-Signature."""

    id = serializers.UUIDField()
    issuer = serializers.CharField()
    at = serializers.DateTimeField()
    url = serializers.CharField()
    organization = serializers.CharField()
    community = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of the body as it was sent, in hex.")
    state = serializers.ChoiceField(choices=["received", "ingested", "quarantined"])
    received_at = serializers.DateTimeField()
    ingested_at = serializers.DateTimeField(allow_null=True)
    object_count = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())
    objects = LineSerializer(many=True, source="lines")


class SentSerializer(serializers.Serializer[receipts.Sent]):
    """A submission in a list."""

    id = serializers.UUIDField()
    community = serializers.CharField()
    channel = serializers.CharField()
    format = serializers.CharField()
    state = serializers.ChoiceField(choices=SubmissionState.choices)
    received_at = serializers.DateTimeField()
    ingested_at = serializers.DateTimeField(allow_null=True)
    object_count = serializers.IntegerField()
    sha256 = serializers.CharField()
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Objects by outcome at ingest; the receipt goes on from there.",
    )


class SentPageSerializer(serializers.Serializer[Any]):
    """A page of submissions, newest first."""

    submissions = SentSerializer(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="What `after` takes; null on the last page.")


class SubmissionsView(APIView):
    """Send objects; the answer says where the receipt is. And what was sent before."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson
    parser_classes = [Raw]

    @extend_schema(
        operation_id="submissions_list",
        responses={200: SentPageSerializer},
        parameters=[
            OpenApiParameter("community", description="Only what was sent to this one."),
            OpenApiParameter("state", enum=SubmissionState.values),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="Received then or later."),
            OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 1,000; 100 unless told."),
            OpenApiParameter("after", OpenApiTypes.UUID, description="The `next` of the page before."),
        ],
    )
    def get(self, request: Request) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        limit = paging.limit(request)
        found = receipts.sent(
            known.organization_id,
            limit=limit + 1,
            after=paging.uuid(request, "after"),
            state=paging.choice(request, "state", SubmissionState.values),
            since=paging.moment(request, "since"),
            community=paging.text(request, "community"),
        )
        page = {"submissions": found[:limit], "next": found[limit - 1].id if len(found) > limit else None}
        return Response(SentPageSerializer(page).data)

    @extend_schema(
        request=OpenApiTypes.OBJECT,
        responses={202: ReceiptSerializer},
        parameters=[
            OpenApiParameter("community", description="Needed where the caller is in more than one."),
            OpenApiParameter("format", enum=[*FORMATS], description="Instead of the Content-Type."),
            OpenApiParameter("Idempotency-Key", location=OpenApiParameter.HEADER),
        ],
    )
    def post(self, request: Request) -> Response | HttpResponse:
        known: Caller = request.user  # type: ignore[assignment]
        community = _community(known, request.query_params.get("community"))
        body_format = _format(request)
        try:
            with receiving():
                received = submissions.receive(
                    community_id=community.id,
                    organization_id=known.organization_id,
                    token_id=known.token_id,
                    channel=Channel.REST,
                    collection_id=queries.inbox(known.organization_id, community.id),
                    body=submitted(request._request, known, is_closed=FORMATS[body_format].is_closed),
                    by=known.actor,
                    now=timezone.now(),
                    body_format=body_format,
                    idempotency_key=request.headers.get("Idempotency-Key"),
                )
        except TaxiiError as error:
            return _failed(error)
        nudge_ingest(received.id)
        receipt = receipts.receipt(known.organization_id, received.id)
        assert receipt is not None
        answer = _signed(receipt)
        answer.status_code = status.HTTP_202_ACCEPTED
        answer["Location"] = f"/api/v1/submissions/{received.id}/"
        for name, value in quota_headers(received.levels).items():
            answer[name] = value
        return answer


class SubmissionView(APIView):
    """A receipt."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson

    @extend_schema(
        responses={(200, "application/json"): ReceiptSerializer, (200, "text/csv"): OpenApiTypes.STR},
        parameters=[
            OpenApiParameter("format", enum=["json", "csv"], description="`csv`: the lines alone, unsigned.")
        ],
    )
    def get(self, request: Request, submission_id: UUID) -> HttpResponse:
        known: Caller = request.user  # type: ignore[assignment]
        wanted = paging.choice(request, "format", ["json", "csv"])
        receipt = receipts.receipt(known.organization_id, submission_id)
        if receipt is None:
            raise exceptions.NotFound
        return csv_of(receipt) if wanted == "csv" else _signed(receipt)


def _signed(receipt: receipts.Receipt) -> HttpResponse:
    """The bytes that were signed, and the signature beside them; without, where no key can sign now."""
    now = timezone.now()
    try:
        body, signature = receipts.signed(receipt, signer=current_signer(now=now), now=now)
    except (NoSigningKey, SignerRefused) as error:
        # What was sent is safe, and its sender must hear so.
        log.warning("receipt_not_signed", reason=str(error))
        body, signature = receipts.signed(receipt, signer=None, now=now)
    headers = {"Cache-Control": "no-store"} | ({} if signature is None else {SIGNATURE: signature})
    return HttpResponse(body, content_type="application/json", headers=headers)


def csv_of(receipt: receipts.Receipt) -> HttpResponse:
    """The lines of a receipt, to be saved."""
    return HttpResponse(
        receipts.table(receipt),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="receipt-{receipt.id}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _community(known: Caller, slug: str | None) -> queries.ApiRoot:
    """The community that is named, or the only one."""
    roots = queries.api_roots(known.organization_id)
    chosen = [root for root in roots if slug is None or root.slug == slug]
    if len(chosen) == 1:
        return chosen[0]
    if slug is not None or not chosen:
        raise exceptions.NotFound("There is no such community for you.")
    names = ", ".join(root.slug for root in roots)
    raise exceptions.ValidationError({"community": f"say which: {names}"})


def _format(request: Request) -> str:
    named = request.query_params.get("format")
    if named is not None:
        if named not in FORMATS:
            raise exceptions.ValidationError({"format": f"one of {', '.join(FORMATS)}"})
        return named
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in BY_MEDIA_TYPE:
        raise exceptions.UnsupportedMediaType(media_type or "none")
    return BY_MEDIA_TYPE[media_type].name


def _refused(code: str, sentence: str, http_status: int, headers: dict[str, str] | None = None) -> Response:
    return Response({"code": code, "detail": sentence}, status=http_status, headers=headers)


def _failed(error: TaxiiError) -> Response:
    """A refusal that TAXII knows, in REST's form."""
    return _refused(error.error_code, str(error), error.http_status, error.headers)
