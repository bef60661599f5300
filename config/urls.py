"""Every URL of the service."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import content_policy, health

urlpatterns = [
    path("", include("sharing.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("admin/csp-report/", content_policy.report, name="csp-report"),
    path("admin/", include("accounts.sign_in.urls")),
    path("admin/", admin.site.urls),
]
