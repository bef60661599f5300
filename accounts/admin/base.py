"""What every page of the desk stands on: who may come in, and who acts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.actor import Actor
from accounts.models import Member, Role, Sector

if TYPE_CHECKING:  # the theme publishes no types
    from django.contrib.admin import ModelAdmin
else:
    from unfold.admin import ModelAdmin

    from accounts.admin import theme  # noqa: F401 - it changes how the theme writes lists


def may_analyse(request: HttpRequest) -> bool:
    """Whether the signed-in member is an analyst or an admin of the operator: the whole desk is theirs."""
    return _has_role(request, {Role.ANALYST, Role.ADMIN})


def may_administer(request: HttpRequest) -> bool:
    """Whether the signed-in member is an admin of the operator."""
    return _has_role(request, {Role.ADMIN})


def _has_role(request: HttpRequest, roles: set[Role]) -> bool:
    member = request.user
    if not isinstance(member, Member) or not member.is_active:
        return False
    operator = member.organization is not None and member.organization.sector == Sector.OPERATOR
    return member.is_superuser or (operator and member.role in roles)


def member_of(request: HttpRequest) -> Member:
    """The signed-in member of some organisation; raises PermissionDenied for everybody else."""
    member = request.user
    if not isinstance(member, Member) or not member.is_active or member.organization_id is None:
        raise PermissionDenied
    return member


def actor_of(request: HttpRequest) -> Actor:
    """Who acts; raises PermissionDenied for all but the operator's analysts and admins."""
    member = request.user
    if not isinstance(member, Member) or not may_analyse(request):
        raise PermissionDenied
    return Actor(f"member:{member.username}", member.organization_id)


def came_from(request: HttpRequest, otherwise: str = "") -> str:
    """Where the member came from (`back` in the form or the address), if that is a page of the desk."""
    wanted = request.POST.get("back") or request.GET.get("back") or ""
    ours = wanted.startswith("/admin/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None, require_https=request.is_secure()
    )
    return wanted if ours else otherwise


_FILTERED = ("", "__exact", "__id__exact", "__isnull", "__isempty", "__gte", "__lt")
"""What Django's filters of lists append to the name of a field."""


class ReadOnly(ModelAdmin):  # type: ignore[type-arg] # it is no generic at run time
    """Analysts and admins may look; nobody changes anything here."""

    # Writing a row costs more than finding it.
    list_per_page = 50
    show_full_result_count = False

    def load_beside(self, rows: Sequence[Any]) -> None:
        """Put onto the rows of a page what its columns show besides, in one query for all of them."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown = super().get_changelist_instance(request)
        self.load_beside(list(shown.result_list))
        return shown

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_analyse(request)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a filter of the page asks: else any column is guessed by its beginning, a password's hash too."""
        allowed = set()
        for one in self.get_list_filter(request):
            name = one[0] if isinstance(one, tuple) else getattr(one, "parameter_name", one)
            allowed |= {f"{name}{suffix}" for suffix in _FILTERED}
        return lookup in allowed

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Model], *args: Any, **options: Any
    ) -> HttpResponse | None:
        """A chosen id that is none is a bad request, not a fault."""
        try:
            return super().response_action(request, queryset, *args, **options)
        except ValueError as error:
            raise SuspiciousOperation("a chosen id is not one of a row") from error


class ActedOn(ReadOnly):
    """Rows that analysts and admins act on, by actions, buttons or pages of our own: no field is changed by hand."""

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django offers actions only to those who may change something; the form has no field to change.
        return may_analyse(request)


class ReasonField(forms.CharField):
    """Why something is done: at most 2,000 characters; `missing` is said where it is empty."""

    def __init__(
        self, help_text: str = "", *, missing: str = "", required: bool = True, autofocus: bool = False
    ) -> None:
        attrs = {"rows": 3, "cols": 80} | ({"autofocus": True} if autofocus else {})
        super().__init__(
            max_length=2000,
            required=required,
            widget=forms.Textarea(attrs=attrs),
            help_text=help_text,
            error_messages={"required": missing} if missing else None,
        )


class ReasonForm(forms.Form):
    """Why. Where it is recorded elsewhere than in the audit trail, or who reads it, a form of its own says."""

    reason = ReasonField("Recorded in the audit trail.", autofocus=True)
