"""TAXII, logs and keys, schemas and REST. Each TAXII URL stands with and without its final slash (clients.md 2)."""

from django.urls import path, re_path

from sharing.views import (
    detectors,
    log,
    metrics,
    rest,
    schemas,
    submitter_keys,
    taxii,
    trust,
    uploads,
    webhooks,
)

_ROOT = r"^taxii2/(?P<community>[^/]+)"
_COLLECTION = rf"{_ROOT}/collections/(?P<collection>[^/]+)"
_OBJECT = rf"{_COLLECTION}/objects/(?P<object_id>[^/]+)"
_LOG = r"^trust/log/(?P<collection>[^/]+)"
_DELIVERY = "api/v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>"

urlpatterns = [
    re_path(rf"{_COLLECTION}/objects/?$", taxii.objects),
    re_path(rf"{_COLLECTION}/manifest/?$", taxii.manifest),
    re_path(rf"{_OBJECT}/versions/?$", taxii.versions),
    re_path(rf"{_OBJECT}/?$", taxii.object_by_id),
    re_path(rf"{_COLLECTION}/?$", taxii.collection),
    re_path(rf"{_ROOT}/collections/?$", taxii.collections),
    re_path(rf"{_ROOT}/status/(?P<status>[^/]+)/?$", taxii.status),
    re_path(rf"{_ROOT}/?$", taxii.api_root),
    re_path(r"^taxii2/?$", taxii.discovery),
    re_path(r"^taxii2/.*$", taxii.nothing),
    path(".well-known/jwks.json", trust.jwks),
    path("trust/tuf/<path:path>", trust.tuf),
    re_path(rf"{_LOG}/checkpoint$", log.checkpoint),
    re_path(rf"{_LOG}/tile/(?P<tile>.+)$", log.tile),
    re_path(rf"{_LOG}/openings$", log.openings),
    re_path(rf"{_LOG}/proof/(?P<index>[^/]+)$", log.proof),
    re_path(r"^trust/objects/(?P<object_id>[^/]+)/(?P<version>[^/]+)$", log.bundle),
    re_path(r"^trust/log/.*$", log.nothing),
    re_path(r"^trust/objects/.*$", log.nothing),
    path("schemas/", schemas.index),
    path("schemas/<str:name>", schemas.schema),
    path("metrics", metrics.metrics),
    path("api/v1/submissions/", rest.SubmissionsView.as_view()),
    path("api/v1/submissions/<uuid:submission_id>/", rest.SubmissionView.as_view()),
    path("api/v1/uploads/", uploads.UploadsView.as_view()),
    path("api/v1/uploads/<uuid:upload_id>/", uploads.UploadView.as_view()),
    path("api/v1/notices/", webhooks.NoticesView.as_view()),
    path("api/v1/notices/<int:notice_id>/acknowledgement/", webhooks.AcknowledgementView.as_view()),
    path("api/v1/webhooks/", webhooks.WebhooksView.as_view()),
    path("api/v1/webhooks/<uuid:webhook_id>/", webhooks.WebhookView.as_view()),
    path("api/v1/webhooks/<uuid:webhook_id>/test/", webhooks.WebhookTestView.as_view()),
    path("api/v1/webhooks/<uuid:webhook_id>/deliveries/", webhooks.DeliveriesView.as_view()),
    path(f"{_DELIVERY}/", webhooks.DeliveryView.as_view()),
    path(f"{_DELIVERY}/body/", webhooks.DeliveryBodyView.as_view()),
    path(f"{_DELIVERY}/resend/", webhooks.ResendView.as_view()),
    path("api/v1/keys/", submitter_keys.KeysView.as_view()),
    path("api/v1/keys/<str:kid>/", submitter_keys.KeyView.as_view()),
    path("api/v1/keys/<str:kid>/retire/", submitter_keys.KeyRetirementView.as_view()),
    path("api/v1/detectors/", detectors.DetectorsView.as_view()),
    path("api/v1/detectors/<int:detector_id>/", detectors.DetectorView.as_view()),
]
