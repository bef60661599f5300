"""Whose members and tokens one may change: the operator's admins everybody's, other admins their organisation's."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse

from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.admin.base import may_administer, may_analyse, member_of
from accounts.admin.fresh import ask_again
from accounts.admin.own import may_administer_own, may_own
from accounts.models import Member, Organization, Role, Scope


def may_administer_some(request: HttpRequest) -> bool:
    """Whether there is an organisation whose members and tokens the signed-in member may change."""
    return may_administer(request) or may_administer_own(request)


def may_see_tokens(request: HttpRequest) -> bool:
    """Whether some organisation's tokens may be looked at: one's own, or by the operator's analysts everybody's."""
    return may_analyse(request) or may_own(request)


def may_see_some(request: HttpRequest) -> bool:
    """Whether somebody's members may be looked at: the operator's analysts do, and every organisation's admins."""
    return may_analyse(request) or may_administer_own(request)


def within(request: HttpRequest) -> UUID | None:
    """The organisation whose members and tokens may be changed, for actions; None where it is every one's."""
    if may_administer(request):
        return None
    if not may_administer_own(request):
        raise Http404
    return member_of(request).organization_id


def seen_within(request: HttpRequest) -> UUID | None:
    """As `within`, for looking: the operator's analysts see everybody's, everybody their own."""
    if may_analyse(request):
        return None
    return member_of(request).organization_id


def acting(request: HttpRequest) -> Actor:
    """Who acts, as an admin of some organisation."""
    within(request)
    member = request.user
    assert isinstance(member, Member)
    return Actor(f"member:{member.username}", member.organization_id)


def organizations(request: HttpRequest) -> list[Organization]:
    """Those whose members and tokens may be changed, by name."""
    whose = within(request)
    found = Organization.objects.order_by("name")
    return list(found if whose is None else found.filter(id=whose))


def roles_to_give(request: HttpRequest) -> list[str]:
    """The roles that may be given: analysts are the operator's."""
    return [role for role in Role.values if role != Role.ANALYST or may_administer(request)]


def scopes_to_give(request: HttpRequest) -> list[str]:
    """The scopes that may be given: `admin` is the operator's to give."""
    return [scope for scope in Scope.values if scope != Scope.ADMIN or may_administer(request)]


Page = Callable[..., HttpResponse]


def fresh(view: Page) -> Page:
    """A page that asks for a fresh proof of identity first, also before its form is shown."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **arguments: Any) -> HttpResponse:
        asked = ask_again(request)
        return asked if asked is not None else view(request, *args, **arguments)

    return guarded


def attempt(request: HttpRequest, form: forms.Form | None, act: Callable[[], Any]) -> tuple[bool, Any]:
    """Whether an action was done, and what it returned. What it refuses stands at its field or above the page.

    What it does not know of is 404.
    """
    try:
        return True, act()
    except Unknown as error:
        raise Http404 from error
    except Invalid as refusal:
        if form is not None:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
        else:
            messages.error(request, refusal.sentence)
        return False, None
