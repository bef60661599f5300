"""Where who was invited sets their password: a page for the signed-out, by a link that works once."""

from django.contrib import admin
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.actions import members
from accounts.models import Member


def link_for(request: HttpRequest, member: Member) -> str:
    """The address at which a member sets their password: until one is set, or settings.PASSWORD_RESET_TIMEOUT."""
    reference = urlsafe_base64_encode(force_bytes(member.pk))
    token = default_token_generator.make_token(member)
    return request.build_absolute_uri(reverse("invitation", args=[reference, token]))


@never_cache
@sensitive_post_parameters()
def invitation(request: HttpRequest, reference: str, token: str) -> HttpResponse:
    """Set a password. The link stays in the address: cookies are strict, and none comes with a link out of a mail."""
    member = _invited(reference, token)
    form = None if member is None else SetPasswordForm(member, request.POST or None)
    if member is not None and form is not None and form.is_valid():
        members.set_password(
            member_id=member.pk, password=form.cleaned_data["new_password1"], now=timezone.now()
        )
        return HttpResponseRedirect(reverse("admin:index"))
    return render(
        request,
        "admin/who/invitation.html",
        admin.site.each_context(request) | {"title": "Set your password", "form": form, "member": member},
        status=200 if member else 404,
    )


def _invited(reference: str, token: str) -> Member | None:
    """Who the link is for, if it works."""
    try:
        member = Member.objects.filter(pk=int(urlsafe_base64_decode(reference)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return member if member is not None and default_token_generator.check_token(member, token) else None
