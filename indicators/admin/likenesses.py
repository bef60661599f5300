"""Prompt templates that resemble each other."""

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.actions.refusal import ReasonMissing
from accounts.admin.base import ActedOn, ReasonForm, may_analyse
from accounts.models import Member
from indicators.actions import likeness as likenesses
from indicators.actions.journal import NotMergeable
from indicators.desk import ShownTemplate, templates_of
from indicators.models import Likeness, LikenessState


@admin.register(Likeness)
class LikenessAdmin(ActedOn):
    """Prompt templates that resemble each other, those to decide first: select some, then decide with one reason."""

    list_display = (
        "similarity_in_percent",
        "first_template",
        "second_template",
        "state",
        "community",
        "found_at",
    )
    list_filter = ("state", "community")
    list_select_related = ("community",)
    list_per_page = 25
    actions = ("relate", "merge", "dismiss")
    fields = (
        *("similarity_in_percent", "state", "is_one", "community", "first_template", "second_template"),
        *("claims", "found_at", "decided_at", "decided_by", "reason"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Likeness]:
        """The closest of those to decide first, then the latest."""
        waits = Case(When(state=LikenessState.PENDING, then=Value(0)), default=Value(1))
        return (
            super()
            .get_queryset(request)
            .select_related("first", "second", "community")
            .order_by(waits, "-similarity", "-id")
        )

    @admin.display(description="Similarity", ordering="similarity")
    def similarity_in_percent(self, likeness: Likeness) -> str:
        return f"{likeness.similarity:.0%}"

    @admin.display(description="Is one now", boolean=True)
    def is_one(self, likeness: Likeness) -> bool:
        """Whether the two count for one subject, whoever merged them; a merge may have been undone."""
        first, second = likeness.first, likeness.second
        return (first.merged_into_id or first.id) == (second.merged_into_id or second.id)

    def load_beside(self, rows: Sequence[Likeness]) -> None:
        said: dict[int, list[ShownTemplate]] = {}
        for one in templates_of({template for two in rows for template in (two.first_id, two.second_id)}):
            said.setdefault(one.subject_id, []).append(one)
        for likeness in rows:
            likeness.said = said  # type: ignore[attr-defined] # for the columns below

    @admin.display(description="Older template")
    def first_template(self, likeness: Likeness) -> SafeString:
        return _sources(likeness, likeness.first_id)

    @admin.display(description="Younger template")
    def second_template(self, likeness: Likeness) -> SafeString:
        return _sources(likeness, likeness.second_id)

    @admin.display(description="What each source says")
    def claims(self, likeness: Likeness) -> SafeString:
        return format_html_join(
            "",
            "<details open><summary>{} · {} · received {}</summary><pre>{}</pre></details>",
            (
                (said.organization, said.tlp, f"{said.received_at:%Y-%m-%d %H:%M}", said.text)
                for said in templates_of([likeness.first_id, likeness.second_id])
            ),
        )

    @admin.action(description="Related: two templates that belong together")
    def relate(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "relate", LikenessState.RELATED)

    @admin.action(description="Merge: one template")
    def merge(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "merge", LikenessState.MERGED)

    @admin.action(description="Dismiss: nothing to do with each other")
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "dismiss", LikenessState.DISMISSED)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Likeness], action: str, verdict: LikenessState
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if "decide" in request.POST else None)
        chosen = list(queryset)
        if not form.is_valid():
            self.load_beside(chosen[:50])
            context = {
                **self.admin_site.each_context(request),
                "title": f"{action.title()} {len(chosen)} likeness{'es' if len(chosen) != 1 else ''}",
                "form": form,
                "likenesses": [
                    (one, self.first_template(one), self.second_template(one)) for one in chosen[:50]
                ],
                "more": max(0, len(chosen) - 50),
                "ids": [one.id for one in chosen],
                "action": action,
                "verb": action.title(),
                "opts": self.model._meta,
            }
            return TemplateResponse(request, "admin/indicators/likeness/decide.html", context)
        decided = sum(self._decide_one(request, one, verdict, form.cleaned_data["reason"]) for one in chosen)
        if decided:
            self.message_user(request, f"{action.title()}: {decided} decided.", messages.SUCCESS)
        return None

    def _decide_one(
        self, request: HttpRequest, likeness: Likeness, verdict: LikenessState, reason: str
    ) -> bool:
        member = request.user
        try:
            if not isinstance(member, Member) or not may_analyse(request):
                raise likenesses.NotAllowed("only the operator's analysts decide")
            likenesses.decide(
                likeness_id=likeness.id, verdict=verdict, member=member, reason=reason, now=timezone.now()
            )
        except (
            likenesses.NotPending,
            likenesses.NotAllowed,
            ReasonMissing,
            NotMergeable,
        ) as refusal:
            self.message_user(request, f"{likeness}: {refusal}.", messages.WARNING)
            return False
        return True


def _sources(likeness: Likeness, subject_id: int) -> SafeString:
    """The id of a template, and who claims it at which level; those of a page are loaded together."""
    loaded: dict[int, list[ShownTemplate]] | None = getattr(likeness, "said", None)
    said = templates_of([subject_id]) if loaded is None else loaded.get(subject_id, [])
    return format_html_join("", "<code>{}</code><br>{} · {}<br>", map(_source, said))


def _source(said: ShownTemplate) -> tuple[str, str, str]:
    return said.object_id, said.organization, said.tlp
