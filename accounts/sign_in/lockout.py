"""Lock-out: who fails too often, by password or second factor, waits; their organisation and the operator are told."""

from typing import Any

from allauth.account.adapter import get_adapter
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.actions import sign_in
from accounts.models import Member

LOCKED_OUT = "Too many tries failed. Wait, and try again later."


def address_of(request: HttpRequest) -> str | None:
    """The client's address: of the connection, or what the one proxy in front says (BEHIND_PROXY)."""
    try:
        return get_adapter(request).get_client_ip(request)
    except (ImproperlyConfigured, PermissionDenied):
        return None


class Lockout(AxesDatabaseHandler):
    """Counts failures per username and address in the database, and tells of the one that locks out."""

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
    ) -> None:
        """Count one failure."""
        was_locked = bool(getattr(request, "axes_locked_out", False))
        super().user_login_failed(sender, credentials, request, **more)
        if request is None or was_locked or not getattr(request, "axes_locked_out", False):
            return
        member = Member.objects.filter(username=credentials.get("username", "")).first()
        if member is not None:
            sign_in.tell_locked_out(member=member, address=address_of(request), now=timezone.now())


def refuse_locked_out(request: HttpRequest, member: Member) -> None:
    """Raise ValidationError while the member is locked out at this address."""
    credentials = {"username": member.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True  # type: ignore[attr-defined]
        request.axes_credentials = credentials  # type: ignore[attr-defined]
        raise ValidationError(LOCKED_OUT, code="locked_out")


def count_failure(request: HttpRequest, member: Member) -> None:
    """A second factor that was wrong counts as a wrong password does."""
    AxesProxyHandler.user_login_failed(
        sender=Member, credentials={"username": member.get_username()}, request=request
    )


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The answer to who is locked out: 429 with what to do."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = render(
        request,
        "account/locked_out.html",
        {"minutes": seconds // 60, "failures": settings.AXES_FAILURE_LIMIT},
        status=429,
    )
    page.headers["Retry-After"] = str(seconds)
    return page
