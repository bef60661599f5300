"""REST: the keys that an organisation signs with what it submits; its own and nobody else's."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions.refusal import Invalid, Unknown
from sharing.actions import submitter_keys
from sharing.submitter.registration import MAX_BYTES
from sharing.views.webhooks import OwnView


class JwkSerializer(serializers.Serializer[Any]):
    """The public half of an Ed25519 key (RFC 8037)."""

    crv = serializers.CharField()
    kty = serializers.CharField()
    x = serializers.CharField()


class KeySerializer(serializers.Serializer[Any]):
    """A registered key."""

    kid = serializers.CharField(help_text="RFC 7638 thumbprint.")
    jwk = JwkSerializer()
    name = serializers.CharField()
    registered_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class RegistrationSerializer(serializers.Serializer[Any]):
    """What the key says of itself; `stillwatch keys register` writes it."""

    at = serializers.DateTimeField()
    host = serializers.CharField()
    jwk = JwkSerializer()
    name = serializers.CharField()
    organization = serializers.CharField()
    v = serializers.IntegerField()


class ProvedRegistrationSerializer(serializers.Serializer[Any]):
    """A registration and the detached JWS over it by the key itself."""

    registration = RegistrationSerializer()
    jws = serializers.CharField()


class KeysView(OwnView):
    """The organisation's keys."""

    @extend_schema(operation_id="keys_list", responses={200: KeySerializer(many=True)})
    def get(self, request: Request) -> Response:
        found = submitter_keys.known(organization_id=self.caller().organization_id)
        return Response(KeySerializer(found, many=True).data)

    @extend_schema(request=ProvedRegistrationSerializer, responses={201: KeySerializer})
    def post(self, request: Request) -> Response:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            raise exceptions.ValidationError({"registration": f"it has at most {MAX_BYTES:,} bytes"})
        try:
            made = submitter_keys.register(
                organization_id=self.caller().organization_id,
                posted=request.data,
                by=self.caller().actor,
                now=timezone.now(),
            )
        except Invalid as refusal:
            raise exceptions.ValidationError({refusal.field: refusal.sentence}) from refusal
        except (submitter_keys.KnownAlready, submitter_keys.TooMany) as refusal:
            answer = {"code": refusal.code, "detail": str(refusal)}
            return Response(answer, status=status.HTTP_409_CONFLICT)
        return Response(KeySerializer(made).data, status=status.HTTP_201_CREATED)


class KeyRetirementView(OwnView):
    """Take a key out of use."""

    @extend_schema(request=None, responses={200: KeySerializer})
    def post(self, request: Request, kid: str) -> Response:
        try:
            key = submitter_keys.retire(
                organization_id=self.caller().organization_id,
                kid=kid,
                by=self.caller().actor,
                now=timezone.now(),
            )
        except Unknown:
            raise exceptions.NotFound from None
        return Response(KeySerializer(key).data)


class KeyView(OwnView):
    """One key."""

    @extend_schema(operation_id="keys_retrieve", responses={200: KeySerializer})
    def get(self, request: Request, kid: str) -> Response:
        for key in submitter_keys.known(organization_id=self.caller().organization_id):
            if key.kid == kid:
                return Response(KeySerializer(key).data)
        raise exceptions.NotFound
