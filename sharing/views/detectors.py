"""REST: an organisation's own detectors."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import exceptions, serializers, status
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.queries import Caller
from indicators.actions import detectors
from indicators.models import Detector, Tier
from indicators.vocabularies import DetectionMethod
from sharing.views.rest import AlwaysJson, MaySubmit, TokenCredentials


class DescribedSerializer(serializers.Serializer[Detector]):
    """What its organisation says of a detector."""

    name = serializers.CharField(max_length=200, allow_blank=True, required=False, help_text="For people.")
    method = serializers.ChoiceField(
        choices=DetectionMethod.choices,
        allow_blank=True,
        required=False,
        help_text="How it finds: a method of the detection context.",
    )
    false_positive_rate = serializers.FloatField(
        min_value=0,
        max_value=1,
        allow_null=True,
        required=False,
        help_text="As you measured it, 0 to 1. It weighs in the confidence of what it finds from here on.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Nothing that is not the organisation's to say, nor misspelt."""
        for name in self.initial_data:
            if name not in self.fields:
                raise serializers.ValidationError({name: _NOT_YOURS.get(name, "There is no such field.")})
        return attrs


class NewDetectorSerializer(DescribedSerializer):
    """A detector to register: its analytic and version as its findings name them."""

    analytic = serializers.CharField(
        max_length=256, help_text="finding_info.analytic.uid of its findings, else its name."
    )
    version = serializers.CharField(
        max_length=256, allow_blank=True, default="", help_text="finding_info.analytic.version."
    )


class PrecisionSerializer(serializers.Serializer[detectors.Precision]):
    """How many of its latest decided indicators were confirmed; `share` is null while nothing is decided."""

    confirmed = serializers.IntegerField()
    decided = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)


class DetectorSerializer(serializers.Serializer[Detector]):
    """A detector, and how far it is trusted."""

    id = serializers.IntegerField()
    analytic = serializers.CharField()
    version = serializers.CharField()
    name = serializers.CharField()
    method = serializers.CharField(help_text="Empty if unknown.")
    false_positive_rate = serializers.FloatField(allow_null=True)
    tier = serializers.ChoiceField(choices=Tier.choices, help_text="Set by the operator.")
    limited = serializers.BooleanField(
        source="is_limited", help_text="Whether an analyst decides what it finds."
    )
    limited_at = serializers.DateTimeField(
        allow_null=True, help_text="When a limit was put on it, if one is."
    )
    limited_reason = serializers.CharField()
    precision = serializers.SerializerMethodField()
    min_precision = serializers.FloatField(help_text="Below this precision it is limited to review.")
    min_decisions = serializers.IntegerField(help_text="How many decisions it takes to be judged by it.")
    registered_at = serializers.DateTimeField()
    first_finding_at = serializers.DateTimeField(allow_null=True)
    last_finding_at = serializers.DateTimeField(allow_null=True)
    withdrawn_at = serializers.DateTimeField(
        allow_null=True, help_text="When all its findings were withdrawn."
    )

    @extend_schema_field(PrecisionSerializer)
    def get_precision(self, detector: Detector) -> Mapping[str, Any]:
        """Over its latest decisions."""
        return PrecisionSerializer(self.context["precisions"][detector.id]).data


class DetectorsView(APIView):
    """The caller's detectors; one that nobody registered is with its first finding."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson
    parser_classes = [JSONParser]

    @extend_schema(responses={200: DetectorSerializer(many=True)})
    def get(self, request: Request) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        own = list(
            Detector.objects.filter(organization_id=known.organization_id).order_by("analytic", "version")
        )
        return Response(_shown(*own))

    @extend_schema(request=NewDetectorSerializer, responses={201: DetectorSerializer})
    def post(self, request: Request) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        said = _said(NewDetectorSerializer, request)
        try:
            made = detectors.register(
                organization_id=known.organization_id, by=known.actor, now=timezone.now(), **said
            )
        except detectors.AlreadyRegistered:
            detail = "You have a detector of this analytic and version; PATCH it to say more of it."
            return Response(
                {"code": "detector-registered", "detail": detail}, status=status.HTTP_409_CONFLICT
            )
        except detectors.Invalid as error:
            raise exceptions.ValidationError({error.field: str(error)}) from error
        return Response(
            _shown(made)[0],
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/detectors/{made.id}/"},
        )


class DetectorView(APIView):
    """One of the caller's detectors."""

    authentication_classes = [TokenCredentials]
    permission_classes = [MaySubmit]
    content_negotiation_class = AlwaysJson
    parser_classes = [JSONParser]

    @extend_schema(responses={200: DetectorSerializer})
    def get(self, request: Request, detector_id: int) -> Response:
        return Response(_shown(_own(request, detector_id))[0])

    @extend_schema(request=DescribedSerializer, responses={200: DetectorSerializer})
    def patch(self, request: Request, detector_id: int) -> Response:
        known: Caller = request.user  # type: ignore[assignment]
        detector = _own(request, detector_id)
        said = _said(DescribedSerializer, request)
        try:
            changed = detectors.describe(detector_id=detector.id, by=known.actor, now=timezone.now(), **said)
        except detectors.Invalid as error:
            raise exceptions.ValidationError({error.field: str(error)}) from error
        return Response(_shown(changed)[0])


_NOT_YOURS = {
    "tier": "The operator sets it.",
    "min_precision": "The operator sets it.",
    "min_decisions": "The operator sets it.",
    "analytic": "It names the detector, and cannot be changed.",
    "version": "It names the detector, and cannot be changed: register the other version.",
}


def _own(request: Request, detector_id: int) -> Detector:
    known: Caller = request.user  # type: ignore[assignment]
    # An id beyond what the database counts is as unknown as any.
    found = (
        detector_id < 2**63
        and Detector.objects.filter(id=detector_id, organization_id=known.organization_id).first()
    )
    if not found:
        raise exceptions.NotFound
    return found


def _said(serializer: type[DescribedSerializer], request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise exceptions.ValidationError({"": "Send a JSON object."})
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    said: dict[str, Any] = dict(checked.validated_data)
    for name, value in said.items():
        if isinstance(value, str) and "\x00" in value:
            raise exceptions.ValidationError({name: "It holds a null character."})
    return said


def _shown(*found: Detector) -> list[Any]:
    precisions = detectors.precisions([detector.id for detector in found])
    return [DetectorSerializer(one, context={"precisions": precisions}).data for one in found]
