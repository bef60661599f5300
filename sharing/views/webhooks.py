"""REST: an organisation's own webhooks and their deliveries, and what it was told."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Notice, Scope
from accounts.queries import Caller
from sharing.actions import deliveries, webhooks, withdrawals
from sharing.models import Delivery, DeliveryState, Told, Webhook, WebhookState
from sharing.tasks import nudge_deliver
from sharing.views import paging
from sharing.views.rest import SIGNATURE, AlwaysJson, MaySubmit, TokenCredentials

_AFTER = OpenApiParameter("after", description="The `next` of the page before.")
_LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 1,000; 100 unless told.")


class WebhookSerializer(serializers.Serializer[Any]):
    """A webhook."""

    id = serializers.UUIDField(read_only=True)
    url = serializers.CharField(max_length=2000, help_text="https, and on a public address.")
    what = serializers.ListField(child=serializers.ChoiceField(choices=Told.choices), min_length=1)
    state = serializers.ChoiceField(choices=WebhookState.choices, read_only=True)
    failures = serializers.IntegerField(read_only=True, help_text="Attempts in a row that failed.")
    created_at = serializers.DateTimeField(read_only=True)


class WebhookChangeSerializer(serializers.Serializer[Any]):
    """What of a webhook can be changed."""

    state = serializers.ChoiceField(choices=["active", "paused"], required=False)
    what = serializers.ListField(
        child=serializers.ChoiceField(choices=Told.choices), min_length=1, required=False
    )


class AttemptSerializer(serializers.Serializer[Any]):
    """One try to deliver."""

    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="HTTP status; null if nothing answered.")
    error = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Any]):
    """One thing that a webhook is told."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    submission = serializers.UUIDField(source="submission_id", allow_null=True)
    notice = serializers.IntegerField(source="notice_id", allow_null=True)
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    next_at = serializers.SerializerMethodField(help_text="When it is tried next; null when it is not.")
    delivered_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()

    def get_next_at(self, delivery: Delivery) -> str | None:
        return delivery.next_at.isoformat() if delivery.state == DeliveryState.PENDING else None


class DeliveryWithTriesSerializer(DeliverySerializer):
    """A delivery with every attempt at it, oldest first."""

    tries = serializers.SerializerMethodField()

    @extend_schema(responses=AttemptSerializer(many=True))
    def get_tries(self, delivery: Delivery) -> Any:
        return AttemptSerializer(delivery.tries.order_by("id"), many=True).data


class DeliveryPageSerializer(serializers.Serializer[Any]):
    """A page of deliveries, newest first."""

    deliveries = DeliverySerializer(many=True)
    next = serializers.UUIDField(allow_null=True)


class NoticeSerializer(serializers.Serializer[Any]):
    """What the organisation was told."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="A documented code.")
    target = serializers.CharField()
    sentence = serializers.CharField()
    detail = serializers.DictField()
    told_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when it is to be acknowledged; null where nothing has to be."
    )
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(
        help_text="The actor: token:… or member:…; empty while nobody did."
    )


class NoticePageSerializer(serializers.Serializer[Any]):
    """A page of notices, newest first."""

    notices = NoticeSerializer(many=True)
    next = serializers.IntegerField(allow_null=True)


class OwnView(APIView):
    """What only the organisation's own tokens with the scope `submit` reach."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson
    parser_classes = [JSONParser]

    def caller(self) -> Caller:
        known: Caller = self.request.user  # type: ignore[assignment]
        return known

    def webhook(self, webhook_id: UUID) -> Webhook:
        """404 for any that is not the caller's."""
        found = Webhook.objects.filter(id=webhook_id, organization_id=self.caller().organization_id).first()
        if found is None:
            raise exceptions.NotFound
        return found

    def delivery(self, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """404 for any that is not the caller's."""
        found = (
            Delivery.objects.filter(id=delivery_id, webhook=self.webhook(webhook_id)).defer("body").first()
        )
        if found is None:
            raise exceptions.NotFound
        return found


class WebhooksView(OwnView):
    """The organisation's webhooks."""

    @extend_schema(responses={200: WebhookSerializer(many=True)})
    def get(self, request: Request) -> Response:
        own = Webhook.objects.filter(organization_id=self.caller().organization_id)
        return Response(WebhookSerializer(own.order_by("created_at", "id"), many=True).data)

    @extend_schema(request=WebhookSerializer, responses={201: WebhookSerializer})
    def post(self, request: Request) -> Response:
        wanted = WebhookSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = webhooks.create(
                organization_id=self.caller().organization_id,
                url=wanted.validated_data["url"],
                what=wanted.validated_data["what"],
                by=self.caller().actor,
                now=timezone.now(),
            )
        except webhooks.NotTaken as refusal:
            return Response({"code": refusal.code, "detail": str(refusal)}, status=refusal.http_status)
        return Response(WebhookSerializer(made).data, status=status.HTTP_201_CREATED)


class WebhookView(OwnView):
    """One webhook."""

    @extend_schema(responses={200: WebhookSerializer})
    def get(self, request: Request, webhook_id: UUID) -> Response:
        return Response(WebhookSerializer(self.webhook(webhook_id)).data)

    @extend_schema(request=WebhookChangeSerializer, responses={200: WebhookSerializer})
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        wanted = WebhookChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            changed = webhooks.change(
                webhook=self.webhook(webhook_id),
                state=wanted.validated_data.get("state"),
                what=wanted.validated_data.get("what"),
                by=self.caller().actor,
                now=timezone.now(),
            )
        except Webhook.DoesNotExist:
            raise exceptions.NotFound from None
        return Response(WebhookSerializer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        webhooks.delete(webhook=self.webhook(webhook_id), by=self.caller().actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookTestView(OwnView):
    """Try a webhook."""

    @extend_schema(request=None, responses={202: DeliverySerializer})
    def post(self, request: Request, webhook_id: UUID) -> Response:
        made = deliveries.queue_test(
            webhook=self.webhook(webhook_id), by=self.caller().actor, now=timezone.now()
        )
        nudge_deliver()
        return Response(DeliverySerializer(made).data, status=status.HTTP_202_ACCEPTED)


class DeliveriesView(OwnView):
    """What a webhook is told, newest first; kept for thirty days."""

    @extend_schema(
        operation_id="webhooks_deliveries_list",
        responses={200: DeliveryPageSerializer},
        parameters=[_AFTER, _LIMIT, OpenApiParameter("state", enum=DeliveryState.values)],
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        limit = paging.limit(request)
        found = deliveries.page(
            webhook_id=self.webhook(webhook_id).id,
            limit=limit + 1,
            after=paging.uuid(request, "after"),
            state=paging.choice(request, "state", DeliveryState.values),
        )
        page = {"deliveries": found[:limit], "next": found[limit - 1].id if len(found) > limit else None}
        return Response(DeliveryPageSerializer(page).data)


class DeliveryView(OwnView):
    """One delivery with its attempts."""

    @extend_schema(responses={200: DeliveryWithTriesSerializer})
    def get(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        return Response(DeliveryWithTriesSerializer(self.delivery(webhook_id, delivery_id)).data)


class DeliveryBodyView(OwnView):
    """The bytes that are sent, with their signature: 404 while they are not written."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
        found = self.delivery(webhook_id, delivery_id)
        # Empty: something that it told of was erased since.
        if not found.body:
            raise exceptions.NotFound
        return HttpResponse(
            bytes(found.body),
            content_type="application/json",
            headers={SIGNATURE: found.signature, "Cache-Control": "no-store"},
        )


class ResendView(OwnView):
    """Send once more."""

    @extend_schema(request=None, responses={202: DeliverySerializer})
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        found = self.delivery(webhook_id, delivery_id)
        try:
            deliveries.resend(delivery=found, by=self.caller().actor, now=timezone.now())
        except deliveries.NotResendable as refusal:
            answer = {"code": "delivery-pending", "detail": f"{str(refusal).capitalize()}."}
            return Response(answer, status=status.HTTP_409_CONFLICT)
        nudge_deliver()
        return Response(
            DeliverySerializer(self.delivery(webhook_id, delivery_id)).data, status=status.HTTP_202_ACCEPTED
        )


class MayBeTold(BasePermission):
    """The scope `submit`, or `feed:read`: who reads feeds has to hear what was withdrawn."""

    message = "This token has neither of the scopes submit and feed:read."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Caller) and not request.user.scopes.isdisjoint(_TOLD_SCOPES)


_TOLD_SCOPES = frozenset((Scope.SUBMIT, Scope.FEED_READ))
_READERS_KINDS = (withdrawals.KIND, withdrawals.OVERDUE)


class _Told(OwnView):
    """Notices: all of them with the scope `submit`; with `feed:read` alone those of withdrawals."""

    permission_classes = [MayBeTold]

    def told(self) -> "QuerySet[Notice]":
        found = Notice.objects.filter(organization_id=self.caller().organization_id)
        return found if Scope.SUBMIT in self.caller().scopes else found.filter(kind__in=_READERS_KINDS)


class NoticesView(_Told):
    """What the organisation was told, newest first; with the scope `feed:read` alone what was withdrawn."""

    @extend_schema(
        responses={200: NoticePageSerializer},
        parameters=[
            _AFTER,
            _LIMIT,
            OpenApiParameter("kind", description="Only those of this kind."),
            OpenApiParameter(
                "unacknowledged", enum=["1"], description="Only those still to be acknowledged."
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        limit, after, kind = (
            paging.limit(request),
            paging.number(request, "after"),
            paging.text(request, "kind"),
        )
        own = self.told()
        if after is not None:
            own = own.filter(id__lt=after)
        if kind is not None:
            own = own.filter(kind=kind)
        if paging.choice(request, "unacknowledged", ["1"]) is not None:
            own = own.filter(due_at__isnull=False, acknowledged_at__isnull=True)
        found = list(own.order_by("-id")[: limit + 1])
        page = {"notices": found[:limit], "next": found[limit - 1].id if len(found) > limit else None}
        return Response(NoticePageSerializer(page).data)


class AcknowledgementView(_Told):
    """Say that what a notice asks for is done."""

    @extend_schema(request=None, responses={200: NoticeSerializer})
    def post(self, request: Request, notice_id: int) -> Response:
        if not self.told().filter(id=notice_id).exists():
            raise exceptions.NotFound
        try:
            notice = withdrawals.acknowledge(
                notice_id=notice_id,
                organization_id=self.caller().organization_id,
                by=self.caller().actor,
                now=timezone.now(),
            )
        except withdrawals.NothingToAcknowledge as refusal:
            answer = {"code": "nothing-to-acknowledge", "detail": f"{str(refusal).capitalize()}."}
            return Response(answer, status=status.HTTP_409_CONFLICT)
        return Response(NoticeSerializer(notice).data)
