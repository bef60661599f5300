"""What the frame of the sign-in pages needs, whichever view of allauth shows them."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

PAGES = ("/admin/login/", "/admin/logout/", "/admin/password_change/", "/admin/account/")


def frame(request: HttpRequest) -> dict[str, Any]:
    """The site's name, style and scripts; and what single sign-on is called, if there is any."""
    if not request.path_info.startswith(PAGES):
        return {}
    single_sign_on = settings.OIDC_NAME if settings.OIDC_ISSUER else ""
    return admin.site.each_context(request) | {"single_sign_on": single_sign_on}
