"""Every URL of the service."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config import health

admin.site.site_header = admin.site.site_title = "Stillwatch"
admin.site.index_title = "The analysts' desk"

urlpatterns = [
    path("", include("sharing.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("admin/", admin.site.urls),
]
